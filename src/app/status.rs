//! The status as JSON.

use crate::failure::chain;
use std::collections::BTreeMap;

use serde::Serialize;

use super::alerts::view::ChannelView;
use super::forms_store::FormsPlaces;
use super::offsite::view::{SiteStoreStatus, StoreStatus};
use super::recipients::RecipientStatus;
use super::regions::origins::OriginList;
use super::regions::view::{Disagreement, Instances};
use super::selftests::DrillStatus;
use super::shelf_state::ShelfState;
use super::visitors_get::VisitorsGet;
use super::visits::SHOWN;
use super::{App, Carried, Condition, Held, Shares, Source, Trouble};
use crate::clock::{self, unix};
use crate::crawl::gate::Broken;
use crate::crawl::{Ended, Outcome, Reading, Report};
use crate::failure::{Cause, Said, Text, Told};
use crate::origin::health;
use crate::page_health::Branch;
use crate::proxy::Site;
use crate::snapshot::{Summary, rfc3339};
use crate::visits::Coverage;
use crate::watch::Watched;

/// Pages without a copy that the status lists.
const MOST_LACKING: usize = 50;

/// `GET /api/v1/status`.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Of Katahai.
    pub version: &'static str,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Where it listens.
    pub listen: Vec<String>,
    /// The configuration file; `None` if the command line is all that there is.
    pub config_file: Option<String>,
    /// Where it keeps what must outlive it.
    pub state_dir: String,
    /// What is wrong with Katahai itself, or worth knowing.
    pub conditions: Vec<Condition>,
    /// Who gets alerts, and whether they arrive.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alert_channels: Vec<ChannelView>,
    /// The copy outside this machine, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreStatus>,
    /// The instances that share the store, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<Instances>,
    /// The sites, in the configuration's order.
    pub sites: Vec<SiteStatus>,
}

/// One site.
#[derive(Debug, Serialize)]
pub struct SiteStatus {
    /// Its name.
    pub name: String,
    /// `unproven`, `up`, `degraded`, `down` or `recovering`.
    pub state: &'static str,
    /// Since when, RFC 3339.
    pub since: String,
    /// Why it is not well.
    pub cause: Option<Told>,
    /// From where it is reached and from where it is not, if the instances that share a store see it differently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disagreement: Option<Disagreement>,
    /// Where its pages lead, if they lead to a stranger.
    pub leads: Option<String>,
    /// What visitors get now: as decided, and as they got it in the last minute.
    pub gets: VisitorsGet,
    /// The same in words, if it is not simply the live site.
    pub fallback: Option<Text>,
    /// The share of visitors who get the live site where there is a copy, from 0 to 1.
    pub share: f64,
    /// Pages that come from copies because their last answer was not the site's.
    pub bad_pages: usize,
    /// The parts of the site that these are in, those with the most first.
    pub branches: Vec<BranchStatus>,
    /// Which rungs its visitors got.
    pub answers: Shares,
    /// Pages that visitors did not get because no copy has them; the most requested first.
    pub without_copy: Vec<WithoutCopy>,
    /// What else is wrong, or worth knowing.
    pub conditions: Vec<Condition>,
    /// What is looked at weeks before it stops the site.
    pub watch: Vec<Watched>,
    /// `auto`, `hold_origin` or `hold_snapshot`.
    pub mode: &'static str,
    /// Until when, if somebody has set it for a time, RFC 3339.
    pub mode_until: Option<String>,
    /// Whether that is a drill: all visitors get what they would get in an outage.
    pub drill: bool,
    /// Its origins.
    pub origins: Vec<OriginStatus>,
    /// Where its origins come from, if that is the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_list: Option<OriginList>,
    /// The snapshot in service.
    pub snapshot: Option<SnapshotStatus>,
    /// How much of what visitors ask for that snapshot could answer.
    pub coverage: Coverage,
    /// What it has from the ones before it, because its crawl did not reach it.
    pub carried: Option<Carried>,
    /// The snapshots that do not serve by themselves, newest first, with what the gate said.
    pub held: Vec<Held>,
    /// Since when new snapshots wait for the operator's word, RFC 3339.
    pub by_hand: Option<String>,
    /// The snapshots that are never removed, newest first.
    pub pinned: Vec<String>,
    /// How many forms are kept, by what has become of them.
    pub forms: BTreeMap<&'static str, usize>,
    /// How many of them are in the store, where there is one and forms are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forms_store: Option<FormsPlaces>,
    /// Who does not take the forms that wait for him.
    pub recipients: Vec<RecipientStatus>,
    /// What is wrong with the snapshots on the disk.
    pub troubles: Vec<Trouble>,
    /// What `robots.txt` meant for the newest snapshot, whoever took it, if it forbids the whole site.
    pub robots: Option<Text>,
    /// How it stands with the copy outside this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<SiteStoreStatus>,
    /// The last self-test; `None`: there was none.
    pub selftest: Option<DrillStatus>,
    /// The crawl that runs, or the outcome of the last one.
    pub crawl: CrawlStatus,
}

