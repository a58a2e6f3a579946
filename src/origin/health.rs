//! Whether an origin is well: a pure counter of good and bad observations, which reports only changes.
//!
//! ```text
//! Unproven ──good──▶ Up ──`fall` bad checks in a row──▶ Down ──good check──▶ Trial ──`rise` good──▶ Up
//!     └──────────────bad check─────────────────────────▶ ▲  └◀──────────bad─────────┘
//! ```
//!
//! Only checks take an origin down. A visitor's failure triggers a check at once, and failures from several pages and several
//! visitors (`complaints`) lower the number of bad checks needed. Nothing is assumed at the start: the first check decides, or
//! the first good answer. An origin that goes down again and again has to prove itself for longer; and one that is back gets
//! its visitors back little by little ([`Health::share`]), starting over after each relapse.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::complaints::Complaints;
pub use super::complaints::Witness;
use crate::clock::Now;
use crate::failure::Cause;

/// The state of an origin, named by what visitors get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was seen yet.
    Unproven,
    /// Visitors get the live site.
    Up,
    /// Visitors get copies; only checks ask the origin.
    Down {
        /// When it went down.
        since: Now,
        /// What was wrong at that moment.
        cause: Cause,
    },
    /// Checks are good again, but not often enough yet; visitors still get copies.
    Trial {
        /// When it went down.
        since: Now,
        /// What was wrong then.
        cause: Cause,
        /// Good checks in a row.
        good: u32,
    },
}

impl State {
    /// As in the status and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Unproven => "unproven",
            State::Up => "up",
            State::Down { .. } => "down",
            State::Trial { .. } => "trial",
        }
    }
}

/// Where an observation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// An active check. One that failed after a long wait counts for as many as could have failed meanwhile, one after the other.
    Check {
        /// For how many checks it counts; at least 1.
        worth: u32,
    },
    /// A visitor's request.
    Visit(Witness),
    /// A request of our own, such as the crawler's: its failures say nothing about the origin.
    Own,
}

impl Evidence {
    /// What a visitor's request says, or one of our own (see [`Witness::new`]).
    pub fn by(path: &str, client: IpAddr) -> Evidence {
        Witness::new(path, client).map_or(Evidence::Own, Evidence::Visit)
    }
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A good answer.
    Good,
    /// None, or a bad one.
    Bad(Cause),
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
}

/// By what an origin is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Bad checks in a row that take it down; at least 1.
    pub fall: u32,
    /// Good checks in a row that bring it up again; at least 1.
    pub rise: u32,
    /// How long its visitors take to come back, little by little.
    pub ramp: Duration,
}

/// Going down again within this time is a relapse: each doubles the good checks that recovery takes.
const RELAPSE: Duration = Duration::from_secs(300);
/// Bad checks in a row that suffice together with wide complaints of visitors: one might be chance.
const CONFIRMED: u32 = 2;
/// Relapses that count: at eight times the good checks, each half a second after the other, a site that is well again is
/// still back within seconds.
const RELAPSES: u32 = 3;
/// If checks failed after good ones within this time,
const DIPS_WITHIN: Duration = Duration::from_secs(60);
/// and this often, the origin comes and goes, although it never failed often enough in a row to count as down.
const DIPS: usize = 3;
/// The share of visitors that an origin gets first when it is back.
const FIRST_SHARE: f32 = 0.05;

/// The counter of one origin.
#[derive(Clone, Debug)]
pub struct Health {
    state: State,
    bad: u32,
    by: Thresholds,
    /// When it went down last.
    fell: Option<Instant>,
    relapses: u32,
    /// When checks last turned from good to bad; the oldest makes room.
    dips: VecDeque<Instant>,
    /// When it came back, if it ever was down.
    back: Option<Instant>,
    /// What visitors met with since the last good check.
    complaints: Complaints,
    /// Whether the last check was answered with something else than the site: that visitors get other pages right, assets
    /// or some that nobody has a copy of, does not outweigh it.
    wrong: bool,
}

impl Health {
    /// Nothing seen.
    pub fn new(by: Thresholds) -> Health {
        let complaints = Complaints::default();
        Health {
            state: State::Unproven,
            bad: 0,
            by,
            fell: None,
            relapses: 0,
            dips: VecDeque::new(),
            back: None,
            complaints,
            wrong: false,
        }
    }

