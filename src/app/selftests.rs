//! Self-tests of the sites: by command, and by themselves at night. One at a time, on the copy alone: the origin is not asked,
//! nothing is counted, and visitors are not kept waiting. What a kill interrupts is run again later.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::App;
use crate::clock::{self, Now};
use crate::config::alerts::{AlertLanguage, Destination};
use crate::config::ready::{self, ANY_HOST, DrillMail};
use crate::failover::State;
use crate::failure::{Cause, Text};
use crate::holding_page::Language;
use crate::messages::Again;
use crate::messages::mail::{self, Letter};
use crate::proxy::Site;
use crate::report;
use crate::selftest::browser::{self, NO_HOST, Stage};
use crate::selftest::walk::{Copies, Itinerary, Walked, walk};
use crate::selftest::when::Schedule;
use crate::selftest::words::{self, Tongue};
use crate::selftest::{DrillResult, Evidence, Finding, Kept, OfSnapshot, Scripts, forms, judge};
use crate::snapshot::{SiteForms, rfc3339};
use crate::tasks;

/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_secs(5);
/// How long a walk may take: whoever asked for it waits.
const LONGEST: Duration = Duration::from_secs(40);
/// Pages by their visits that are walked.
const VISITED: usize = 2000;
/// A snapshot that is older than so many times `mirror.every` is old.
const OLD: u32 = 3;
/// How often a mail is tried, and how long it is waited in between.
const TRIES: u32 = 4;
const BETWEEN: Duration = Duration::from_secs(600);
/// Findings in the status.
const SHOWN: usize = 8;

/// The results of all sites, and whose turn it is.
#[derive(Default)]
pub(super) struct SelfTests {
    turn: tokio::sync::Mutex<()>,
    kept: Mutex<HashMap<Arc<str>, Arc<Kept>>>,
}

impl SelfTests {
    fn kept(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who tries the scripts.
#[derive(Debug)]
pub enum ScriptsBy {
    /// A browser that the service starts, if it can.
    Service,
    /// Somebody has, with this result; or nobody, for the reason that stands there.
    Caller(Scripts),
}

/// Whether a result counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It is kept: the next one is compared with it.
    Kept,
    /// Somebody only wants to know what would be walked.
    Tried,
}

/// A result, and the pages that a browser is to open for it.
#[derive(Debug, Serialize)]
pub struct Drilled {
    /// The result.
    pub result: DrillResult,
    /// The pages, the most important first.
    pub pages: Vec<String>,
}

/// The last self-test, for the status.
#[derive(Clone, Debug, Serialize)]
pub struct DrillStatus {
    /// When, RFC 3339.
    pub at: String,
    /// From 0 to 100.
    pub score: u8,
    /// The score before.
    pub was: Option<u8>,
    /// Whether a visitor would miss nothing important.
    pub is_well: bool,
    /// How much was found of each kind.
    pub counts: BTreeMap<String, u64>,
    /// The weightiest findings.
    pub findings: Vec<DrillFinding>,
}

/// One of them, in both languages.
#[derive(Clone, Debug, Serialize)]
pub struct DrillFinding {
    /// Its kind.
    pub kind: &'static str,
    /// Whose.
    pub path: String,
    /// What it means.
    pub meaning: Text,
    /// What to do.
    pub advice: Text,
}

/// What is walked, read once.
struct Ground {
    site: Arc<Site>,
    config: Arc<ready::Site>,
}

/// What a walk has brought.
struct Trip {
    walked: Walked,
    forms: (u64, u64, Vec<Finding>),
    copies: Option<Arc<OfSnapshot>>,
    snapshot: Option<String>,
    too_old: Option<String>,
}

/// Runs those that are due, for as long as the application is there.
pub(super) async fn run(app: Weak<App>) {
    while let Some(app) = app.upgrade() {
        let names: Vec<Arc<str>> = app.table().sites.iter().map(|site| site.config.name.clone()).collect();
        app.selftests.kept().retain(|name, _| names.contains(name));
        for name in names {
            app.load_drill(&name).await;
            if app.is_drill_due(&name, clock::now()) {
                app.weekly(&name).await;
            }
        }
        drop(app);
        tokio::time::sleep(LOOK).await;
    }
}

impl App {
    /// The results of a site that are in memory.
    pub(super) fn known_drill(&self, site: &str) -> Arc<Kept> {
        self.selftests.kept().get(site).cloned().unwrap_or_default()
    }

    /// The results of a site.
    pub async fn drill_results(&self, site: &str) -> Arc<Kept> {
        self.load_drill(site).await;
        self.known_drill(site)
    }

