//! What became of every address that a crawl came by: what the gate, the carrying over and the report go by.

use std::collections::HashMap;
use std::sync::Arc;

use crate::crawl::refusal::Refusal;

/// Redirects in a row that a page may take.
const MAX_REDIRECTS: usize = 10;

/// What became of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FetchResult {
    /// Stored, whole and with a status of success.
    Stored(Stored),
    /// Stored as a redirect to an address of the site.
    Redirect(Arc<str>),
    /// Stored as a redirect to somewhere else.
    Away,
    /// Not fetched or not stored.
    Refused(Refusal),
    /// Not stored: it is not the site's. The kind of page that it is.
    Wrong(&'static str),
    /// Could not be fetched. The cause's code, and what happened.
    Failed(&'static str, Box<str>),
}

/// What was stored, as far as crawls are compared by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Whether it is a page.
    pub(crate) is_page: bool,
    /// Characters that can be read on it.
    pub(crate) text: Option<u32>,
    /// The same for pages with the same text.
    pub(crate) text_hash: u64,
    /// Whether it asks for a password that its visitor has already.
    pub(crate) login: bool,
    /// Whether there is nothing in it.
    pub(crate) empty: bool,
}

/// The results of all addresses, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Results(HashMap<Arc<str>, FetchResult>);

/// Where an address leads in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leads<'a> {
    /// To a file that is stored.
    To(&'a str, &'a Stored),
    /// To an address with another result: never [`FetchResult::Stored`], never [`FetchResult::Redirect`].
    Lost(&'a str, &'a FetchResult),
    /// To an address that this crawl did not come by.
    Unknown(&'a str),
    /// To itself, or on and on.
    Nowhere,
}

impl Results {
    pub(crate) fn get(&self, key: &str) -> Option<&FetchResult> {
        self.0.get(key)
    }

    pub(crate) fn set(&mut self, key: Arc<str>, result: FetchResult) {
        self.0.insert(key, result);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &FetchResult)> {
        self.0.iter()
    }

    /// The addresses that lead back to themselves over others, each with the next one.
    pub(crate) fn circles(&self) -> Vec<(Arc<str>, Arc<str>)> {
        let next = |key: &str| match self.0.get(key) {
            Some(FetchResult::Redirect(to)) => Some(to),
            Some(
                FetchResult::Stored(_)
                | FetchResult::Away
                | FetchResult::Refused(_)
                | FetchResult::Wrong(_)
                | FetchResult::Failed(..),
            )
            | None => None,
        };
        let mut round = Vec::new();
        for (key, result) in &self.0 {
            let FetchResult::Redirect(to) = result else { continue };
            let mut way = std::iter::successors(Some(to), |at| next(at)).take(MAX_REDIRECTS);
            if way.any(|at| at == key) {
                round.push((key.clone(), to.clone()));
            }
        }
        round
    }

    /// Follows redirects within the site.
    pub(crate) fn follow<'a>(&'a self, key: &'a str) -> Leads<'a> {
        let mut at = key;
        for _ in 0..=MAX_REDIRECTS {
            match self.0.get(at) {
                Some(FetchResult::Stored(stored)) => return Leads::To(at, stored),
                Some(FetchResult::Redirect(to)) => at = to,
                Some(
                    result @ (FetchResult::Away
                    | FetchResult::Refused(_)
                    | FetchResult::Wrong(_)
                    | FetchResult::Failed(..)),
                ) => {
                    return Leads::Lost(at, result);
                }
                None => return Leads::Unknown(at),
            }
        }
        Leads::Nowhere
    }
}

impl FetchResult {
    /// Whether the site was asked; else a stronger need, or a shorter way, may still lead there.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            FetchResult::Stored(_)
            | FetchResult::Redirect(_)
            | FetchResult::Away
            | FetchResult::Wrong(_)
            | FetchResult::Failed(..) => true,
            FetchResult::Refused(refusal) => refusal.is_answer(),
        }
    }

    /// Why the address is not in the copy, for the owner.
    pub(crate) fn why(&self) -> String {
        match self {
            FetchResult::Stored(_) | FetchResult::Redirect(_) => "it is there".to_owned(),
            FetchResult::Away => "it redirects to another site".to_owned(),
            FetchResult::Refused(refusal) => refusal.sentence().to_owned(),
            FetchResult::Wrong(kind) => format!("it is not the site's page ({kind})"),
            FetchResult::Failed(cause, detail) if detail.is_empty() => (*cause).to_owned(),
            FetchResult::Failed(cause, detail) => format!("{cause}: {detail}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_followed_to_their_end() {
        let stored = Stored { is_page: true, ..Stored::default() };
        let to = |key: &str| FetchResult::Redirect(key.into());
        let mut results = Results::default();
        for (key, result) in [
            ("/", FetchResult::Stored(stored)),
            ("/a", to("/")),
            ("/b", to("/a")),
            ("/loop", to("/pool")),
            ("/pool", to("/loop")),
            ("/gone", to("/404")),
            ("/404", FetchResult::Refused(Refusal::NotFound)),
            ("/out", FetchResult::Away),
            ("/open", to("/never")),
        ] {
            results.set(key.into(), result);
        }
        for key in ["/", "/a", "/b"] {
            assert_eq!(results.follow(key), Leads::To("/", &stored), "{key}");
        }
        assert_eq!(results.follow("/loop"), Leads::Nowhere);
        assert_eq!(results.follow("/gone"), Leads::Lost("/404", &FetchResult::Refused(Refusal::NotFound)));
        assert_eq!(results.follow("/out"), Leads::Lost("/out", &FetchResult::Away));
        assert_eq!(results.follow("/open"), Leads::Unknown("/never"));
        assert_eq!(results.follow("/new"), Leads::Unknown("/new"));
    }

    #[test]
    fn a_circle_is_what_leads_back_and_not_what_leads_into_it() {
        let to = |key: &str| FetchResult::Redirect(key.into());
        let mut results = Results::default();
        for (key, result) in [
            ("/a", to("/b")),
            ("/b", to("/a")),
            ("/1", to("/2")),
            ("/2", to("/3")),
            ("/3", to("/1")),
            ("/into", to("/a")),
            ("/good", to("/page")),
            ("/page", FetchResult::Stored(Stored::default())),
            ("/open", to("/never")),
        ] {
            results.set(key.into(), result);
        }
        let mut circles: Vec<String> =
            results.circles().iter().map(|(key, to)| format!("{key}{to}")).collect();
        circles.sort();
        assert_eq!(circles, ["/1/2", "/2/3", "/3/1", "/a/b", "/b/a"]);
    }
}
