//! Who gets onto the list: a path that was asked for once may be a typing error, a guess, or one of a machine's
//! thousands of guesses, and a site that answers 200 to everything agrees with them all. So a new path waits at the
//! door until it is asked for again, by somebody else or some time later.
//!
//! The door remembers few paths, and only hashes under a key of this process: of the path, and of the visitor's
//! address with the day. They are never written, and newer ones take their places.

/// Paths that wait at one door. A flood of guesses pushes out whatever waits, which then has to be asked for
/// twice again; it does not touch the list.
const PLACES: usize = 256;
/// Minutes after which the same visitor counts as coming back, and not as trying again.
const LATER: u32 = 10;

/// Somebody asking for something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sight {
    /// Hash of the path; zero: none.
    pub(super) path: u64,
    /// Hash of the visitor's address and the day.
    pub(super) visitor: u32,
    /// Since 1970-01-01.
    pub(super) minute: u32,
}

impl Sight {
    /// Its day's number.
    pub(super) fn day(&self) -> u32 {
        self.minute / (24 * 60)
    }
}

/// The paths that wait. It takes no memory before somebody comes: most of many sites are seldom visited.
#[derive(Debug)]
pub(super) struct Door(Box<[Sight]>);

impl Door {
    /// Nobody waits.
    pub(super) fn new() -> Door {
        Door(Box::default())
    }

    /// Lets the path in, and says when it was asked for before; or has it wait.
    pub(super) fn opens(&mut self, sight: Sight) -> Option<Sight> {
        if self.0.is_empty() {
            self.0 = vec![Sight::default(); PLACES].into();
        }
        // The low bits have chosen the door already.
        let place = (sight.path >> 32) as usize % self.0.len();
        let before = self.0.get_mut(place)?;
        if before.path != sight.path {
            *before = sight;
            return None;
        }
        let later = sight.minute.checked_sub(before.minute);
        if before.visitor != sight.visitor || later.is_some_and(|later| later >= LATER) {
            return Some(std::mem::take(before));
        }
        // A clock that was set back.
        before.minute = before.minute.min(sight.minute);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn sight(path: u64, visitor: u32, minute: u32) -> Sight {
        Sight { path: path << 32 | path, visitor, minute }
    }

    #[test]
    fn a_path_is_let_in_for_two_visitors_or_for_one_who_comes_back() {
        for (sights, opens) in [
            (vec![sight(1, 1, 50), sight(1, 2, 50)], true),
            (vec![sight(1, 1, 50), sight(1, 1, 50)], false),
            (vec![sight(1, 1, 50), sight(1, 1, 59), sight(1, 1, 59)], false),
            (vec![sight(1, 1, 50), sight(1, 1, 60)], true),
            (vec![sight(1, 1, 50), sight(1, 1, 5), sight(1, 1, 14)], false),
            (vec![sight(1, 1, 50), sight(1, 1, 5), sight(1, 1, 15)], true),
            (vec![sight(1, 1, 50), sight(2, 2, 50)], false),
            // another path has taken the place
            (vec![sight(1, 1, 50), sight(1 + PLACES as u64, 2, 50), sight(1, 2, 50)], false),
        ] {
            let mut door = Door::new();
            let mut opened = Vec::new();
            for sight in &sights {
                opened.push(door.opens(*sight).is_some());
            }
            assert_eq!(opened.pop(), Some(opens), "{sights:?}");
            assert!(!opened.contains(&true), "{sights:?}");
        }
    }

    #[test]
    fn whoever_was_let_in_has_left_the_door() {
        let mut door = Door::new();
        door.opens(sight(1, 1, 50));
        assert_eq!(door.opens(sight(1, 2, 51)), Some(sight(1, 1, 50)));
        assert_eq!(door.opens(sight(1, 3, 52)), None);
    }
}
