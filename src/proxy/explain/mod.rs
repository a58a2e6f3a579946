//! What a visitor would get for an address right now, and why, step by step. It takes the same steps as a request, with the
//! same functions, but sends nothing and counts nothing.

mod steps;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Request, header};
use serde::Serialize;
use url::Url;

use super::Proxy;
use super::attempt::{Limits, Substitute, forward_reason};
use super::fallback;
use super::looked::{Looked, Purpose};
use super::mirror::Nearness;
use super::site::{Site, Table};
use super::standby::Standby;
use super::{search, shell, status_page};
use crate::ask::{Ask, Load, Visitor};
use crate::cache::Lookup;
use crate::clock::Now;
use crate::config::ready::OriginMode;
use crate::failover::{self, Copy, Fallback, Found, Mode, Plan, State};
use crate::failure::{Cause, Told};
use crate::http::cache_status::{CacheStatus, Forward};
use crate::origin::Standing;
use crate::snapshot::{SnapshotId, Store};
use crate::tasks;

/// How many older copies are looked for.
const OLDER: usize = 10;

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum Unexplained {
    /// It is no address.
    #[error("\"{0}\" is not an address: write it whole, such as https://www.example.jp/about")]
    NoUrl(String),
    /// Nobody serves that host.
    #[error("no site has the host \"{host}\"; there are: {}", known.join(", "))]
    UnknownHost {
        /// The requested host.
        host: String,
        /// The hosts of the configuration.
        known: Vec<String>,
    },
    /// Such a request would be refused.
    #[error("a request for it would be refused: {0}")]
    Refused(#[from] crate::failure::Failure),
}

/// One step, in both languages.
#[derive(Debug, Serialize)]
pub struct Step {
    /// What it is about.
    pub step: &'static str,
    /// In English.
    pub en: String,
    /// In Japanese.
    pub ja: String,
}

/// An answer that a visitor may get.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The rung: `cache`, `origin`, `stale`, `snapshot`, `spelling`, `fallback-page`, `search`, `holding`, `gone` or `status-page`.
    pub from: &'static str,
    /// What its `Cache-Status` says; of the origin's own answers, for the status 200.
    pub cache_status: String,
}

/// What a visitor would get, and why.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The address in its normal form.
    pub url: String,
    /// The site.
    pub site: String,
    /// The page's key within it.
    pub key: String,
    /// `anonymous` or `session`.
    pub visitor: &'static str,
    /// The site's state.
    pub state: &'static str,
    /// The operator's mode.
    pub mode: &'static str,
    /// How long a visitor waits for the origin; `None` if the request does not go there.
    pub wait_ms: Option<u64>,
    /// The origins that one is chosen from.
    pub origins: Vec<String>,
    /// What the visitor gets if the origin, where it is asked, gives a good answer in time.
    pub answer: Given,
    /// What the visitor gets if it does not.
    pub otherwise: Option<Given>,
    /// Why the origin is not asked.
    pub cause: Option<Told>,
    /// Step by step.
    pub steps: Vec<Step>,
}

