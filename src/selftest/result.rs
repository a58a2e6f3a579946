//! What a self-test came to: the score with its parts, what was found, and what has changed since the one before. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::finding::{Finding, FindingKind, Weight};
use super::score::{AGE, FILES, FORMS, KEY_PAGES, PAGES, Part, Parts};
use super::walk::Walked;

/// Findings that are kept of one run; the counts are of all.
const MOST: usize = 100;
/// A score that is so much lower than the one before is worth a word.
pub(super) const FALL: u8 = 10;
/// A score below this is not well.
pub(super) const WELL: u8 = 90;

/// What a browser made of the pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scripts {
    /// The pages that it opened; 0: none was tried.
    pub pages: u64,
    /// Why scripts were not tried, in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_tried: Option<String>,
    /// What it found: `script-broken`, `page-empty`.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

impl Scripts {
    /// What a browser can have found, and no more of it: somebody else says so.
    #[must_use]
    pub fn of_browser(mut self) -> Scripts {
        const MOST: usize = 100;
        let short = |text: &str, most: usize| -> String {
            text.chars().filter(|c| !c.is_control()).take(most).collect()
        };
        self.pages = self.pages.min(MOST as u64);
        self.not_tried = self.not_tried.map(|why| short(&why, 500));
        self.findings.retain(|one| matches!(one.kind, FindingKind::ScriptBroken | FindingKind::PageEmpty));
        self.findings.truncate(MOST);
        for one in &mut self.findings {
            one.path = short(&one.path, 2_000);
            one.detail = one.detail.as_deref().map(|detail| short(detail, 160));
            (one.on, one.lines) = (None, None);
        }
        self
    }
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillResult {
    /// When, in seconds since the epoch.
    pub at: u64,
    /// The snapshot that was walked.
    pub snapshot: Option<String>,
    /// From 0 to 100.
    pub score: u8,
    /// The score of the run before.
    pub was: Option<u8>,
    /// Whether a visitor would miss nothing important: nothing serious was found, and the score is 90 or more.
    pub is_well: bool,
    /// What the score is made of.
    pub parts: Parts,
    /// How many pages were opened.
    pub pages: u64,
    /// Whether a bound ended the walk.
    pub is_cut: bool,
    /// Pages that a browser opened.
    pub scripts: u64,
    /// Why scripts were not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts_not_tried: Option<String>,
    /// How much was found of each kind.
    pub counts: BTreeMap<String, u64>,
    /// The first of it, the weightiest first.
    pub findings: Vec<Finding>,
    /// Of it, what the run before did not find: kind and path.
    #[serde(default)]
    pub new: Vec<(FindingKind, String)>,
}

/// What a run is judged by.
#[derive(Debug)]
pub struct Evidence {
    /// When, in seconds since the epoch.
    pub at: u64,
    /// The snapshot; `None`: there is none.
    pub snapshot: Option<String>,
    /// The walk.
    pub walked: Walked,
    /// The forms: well, all, what is wrong.
    pub forms: (u64, u64, Vec<Finding>),
    /// What a browser found.
    pub scripts: Scripts,
    /// The age of the snapshot in words, if it is too old.
    pub too_old: Option<String>,
}

/// Judges a run beside the one before it.
pub fn judge(evidence: Evidence, before: Option<&DrillResult>) -> DrillResult {
    let Evidence { at, snapshot, walked, forms, scripts, too_old } = evidence;
    let Walked { mut key_pages, visits, links, files, pages, mut findings, is_cut } = walked;
    let was = before.map(|before| before.score);
    let shown_empty = |finding: &Finding| finding.kind == FindingKind::PageEmpty;
    let mut empty = 0;
    for mut finding in scripts.findings {
        if shown_empty(&finding) {
            let key_page = key_pages.iter_mut().find(|page| page.key == finding.path);
            if let Some(page) = key_page {
                page.is_good = false;
                finding.kind = FindingKind::KeyPageEmpty;
            } else {
                empty += 1;
            }
        }
        findings.push(finding);
    }
    let (good_forms, all_forms, wrong_forms) = forms;
    findings.extend(wrong_forms);
    findings.extend(too_old.as_ref().map(|age| {
        Finding::new(FindingKind::CopyOld, snapshot.clone().unwrap_or_default()).detail(Some(age.clone()))
    }));
    if snapshot.is_none() {
        findings = vec![Finding::new(FindingKind::NoCopy, "/")];
    }
    let opened = if visits.1 > 0 { visits } else { links };
    let good_pages = opened.0.saturating_sub(empty);
    let good_keys = key_pages.iter().filter(|page| page.is_good).count() as u64;
    let parts = match snapshot {
        Some(_) => Parts {
            key_pages: Part::new(KEY_PAGES, good_keys, key_pages.len() as u64),
            forms: Part::new(FORMS, good_forms, all_forms),
            pages: Part::new(PAGES, good_pages, opened.1.max(good_pages)),
            files: Part::new(FILES, files.0, files.1),
            age: Part::new(AGE, u64::from(too_old.is_none()), 1),
        },
        None => Parts::default(),
    };
    let score = parts.score();
    findings.sort_by(|a, b| {
        (std::cmp::Reverse(a.kind.weight()), a.kind).cmp(&(std::cmp::Reverse(b.kind.weight()), b.kind))
    });
    let mut counts = BTreeMap::new();
    for finding in &findings {
        *counts.entry(finding.kind.code().to_owned()).or_insert(0) += 1;
    }
    let is_well = score >= WELL && findings.iter().all(|finding| finding.kind.weight() < Weight::Serious);
    findings.truncate(MOST);
    let is_new = |finding: &&Finding| {
        finding.kind.weight() > Weight::Note
            && before.is_some_and(|before| {
                !before.findings.iter().any(|old| (old.kind, &old.path) == (finding.kind, &finding.path))
            })
    };
    let new = findings.iter().filter(is_new).map(|finding| (finding.kind, finding.path.clone())).collect();
    DrillResult {
        at,
        snapshot,
        score,
        was,
        is_well,
        parts,
        pages: pages.len() as u64,
        is_cut,
        scripts: scripts.pages,
        scripts_not_tried: scripts.not_tried,
        counts,
        findings,
        new,
    }
}

impl DrillResult {
    /// Why the operator is to be told at once; `None`: there is no need.
    pub fn alarm(&self) -> Option<String> {
        let serious: Vec<&Finding> =
            self.findings.iter().filter(|finding| finding.kind.weight() == Weight::Serious).collect();
        let fell = self.was.is_some_and(|was| was.saturating_sub(self.score) >= FALL);
        if serious.is_empty() && !fell {
            return None;
        }
        let was = self.was.map(|was| format!(", was {was}")).unwrap_or_default();
        let named = serious.iter().take(3).map(|finding| format!("{} {}", finding.kind.code(), finding.path));
        let named: Vec<String> = named.collect();
        let more = serious.len().saturating_sub(3);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let named = if named.is_empty() { String::new() } else { format!(": {}{more}", named.join(", ")) };
        Some(format!("score {}{was}{named}", self.score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selftest::walk::KeyPage;

    fn evidence() -> Evidence {
        let key_pages = vec![KeyPage { key: "/".to_owned(), is_good: true }];
        let walked =
            Walked { key_pages, visits: (90, 100), links: (5, 5), files: (10, 10), ..Walked::default() };
        Evidence {
            at: 7,
            snapshot: Some("1".to_owned()),
            walked,
            forms: (1, 1, Vec::new()),
            scripts: Scripts::default(),
            too_old: None,
        }
    }

    #[test]
    fn a_page_counts_as_often_as_it_is_asked_for() {
        let result = judge(evidence(), None);
        assert_eq!((result.score, result.is_well, result.alarm()), (98, true, None), "{result:?}");
        let mut none = evidence();
        none.walked.visits = (0, 0);
        assert_eq!(judge(none, None).score, 100, "without visits, links count");
    }

    #[test]
    fn a_lost_form_is_serious() {
        let mut lost = evidence();
        lost.forms = (0, 1, vec![Finding::new(FindingKind::FormLost, "/send")]);
        let result = judge(lost, None);
        assert_eq!((result.score, result.is_well), (73, false));
        assert_eq!(result.alarm().as_deref(), Some("score 73: form-lost /send"));
    }

    #[test]
    fn a_key_page_that_a_browser_shows_empty_is_as_bad_as_none() {
        let mut empty = evidence();
        empty.scripts.findings = vec![Finding::new(FindingKind::PageEmpty, "/")];
        let result = judge(empty, None);
        assert_eq!(result.parts.key_pages.points, 0);
        assert_eq!(result.findings[0].kind, FindingKind::KeyPageEmpty);
    }

    #[test]
    fn without_a_copy_there_are_no_points() {
        let mut none = evidence();
        none.snapshot = None;
        let result = judge(none, None);
        assert_eq!((result.score, result.counts["no-copy"], result.is_well), (0, 1, false));
    }

    #[test]
    fn a_score_that_falls_is_told_and_what_is_new() {
        let before = judge(evidence(), None);
        let mut worse = evidence();
        worse.walked.visits = (40, 100);
        worse.walked.findings.push(Finding::new(FindingKind::PageMissing, "/a"));
        let result = judge(worse, Some(&before));
        assert_eq!((result.was, result.score), (Some(98), 88));
        assert_eq!(result.alarm().as_deref(), Some("score 88, was 98"));
        assert_eq!(result.new, [(FindingKind::PageMissing, "/a".to_owned())]);
    }
}