/// A part of a site with bad pages.
#[derive(Debug, Serialize)]
pub struct BranchStatus {
    /// The first segment of their paths.
    pub path: String,
    /// How many there are.
    pub pages: u32,
    /// What most of them are instead.
    pub cause: Told,
}

/// A page that visitors requested and did not get.
#[derive(Debug, Serialize)]
pub struct WithoutCopy {
    /// Its path, and its query.
    pub path: String,
    /// How many asked for it.
    pub asked: u64,
    /// When last, RFC 3339.
    pub last: String,
}

/// What a site's crawler does and did.
#[derive(Debug, Serialize)]
pub struct CrawlStatus {
    /// The counters of the crawl that runs.
    pub running: Option<Reading>,
    /// How the last one of this process ended.
    pub last: Option<LastCrawl>,
    /// How many of this process have ended.
    pub ended: u64,
}

/// How a crawl ended.
#[derive(Debug, Serialize)]
pub struct LastCrawl {
    /// RFC 3339.
    pub at: String,
    /// `published`, `held` (it passed the gate, and waits for the operator's word), `kept_old` or `failed`.
    pub outcome: &'static str,
    /// The snapshot that was published.
    pub snapshot: Option<SnapshotStatus>,
    /// The snapshot that did not pass the gate, on the shelf for the operator to look at and publish.
    pub held: Option<SnapshotStatus>,
    /// What `robots.txt` meant for the copy, if it forbids the whole site.
    pub robots: Option<Text>,
    /// What was decided about parts of the site: what is private, what is beyond a bound.
    pub decisions: Vec<Said>,
    /// Why none was published.
    pub reasons: Vec<String>,
    /// The rules of the gate that spoke, with what was measured and the limit.
    pub rules: Vec<Broken>,
    /// What was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<serde_json::Value>,
}

impl LastCrawl {
    /// A crawl's end in words, with its whole report.
    pub fn of(ended: &Ended) -> LastCrawl {
        let report =
            ended.result.as_ref().ok().and_then(|outcome| serde_json::to_value(outcome.report()).ok());
        LastCrawl { report, ..LastCrawl::in_short(ended) }
    }

    /// The same without the report, which may be long.
    fn in_short(ended: &Ended) -> LastCrawl {
        let (mut snapshot, mut held, mut rules) = (None, None, Vec::new());
        let (outcome, reasons) = match &ended.result {
            // It passed the gate, and waits all the same: the operator has the word.
            Ok(Outcome::Published { summary, .. }) if summary.held.is_some() => {
                held = Some(SnapshotStatus::of(summary));
                ("held", summary.held.clone().unwrap_or_default())
            }
            Ok(Outcome::Published { summary, .. }) => {
                snapshot = Some(SnapshotStatus::of(summary));
                ("published", Vec::new())
            }
            Ok(Outcome::Kept { broken, held: shelved, .. }) => {
                held = shelved.as_ref().map(SnapshotStatus::of);
                rules.clone_from(broken);
                ("kept_old", broken.iter().map(Broken::line).collect())
            }
            Err(error) => ("failed", vec![chain(error)]),
        };
        let at = humantime::format_rfc3339_seconds(ended.at).to_string();
        let told = ended.result.as_ref().ok().map(Outcome::report);
        let decisions = told.map(Report::decisions).unwrap_or_default();
        let robots = told.and_then(Report::of_robots);
        LastCrawl { at, outcome, snapshot, held, robots, decisions, reasons, rules, report: None }
    }
}

