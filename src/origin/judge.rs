//! Whoever knows the site: what a check asks besides the health path, and whether what comes is the site.

use http::{HeaderMap, StatusCode};

use crate::failure::Failure;

/// Knows the site's key pages, and its pages when it sees them.
pub trait Judge: Send + Sync {
    /// Paths of the key pages, eight at most.
    fn pages(&self) -> Vec<String>;

    /// The verdict on a page that a check asked for: a key page, or a path that surely does not exist. `body` is without
    /// content codings; `whole`: it is all there. What is doubtful on a key page is not the site.
    ///
    /// # Errors
    /// Why it is not the site.
    fn judge(
        &self,
        path: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        whole: bool,
    ) -> Result<(), Failure>;

    /// Whether pages have come to look alike that did not before: then a path that does not exist is asked for, too.
    fn is_uneasy(&self) -> bool;

    /// What an answer with a bad status is, if its body says so more exactly.
    fn identify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8], whole: bool) -> Option<Failure>;

    /// Is told what became of each key page that a check asked for.
    fn told(&self, path: &str, verdict: &Result<(), Failure>);
}

/// Takes everything for the site.
pub struct Trusting;

impl Judge for Trusting {
    fn pages(&self) -> Vec<String> {
        Vec::new()
    }

    fn judge(&self, _: &str, _: StatusCode, _: &HeaderMap, _: &[u8], _: bool) -> Result<(), Failure> {
        Ok(())
    }

    fn is_uneasy(&self) -> bool {
        false
    }

    fn identify(&self, _: StatusCode, _: &HeaderMap, _: &[u8], _: bool) -> Option<Failure> {
        None
    }

    fn told(&self, _: &str, _: &Result<(), Failure>) {}
}
