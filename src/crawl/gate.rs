//! The check that a new snapshot must pass to become current. Pure: the evidence in, what is wrong with it out.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

/// Redirects in a row that a key page may take.
const MAX_REDIRECTS: usize = 10;

/// What became of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Stored, whole and with a status of success.
    Stored,
    /// Stored as a redirect to a page of the site.
    Redirect(Arc<str>),
    /// Stored as a redirect to somewhere else.
    Away,
    /// Not stored; why.
    Missing(String),
}

/// What a crawl has brought.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The keys of the key pages.
    pub key_pages: &'a [String],
    /// What became of each address.
    pub fates: &'a HashMap<Arc<str>, Fate>,
    /// Pages stored.
    pub pages: u64,
    /// Pages of the current snapshot, if there is one.
    pub current_pages: Option<u64>,
    /// Why the crawl ended before it was done with the site, if it did.
    pub cut_short: Option<String>,
}

/// A rule of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Every key page is there, or redirects to one that is.
    KeyPage,
    /// There is a page at all.
    Empty,
    /// There are at least half as many pages as in the current snapshot.
    Shrunk,
    /// The crawl came to its end.
    CutShort,
}

impl Rule {
    /// The stable code: in status, log and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Rule::KeyPage => "key-page",
            Rule::Empty => "empty",
            Rule::Shrunk => "shrunk",
            Rule::CutShort => "cut-short",
        }
    }
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Which.
    pub rule: Rule,
    /// By what: the page, or the numbers.
    pub detail: String,
}

/// Every rule that the evidence breaks; none: the snapshot may become current.
pub fn judge(evidence: &Evidence<'_>) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut breaks = |rule, detail| broken.push(Broken { rule, detail });
    if let Some(why) = &evidence.cut_short {
        breaks(Rule::CutShort, why.clone());
    }
    for key in evidence.key_pages {
        if let Err(why) = reached(key, evidence.fates) {
            breaks(Rule::KeyPage, format!("{key}: {why}"));
        }
    }
    if evidence.pages == 0 {
        breaks(Rule::Empty, "no page was stored".to_owned());
    }
    match evidence.current_pages {
        Some(current) if evidence.pages < current.div_ceil(2) => {
            breaks(
                Rule::Shrunk,
                format!("{} pages, where the current snapshot has {current}", evidence.pages),
            );
        }
        Some(_) | None => {}
    }
    broken
}

/// Follows a key page's redirects to a stored page.
fn reached(key: &str, fates: &HashMap<Arc<str>, Fate>) -> Result<(), String> {
    let mut at = key;
    for _ in 0..=MAX_REDIRECTS {
        match fates.get(at) {
            Some(Fate::Stored) => return Ok(()),
            Some(Fate::Redirect(to)) => at = to,
            Some(Fate::Away) => return Err(format!("{at} redirects to another site")),
            Some(Fate::Missing(why)) if at == key => return Err(why.clone()),
            Some(Fate::Missing(why)) => return Err(format!("it redirects to {at}: {why}")),
            None => return Err(format!("{at} was not fetched")),
        }
    }
    Err("it redirects without end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(of: &[(&str, Fate)]) -> HashMap<Arc<str>, Fate> {
        of.iter().map(|(key, fate)| (Arc::from(*key), fate.clone())).collect()
    }

    fn judged(fates: &[(&str, Fate)], pages: u64, current_pages: Option<u64>) -> Vec<(Rule, String)> {
        let fates = self::fates(fates);
        let key_pages = ["/".to_owned()];
        let evidence =
            Evidence { key_pages: &key_pages, fates: &fates, pages, current_pages, cut_short: None };
        judge(&evidence).into_iter().map(|broken| (broken.rule, broken.detail)).collect()
    }

    #[test]
    fn key_pages_must_be_reached() {
        let to = |key: &str| Fate::Redirect(key.into());
        let no = |why: &str| Fate::Missing(why.to_owned());
        for (fates, expected) in [
            (&[("/", Fate::Stored)][..], None),
            (&[("/", to("/ja/")), ("/ja/", Fate::Stored)], None),
            (&[], Some("/: / was not fetched")),
            (&[("/", no("not-found"))], Some("/: not-found")),
            (&[("/", to("/ja/")), ("/ja/", no("silent"))], Some("/: it redirects to /ja/: silent")),
            (&[("/", to("/a")), ("/a", to("/"))], Some("/: it redirects without end")),
            (&[("/", Fate::Away)], Some("/: / redirects to another site")),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|why| (Rule::KeyPage, why.to_owned())).collect();
            assert_eq!(judged(fates, 1, None), expected);
        }
    }

    #[test]
    fn an_emptied_site_does_not_pass() {
        let good = [("/", Fate::Stored)];
        for (pages, current, expected) in [
            (0, None, &[Rule::Empty][..]),
            (1, None, &[]),
            (50, Some(100), &[]),
            (49, Some(100), &[Rule::Shrunk]),
            (0, Some(1), &[Rule::Empty, Rule::Shrunk]),
            (1, Some(3), &[Rule::Shrunk]),
            (5, Some(0), &[]),
        ] {
            let rules: Vec<_> = judged(&good, pages, current).into_iter().map(|(rule, _)| rule).collect();
            assert_eq!(rules, expected, "{pages} of {current:?}");
        }
        assert_eq!(judged(&good, 3, Some(100))[0].1, "3 pages, where the current snapshot has 100");
    }

    #[test]
    fn a_crawl_cut_short_does_not_pass() {
        let fates = fates(&[("/", Fate::Stored)]);
        let cut_short = Some("the site stopped answering".to_owned());
        let evidence = Evidence { key_pages: &[], fates: &fates, pages: 9, current_pages: None, cut_short };
        assert_eq!(judge(&evidence)[0].rule, Rule::CutShort);
    }
}