/// The path for others, who may be in another folder.
fn absolute(path: &std::path::Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// One origin.
#[derive(Debug, Serialize)]
pub struct OriginStatus {
    /// Where it is.
    pub url: String,
    /// The name that it is asked for.
    pub host: String,
    /// `unproven`, `up`, `down` or `trial`.
    pub state: &'static str,
    /// Asked when no lower one can answer.
    pub tier: u32,
    /// Share within the tier.
    pub weight: u32,
    /// `auto`, `drain` or `off`.
    pub mode: &'static str,
    /// Why it is down.
    pub cause: Option<&'static str>,
    /// What the last check saw, if it says more than the cause.
    pub detail: Option<String>,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// Requests that it is answering now.
    pub in_flight: usize,
}

/// One snapshot, in short.
#[derive(Debug, Serialize)]
pub struct SnapshotStatus {
    /// Its id.
    pub id: String,
    /// RFC 3339.
    pub taken_at: String,
    /// Pages.
    pub pages: u64,
    /// Files that pages need, and downloads.
    pub files: u64,
    /// Ways to other addresses.
    pub redirects: u64,
    /// Their size.
    pub bytes: u64,
    /// Since it was taken, in seconds.
    pub age_s: u64,
}

impl App {
    /// The status of all sites, or of the one with this name.
    pub async fn status(&self, only: Option<&str>) -> Status {
        let table = self.table();
        self.look_at_conditions(clock::now());
        self.look_at_coverage().await;
        let alert_channels = self.alert_channels();
        let wanted = table.sites.iter().filter(|site| only.is_none_or(|name| *site.config.name == *name));
        let sites = wanted.map(|site| self.site_status(site, &self.known_coverage(site)));
        Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: (clock::instant() - self.started.mono).as_secs(),
            listen: self.listen(),
            config_file: self.config_file(),
            state_dir: absolute(&self.config().state_dir),
            conditions: self.conditions.of(""),
            alert_channels,
            store: self.offsite.as_ref().map(|store| store.status()),
            regions: self.instances(false),
            sites: sites.collect(),
        }
    }

    /// Where it listens, as URLs.
    pub(super) fn listen(&self) -> Vec<String> {
        let listen = |scheme: &str, at: &std::net::SocketAddr| format!("{scheme}://{at}");
        let http = self.addresses.http.iter().map(|at| listen("http", at));
        let https = self.addresses.https.iter().map(|at| listen("https", at));
        http.chain(https).collect()
    }

    /// The configuration file, if there is one.
    pub(super) fn config_file(&self) -> Option<String> {
        match &self.source {
            Source::File { path, .. } => Some(absolute(path)),
            Source::Flags => None,
        }
    }

    fn site_status(&self, site: &Site, coverage: &Coverage) -> SiteStatus {
        let seen = self.shelf_state(&site.config.name);
        let now = clock::now();
        let condition = site.condition(now);
        let mode = site.switch.mode(now.mono);
        let (gets, on) = self.gets(site, now);
        let gets = VisitorsGet::of(gets, on);
        let branch = |branch: Branch| BranchStatus {
            path: branch.name,
            pages: branch.pages,
            cause: branch.cause.into(),
        };
        let leads = condition.cause.into_iter().chain(condition.branches.iter().map(|branch| branch.cause));
        let leads = leads.into_iter().any(|cause| cause == Cause::ForeignRedirect);
        let snapshot = site.mirror.current().map(|snapshot| SnapshotStatus::of(&snapshot.summary()));
        SiteStatus {
            name: site.config.name.to_string(),
            state: condition.state.as_str(),
            since: rfc3339(condition.since.map_or(self.started.wall, |since| since.wall)),
            cause: condition.cause.map(Told::from),
            disagreement: self.disagreement(site),
            leads: leads.then(|| site.page_health.led()).flatten(),
            fallback: gets.is_worth_saying(on).then_some(gets.sentence),
            gets,
            share: f64::from(condition.share),
            bad_pages: condition.bad_pages,
            branches: condition.branches.into_iter().map(branch).collect(),
            answers: self.shares(site, now),
            without_copy: without_copy(site),
            conditions: self.conditions.of(&site.config.name),
            watch: self.watch.of(&site.config.name),
            mode: mode.as_str(),
            mode_until: site.switch.until(now).map(rfc3339),
            drill: site.switch.is_drill(now.mono),
            origins: site.origins.members().iter().map(|member| origin_status(member, site)).collect(),
            origin_list: self.origin_list(&site.config),
            snapshot,
            coverage: coverage.in_short(SHOWN),
            carried: seen.carried().cloned(),
            held: seen.held.clone(),
            by_hand: seen.by_hand.clone(),
            pinned: seen.pinned.clone(),
            forms: self.kept_forms(&site.config.name),
            forms_store: self.forms_places(site),
            recipients: self.recipients_in_trouble(&site.config),
            troubles: troubles(site, &seen),
            robots: seen.robots(),
            store: self.offsite.as_ref().map(|store| store.site_status(&site.config.name, now)),
            selftest: self.drill_status(&site.config.name),
            crawl: self.crawl(&site.config.name, LastCrawl::in_short),
        }
    }

    fn kept_forms(&self, site: &str) -> BTreeMap<&'static str, usize> {
        let totals = self.intake().opened().map(|spool| spool.totals_of(site)).unwrap_or_default();
        totals.into_iter().map(|(state, total)| (state.code(), total.forms)).collect()
    }

    /// What a site's crawler does and did, with the whole report of the last crawl.
    pub fn crawl_status(&self, site: &str) -> CrawlStatus {
        self.crawl(site, LastCrawl::of)
    }

    /// How many crawls of a site have ended in this process.
    pub(super) fn crawls_ended(&self, site: &str) -> u64 {
        let tally = self.crawler(site).map(|crawler| crawler.tally()).unwrap_or_default();
        tally.published + tally.kept_old + tally.failed
    }

    fn crawl(&self, site: &str, told: impl FnOnce(&Ended) -> LastCrawl) -> CrawlStatus {
        let crawler = self.crawler(site);
        let last = crawler.as_ref().and_then(|crawler| crawler.last_outcome());
        CrawlStatus {
            running: crawler.and_then(|crawler| crawler.progress()),
            last: last.map(|ended| told(&ended)),
            ended: self.crawls_ended(site),
        }
    }
}

