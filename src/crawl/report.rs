//! The report of a crawl: counts, refusals with their reasons, errors, the slowest answers. Stored with the snapshot, and
//! read by other versions of the program: missing fields read as empty.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gate::Broken;
use super::progress::Reading;
use super::refusal::Refusal;
use crate::failure::{Said, Text};

/// Addresses listed for one reason.
const EXAMPLES: usize = 100;
/// Broken links: the list that owners value most.
const MISSING: usize = 2000;
/// Files listed that could not be fetched.
const ERRORS: usize = 500;
/// The slowest answers listed.
const SLOWEST: usize = 20;
/// Files listed that key pages need and that are not there.
const LOST_ASSETS: usize = 500;

/// What the report calls a `robots.txt` that could not be read.
pub(super) const UNREADABLE: &str = "unreadable";

/// A word from a list of our own, or from a report that was read.
pub type Code = Cow<'static, str>;

/// The report of one crawl.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The site's name.
    pub site: String,
    /// When it began, in seconds since the epoch.
    pub started_at: u64,
    /// How long it took, in seconds. If it resumed an interrupted one: only this part.
    pub seconds: f64,
    /// What it resumed, if anything.
    pub resumed: Option<Resumed>,
    /// Counts of what was stored, refused and missed.
    #[serde(flatten)]
    pub counts: Reading,
    /// The gate's verdict.
    pub gate: Gate,
    /// Characters that can be read on the pages that this crawl got.
    pub text: u64,
    /// What was not fetched or not stored, by the code of its reason.
    pub refusals: BTreeMap<Code, Refused>,
    /// What this crawl did not get, and is carried over from the snapshot in service, by the code of the reason.
    pub carried_over: BTreeMap<Code, Refused>,
    /// What the snapshot in service has and the new one has not, by the code of the reason.
    pub removed: BTreeMap<Code, Refused>,
    /// Pages that no link leads to: visitors request them, or the snapshot in service has them.
    pub unlinked: u64,
    /// Broken links (404, 410, no answer), and the pages that they are on.
    pub broken_links: Vec<BrokenLink>,
    /// The first files that could not be fetched.
    pub failures: Vec<Failed>,
    /// The first files that key pages need for their display and that this crawl did not get. For the next gate: a file that
    /// was missing before is no fault then.
    pub lost_assets: Option<Vec<String>>,
    /// The slowest answers, slowest first.
    pub slowest: Vec<Slow>,
    /// What `robots.txt` was like: `found`, `none`, or `unreadable`.
    pub robots: Code,
    /// Set if it forbids the whole site or cannot be read: what that meant for this copy.
    pub robots_forbid: Option<Forbidden>,
    /// Forms that could be kept in an outage, and that the configuration says nothing of.
    pub unnamed_forms: u64,
}

/// A `robots.txt` that forbids the whole site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Forbidden {
    /// Whether the crawl obeyed it.
    pub obeyed: bool,
}

/// An interrupted crawl that was resumed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resumed {
    /// When that began, in seconds since the epoch.
    pub since: u64,
    /// What it had stored already.
    pub files: u64,
}

/// The gate's verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gate {
    /// Whether the snapshot passed.
    pub passed: bool,
    /// The rules that it broke, with the numbers.
    pub broken: Vec<Broken>,
    /// The keys of some pages that have turned into something else. Not stored: they are re-checked at once.
    #[serde(skip)]
    pub turned: Vec<String>,
}

/// One reason and its addresses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refused {
    /// What the reason means.
    pub meaning: Code,
    /// How many addresses.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// An address and the page that leads to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Example {
    /// The key.
    pub path: String,
    /// Where it was found.
    pub found_on: Option<String>,
    /// More of the reason: the kind of a wrong page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Code>,
}

/// A broken link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BrokenLink {
    /// The key that it leads to.
    pub path: String,
    /// Why its target is missing: `not-found`, `gone`, or the code of a cause.
    pub cause: Code,
    /// How many pages have it.
    pub links: u64,
    /// The first of them.
    pub linked_from: Vec<String>,
}

/// A file that could not be fetched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failed {
    /// The key.
    pub path: String,
    /// Where it was found.
    pub found_on: Option<String>,
    /// The code of the cause.
    pub cause: Code,
    /// The last attempt's error.
    pub detail: String,
}

/// A slow answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slow {
    /// The key.
    pub path: String,
    /// From the request to the last byte, in milliseconds.
    pub ms: u64,
}

impl Refused {
    fn note(&mut self, meaning: Code, room: usize, example: impl FnOnce() -> Example) {
        self.count += 1;
        if self.examples.is_empty() {
            self.meaning = meaning;
        }
        if self.examples.len() < room {
            self.examples.push(example());
        }
    }
}

impl Report {
    /// Notes an address that was not fetched or not stored.
    pub(super) fn refuse(
        &mut self,
        refusal: Refusal,
        path: &str,
        found_on: Option<&str>,
        detail: Option<&'static str>,
    ) {
        let room = if refusal == Refusal::NotFound { MISSING } else { EXAMPLES };
        let example = || Example {
            path: path.to_owned(),
            found_on: found_on.map(str::to_owned),
            detail: detail.map(Cow::Borrowed),
        };
        self.refusals.entry(refusal.code().into()).or_default().note(
            refusal.sentence().into(),
            room,
            example,
        );
    }

