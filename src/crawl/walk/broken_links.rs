//! Links that lead nowhere, and the pages that they stand on.
//!
//! A link is often found long before it is known to be broken, so the pages that name an address are kept until
//! that has an end; of one that is good they are dropped.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::results::FetchResult;
use crate::crawl::refusal::Refusal;
use crate::crawl::report::BrokenLink;

/// Broken addresses listed.
const MOST: usize = 2000;
/// Pages listed for one of them.
const PAGES: usize = 20;

/// Who names what.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// Of addresses without an end yet.
    open: HashMap<Arc<str>, Named>,
    broken: BTreeMap<Arc<str>, (&'static str, Named)>,
}

/// The pages that name an address.
#[derive(Debug, Default)]
struct Named {
    count: u64,
    by: Vec<Arc<str>>,
}

impl Named {
    fn by(&mut self, page: &Arc<str>) {
        self.count += 1;
        if self.by.len() < PAGES {
            self.by.push(page.clone());
        }
    }
}

impl Links {
    /// Notes a link to an address that has no end yet.
    pub(crate) fn open(&mut self, to: &str, on: &Arc<str>) {
        match self.open.get_mut(to) {
            Some(named) => named.by(on),
            None => self.open.entry(to.into()).or_default().by(on),
        }
    }

    /// Notes a link to an address whose end is known.
    pub(crate) fn again(&mut self, to: &str, result: &FetchResult, on: &Arc<str>) {
        let Some(cause) = cause(result) else { return };
        if let Some((_, named)) = self.broken.get_mut(to) {
            named.by(on);
        } else if self.broken.len() < MOST {
            let mut named = Named::default();
            named.by(on);
            self.broken.insert(to.into(), (cause, named));
        }
    }

    /// Notes how an address ended.
    pub(crate) fn ended(&mut self, key: &Arc<str>, result: &FetchResult) {
        let named = self.open.remove(key);
        let Some(cause) = cause(result) else { return };
        // What no page names is nobody's broken link: the last snapshot's, or a favicon that nobody has promised.
        if let Some(named) = named
            && self.broken.len() < MOST
        {
            self.broken.insert(key.clone(), (cause, named));
        }
    }

    /// The broken ones, by their addresses.
    pub(crate) fn into_broken(self) -> Vec<BrokenLink> {
        let listed = self.broken.into_iter().map(|(path, (cause, Named { count, by }))| BrokenLink {
            path: path.to_string(),
            cause: cause.into(),
            links: count,
            linked_from: by.iter().map(ToString::to_string).collect(),
        });
        listed.collect()
    }
}

/// Why an address leads nowhere, if it does.
fn cause(result: &FetchResult) -> Option<&'static str> {
    match result {
        FetchResult::Refused(refusal @ (Refusal::NotFound | Refusal::Gone)) => Some(refusal.code()),
        FetchResult::Failed(cause, _) => Some(cause),
        FetchResult::Stored(_)
        | FetchResult::Redirect(_)
        | FetchResult::Away
        | FetchResult::Refused(_)
        | FetchResult::Wrong(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_a_broken_link_are_listed_whenever_they_are_found() {
        let [home, a, gone, good]: [Arc<str>; 4] = ["/", "/a", "/gone", "/good"].map(Arc::from);
        let mut links = Links::default();
        links.open(&gone, &home);
        links.open(&good, &home);
        links.ended(&gone, &FetchResult::Refused(Refusal::NotFound));
        links.ended(&good, &FetchResult::Away);
        links.ended(&"/favicon.ico".into(), &FetchResult::Refused(Refusal::NotFound));
        let missing = FetchResult::Refused(Refusal::NotFound);
        links.again("/gone", &missing, &a);
        links.again("/good", &FetchResult::Away, &a);
        // It was only guessed until then.
        links.ended(&"/guessed".into(), &missing);
        links.again("/guessed", &missing, &a);
        for i in 0..100 {
            links.again("/gone", &missing, &format!("/{i}").into());
        }
        let broken = links.into_broken();
        assert_eq!((broken.len(), &*broken[1].path), (2, "/guessed"));
        assert_eq!((&*broken[0].path, &*broken[0].cause, broken[0].links), ("/gone", "not-found", 102));
        assert_eq!(broken[0].linked_from[..3], ["/", "/a", "/0"]);
        assert_eq!(broken[0].linked_from.len(), PAGES);
    }
}
