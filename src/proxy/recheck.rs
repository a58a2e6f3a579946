//! Re-checking a site's bad pages: each is requested again in the background, as a visitor would, until it is good; if most
//! pages are bad, the key pages are checked first. The same task does what has to happen without visitors, too:
//! it reports the site's state, follows the shelf, and looks into what crawls and visitors have found.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderValue, Request, header};

use super::attempt::{Attempt, Limits, Substitute};
use super::check_judge::is_of_the_answer;
use super::direct::ask_alone;
use super::looked::{Looked, Purpose};
use super::reference::Reference;
use super::site::Site;
use super::{Visit, requisites, rewrite, uniform};
use crate::ask::{Ask, Load};
use crate::clock::{self, Now};
use crate::config::ready::OriginMode;
use crate::failover::{Remembered, Wait};
use crate::failure::{Cause, Failure};
use crate::http::Body;
use crate::origin::{self, CHECK_USER_AGENT, Outlook};
use crate::page_health::{Due, Weight};
use crate::snapshot::SnapshotId;
use crate::tasks;

/// Pages of one site that are requested at once.
const AT_ONCE: usize = 8;
/// The pause after a round of mostly bad pages, so that a sick site does not get requests for all its pages in a row.
const BREATH: Duration = Duration::from_secs(1);
/// The longest pause between two rounds. A change of state is reported within this time, even without visitors.
const REST: Duration = Duration::from_secs(1);
/// The pause after the site could not be proven: the interval of its checks, within these bounds.
const UNPROVEN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// Re-checks one site's bad pages for as long as it exists.
#[derive(Debug)]
pub struct Rechecker {
    site: Weak<Site>,
    _task: tasks::Guard,
}

impl Rechecker {
    /// Begins to re-check this site's pages, until this is dropped.
    pub fn start(site: &Arc<Site>) -> Rechecker {
        let site = Arc::downgrade(site);
        Rechecker { _task: tasks::guarded(run(site.clone())), site }
    }

    /// Whether it re-checks this site.
    pub fn is_of(&self, site: &Arc<Site>) -> bool {
        std::ptr::eq(self.site.as_ptr(), Arc::as_ptr(site))
    }
}

async fn run(site: Weak<Site>) {
    let mut known = None;
    loop {
        let Some(current) = site.upgrade() else { return };
        // On the heap only while it lasts: most sites rest most of the time.
        let rest = Box::pin(look(&current, &mut known)).await;
        let (page_health, store) = (current.page_health.clone(), current.mirror.store().cloned());
        drop(current);
        let moved = async {
            match store {
                Some(store) => store.moved().await,
                None => std::future::pending().await,
            }
        };
        let woken = async {
            tokio::select! {
                () = page_health.woken.notified() => {}
                () = moved => {}
            }
        };
        _ = tokio::time::timeout(rest, woken).await;
    }
}

/// What there is to do now. Returns how long to pause.
async fn look(site: &Arc<Site>, known: &mut Option<SnapshotId>) -> Duration {
    site.mirror.learn().await;
    note_removed(site, known);
    save(site).await;
    round(site).await
}

/// Records the pages that the crawl of a new snapshot has found to be removed.
fn note_removed(site: &Site, known: &mut Option<SnapshotId>) {
    let Some((of, at, addresses)) = site.mirror.addresses() else { return };
    if known.replace(of) == Some(of) {
        return;
    }
    let since = Now { wall: at, ..clock::now() };
    for (key, status) in addresses.removed() {
        site.page_health.mark_gone(key, status, since);
    }
}

/// Saves which pages the site has removed, if that has changed.
async fn save(site: &Arc<Site>) {
    if !site.page_health.is_unsaved() {
        return;
    }
    let page_health = site.page_health.clone();
    _ = tasks::blocking(move || page_health.save()).await;
}

/// One round: what is due without visitors, then the pages that are due, if an origin is up. Returns how long
/// to pause.
async fn round(site: &Arc<Site>) -> Duration {
    let now = clock::now();
    uniform::drop_condemned(site);
    site.observe(now);
    site.vouch.follow_shelf(site, now);
    if site.origins.outlook() != Outlook::Up {
        return REST;
    }
    if site.page_health.flood().is_some() {
        prove(site, now).await;
        return Duration::ZERO;
    }
    doubt(site, now).await;
    requisites::look_into(site).await;
    let due = site.page_health.due(AT_ONCE, now.mono);
    if due.is_empty() {
        let next = site.page_health.next().map(|next| next.saturating_duration_since(now.mono));
        return next.map_or(REST, |next| next.min(REST));
    }
    if !recheck_all(site, due).await {
        tokio::time::sleep(BREATH).await;
    }
    Duration::ZERO
}

/// While most answers are bad: asks for the key pages, then for some of the bad pages. The site is back once
/// the key pages are proven and at least half of the others are good.
async fn prove(site: &Arc<Site>, now: Now) {
    if prove_key_pages(site, now).await.is_ok() {
        site.page_health.hasten(now.mono);
        let due = site.page_health.due(AT_ONCE, clock::instant());
        if recheck_all(site, due).await {
            site.page_health.ebb();
            site.observe(clock::now());
            return;
        }
    }
    let (least, most) = UNPROVEN;
    tokio::time::sleep(site.config.health.interval.clamp(least, most)).await;
}

