//! Who gets onto the list: a path that was asked for once may be a typing error, a guess, or one of a machine's
//! thousands of guesses, and a site that answers 200 to everything agrees with them all. A path that was asked for
//! twice may be a link in one person's mail, which the mail's scanner has opened, too. So a new path waits at the door
//! until several visitors have asked for it: a few over some time, or more at once.
//!
//! The door remembers few paths, and only hashes under a key of this process: of the path, and of the visitors'
//! addresses. They are never written, and newer ones take their places.

/// Paths that wait at one door. A flood of guesses pushes out whatever waits, which then starts over; it does not touch
/// the list.
const PLACES: usize = 256;
/// How many visitors put a path on the list at once.
const CROWD: usize = 5;
/// How many do if the first of them came some time ago: a person, that person's phone and a mail scanner come together.
const FEW: usize = 3;
/// That time, in minutes.
const LATER: u32 = 60;

/// Somebody asking for something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sighting {
    /// Hash of the path; zero: none.
    pub(super) path: u64,
    /// Hash of the visitor's address.
    pub(super) visitor: u32,
    /// Since 1970-01-01.
    pub(super) minute: u32,
}

impl Sighting {
    /// Its day's number.
    pub(super) fn day(&self) -> u32 {
        day(self.minute)
    }
}

fn day(minute: u32) -> u32 {
    minute / (24 * 60)
}

/// A path that waits.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    path: u64,
    /// Hashes of those who asked, as many as `count` says.
    visitors: [u32; CROWD - 1],
    count: usize,
    /// When the first of them came.
    since: u32,
    /// The day of the last visit, and visits on it.
    day: u32,
    visits: u32,
}

impl Waiting {
    fn of(sight: Sighting) -> Waiting {
        let mut visitors = [0; CROWD - 1];
        visitors[0] = sight.visitor;
        Waiting { path: sight.path, visitors, count: 1, since: sight.minute, day: sight.day(), visits: 1 }
    }
}

/// The paths that wait. Most sites of many have no news: the places are made when the first path comes.
#[derive(Debug, Default)]
pub(super) struct Doorkeeper(Box<[Waiting]>);

impl Doorkeeper {
    /// Whether this path waits.
    pub(super) fn awaits(&self, path: u64) -> bool {
        self.0.get(place(path)).is_some_and(|waiting| waiting.path == path)
    }

    /// Lets the path in, and says how often it was asked for before on the same day; or has it wait.
    pub(super) fn opens(&mut self, sight: Sighting) -> Option<u32> {
        if self.0.is_empty() {
            self.0 = vec![Waiting::default(); PLACES].into();
        }
        let before = self.0.get_mut(place(sight.path))?;
        if before.path != sight.path {
            *before = Waiting::of(sight);
            return None;
        }
        let known = before.visitors.iter().take(before.count).any(|visitor| *visitor == sight.visitor);
        // A clock that was set back.
        before.since = before.since.min(sight.minute);
        if before.day != sight.day() {
            (before.day, before.visits) = (sight.day(), 0);
        }
        let visitors = before.count + usize::from(!known);
        let later = sight.minute - before.since >= LATER;
        if visitors >= if later { FEW } else { CROWD } {
            return Some(std::mem::take(before).visits);
        }
        if let Some(place) = before.visitors.get_mut(before.count).filter(|_| !known) {
            *place = sight.visitor;
            before.count = visitors;
        }
        before.visits = before.visits.saturating_add(1);
        None
    }
}

/// Where a path waits. The low bits have chosen the door already.
fn place(path: u64) -> usize {
    (path >> 32) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn sight(path: u64, visitor: u32, minute: u32) -> Sighting {
        Sighting { path: path << 32 | path, visitor, minute }
    }

    #[test]
    fn a_path_is_let_in_for_several_visitors_and_sooner_for_more() {
        for (sights, opens) in [
            // a person and the scanner of the mail, however often, and one more
            (vec![sight(1, 1, 500), sight(1, 2, 500)], false),
            (vec![sight(1, 1, 500), sight(1, 2, 500), sight(1, 1, 700), sight(1, 2, 900)], false),
            (vec![sight(1, 1, 500), sight(1, 2, 500), sight(1, 3, 559)], false),
            (vec![sight(1, 1, 500); 9], false),
            // several over some time
            (vec![sight(1, 1, 500), sight(1, 2, 500), sight(1, 3, 560)], true),
            (vec![sight(1, 1, 500), sight(1, 2, 500), sight(1, 3, 501), sight(1, 1, 560)], true),
            // or many
            (
                vec![
                    sight(1, 1, 500),
                    sight(1, 2, 500),
                    sight(1, 3, 500),
                    sight(1, 4, 500),
                    sight(1, 5, 500),
                ],
                true,
            ),
            // a clock that was set back
            (vec![sight(1, 1, 500), sight(1, 2, 5), sight(1, 3, 64)], false),
            (vec![sight(1, 1, 500), sight(1, 2, 5), sight(1, 3, 65)], true),
            // another path has taken the place
            (
                vec![sight(1, 1, 500), sight(1, 2, 500), sight(1 + PLACES as u64, 2, 500), sight(1, 3, 560)],
                false,
            ),
        ] {
            let mut doorkeeper = Doorkeeper::default();
            let mut opened: Vec<bool> =
                sights.iter().map(|sight| doorkeeper.opens(*sight).is_some()).collect();
            assert_eq!(opened.pop(), Some(opens), "{sights:?}");
            assert!(!opened.contains(&true), "{sights:?}");
        }
    }

    #[test]
    fn whoever_was_let_in_has_left_the_door_with_the_visits_of_the_day() {
        let mut doorkeeper = Doorkeeper::default();
        for visitor in [1, 2, 2, 3, 4] {
            assert_eq!(doorkeeper.opens(sight(1, visitor, 50)), None);
        }
        assert_eq!(doorkeeper.opens(sight(1, 5, 51)), Some(5));
        assert_eq!(doorkeeper.opens(sight(1, 6, 52)), None);
        // Those of yesterday stay where they were counted.
        let mut doorkeeper = Doorkeeper::default();
        for (visitor, minute) in [(1, 50), (2, 50), (2, 1500)] {
            assert_eq!(doorkeeper.opens(sight(1, visitor, minute)), None);
        }
        assert_eq!(doorkeeper.opens(sight(1, 3, 1501)), Some(1));
    }
}