    /// The same knowledge, judged by other numbers from now on.
    #[must_use]
    pub fn with_thresholds(self, by: Thresholds) -> Health {
        Health { by, ..self }
    }

    /// What is known.
    pub fn state(&self) -> State {
        self.state
    }

    /// Bad checks in a row since the last good answer.
    pub fn bad_in_a_row(&self) -> u32 {
        self.bad
    }

    /// Whether it falls again as often as it comes back, or its checks fail as often as they get better.
    pub fn is_flapping(&self, now: Instant) -> bool {
        let lately = self.fell.is_some_and(|fell| now.saturating_duration_since(fell) < RELAPSE);
        let dips = self.dips.iter().filter(|at| now.saturating_duration_since(**at) < DIPS_WITHIN).count();
        lately && self.relapses >= 2 || dips >= DIPS
    }

    /// The share of its visitors that it may be given: it grows along the ramp when it is back. An origin that never was
    /// down gets all of them.
    pub fn share(&self, now: Instant) -> f32 {
        let Some(back) = self.back else { return 1.0 };
        let since = now.saturating_duration_since(back);
        if since >= self.by.ramp {
            return 1.0;
        }
        FIRST_SHARE + (1.0 - FIRST_SHARE) * since.div_duration_f32(self.by.ramp)
    }

    /// Records what was seen; `Some` if that changed the state.
    pub fn observe(&mut self, evidence: Evidence, seen: Seen, now: Now) -> Option<Change> {
        let from = self.state;
        let to = match evidence {
            Evidence::Check { worth } => self.checked(worth, seen, now),
            Evidence::Visit(witness) => self.visited(Some(witness), seen, now),
            Evidence::Own => self.visited(None, seen, now),
        };
        self.state = to;
        (std::mem::discriminant(&from) != std::mem::discriminant(&to)).then_some(Change { from, to })
    }

    /// What a check makes of it.
    fn checked(&mut self, worth: u32, seen: Seen, now: Now) -> State {
        self.wrong = matches!(seen, Seen::Bad(cause) if is_wrong(cause));
        if seen == Seen::Good {
            self.complaints.clear();
        }
        match (self.state, seen) {
            (State::Unproven | State::Up, Seen::Good) => {
                self.bad = 0;
                State::Up
            }
            (State::Unproven, Seen::Bad(cause)) => self.fall(cause, now),
            (State::Up, Seen::Bad(cause)) => {
                if self.bad == 0 {
                    self.dip(now.mono);
                }
                self.bad = self.bad.saturating_add(worth.max(1));
                let wide = self.complaints.are_wide(now.mono);
                let fall = if wide { self.by.fall.min(CONFIRMED) } else { self.by.fall };
                if self.bad >= fall.max(1) { self.fall(cause, now) } else { State::Up }
            }
            (State::Down { since, cause }, Seen::Good) => self.step_up(since, cause, 1, now),
            (State::Trial { since, cause, good }, Seen::Good) => self.step_up(since, cause, good + 1, now),
            (State::Down { since, .. } | State::Trial { since, .. }, Seen::Bad(cause)) => {
                State::Down { since, cause }
            }
        }
    }

    /// What a request makes of it. A failure is only remembered: a check has the word. And what a request finds while the origin
    /// is down is luck: recovery is proven by checks.
    fn visited(&mut self, witness: Option<Witness>, seen: Seen, now: Now) -> State {
        match (self.state, seen) {
            (State::Unproven, Seen::Good) => State::Up,
            (State::Up, Seen::Good) => {
                if !self.wrong {
                    self.bad = 0;
                }
                State::Up
            }
            (state @ (State::Down { .. } | State::Trial { .. }), _) => state,
            (state @ (State::Unproven | State::Up), Seen::Bad(_)) => {
                if let Some(witness) = witness {
                    self.complaints.note(witness, now.mono);
                }
                state
            }
        }
    }

    fn dip(&mut self, now: Instant) {
        if self.dips.len() >= DIPS {
            self.dips.pop_front();
        }
        self.dips.push_back(now);
    }

    fn fall(&mut self, cause: Cause, now: Now) -> State {
        let lately = self.fell.is_some_and(|fell| now.mono.saturating_duration_since(fell) < RELAPSE);
        self.relapses = if lately { (self.relapses + 1).min(RELAPSES) } else { 0 };
        (self.fell, self.back) = (Some(now.mono), None);
        State::Down { since: now, cause }
    }

