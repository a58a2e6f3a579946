//! When each of the key pages was last found good: what came before that is trusted, and a page that the site says is gone is
//! believed to be.

use std::time::{Duration, Instant};

/// A proof this old still speaks for the site at this moment.
const RECENT: Duration = Duration::from_secs(15);

/// What is known of the key pages.
#[derive(Clone, Debug, Default)]
pub struct Proofs {
    /// Each with the moment when it was last found good; `None`: it was bad last, or nobody has asked yet.
    pages: Vec<(Box<str>, Option<Instant>)>,
}

impl Proofs {
    /// These are the key pages from now on. What is known of those that stay is kept.
    pub fn set(&mut self, keys: impl Iterator<Item = impl Into<Box<str>>>) {
        let before = std::mem::take(&mut self.pages);
        let known = |key: &str| before.iter().find(|(page, _)| **page == *key).and_then(|(_, good)| *good);
        self.pages = keys.map(Into::into).map(|key: Box<str>| (key.clone(), known(&key))).collect();
    }

    /// Whether these are the key pages.
    pub fn are(&self, keys: &[impl AsRef<str>]) -> bool {
        self.pages.len() == keys.len()
            && self.pages.iter().zip(keys).all(|((page, _), key)| **page == *key.as_ref())
    }

    /// A page was found good at this moment, or, with `None`, not to be the site's.
    pub fn note(&mut self, key: &str, good: Option<Instant>) {
        if let Some((_, last)) = self.pages.iter_mut().find(|(page, _)| **page == *key) {
            *last = good;
        }
    }

    /// The moment up to which all key pages vouch for the site: each one was good then, or later. `None`: one was bad
    /// last, or was never asked for, or there are none.
    pub fn all_since(&self) -> Option<Instant> {
        let goods: Option<Vec<Instant>> = self.pages.iter().map(|(_, good)| *good).collect();
        goods?.into_iter().min()
    }

    /// Whether all key pages were good when they were last asked for, and one of them a moment ago.
    pub fn are_recent(&self, now: Instant) -> bool {
        let last = self.pages.iter().filter_map(|(_, good)| *good).max();
        self.all_since().is_some() && last.is_some_and(|last| now.saturating_duration_since(last) <= RECENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_is_proven_by_all_of_its_key_pages() {
        let begin = crate::clock::instant();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut proofs = Proofs::default();
        assert_eq!((proofs.all_since(), proofs.are_recent(begin)), (None, false), "there are none");
        proofs.set(["/", "/a"].into_iter());
        assert!(proofs.are(&["/", "/a"]) && !proofs.are(&["/"]));
        for (key, good, since, recent) in [
            ("/", Some(at(0)), None, false),
            ("/a", Some(at(5)), Some(at(0)), true),
            ("/other", None, Some(at(0)), true),
            ("/", Some(at(10)), Some(at(5)), true),
            ("/a", None, None, false),
            ("/a", Some(at(11)), Some(at(10)), true),
        ] {
            proofs.note(key, good);
            assert_eq!((proofs.all_since(), proofs.are_recent(at(12))), (since, recent), "{key} {good:?}");
        }
        assert!(proofs.are_recent(at(11) + RECENT) && !proofs.are_recent(at(12) + RECENT));
        proofs.set(["/a", "/b"].into_iter());
        assert_eq!(proofs.all_since(), None, "nobody has asked for the new one");
        proofs.note("/b", Some(at(20)));
        assert_eq!(proofs.all_since(), Some(at(11)));
    }
}
