//! What is known of the store and of each site's standing with it, for the operator.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::fault::StoreFault;
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
}

/// All standings.
#[derive(Debug, Default)]
pub struct Board {
    sites: Mutex<HashMap<Arc<str>, SiteStanding>>,
    fault: Mutex<Option<(Now, StoreFault)>>,
    answered: Mutex<Option<Now>>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
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
        locked(&self.fault).clone()
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

    pub(super) fn change(&self, site: &str, change: impl FnOnce(&mut SiteStanding)) {
        change(locked(&self.sites).entry(site.into()).or_default());
    }

    pub(super) fn keep(&self, is_there: impl Fn(&str) -> bool) {
        locked(&self.sites).retain(|site, _| is_there(site));
    }

    /// The store has answered. Returns whether that is news.
    pub(super) fn answers(&self, now: Now) -> bool {
        *locked(&self.answered) = Some(now);
        locked(&self.fault).take().is_some()
    }

    /// It has not, or not as it should. Returns whether that is news.
    pub fn fails(&self, fault: &StoreFault, now: Now) -> bool {
        let mut held = locked(&self.fault);
        let is_news = held.as_ref().is_none_or(|(_, before)| before.kind != fault.kind);
        let since = held.as_ref().map_or(now, |(since, _)| *since);
        *held = Some((since, fault.clone()));
        is_news
    }

    pub(super) fn count(&self, trouble: &Trouble) {
        *locked(&self.counts).entry(trouble.code()).or_default() += 1;
    }
}
