//! Pages whose scripts or styles are missing: a release that was published only in part. The page itself is complete; the
//! files that it names are not there.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::PageHealth;

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

    /// The page has all that it names, and so have others that named the same file.
    pub(super) fn whole(&mut self, page: &str) {
        if let Some(file) = self.pages.remove(page) {
            self.pages.retain(|_, lacked| *lacked != file);
        }
    }

    /// A missing file that this text names.
    pub(super) fn named(&self, text: &[u8]) -> Option<&str> {
        let mut files: Vec<&str> = self.pages.values().map(|file| &**file).collect();
        files.sort_unstable();
        files.dedup();
        files.into_iter().find(|file| {
            let path = file.split('?').next().unwrap_or(file);
            let name = path.rsplit('/').next().unwrap_or(path).as_bytes();
            !name.is_empty() && text.windows(name.len()).any(|window| window == name)
        })
    }
}

impl PageHealth {
    /// A file that this page names and that is known not to be there.
    pub fn names_missing(&self, text: &[u8]) -> Option<String> {
        self.inner().lacking.named(text).map(str::to_owned)
    }

    /// Whether there is such a file at all. A page that lacks one is marked as bad: where none is, no lock is taken.
    pub fn is_lacking(&self) -> bool {
        self.marked.load(Ordering::Relaxed) > 0 && !self.inner().lacking.pages.is_empty()
    }

    /// A visitor missed a script or a style.
    pub fn suspect(&self, suspect: Suspect, now: Instant) {
        if self.inner().lacking.suspect(suspect, now) {
            self.woken.notify_one();
        }
    }

    /// What visitors missed and nobody has looked into.
    pub fn suspects(&self) -> Vec<Suspect> {
        self.inner().lacking.take()
    }

    /// The page names a file that is not there: until it is [`PageHealth::note_whole`], no good answer of it counts.
    pub fn note_lack(&self, page: &str, file: &str) {
        self.inner().lacking.lacks(page, file);
    }

    /// What the page names that is not there.
    pub fn lacking(&self, page: &str) -> Option<String> {
        self.inner().lacking.of(page).map(str::to_owned)
    }

    /// The page has all that it names.
    pub fn note_whole(&self, page: &str) {
        self.inner().lacking.whole(page);
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
        lacking.lacks("/b", "/a.js");
        lacking.lacks("/c", "/c.css?v=2");
        assert_eq!(lacking.named(b"<script src=../a.js></script>"), Some("/a.js"));
        assert_eq!(lacking.named(b"<link href='/c.css?v=2'>"), Some("/c.css?v=2"));
        assert_eq!(lacking.named(b"<script src=/b.js></script>"), None);
        lacking.whole("/");
        assert_eq!((lacking.of("/"), lacking.of("/b")), (None, None), "what one has, the other has");
        assert_eq!(lacking.of("/c"), Some("/c.css?v=2"));
    }
}