    /// The last one in short.
    pub(super) fn drill_status(&self, site: &str) -> Option<DrillStatus> {
        let kept = self.known_drill(site);
        let last = kept.last.as_ref()?;
        let shown = |finding: &Finding| DrillFinding {
            kind: finding.kind.code(),
            path: finding.path.clone(),
            meaning: finding.kind.meaning(),
            advice: finding.kind.advice(),
        };
        Some(DrillStatus {
            at: rfc3339(std::time::UNIX_EPOCH + Duration::from_secs(last.at)),
            score: last.score,
            was: last.was,
            is_well: last.is_well,
            counts: last.counts.clone(),
            findings: last.findings.iter().take(SHOWN).map(shown).collect(),
        })
    }

    /// What the last one found that the operator is to be told at once.
    pub(super) fn drill_condition(&self, site: &str) -> Option<(Cause, String)> {
        Some((Cause::DrillFailed, self.known_drill(site).last.as_ref()?.alarm()?))
    }

    fn drill_dir(&self) -> PathBuf {
        self.fixed.state_dir().to_owned()
    }

    async fn load_drill(&self, site: &str) {
        if self.selftests.kept().contains_key(site) {
            return;
        }
        let (dir, name) = (self.drill_dir(), site.to_owned());
        let read = tasks::blocking(move || Kept::read(&dir, &name)).await.unwrap_or_default();
        self.selftests.kept().entry(site.into()).or_insert_with(|| Arc::new(read));
    }

    fn is_drill_due(&self, name: &str, now: Now) -> bool {
        let table = self.table();
        let Some(site) = table.named(name) else { return false };
        let Some(every) = site.config.drill.every else { return false };
        let is_busy = self.crawler(name).is_some_and(|crawler| crawler.running().is_some());
        // in an outage there is more important work, and who looks at it then knows what is missing
        if is_busy || site.state(now) != State::Up || site.mirror.current().is_none() {
            return false;
        }
        let config = self.config();
        let zone = config.incidents.zone.unwrap_or_else(|| match config.alerts.language {
            AlertLanguage::English => report::Language::En.usual_zone(),
            AlertLanguage::Japanese | AlertLanguage::Both | AlertLanguage::Auto => {
                report::Language::Ja.usual_zone()
            }
        });
        let schedule = Schedule {
            every: every.as_secs(),
            last: self.known_drill(name).last.as_ref().map(|last| last.at),
            started: self.started.unix(),
            zone: zone.seconds(),
        };
        schedule.is_due(now.unix())
    }

    async fn weekly(self: &Arc<Self>, name: &str) {
        let Some(drilled) = self.drill(name, ScriptsBy::Service, Keeping::Kept).await else { return };
        let Some(site) = self.table().named(name).cloned() else { return };
        let is_wanted = match site.config.drill.mail {
            DrillMail::Always => true,
            DrillMail::Bad => !drilled.result.is_well,
            DrillMail::Never => false,
        };
        if is_wanted {
            self.mail_drill(&site, &drilled.result).await;
        }
    }

    /// Walks the copy of a site. `None`: there is no such site, or the process is stopping.
    pub async fn drill(
        self: &Arc<Self>,
        name: &str,
        scripts: ScriptsBy,
        keeping: Keeping,
    ) -> Option<Drilled> {
        let _turn = self.selftests.turn.lock().await;
        self.load_drill(name).await;
        let site = self.table().named(name)?.clone();
        let ground = Ground { config: site.config.clone(), site: site.clone() };
        let (now, handle) = (clock::now(), tokio::runtime::Handle::current());
        let trip = tasks::blocking(move || ground.walk(now, &handle)).await?;
        let Trip { walked, forms, copies, snapshot, too_old } = trip;
        let pages = to_open(&walked, &site.config);
        let scripts = match (scripts, copies) {
            (ScriptsBy::Caller(scripts), _) => scripts,
            (ScriptsBy::Service, Some(copies)) => {
                let stage = Stage {
                    hosts: hosts(&site.config),
                    ignore_query: site.config.cache.ignore_query.clone(),
                    copies,
                };
                browser::walk(browser::installed(None).as_deref(), &pages, &stage).await
            }
            (ScriptsBy::Service, None) => {
                Scripts { not_tried: Some("there is no copy".to_owned()), ..Scripts::default() }
            }
        };
        let before = self.known_drill(name);
        let evidence = Evidence { at: now.unix(), snapshot, walked, forms, scripts, too_old };
        let result = judge(evidence, before.last.as_ref());
        if keeping == Keeping::Kept {
            self.keep_drill(&site.config.name, &before, &result).await;
        }
        Some(Drilled { result, pages })
    }

    async fn keep_drill(&self, name: &Arc<str>, before: &Kept, result: &DrillResult) {
        let mut kept = before.clone();
        kept.add(result.clone());
        let (dir, site, kept) = (self.drill_dir(), name.clone(), Arc::new(kept));
        self.selftests.kept().insert(name.clone(), kept.clone());
        let (score, is_well) = (result.score, result.is_well);
        tracing::info!(site = %name, score, was = ?result.was, is_well, "self-test done");
        let written = tasks::blocking(move || kept.write(&dir, &site)).await;
        if let Some(Err(error)) = written {
            tracing::warn!(site = %name, %error, "the result of the self-test cannot be written, a restart would lose it");
        }
    }