    fn step_up(&mut self, since: Now, cause: Cause, good: u32, now: Now) -> State {
        if good >= self.by.rise.max(1) << self.relapses {
            self.bad = 0;
            self.back = Some(now.mono);
            State::Up
        } else {
            State::Trial { since, cause, good }
        }
    }
}

/// Whether there was an answer, and it was not the site's: the table of causes follows a request on its way.
fn is_wrong(cause: Cause) -> bool {
    (Cause::ServerError..=Cause::WrongPage).contains(&cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Seen = Seen::Bad(Cause::Refused);
    const BY: Thresholds = Thresholds { fall: 3, rise: 2, ramp: Duration::from_secs(20) };

    const CHECK: Evidence = Evidence::Check { worth: 1 };

    fn visit(path: &str, client: &str) -> Evidence {
        Evidence::by(path, client.parse().unwrap())
    }

    fn walk(steps: &[(Evidence, Seen)]) -> Health {
        let mut health = Health::new(BY);
        for &(evidence, seen) in steps {
            health.observe(evidence, seen, crate::clock::now());
        }
        health
    }

    #[test]
    fn the_first_check_decides_or_the_first_good_answer() {
        let visit = visit("/", "192.0.2.1");
        assert_eq!(walk(&[(CHECK, Seen::Good)]).state(), State::Up);
        assert_eq!(walk(&[(CHECK, BAD)]).state().as_str(), "down");
        assert_eq!(walk(&[(visit, Seen::Good)]).state(), State::Up);
        assert_eq!(walk(&[(visit, BAD); 9]).state(), State::Unproven);
    }

    #[test]
    fn it_takes_as_many_bad_checks_in_a_row_as_fall_says() {
        let up = (CHECK, Seen::Good);
        let bad = (CHECK, BAD);
        let long = |worth| (Evidence::Check { worth }, BAD);
        assert_eq!(walk(&[up, bad, bad]).state(), State::Up);
        assert_eq!(walk(&[up, bad, bad, up, bad]).state(), State::Up);
        assert_eq!(walk(&[up, bad, bad, bad]).state().as_str(), "down");
        assert_eq!(walk(&[up, long(2)]).state(), State::Up);
        assert_eq!(walk(&[up, long(3)]).state().as_str(), "down", "silence as long as three of them");
        assert_eq!(walk(&[up, long(2), bad]).state().as_str(), "down");
    }

    #[test]
    fn no_visitor_brings_it_down_while_checks_are_good() {
        let up = (CHECK, Seen::Good);
        let (a, b) = ("192.0.2.1", "192.0.2.2");
        let one_page: Vec<_> = (0..9).map(|n| (visit("/broken", &format!("192.0.2.{n}")), BAD)).collect();
        let scanner: Vec<_> = (0..9).map(|n| (visit(&format!("/.{n}"), a), BAD)).collect();
        let many: Vec<_> = (0..9).map(|n| (visit(&format!("/.{n}"), [a, b][n % 2]), BAD)).collect();
        let crawl = vec![(Evidence::Own, BAD); 9];
        // (who met with failures, then one bad check, then another one)
        for (name, seen, after_one, after_two) in [
            ("many visitors of one page", &one_page, "up", "up"),
            ("a scanner", &scanner, "up", "up"),
            ("the crawl", &crawl, "up", "up"),
            ("many visitors of many pages", &many, "up", "down"),
        ] {
            let after =
                |checks: &[(Evidence, Seen)]| walk(&[&[up], &seen[..], checks].concat()).state().as_str();
            let bad = (CHECK, BAD);
            assert_eq!(after(&[]), "up", "{name}");
            assert_eq!((after(&[bad]), after(&[bad, bad])), (after_one, after_two), "{name}");
            assert_eq!(after(&[up, bad, bad]), "up", "{name}: a good check outweighs them");
            assert_eq!(after(&[bad, bad, bad]), "down", "{name}: dead is dead");
        }
    }

    #[test]
    fn what_visitors_get_does_not_outweigh_key_pages_that_are_wrong() {
        let visit = visit("/", "192.0.2.1");
        let wrong = (CHECK, Seen::Bad(Cause::Parking));
        let (good, slow) = ((visit, Seen::Good), (CHECK, Seen::Bad(Cause::Silent)));
        assert_eq!(walk(&[good, wrong, good, wrong, good, wrong]).state().as_str(), "down");
        assert_eq!(walk(&[good, wrong, wrong, (CHECK, Seen::Good), wrong, good, wrong]).state(), State::Up);
        assert_eq!(walk(&[good, slow, slow, good, slow, slow]).state(), State::Up, "it answers, if slowly");
    }

    #[test]
    fn only_checks_prove_recovery_and_a_relapse_starts_again() {
        let visit = visit("/", "192.0.2.1");
        let down = (CHECK, BAD);
        assert_eq!(walk(&[down, (visit, Seen::Good), (visit, Seen::Good)]).state().as_str(), "down");
        assert_eq!(walk(&[down, (CHECK, Seen::Good)]).state().as_str(), "trial");
        assert_eq!(walk(&[down, (CHECK, Seen::Good), (visit, BAD)]).state().as_str(), "trial");
        assert_eq!(walk(&[down, (CHECK, Seen::Good), down, (CHECK, Seen::Good)]).state().as_str(), "trial");
        assert_eq!(walk(&[down, (CHECK, Seen::Good), (CHECK, Seen::Good)]).state(), State::Up);
    }

    #[test]
    fn only_changes_are_reported() {
        let now = crate::clock::now();
        let mut health = Health::new(Thresholds { fall: 1, rise: 1, ramp: Duration::ZERO });
        assert!(health.observe(CHECK, Seen::Good, now).is_some());
        assert!(health.observe(CHECK, Seen::Good, now).is_none());
        let change = health.observe(CHECK, BAD, now).unwrap();
        assert_eq!((change.from.as_str(), change.to.as_str()), ("up", "down"));
        assert!(health.observe(CHECK, BAD, now.plus(std::time::Duration::from_secs(9))).is_none());
        assert!(matches!(health.state(), State::Down { since, .. } if since == now));
    }

    /// Down, and up again, which takes so many good checks.
    fn once_down(health: &mut Health, at: Now) -> u32 {
        for _ in 0..3 {
            health.observe(CHECK, BAD, at);
        }
        assert_eq!(health.state().as_str(), "down");
        let mut checks = 0;
        while health.state() != State::Up {
            health.observe(CHECK, Seen::Good, at);
            checks += 1;
        }
        checks
    }

    #[test]
    fn who_falls_again_and_again_proves_itself_longer() {
        let begin = crate::clock::now();
        let seconds = |n| begin.plus(Duration::from_secs(n));
        let mut health = walk(&[(CHECK, Seen::Good)]);
        for (at, checks, flapping) in
            [(0, 2, false), (10, 4, false), (20, 8, true), (30, 16, true), (40, 16, true), (400, 2, false)]
        {
            assert_eq!(once_down(&mut health, seconds(at)), checks, "{at} s");
            assert_eq!(health.is_flapping(seconds(at).mono), flapping, "{at} s");
        }
    }

    #[test]
    fn who_comes_and_goes_between_checks_is_flapping_though_never_down() {
        let begin = crate::clock::now();
        let seconds = |n| begin.plus(Duration::from_secs(n));
        let mut health = walk(&[(CHECK, Seen::Good)]);
        for (at, flapping) in [(0, false), (5, false), (10, true), (71, false)] {
            health.observe(CHECK, BAD, seconds(at));
            health.observe(CHECK, BAD, seconds(at));
            health.observe(CHECK, Seen::Good, seconds(at));
            assert_eq!(health.state(), State::Up);
            assert_eq!(health.is_flapping(seconds(at).mono), flapping, "{at} s");
        }
        assert!(!health.is_flapping(seconds(140).mono));
    }

    #[test]
    fn visitors_come_back_little_by_little_and_anew_after_each_fall() {
        let begin = crate::clock::now();
        let at = |n| begin.plus(Duration::from_secs(n)).mono;
        let mut health = walk(&[(CHECK, Seen::Good)]);
        assert!(health.share(at(0)) >= 1.0, "it never was down");
        once_down(&mut health, begin);
        let shares = [0, 5, 10, 19].map(|n| health.share(at(n)));
        assert!(shares[0] < 0.1 && shares.is_sorted() && shares[3] < 1.0, "{shares:?}");
        assert!(health.share(at(20)) >= 1.0);
        once_down(&mut health, begin.plus(Duration::from_secs(30)));
        assert!(health.share(at(31)) < 0.2);
        let at_once = Thresholds { ramp: Duration::ZERO, ..BY };
        assert!(health.with_thresholds(at_once).share(at(31)) >= 1.0);
    }
}
