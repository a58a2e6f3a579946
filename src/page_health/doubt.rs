//! What a held crawl has found, until a re-check has seen whether it still holds.

use std::sync::{Mutex, PoisonError};

/// A crawl's word against the site. Another one takes the place of one that nobody has looked into yet.
#[derive(Debug, Default)]
pub struct Doubt(Mutex<Option<Box<[Box<str>]>>>);

impl Doubt {
    /// A crawl speaks against the site; these pages, by their keys, are some that it found to be something else.
    pub(super) fn raise(&self, pages: impl IntoIterator<Item = impl Into<Box<str>>>) {
        let pages = pages.into_iter().map(Into::into).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(pages);
    }

    /// What is to be looked into; it is the caller's.
    pub fn take(&self) -> Option<Box<[Box<str>]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_crawls_word_is_looked_into_once() {
        let doubt = Doubt::default();
        assert_eq!(doubt.take(), None);
        doubt.raise(["/a"]);
        doubt.raise(["/b", "/c"]);
        assert_eq!(doubt.take().as_deref(), Some(&["/b".into(), "/c".into()][..]));
        assert_eq!(doubt.take(), None);
        doubt.raise([""; 0]);
        assert_eq!(doubt.take().as_deref(), Some(&[][..]), "without pages it is a word, too");
    }
}