    /// Notes a page that is carried over.
    pub(super) fn carry(&mut self, code: Code, meaning: Code, path: &str) {
        let example = || Example { path: path.to_owned(), ..Example::default() };
        self.carried_over.entry(code).or_default().note(meaning, EXAMPLES, example);
    }

    /// Notes a page that is not in the new snapshot any more.
    pub(super) fn remove(&mut self, code: Code, meaning: Code, path: &str) {
        let example = || Example { path: path.to_owned(), ..Example::default() };
        self.removed.entry(code).or_default().note(meaning, EXAMPLES, example);
    }

    /// Notes what key pages need and did not get.
    pub(super) fn lose(&mut self, assets: impl Iterator<Item = String>) {
        self.lost_assets = Some(assets.take(LOST_ASSETS).collect());
    }

    /// Notes a file that could not be fetched.
    pub(super) fn fail(&mut self, failed: Failed) {
        if self.failures.len() < ERRORS {
            self.failures.push(failed);
        }
    }

    /// What `robots.txt` meant for this copy, if it forbids the whole site. Where no page could be had either, that is the
    /// news.
    pub fn of_robots(&self) -> Option<Text> {
        let Forbidden { obeyed } = self.robots_forbid?;
        if self.robots == UNREADABLE && self.counts.pages == 0 {
            return None;
        }
        Some(match (self.robots == UNREADABLE, obeyed) {
            (false, false) => Text {
                en: "robots.txt forbids the whole site; the copy is taken all the same (mirror.robots)",
                ja: "robots.txt がサイト全体の取得を禁止していますが、設定（mirror.robots）に従って取得しています。",
            },
            (false, true) => Text {
                en: "robots.txt forbids the whole site: only key pages and the files that they need are copied (mirror.robots)",
                ja: "robots.txt がサイト全体の取得を禁止しているため、重要なページとその表示に必要なファイルだけを取得しています（mirror.robots）。",
            },
            (true, false) => Text {
                en: "robots.txt cannot be read, which forbids the whole site; the copy is taken all the same (mirror.robots)",
                ja: "robots.txt を読み取れないため、サイト全体の取得が禁止されたものとみなされますが、設定（mirror.robots）に従って取得しています。",
            },
            (true, true) => Text {
                en: "robots.txt cannot be read, which forbids the whole site: only key pages and the files that they need are copied (mirror.robots)",
                ja: "robots.txt を読み取れず、サイト全体の取得が禁止されたものとみなし、重要なページとその表示に必要なファイルだけを取得しています（mirror.robots）。",
            },
        })
    }

    /// What was decided about whole parts of the site, and why, for who runs it.
    pub fn decisions(&self) -> Vec<Said> {
        let count = |refusal: Refusal| self.refusals.get(refusal.code()).map_or(0, |refused| refused.count);
        let private = count(Refusal::Private) + count(Refusal::NoStore);
        let told = [
            (
                self.counts.private,
                "marked private or no-store, but taken: everybody gets the same (mirror.private)",
                "private または no-store の指定がありますが、誰にも同じ内容が返されるため取得しました（mirror.private）。",
            ),
            (
                count(Refusal::Varies),
                "marked private or no-store, and left out: two visits without cookies got different ones; \
                 a route with mirror = \"on\" takes them",
                "private または no-store の指定があり、Cookieなしの2回のアクセスで内容が異なったため除外しました。\
                 ルートに mirror = \"on\" を指定すると取得します。",
            ),
            (
                private,
                "marked private or no-store, and left out (mirror.private, or a route)",
                "private または no-store の指定があるため除外しました（mirror.private、またはルートの設定）。",
            ),
            (
                count(Refusal::RequisiteLimit),
                "left out: the crawl has reached its limit for files that pages need for their display",
                "ページの表示に使うファイルの数が上限に達したため除外しました。",
            ),
            (
                count(Refusal::PageLimit),
                "left out: the snapshot has reached mirror.max_pages",
                "ページ数が上限（mirror.max_pages）に達したため除外しました。",
            ),
            (
                count(Refusal::FileLimit) + count(Refusal::ByteLimit),
                "left out: the snapshot has reached its size limit",
                "スナップショットの大きさが上限に達したため除外しました。",
            ),
        ];
        let said = |(count, en, ja): &(u64, &str, &str)| Said {
            en: format!("{count} {}{en}", if *count == 1 { "address " } else { "addresses " }),
            ja: format!("{count}件：{ja}"),
        };
        let forms = |count: u64| Said {
            en: format!(
                "{count} {} could be kept in an outage, and the configuration does not name {} (katahai forms list --found)",
                if count == 1 { "form" } else { "forms" },
                if count == 1 { "it" } else { "them" },
            ),
            ja: format!(
                "停止中にお預かりできるフォームが{count}件ありますが、設定に書かれていません（katahai forms list --found）。"
            ),
        };
        let unnamed = (self.unnamed_forms > 0).then(|| forms(self.unnamed_forms));
        told.iter().filter(|(count, ..)| *count > 0).map(said).chain(unnamed).collect()
    }

