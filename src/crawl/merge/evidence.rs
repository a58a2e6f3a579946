//! The evidence for the gate: gathered from the results of a crawl, and from the snapshot in service.

use http::header::CONTENT_TYPE;

use super::compare::Comparison;
use crate::content::charset;
use crate::content::text_size::visible;
use crate::crawl::gate::{AssetBefore, Evidence, KeyPage, LostAsset};
use crate::crawl::report::Report;
use crate::crawl::walk::Done;
use crate::crawl::walk::results::{self, FetchResult, Leads, Results};
use crate::snapshot::{Page, Snapshot, Stored};

/// The snapshot in service, and what is known of its crawl.
pub(crate) struct Last<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) report: Option<Report>,
    pub(crate) comparison: Comparison,
}

impl Last<'_> {
    fn page(&self, key: &str) -> Option<Page> {
        self.snapshot.find(key).ok().flatten()
    }

    fn text(&self, key: &str) -> Option<u32> {
        self.page(key)?.notes.text
    }

    /// What its page shows, in the measure of [`results::Stored::text_hash`].
    fn look(&self, key: &str) -> Option<u64> {
        let page = self.page(key)?;
        let Stored::Whole(body) = self.snapshot.load_here(&page).ok()? else { return None };
        let content_type = page.headers.iter().find(|(name, _)| *name == CONTENT_TYPE);
        let content_type = content_type.and_then(|(_, value)| value.to_str().ok());
        Some(visible(&charset::html(&body, content_type).0).text_hash)
    }

    /// How long its crawl took, in seconds, if that says something.
    fn seconds(&self) -> Option<f64> {
        match &self.report {
            Some(report) if report.resumed.is_some() => None,
            Some(report) if report.seconds > 0.0 => Some(report.seconds),
            Some(_) | None => {
                let summary = self.snapshot.summary();
                summary.taken_at.duration_since(summary.started_at).ok().map(|took| took.as_secs_f64())
            }
        }
    }
}

/// Gathers. `seconds`: how long the crawl took, if that says something. Blocks, for a few small reads.
pub(crate) fn gather(done: &Done, last: Option<Last<'_>>, seconds: Option<f64>, max_pages: u64) -> Evidence {
    let (alike, alike_text) = most_alike(&done.results);
    Evidence {
        key_pages: done.key_pages.iter().map(|key| key_page(key, done, last.as_ref())).collect(),
        lost_assets: lost_assets(done, last.as_ref()),
        pages: done.report.counts.pages,
        alike,
        alike_text,
        seconds,
        cut_short: done.cut_short.clone(),
        by_hand: None,
        before: last.map(|last| last.comparison.numbers(max_pages, last.seconds(), &|key| last.look(key))),
    }
}

fn key_page(key: &str, done: &Done, last: Option<&Last<'_>>) -> KeyPage {
    let results = &done.results;
    let mut page = KeyPage {
        path: key.to_owned(),
        reached: Ok(()),
        text: None,
        text_before: None,
        twins: 0,
        key_twin: None,
    };
    let why = match results.follow(key) {
        Leads::To(at, stored) => {
            page.text = stored.text;
            page.text_before = last.and_then(|last| last.text(at).or_else(|| last.text(key)));
            if let Some(last) = last
                && stored.is_page
            {
                page.twins = last.comparison.twins(at, stored.text_hash, &|key| last.look(key));
                page.key_twin = key_twin(key, stored, done, last);
            }
            let is_login = stored.login && page.text_before.is_some_and(|old| page.text < Some(old / 2));
            page.reached = if is_login { Err("it shows a login".to_owned()) } else { Ok(()) };
            return page;
        }
        Leads::Lost(at, FetchResult::Away) => format!("{at} redirects to another site"),
        Leads::Lost(at, result) if at == key => result.why(),
        Leads::Lost(at, result) => format!("it redirects to {at}: {}", result.why()),
        Leads::Unknown(at) => format!("{at} was not fetched"),
        Leads::Nowhere => "it redirects without end".to_owned(),
    };
    let carried = last.is_some_and(|last| last.page(key).is_some());
    page.reached = Err(if carried { format!("{why} (its old copy is carried over)") } else { why });
    page
}

/// Another key page that shows the same now and did not before, including by a redirect from one to the other.
fn key_twin(key: &str, page: &results::Stored, done: &Done, last: &Last<'_>) -> Option<String> {
    let before = last.look(key)?;
    let is_twin = |other: &&String| match done.results.follow(other) {
        Leads::To(_, stored) => {
            *other != key
                && stored.is_page
                && stored.text_hash == page.text_hash
                && last.look(other).is_some_and(|look| look != before)
        }
        Leads::Lost(..) | Leads::Unknown(_) | Leads::Nowhere => false,
    };
    done.key_pages.iter().find(is_twin).cloned()
}

/// Files that key pages need for their display, and that this crawl did not get. What the owner or a bound keeps out is no
/// loss; files of other hosts are those hosts' business, and are carried over meanwhile.
fn lost_assets(done: &Done, last: Option<&Last<'_>>) -> Vec<LostAsset> {
    let needed = done.drawn.needed_by(&done.key_pages, &done.results);
    let lost = needed.iter().filter(|key| !key.starts_with("//")).filter_map(|key| {
        let (why, failed) = match done.results.follow(key) {
            Leads::To(..) | Leads::Unknown(_) | Leads::Lost(_, FetchResult::Away) => return None,
            Leads::Lost(_, FetchResult::Refused(refusal)) if !refusal.is_answer() => return None,
            Leads::Lost(_, result) => (result.why(), matches!(result, FetchResult::Failed(..))),
            Leads::Nowhere => ("it redirects without end".to_owned(), false),
        };
        Some(LostAsset { path: key.to_string(), why, failed, before: before(key, last) })
    });
    lost.collect()
}

fn before(key: &str, last: Option<&Last<'_>>) -> AssetBefore {
    let Some(last) = last else { return AssetBefore::Unknown };
    match last.page(key) {
        // It was carried over already: missing then.
        Some(page) if page.notes.carried > 0 => return AssetBefore::Missing,
        Some(_) => return AssetBefore::Had,
        None => {}
    }
    match last.report.as_ref().and_then(|report| report.lost_assets.as_ref()) {
        Some(lost) if lost.iter().any(|lost| lost == key) => AssetBefore::Missing,
        Some(_) => AssetBefore::Unneeded,
        None => AssetBefore::Unknown,
    }
}

/// How many pages have the most common text, and how much that is.
fn most_alike(results: &Results) -> (u64, u32) {
    let mut looks: Vec<(u64, u32)> = results
        .iter()
        .filter_map(|(_, result)| match result {
            FetchResult::Stored(stored) if stored.is_page => Some((stored.text_hash, stored.text?)),
            FetchResult::Stored(_)
            | FetchResult::Redirect(_)
            | FetchResult::Away
            | FetchResult::Refused(_)
            | FetchResult::Wrong(_)
            | FetchResult::Failed(..) => None,
        })
        .collect();
    looks.sort_unstable();
    let groups = looks.chunk_by(|a, b| a.0 == b.0).map(|group| (group.len() as u64, group[0].1));
    groups.max().unwrap_or_default()
}