impl Proxy {
    /// What a visitor with this `Cookie` field would get for an address, and why.
    ///
    /// # Errors
    /// See [`Unexplained`].
    pub async fn explain(
        &self,
        text: &str,
        cookie: Option<&str>,
        now: Now,
    ) -> Result<Explained, Unexplained> {
        let no_url = || Unexplained::NoUrl(text.chars().take(200).collect());
        let url = Url::parse(text).map_err(|_| no_url())?;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(no_url()),
        };
        let authority = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err(no_url()),
        };
        let target =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        // What a browser sends that opens a page.
        let accept = "text/html,application/xhtml+xml,*/*;q=0.8";
        let mut request = Request::get(target).header(header::HOST, authority).header(header::ACCEPT, accept);
        if let Some(Ok(cookie)) = cookie.map(HeaderValue::from_str) {
            request = request.header(header::COOKIE, cookie);
        }
        let mut request = request.body(()).map_err(|_| no_url())?;
        let (host, port) = crate::ask::host_of(&request)?;
        let host = host.into_owned();
        let table = self.table();
        let Some(site) = table.find(&host) else {
            return Err(Unexplained::UnknownHost { host, known: hosts(&table) });
        };
        Standby::enter(&mut request, site, (&host, port), (tls, table.has_https));
        let nobody = std::net::Ipv4Addr::LOCALHOST.into();
        let mut ask = Ask::read(&request, &site.config, (nobody, tls), Load::Nothing)?;
        ask.keep_headers(request.headers(), false);
        if status_page::file_of(site, &ask).is_some() {
            return Ok(Explanation::of(site, &ask, &request, now).status_page(&host));
        }
        let older = match site.mirror.store().cloned() {
            Some(store) => {
                let key = ask.key().to_owned();
                tasks::blocking(move || older(&store, &key)).await.unwrap_or_default()
            }
            None => Vec::new(),
        };
        let mut explanation = Explanation::of(site, &ask, &request, now);
        if explanation.is_lost() {
            explanation.meant = site.mirror.meant(ask.key()).await;
            explanation.shell =
                shell::page(site, &ask).await.filter(|_| explanation.meant.is_none()).map(|(at, _)| at);
            let is_open = explanation.meant.is_none() && explanation.shell.is_none();
            explanation.is_search = is_open && search::is_answered(site, &ask).await;
        }
        Ok(explanation.explain(&host, &older))
    }
}

fn hosts(table: &Table) -> Vec<String> {
    table.sites.iter().flat_map(|site| site.config.all_hosts().map(str::to_owned)).collect()
}

/// Copies of the page in snapshots that are not in service. Blocks.
fn older(store: &Store, key: &str) -> Vec<(SnapshotId, SystemTime)> {
    let current = store.current().map(|current| current.id());
    let others = store.list().into_iter().filter(|summary| Some(summary.id) != current).take(OLDER);
    let found = others.filter_map(|summary| {
        let page = store.get(&summary.id)?.find(key).ok()??;
        Some((summary.id, page.taken_at))
    });
    found.collect()
}

/// Everything that the decision depends on, as of now.
struct Explanation<'a> {
    site: &'a Site,
    ask: &'a Ask,
    looked: Looked,
    plan: Plan,
    cause: Option<Cause>,
    share: f32,
    /// The page that is meant, if the address is only another spelling of one.
    meant: Option<String>,
    /// The page of a program that runs in the browser, if it stands in for this address.
    shell: Option<Arc<str>>,
    /// Whether it is a search that the snapshot's index answers.
    is_search: bool,
    now: Now,
}