    /// Notes how long an answer took.
    pub(super) fn took(&mut self, path: &str, took: Duration) {
        let ms = took.as_millis() as u64;
        if self.slowest.len() == SLOWEST && self.slowest.last().is_some_and(|last| last.ms >= ms) {
            return;
        }
        let at = self.slowest.partition_point(|slow| slow.ms >= ms);
        self.slowest.insert(at, Slow { path: path.to_owned(), ms });
        self.slowest.truncate(SLOWEST);
    }

    /// The report as the file beside the snapshot.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_are_kept_in_order() {
        let mut report = Report::default();
        for i in 0..100u64 {
            report.took(&format!("/{i}"), Duration::from_millis(i * 37 % 101));
        }
        let times: Vec<u64> = report.slowest.iter().map(|slow| slow.ms).collect();
        assert_eq!(times, (81..=100).rev().collect::<Vec<_>>());
    }

    #[test]
    fn lists_are_bounded_and_counts_are_not() {
        let mut report = Report::default();
        for i in 0..5000 {
            report.refuse(Refusal::NotFound, &format!("/{i}"), Some("/"), None);
            report.refuse(Refusal::Robots, &format!("/{i}"), None, None);
            report.fail(Failed { path: "/".into(), cause: "silent".into(), ..Failed::default() });
        }
        assert_eq!(report.refusals["not-found"].examples.len(), MISSING);
        assert_eq!(
            (report.refusals["robots"].count, report.refusals["robots"].examples.len()),
            (5000, EXAMPLES)
        );
        assert_eq!(report.failures.len(), ERRORS);
        let json: serde_json::Value = serde_json::from_slice(&report.to_json()).unwrap();
        assert_eq!(json["refusals"]["robots"]["count"], 5000);
        assert_eq!(json["pages"], 0);
    }

    #[test]
    fn what_was_decided_is_said_in_words() {
        let mut report = Report::default();
        assert_eq!((report.of_robots(), report.decisions()), (None, vec![]));
        for (robots, obeyed, expected) in [
            ("found", false, "robots.txt forbids the whole site; the copy is taken all the same"),
            (
                "unreadable",
                false,
                "robots.txt cannot be read, which forbids the whole site; the copy is taken",
            ),
            ("found", true, "robots.txt forbids the whole site: only key pages"),
        ] {
            (report.robots, report.robots_forbid) = (robots.into(), Some(Forbidden { obeyed }));
            report.counts.pages = 1;
            let said = report.of_robots().unwrap().en;
            assert!(said.starts_with(expected) && said.contains("mirror.robots"), "{said}");
            report.counts.pages = 0;
            let is_news = report.of_robots().is_some();
            assert_eq!(
                is_news,
                robots == "found",
                "a site that answers nothing says nothing by its robots.txt"
            );
        }
        report.counts.private = 3;
        report.unnamed_forms = 1;
        report.refuse(Refusal::Varies, "/a", None, None);
        report.refuse(Refusal::RequisiteLimit, "/b.png", None, None);
        let said = report.decisions();
        assert!(
            said.len() == 4 && said[0].en.starts_with("3 ") && said[3].en.starts_with("1 form could"),
            "{said:?}"
        );
    }

    #[test]
    fn a_report_is_read_again() {
        let mut report = Report { robots: "found".into(), seconds: 1.5, ..Report::default() };
        report.refuse(Refusal::WrongPage, "/a", Some("/"), Some("parking"));
        report.carry("silent".into(), "no answer".into(), "/b");
        report.remove(Refusal::Gone.code().into(), Refusal::Gone.sentence().into(), "/c");
        report.lose(["/d.css".to_owned()].into_iter());
        report.counts.pages = 7;
        report.gate.broken = vec![Broken {
            rule: super::super::gate::Rule::LessText,
            detail: "less".into(),
            measured: Some(0.25),
            limit: Some(0.5),
        }];
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["gate"]["broken"][0]["rule"], "less-text");
        assert_eq!(json["refusals"]["wrong-page"]["examples"][0]["detail"], "parking");
        assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report);
    }

    #[test]
    fn reports_of_other_versions_are_read() {
        let old = r#"{"site":"shop","started_at":5,"seconds":2.5,"pages":3,"assets":1,"redirects":0,"bytes":9,
            "unchanged":0,"refused":1,"errors":0,"requests":9,"queued":0,"under_way":0,
            "refusals":{"robots":{"meaning":"no","count":1,"examples":[{"path":"/x","found_on":null}]}},
            "failures":[],"slowest":[{"path":"/","ms":3}],"robots":"found","of_a_later_version":[1]}"#;
        let report: Report = serde_json::from_str(old).unwrap();
        assert_eq!((report.counts.pages, report.refusals["robots"].count), (3, 1));
        assert!(report.lost_assets.is_none() && report.broken_links.is_empty() && !report.gate.passed);
        assert_eq!(serde_json::from_str::<Report>("{}").unwrap(), Report::default());
    }
}