impl SnapshotStatus {
    /// A snapshot's summary in short.
    pub fn of(summary: &Summary) -> SnapshotStatus {
        SnapshotStatus {
            id: summary.id.to_string(),
            taken_at: humantime::format_rfc3339_seconds(summary.taken_at).to_string(),
            pages: summary.pages,
            files: summary.files,
            redirects: summary.redirects,
            bytes: summary.bytes,
            age_s: clock::now().unix().saturating_sub(unix(summary.taken_at)),
        }
    }
}

/// Those that the snapshot in service does not have by now.
fn without_copy(site: &Site) -> Vec<WithoutCopy> {
    let current = site.mirror.current();
    let has = |key: &str| current.as_ref().is_some_and(|snapshot| matches!(snapshot.find(key), Ok(Some(_))));
    let lacking = site.visits.lacking.list().into_iter().filter(|lacked| !has(&lacked.key));
    let told = lacking.map(|l| WithoutCopy { path: l.key, asked: l.asked, last: rfc3339(l.last) });
    told.take(MOST_LACKING).collect()
}

/// What is wrong, also when there is no store that could say it.
pub(super) fn troubles(site: &Site, seen: &ShelfState) -> Vec<Trouble> {
    if site.mirror.store().is_none() {
        let message = "the state directory cannot be used, so there are no snapshots (the log says why)";
        return vec![Trouble { kind: "state_directory", message: message.to_owned() }];
    }
    seen.troubles.clone()
}

fn origin_status(member: &crate::origin::Member, site: &Site) -> OriginStatus {
    let state = member.origin.state();
    let down = match state {
        health::State::Down { since, cause } | health::State::Trial { since, cause, .. } => {
            Some((since, cause))
        }
        health::State::Unproven | health::State::Up => None,
    };
    OriginStatus {
        url: member.origin.identity.url.to_string(),
        host: member.origin.host(site.config.canonical_host().unwrap_or_default()).to_owned(),
        state: state.as_str(),
        tier: member.tier,
        weight: member.weight,
        mode: member.mode().as_str(),
        cause: down.map(|(_, cause)| cause.code()),
        detail: down.and_then(|(_, cause)| member.origin.trouble_of(cause)),
        since: down.map(|(since, _)| humantime::format_rfc3339_seconds(since.wall).to_string()),
        in_flight: member.origin.in_flight(),
    }
}
