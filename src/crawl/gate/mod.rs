//! The check that a new snapshot must pass to become current. Pure: the evidence in, what is wrong with it out.
//!
//! A crawl can succeed and still bring home ruins: for months, the mirror of a government site came from crawls that ended
//! early without an error, at a fraction of the usual time and size, and nobody compared. So a crawl is measured against the
//! snapshot in service: how many pages, how much text, how long it took, how many good pages have turned into something else.
//! Sites do change; each limit in `rules` says what still passes. What the gate keeps out is not lost: it is held for the
//! operator, whose decision overrides every rule.

mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::snapshot::Rule;

/// The result of a crawl, compared with the snapshot in service. Pages that were carried over count only for the latter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The pages that must always work.
    pub key_pages: Vec<KeyPage>,
    /// Files that key pages need for their display, and that this crawl did not get.
    pub lost_assets: Vec<LostAsset>,
    /// Pages that this crawl got, including those that the site says have not changed.
    pub pages: u64,
    /// Of them, the largest number with the same text.
    pub alike: u64,
    /// The text on each of those.
    pub alike_text: u32,
    /// How long it took, in seconds; `None` when that says nothing: it was interrupted.
    pub seconds: Option<f64>,
    /// Why the crawl ended before it was done with the site, if it did.
    pub cut_short: Option<String>,
    /// Since when new snapshots wait for the operator, if they do: RFC 3339.
    pub by_hand: Option<String>,
    /// The comparison; `None` without a snapshot in service.
    pub before: Option<Before>,
}

/// What became of a key page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPage {
    /// Its key.
    pub path: String,
    /// Whether this crawl has it, or a page that it redirects to; else why not.
    pub reached: Result<(), String>,
    /// Characters that can be read on it; `None` when it is no page, or was not measured.
    pub text: Option<u32>,
    /// The same in the snapshot in service.
    pub text_before: Option<u32>,
    /// Other pages that have the same text now and had another before.
    pub twins: u64,
    /// One of them that is a key page, too.
    pub key_twin: Option<String>,
}

/// A file that a key page needs for its display, and that this crawl did not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostAsset {
    /// Its key.
    pub path: String,
    /// Why.
    pub why: String,
    /// Whether the site failed to answer; else it said that there is no such file.
    pub failed: bool,
    /// What is known of it from before.
    pub before: AssetBefore,
}

/// What is known of a lost file from before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssetBefore {
    /// The snapshot in service has it.
    Had,
    /// It was missing when that was taken.
    Missing,
    /// No key page needed it.
    Unneeded,
    /// Nothing.
    Unknown,
}

/// The snapshot in service beside this crawl.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Before {
    /// Pages that it has and that the configuration lets this crawl have.
    pub pages: u64,
    /// How long it took, in seconds; `None` when that is not known or says nothing.
    pub seconds: Option<f64>,
    /// The pages that both have, and whose text was measured both times.
    pub text: Texts,
    /// What its good pages have become.
    pub turned: Turned,
    /// Of the pages that both have: those that show what another address shows, too, and showed something else
    /// before.
    pub merged: u64,
    /// One of them.
    pub merged_example: Option<String>,
    /// Pages that both have.
    pub both: u64,
}

/// The text of the pages that both crawls have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Texts {
    /// Pages compared.
    pub pages: u64,
    /// Characters then.
    pub before: u64,
    /// Characters now.
    pub now: u64,
    /// The median share of its text that a page has kept.
    pub typical: f64,
}

/// What has become of pages that were good when the snapshot in service was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turned {
    /// How many there were.
    pub of: u64,
    /// Of them, those that the site now says do not exist (404, 410).
    pub missing: u64,
    /// Those that have turned into something else, by what: `bad-status`, `login`, `elsewhere`, a kind of wrong page.
    pub into: BTreeMap<String, u64>,
    /// One of them.
    pub example: Option<String>,
    /// Some of those that turned into something else, for another look.
    pub samples: Vec<String>,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Broken {
    /// Which.
    pub rule: Rule,
    /// By what: the page, or the numbers.
    pub detail: String,
    /// What was measured, where the rule measures: pages, seconds, or a share of 1.
    pub measured: Option<f64>,
    /// What it is measured against, in the same unit.
    pub limit: Option<f64>,
}

impl Broken {
    /// The rule and what it found, in one line.
    pub fn line(&self) -> String {
        format!("{}: {}", self.rule.code(), self.detail)
    }
}

/// Every rule that the evidence breaks, in the order of [`Rule::ALL`]; none: the snapshot may become current.
pub fn judge(evidence: &Evidence) -> Vec<Broken> {
    let mut broken = Vec::new();
    broken.extend(rules::cut_short(evidence));
    broken.extend(evidence.key_pages.iter().filter_map(|page| rules::key_page(page, evidence)));
    broken.extend(rules::key_assets(&evidence.lost_assets));
    broken.extend(rules::empty(evidence));
    if let Some(before) = &evidence.before {
        broken.extend(rules::shrunk(evidence.pages, before));
        broken.extend(rules::less_text(&before.text));
        broken.extend(rules::hasty(evidence, before));
        broken.extend(rules::turned(&before.turned));
        broken.extend(rules::uniform(before));
    }
    broken.extend(rules::by_hand(evidence));
    broken
}
