//! What the last checks made of each key page of an origin. Pure.

use crate::failure::Cause;

/// The key pages' last verdicts.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages(Vec<(String, Option<Cause>)>);

impl Pages {
    /// These are the key pages from now on; what is known of those that stay is kept.
    pub(super) fn keep(&mut self, pages: &[String]) {
        self.0.retain(|(path, _)| pages.contains(path));
    }

    /// Records a page's verdict; `None`: it is good.
    pub(super) fn note(&mut self, path: &str, bad: Option<Cause>) {
        match self.0.iter_mut().find(|(known, _)| known == path) {
            Some((_, last)) => *last = bad,
            None => self.0.push((path.to_owned(), bad)),
        }
    }

    /// Whether more than half of them are bad: then the site is not there. The cause is the most telling of them, or the first.
    pub(super) fn mostly_bad(&self) -> Option<Cause> {
        let bad = || self.0.iter().filter_map(|(_, bad)| *bad);
        let told = || bad().find(|cause| cause.is_telling()).or_else(|| bad().next());
        (bad().count() * 2 > self.0.len()).then(told).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_half_of_the_key_pages_make_the_site() {
        let mut pages = Pages::default();
        assert_eq!(pages.mostly_bad(), None);
        pages.note("/", Some(Cause::Parking));
        assert_eq!(pages.mostly_bad(), Some(Cause::Parking));
        pages.note("/signup", None);
        assert_eq!(pages.mostly_bad(), None, "one of two is a branch of the site");
        pages.note("/shop", Some(Cause::ServerError));
        assert_eq!(pages.mostly_bad(), Some(Cause::Parking));
        pages.note("/", None);
        assert_eq!(pages.mostly_bad(), None);
        pages.keep(&["/shop".to_owned()]);
        assert_eq!(pages.mostly_bad(), Some(Cause::ServerError));
    }
}