/// Has the first origin that is up proven by its key pages, now.
async fn prove_key_pages(site: &Site, now: Now) -> Result<(), Failure> {
    let is_asked = |member: &&crate::origin::Member| {
        member.mode() == OriginMode::Auto && member.origin.standing() == origin::Standing::Up
    };
    match site.origins.members().iter().find(is_asked) {
        Some(member) => member.origin.clone().prove(now.mono, site.config.failover.timeout).await,
        None => Err(Cause::KnownDown.into()),
    }
}

/// Has every origin that may be asked proven by its key pages, now.
///
/// # Errors
/// Why one of them is not.
pub(super) async fn prove_all(site: &Site, now: Now) -> Result<(), Failure> {
    let mut proven = Err(Cause::KnownDown.into());
    for member in site.origins.members() {
        if member.mode() == OriginMode::Auto && member.origin.standing() != origin::Standing::Down {
            member.origin.clone().prove(now.mono, site.config.failover.timeout).await?;
            proven = Ok(());
        }
    }
    proven
}

/// Looks into what a held crawl has found. If the key pages are bad, the site counts as down until it is
/// proven. If only some of them or of the crawl's samples are bad, these are marked and come from their copies.
/// Pages that are good by now are not mentioned.
async fn doubt(site: &Arc<Site>, now: Now) {
    let Some(pages) = site.page_health.doubt.take() else { return };
    if let Err(failure) = prove_key_pages(site, now).await {
        if is_of_the_answer(failure.cause) {
            tracing::warn!(site = %site.config.name, error = %failure, "the key pages confirm what the crawl found: this is not the site");
            site.page_health.raise(failure.cause, clock::now());
        }
        return;
    }
    let (scheme, host) =
        (if site.config.tls.is_some() { "https" } else { "http" }, site.config.canonical_host());
    let due = |key: &str| {
        let url = format!("{scheme}://{}{key}", host.unwrap_or("localhost"));
        Due { key: key.into(), url: url.into() }
    };
    recheck_all(site, pages.iter().map(|key| due(key)).collect()).await;
}

/// Requests these pages; returns whether at least half of them are the site's.
async fn recheck_all(site: &Arc<Site>, due: Vec<Due>) -> bool {
    let all = due.len();
    let asked = join_all(due.iter().map(|due| async {
        let result = recheck(site, due).await;
        site.page_health.give_back(&due.key, clock::instant());
        result
    }));
    let good = asked.await.into_iter().filter(Result::is_ok).count();
    good * 2 >= all
}

/// Requests a page as an anonymous visitor would, at the address at which it was found bad. The review of the
/// answer records what follows; here only what needs no answer is recorded: that there is no copy, or that a
/// file is still missing.
async fn recheck(site: &Arc<Site>, due: &Due) -> Result<(), Failure> {
    let tls = due.url.starts_with("https:");
    let malformed = |error: http::Error| Failure::new(Cause::Internal).source(error);
    let request = Request::get(&*due.url)
        .header(header::ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml,*/*;q=0.8"))
        .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
        .header(header::USER_AGENT, HeaderValue::from_static(CHECK_USER_AGENT))
        .body(Body::Empty)
        .map_err(malformed)?;
    // without an address: what becomes of it is no evidence of a visitor
    let nowhere = Ipv4Addr::UNSPECIFIED.into();
    let ask = Ask::read(&request, &site.config, (nowhere, tls), Load::Nothing)?;
    let now = clock::now();
    let looked = Looked::at(site, &ask, request.headers(), now, Purpose::Knowledge);
    let reference = Reference::of(&ask, &looked.copies, Remembered::Bad);
    if reference.is_nothing() || ask.key() != &*due.key {
        // Without a copy the mark spares nobody anything: it goes, and the next visitor finds out.
        site.page_health.note_good(&due.key, Weight::Part, now.mono);
        return Ok(());
    }
    if let Some(file) = site.page_health.lacking(&due.key) {
        if requisites::lacks(site, &due.key, &file).await {
            let (cause, now) = (Cause::AssetMissing, clock::now());
            // a fetch that was under way may have kept it again
            uniform::drop_kept(site, &due.key, &due.url);
            site.page_health.mark_bad((&due.key, &due.url), Weight::Part, cause, now, fastrand::f64());
            return Err(Failure::new(cause).detail(file));
        }
        site.page_health.note_whole(&due.key);
    }
    let nobody = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let visit = Visit { peer: nobody, port: if tls { 443 } else { 80 }, tls, early: &|| None };
    let request = rewrite::outgoing(&ask, Box::new(request), &visit, &[])?;
    let limits = Limits::of(site, &ask, Wait::Timeout, Substitute::Copy);
    let attempt = Attempt { site, ask: &ask, reference: &reference, limits };
    ask_alone(attempt, request, 0).await.map(drop)
}
