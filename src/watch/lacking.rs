//! Pages whose scripts or styles are missing: a release of which one half was published. The page itself is whole; what it
//! names is not there.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Suspicions that wait to be looked into; one more is dropped, and comes again with the next visitor.
const WAITING: usize = 16;
/// Pages remembered.
const MOST: usize = 256;
/// Pairs that were looked into a moment ago, and for how long they are not again.
const RECENT: usize = 64;
const AGAIN: Duration = Duration::from_secs(5);

/// A file that a visitor missed, and the page that asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// The page's key, if the visitor's browser told.
    pub page: Option<Box<str>>,
    /// The file's.
    pub file: Box<str>,
}

/// What is known of missing files.
#[derive(Clone, Debug, Default)]
pub(super) struct Lacking {
    waiting: VecDeque<Suspect>,
    recent: VecDeque<(Suspect, Instant)>,
    /// Pages, and a file that each of them lacks.
    pages: HashMap<Box<str>, Box<str>>,
}

impl Lacking {
    /// A visitor missed a file. Returns whether that is news.
    pub(super) fn suspect(&mut self, suspect: Suspect, now: Instant) -> bool {
        self.recent.retain(|(_, at)| now.saturating_duration_since(*at) < AGAIN);
        let is_known = self.recent.iter().any(|(known, _)| *known == suspect);
        if is_known || self.waiting.len() >= WAITING || self.recent.len() >= RECENT {
            return false;
        }
        self.recent.push_back((suspect.clone(), now));
        self.waiting.push_back(suspect);
        true
    }

    /// What is to be looked into; it is the caller's.
    pub(super) fn take(&mut self) -> Vec<Suspect> {
        self.waiting.drain(..).collect()
    }

    /// The page lacks the file.
    pub(super) fn lacks(&mut self, page: &str, file: &str) {
        if self.pages.len() < MOST || self.pages.contains_key(page) {
            self.pages.insert(page.into(), file.into());
        }
    }

    /// What the page lacks.
    pub(super) fn of(&self, page: &str) -> Option<&str> {
        self.pages.get(page).map(|file| &**file)
    }

    /// The page has all that it names.
    pub(super) fn whole(&mut self, page: &str) {
        self.pages.remove(page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspicion_is_looked_into_once_in_a_while() {
        let now = crate::clock::instant();
        let suspect = |file: &str| Suspect { page: Some("/".into()), file: file.into() };
        let mut lacking = Lacking::default();
        assert!(lacking.suspect(suspect("/a.js"), now));
        assert!(!lacking.suspect(suspect("/a.js"), now), "it waits");
        assert_eq!(lacking.take(), [suspect("/a.js")]);
        assert!(!lacking.suspect(suspect("/a.js"), now), "it was looked into");
        assert!(lacking.suspect(suspect("/a.js"), now + AGAIN));
        (0..100).for_each(|n| _ = lacking.suspect(suspect(&format!("/{n}.js")), now + AGAIN));
        assert_eq!(lacking.take().len(), WAITING);
        lacking.lacks("/", "/a.js");
        assert_eq!(lacking.of("/"), Some("/a.js"));
        lacking.whole("/");
        assert_eq!(lacking.of("/"), None);
    }
}