    /// Mails a result to those who get alerts by mail. Beside: the next site does not wait for a mail server.
    async fn mail_drill(self: &Arc<Self>, site: &Site, result: &DrillResult) {
        let config = self.config();
        let Some(server) = config.mail.clone() else { return };
        let own = match site.language().await {
            Language::En => Tongue::En,
            Language::Ja => Tongue::Ja,
        };
        let tongues = match config.alerts.language {
            AlertLanguage::English => vec![Tongue::En],
            AlertLanguage::Japanese => vec![Tongue::Ja],
            AlertLanguage::Both => vec![Tongue::En, Tongue::Ja],
            AlertLanguage::Auto => vec![own],
        };
        let name = &site.config.name;
        let subject = words::subject(name, result, *tongues.first().unwrap_or(&own));
        let texts: Vec<String> = tongues.iter().map(|tongue| words::text(name, result, *tongue)).collect();
        for channel in config.alerts.channels.iter().filter(|channel| !channel.is_backup) {
            let Destination::Mail(address) = &channel.reach else { continue };
            let to = blake3::hash(address.to_string().as_bytes()).to_hex();
            let letter = Letter {
                to: address.clone(),
                subject: subject.clone(),
                text: texts.join("\n"),
                reply_to: None,
                id: format!("drill.{name}.{}.{}", result.at, &to[..8]),
                files: Vec::new(),
            };
            tasks::detached(deliver(server.clone(), letter, name.clone()));
        }
    }
}

async fn deliver(server: crate::config::recipient::MailServer, letter: Letter, site: Arc<str>) {
    for attempt in 1..=TRIES {
        let Err(why) = mail::send(&server, letter.clone()).await else {
            tracing::info!(%site, "the result of the self-test was mailed");
            return;
        };
        let (code, detail) = (why.code, why.detail);
        if why.again == Again::Never || attempt == TRIES {
            tracing::error!(%site, code, detail, "the result of the self-test could not be mailed");
            return;
        }
        tracing::warn!(%site, code, detail, "the result of the self-test could not be mailed, trying again");
        tokio::time::sleep(BETWEEN).await;
    }
}

/// The names that are the site's.
fn hosts(config: &ready::Site) -> Vec<String> {
    let mut hosts: Vec<String> =
        config.all_hosts().filter(|host| *host != ANY_HOST).map(str::to_owned).collect();
    if hosts.is_empty() {
        hosts.push(config.canonical_host().unwrap_or(NO_HOST).to_owned());
    }
    hosts
}

/// The pages that a browser opens: key pages, then those that were walked, as visitors want them.
fn to_open(walked: &Walked, config: &ready::Site) -> Vec<String> {
    let mut pages: Vec<String> =
        walked.key_pages.iter().filter(|page| page.is_good).map(|page| page.key.clone()).collect();
    let others = walked.pages.iter().filter(|page| !config.key_pages.contains(page));
    pages.extend(others.cloned());
    pages.truncate(browser::PAGES);
    pages
}

impl Ground {
    /// Walks. Blocks.
    fn walk(self, now: Now, handle: &tokio::runtime::Handle) -> Trip {
        let Ground { site, config } = self;
        let (Some(store), Some(snapshot)) = (site.mirror.store().cloned(), site.mirror.current()) else {
            return Trip {
                walked: Walked::default(),
                forms: (0, 0, Vec::new()),
                copies: None,
                snapshot: None,
                too_old: None,
            };
        };
        let visited = site.visits.popular(now.wall, VISITED);
        let has_index = matches!(snapshot.search(), Ok(Some(_)));
        let forms = SiteForms::read(store.forms(&snapshot.id())).unwrap_or_default();
        let age = now.wall.duration_since(snapshot.summary().taken_at).unwrap_or_default();
        let too_old = (age > config.mirror.every * OLD).then(|| {
            let hours = Duration::from_secs(age.as_secs() / 3600 * 3600);
            format!("{} old", humantime::format_duration(hours))
        });
        let id = snapshot.id().to_string();
        let handle = handle.clone();
        let stands_in = move |key: &str| handle.block_on(site.mirror.stands_in(key));
        let copies = Arc::new(OfSnapshot::new(&store, snapshot, stands_in));
        let hosts = hosts(&config);
        let plan = Itinerary {
            hosts: hosts.iter().map(String::as_str).collect(),
            ignore_query: &config.cache.ignore_query,
            key_pages: &config.key_pages,
            visited,
            until: now.mono + LONGEST,
        };
        let walked = walk(&plan, &*copies as &dyn Copies, &clock::instant);
        let forms = forms::judge(&forms, &config, has_index);
        Trip { walked, forms, copies: Some(copies), snapshot: Some(id), too_old }
    }
}

impl Drilled {
    /// As the API says it.
    pub fn to_json(&self) -> serde_json::Value {
        json!(self)
    }
}
