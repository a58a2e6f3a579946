//! What key pages need to be drawn: their styles, scripts and pictures, and what those need in turn.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::results::{FetchResult, Results};

/// Files whose needs are noted: key pages, and the sheets and frames that may stand behind them.
const MOST: usize = 20_000;
/// Files that all key pages together may need.
const MOST_NEEDED: usize = 20_000;

/// What each file that has to be drawn needs.
#[derive(Debug, Default)]
pub(crate) struct Requisites(HashMap<Arc<str>, Vec<Arc<str>>>);

impl Requisites {
    /// Notes what a file needs.
    pub(crate) fn note(&mut self, key: &Arc<str>, needs: Vec<Arc<str>>) {
        if !needs.is_empty() && self.0.len() < MOST {
            self.0.insert(key.clone(), needs);
        }
    }

    /// All that these pages need, in the order in which it is come by. Redirects are followed.
    pub(crate) fn needed_by(&self, pages: &[String], results: &Results) -> Vec<Arc<str>> {
        let mut seen: HashSet<&str> = pages.iter().map(String::as_str).collect();
        let mut needed: Vec<Arc<str>> = Vec::new();
        let mut next: Vec<&str> = pages.iter().map(String::as_str).rev().collect();
        while let Some(key) = next.pop() {
            if let Some(FetchResult::Redirect(to)) = results.get(key)
                && seen.insert(to)
            {
                next.push(to);
            }
            for need in self.0.get(key).into_iter().flatten() {
                if seen.insert(need) && needed.len() < MOST_NEEDED {
                    needed.push(need.clone());
                    next.push(need);
                }
            }
        }
        needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_followed_through_sheets_and_redirects() {
        let keys = |keys: &[&str]| keys.iter().map(|key| Arc::from(*key)).collect::<Vec<Arc<str>>>();
        let mut drawn = Requisites::default();
        for (key, needs) in [
            ("/home", &["/a.css", "/logo.png"][..]),
            ("/a.css", &["/b.css", "/font"]),
            ("/b.css", &["/a.css"]),
            ("/moved.css", &["/c.png"]),
            ("/other", &["/other.css"]),
        ] {
            drawn.note(&key.into(), keys(needs));
        }
        let mut results = Results::default();
        results.set("/".into(), FetchResult::Redirect("/home".into()));
        results.set("/font".into(), FetchResult::Redirect("/moved.css".into()));
        let needed = drawn.needed_by(&["/".to_owned()], &results);
        let mut sorted: Vec<&str> = needed.iter().map(|key| &**key).collect();
        sorted.sort_unstable();
        assert_eq!(sorted, ["/a.css", "/b.css", "/c.png", "/font", "/logo.png"]);
    }
}
