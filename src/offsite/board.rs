//! What is known of the store and of each site's standing with it, for the operator.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::fault::{FaultKind, StoreFault};
use super::trouble::Trouble;
use crate::clock::Now;

/// What is going on for a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doing {
    /// Nothing: it is in step, or waits for the next try.
    #[default]
    Nothing,
    /// What is here is put into the store.
    Pushing,
    /// What the store has is brought here.
    Pulling,
    /// The rest of what is served already is brought here.
    Arriving,
}

impl Doing {
    /// As in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Doing::Nothing => "nothing",
            Doing::Pushing => "pushing",
            Doing::Pulling => "pulling",
            Doing::Arriving => "arriving",
        }
    }
}

/// A site's standing.
#[derive(Clone, Debug, Default)]
pub struct SiteStanding {
    /// The generation that was written or taken over last; 0: none.
    pub generation: u64,
    /// What is going on.
    pub doing: Doing,
    /// Since when this instance and the store do not say the same.
    pub behind: Option<Now>,
    /// Why, if something is the matter, and since when.
    pub trouble: Option<(Now, String)>,
    /// What of it in the store was refused, if the last look found that.
    pub refused: Option<String>,
    /// What was wrong with the pointer in the store when it was last put right from here, and when that was.
    pub set_right: Option<(Now, String)>,
}

/// In what something was the matter with the store. What one may do, another may not: to read is not to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// To open it.
    Opening,
    /// To ask what is new.
    Poll,
    /// To put there again what others miss.
    Answer,
    /// To remove what nothing names.
    Tidy,
    /// To keep a site in step.
    Look(Arc<str>),
    /// To bring the rest of a site.
    Fill(Arc<str>),
}

/// What is the matter.
#[derive(Clone, Debug)]
struct Held {
    since: Now,
    fault: StoreFault,
    within: Within,
}

/// All standings.
#[derive(Debug, Default)]
pub struct Board {
    sites: Mutex<HashMap<Arc<str>, SiteStanding>>,
    fault: Mutex<Option<Held>>,
    answered: Mutex<Option<Now>>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    untidy: Mutex<Option<String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    /// A site's standing.
    pub fn site(&self, site: &str) -> SiteStanding {
        locked(&self.sites).get(site).cloned().unwrap_or_default()
    }

    /// What is the matter with the store as a whole, and since when; `None`: it answers, or has not been asked yet.
    pub fn fault(&self) -> Option<(Now, StoreFault)> {
        locked(&self.fault).as_ref().map(|held| (held.since, held.fault.clone()))
    }

    /// When it has answered last.
    pub fn answered(&self) -> Option<Now> {
        *locked(&self.answered)
    }

    /// How often what was the matter, by code.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        locked(&self.counts).clone()
    }

    /// Seconds for which a site has been behind the store, or the store behind it.
    pub fn lag(&self, site: &str, now: Now) -> Duration {
        self.site(site).behind.map_or(Duration::ZERO, |since| now.mono.saturating_duration_since(since.mono))
    }

    /// Why this instance, which holds the lease, removes nothing from the store.
    pub fn untidy(&self) -> Option<String> {
        locked(&self.untidy).clone()
    }

    pub(super) fn tidies(&self, but: Option<String>) {
        *locked(&self.untidy) = but;
    }

    pub(super) fn change(&self, site: &str, change: impl FnOnce(&mut SiteStanding)) {
        change(locked(&self.sites).entry(site.into()).or_default());
    }

    pub(super) fn keep(&self, is_there: impl Fn(&str) -> bool) {
        locked(&self.sites).retain(|site, _| is_there(site));
        let is_of_gone = |held: &mut Held| match &held.within {
            Within::Look(site) | Within::Fill(site) => !is_there(site),
            Within::Opening | Within::Poll | Within::Answer | Within::Tidy => false,
        };
        locked(&self.fault).take_if(is_of_gone);
    }

    /// The store has answered, and has done this. That ends its silence, and what was the matter with the same, but nothing
    /// else: who may read may still not be allowed to write. Returns whether its silence has ended.
    pub(super) fn does(&self, within: &Within, now: Now) -> bool {
        *locked(&self.answered) = Some(now);
        let is_silence = |held: &Held| matches!(held.fault.kind, FaultKind::Unreachable | FaultKind::Busy);
        let ends =
            |held: &mut Held| is_silence(held) || held.within == Within::Opening || held.within == *within;
        locked(&self.fault).take_if(ends).is_some_and(|held| is_silence(&held))
    }

    /// It cannot be opened. Returns whether that is news.
    pub fn fails(&self, fault: &StoreFault, now: Now) -> bool {
        self.fails_within(Within::Opening, fault, now)
    }

    /// It has not answered, or not as it should. Returns whether that is news.
    pub(super) fn fails_within(&self, within: Within, fault: &StoreFault, now: Now) -> bool {
        let mut held = locked(&self.fault);
        let is_news = held.as_ref().is_none_or(|before| before.fault.kind != fault.kind);
        let since = held.as_ref().map_or(now, |before| before.since);
        *held = Some(Held { since, fault: fault.clone(), within });
        is_news
    }

    pub(super) fn count(&self, trouble: &Trouble) {
        *locked(&self.counts).entry(trouble.code()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn what_was_the_matter_ends_when_the_same_is_done() {
        let site = |name: &str| Within::Look(name.into());
        let table = [
            (FaultKind::Unreachable, site("shop"), Within::Poll, true, true),
            (FaultKind::Busy, Within::Tidy, site("shop"), true, true),
            (FaultKind::Forbidden, site("shop"), Within::Poll, false, false),
            (FaultKind::Forbidden, site("shop"), site("blog"), false, false),
            (FaultKind::Forbidden, site("shop"), Within::Fill("shop".into()), false, false),
            (FaultKind::Forbidden, site("shop"), site("shop"), true, false),
            (FaultKind::NoKey, Within::Opening, Within::Poll, true, false),
        ];
        for (kind, failed, done, ends, silence_ends) in table {
            let (board, now) = (Board::default(), clock::now());
            let fault = StoreFault::new(kind, "");
            assert!(board.fails_within(failed.clone(), &fault, now));
            assert!(!board.fails_within(failed.clone(), &fault, now), "no news");
            assert_eq!(board.does(&done, now), silence_ends, "{kind:?} {failed:?} {done:?}");
            assert_eq!(board.fault().is_none(), ends, "{kind:?} {failed:?} {done:?}");
        }
        let board = Board::default();
        board.fails_within(site("gone"), &StoreFault::new(FaultKind::Forbidden, ""), clock::now());
        board.keep(|site| site == "shop");
        assert_eq!(board.fault(), None, "a site that is no more cannot end it");
    }
}