impl<'a> Explanation<'a> {
    fn of(site: &'a Site, ask: &'a Ask, request: &Request<()>, now: Now) -> Explanation<'a> {
        let looked = Looked::at(site, ask, request.headers(), now, Purpose::Knowledge);
        let plan = failover::decide(looked.situation);
        let cause = looked.cause(site);
        let share = if looked.situation.state == State::Recovering { site.share(now) } else { 1.0 };
        Explanation { site, ask, looked, plan, cause, share, meant: None, shell: None, is_search: false, now }
    }

    /// Whether the holding page is the only fallback.
    fn is_lost(&self) -> bool {
        matches!(self.plan, Plan::Give(Fallback::Holding) | Plan::Ask { fallback: Fallback::Holding, .. })
    }

    fn explain(&self, host: &str, older: &[(SnapshotId, SystemTime)]) -> Explained {
        let (wait, fallback) = match self.plan {
            Plan::Give(fallback) => (None, fallback),
            Plan::Ask { wait, fallback } => (Some(wait), fallback),
        };
        let allowance = wait.map(|wait| Limits::of(self.site, self.ask, wait, Substitute::of(fallback)).wait);
        let origins = if wait.is_some() { self.origins() } else { Vec::new() };
        let given = self.given(fallback, self.cause);
        let (answer, otherwise) = match wait {
            None => (given, None),
            Some(_) => {
                let why = forward_reason(self.ask, self.looked.lookup.as_ref());
                (live(why, self.is_stored()), Some(self.given(fallback, Some(Cause::Silent))))
            }
        };
        let mut steps = vec![self.of_site(host), self.of_page(), self.of_cache(), self.of_snapshot(older)];
        steps.extend(self.of_memo());
        steps.push(self.of_state(fallback));
        steps.push(self.of_plan(allowance, &origins));
        steps.push(self.of_answer(&answer, otherwise.as_ref()));
        let told =
            if wait.is_none() && self.looked.situation.found != Found::Fresh { self.cause } else { None };
        Explained {
            url: self.ask.url().to_owned(),
            site: self.site.config.name.to_string(),
            key: self.ask.key().to_owned(),
            visitor: if self.ask.visitor == Visitor::Session { "session" } else { "anonymous" },
            state: self.looked.situation.state.as_str(),
            mode: self.looked.situation.mode.as_str(),
            wait_ms: allowance.map(millis),
            origins,
            answer,
            otherwise,
            cause: told.map(Told::from),
            steps,
        }
    }

    /// Katahai answers itself, whatever the site's state.
    fn status_page(&self, host: &str) -> Explained {
        let cache_status = status_page::CACHE_STATUS.to_owned();
        Explained {
            wait_ms: None,
            origins: Vec::new(),
            answer: Given { from: "status-page", cache_status },
            otherwise: None,
            cause: None,
            steps: vec![self.of_site(host), steps::of_status_page(self.ask.key())],
            ..self.explain(host, &[])
        }
    }

    /// Those of the lowest tier that can answer; the least busy of them is asked. Where none can, and one is to be asked all
    /// the same, those of the lowest tier.
    fn origins(&self) -> Vec<String> {
        let members = self.site.origins.members();
        let is_up =
            |m: &crate::origin::Member| m.mode() == OriginMode::Auto && m.origin.standing() != Standing::Down;
        let any = self.looked.situation.mode == Mode::HoldOrigin && !members.iter().any(is_up);
        let usable = |m: &&crate::origin::Member| is_up(m) || any && m.mode() == OriginMode::Auto;
        let tier = members.iter().filter(usable).map(|m| m.tier).min();
        let first = members.iter().filter(usable).filter(|m| Some(m.tier) == tier);
        first.map(|m| m.origin.identity.url.to_string()).collect()
    }

    /// Whether an answer would be kept, as far as that can be told before it is there.
    fn is_stored(&self) -> bool {
        matches!(
            self.looked.lookup,
            Some(
                Lookup::Fresh(_)
                    | Lookup::Stale(_)
                    | Lookup::Revalidate(_)
                    | Lookup::Otherwise(_)
                    | Lookup::Nothing(_)
            )
        )
    }

    fn given(&self, fallback: Fallback, cause: Option<Cause>) -> Given {
        let nothing = CacheStatus::Miss { detail: cause.unwrap_or(Cause::KnownDown).code() };
        let (from, status) = match fallback {
            Fallback::Copy(Copy::Fresh) => (
                "cache",
                self.looked.copies.entry.as_ref().map_or(CacheStatus::HitStale, |entry| entry.hit(self.now)),
            ),
            Fallback::Copy(Copy::Entry) => ("stale", CacheStatus::HitStale),
            Fallback::Copy(Copy::Snapshot) => match self.looked.copies.page {
                Some((_, Nearness::Near)) => ("snapshot", CacheStatus::HitNear),
                Some((_, Nearness::Exact)) | None => ("snapshot", CacheStatus::HitSnapshot),
            },
            Fallback::Holding if self.meant.is_some() => ("spelling", CacheStatus::HitSpelling),
            Fallback::Holding if self.shell.is_some() => ("fallback-page", CacheStatus::HitShell),
            Fallback::Holding if self.is_search => ("search", CacheStatus::HitSearch),
            Fallback::Gone if fallback::told(self.looked.mark).is_none() => ("holding", nothing),
            Fallback::Holding | Fallback::Refusal => ("holding", nothing),
            Fallback::Gone => ("gone", nothing),
        };
        Given { from, cache_status: text(status) }
    }
}

/// The origin's answer, as it most likely is.
fn live(why: Forward, stored: bool) -> Given {
    let status = CacheStatus::Forwarded { why, status: http::StatusCode::OK, stored, collapsed: false };
    Given { from: "origin", cache_status: text(status) }
}

fn text(status: CacheStatus) -> String {
    status.value().to_str().unwrap_or_default().to_owned()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
