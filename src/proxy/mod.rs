//! The request path, in six steps: read, look up, decide, carry out, fall, end. Start at [`Proxy::handle`].

mod beside;
mod buffer;
mod circle;
mod crowd;
mod end;
mod explain;
mod fallback;
mod fetch;
mod flight;
mod hints;
mod judge;
mod landing;
mod mirror;
mod noted;
mod recheck;
mod removal;
mod render;
mod requisites;
mod review;
mod shell;
mod site;
mod spelling;
mod spool;
mod tee;
mod trusted;
mod uniform;
mod visited;
mod vouch;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};

use crate::access_log::AccessLog;
use crate::ask::{Ask, Kind, Load, Visitor, host_of, location, normal};
use crate::cache::{self, Entry, Lookup};
use crate::clock::{self, Now};
use crate::failover::{self, Fallback, Found, Mirrored, Mode, Page, Plan, Situation, State, Turn};
use crate::failure::{Cause, Failure};
use crate::holding_page::{self, Format, Notice};
use crate::http::cache_status::{CacheStatus, Forward};
use crate::http::client::ClientKey;
use crate::http::{Body, headers};
use crate::metrics::ServedFrom;
use crate::origin::Origin;
use crate::page_health::Mark;
use crate::verdict::Wishes;
pub use buffer::HoldRoom;
use crowd::{Crowd, Place};
use end::{Ending, Pending, Subject};
pub use explain::{Explained, Given, Step, Unexplained};
use fetch::Allowance;
pub use judge::SiteJudge;
pub use mirror::{Hot, Mirror};
use mirror::{Nearness, Ready};
use review::{Beside, Trial};
pub use site::{Condition, Site, Switch, Table, Tender};
pub use spool::Spool;
pub use trusted::Trusted;
pub use vouch::Vouch;
use vouch::found;

/// When to come again, on the holding page.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Passes an origin's interim answer (1xx) on.
pub type Early = Box<dyn Fn(StatusCode, &HeaderMap) + Send + Sync>;

/// How a request came in.
#[derive(Clone, Copy)]
pub struct Visit<'a> {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// Our port.
    pub port: u16,
    /// Whether the connection is TLS.
    pub tls: bool,
    /// Makes a way for interim answers, where there is one.
    pub early: &'a (dyn Fn() -> Option<Early> + Sync),
}

/// The proxy: all sites, the cache, the log. Cheap to clone.
#[derive(Clone)]
pub struct Proxy(Arc<Shared>);

struct Shared {
    table: ArcSwap<Table>,
    log: AccessLog,
    spool: Spool,
    crowd: Crowd,
}

/// An answer before its end.
struct Outcome {
    response: Response<Body>,
    served_from: ServedFrom,
    cause: Option<Cause>,
    /// Who is held responsible for the rest of the body.
    origin: Option<Arc<Origin>>,
}

/// How an origin is asked: what the cache knows of the page, for how long, and what the answer is judged beside.
struct Way {
    lookup: Option<Lookup>,
    allowance: Allowance,
    beside: Beside,
}

/// The copies that were found.
struct Copies {
    entry: Option<Arc<Entry>>,
    /// What the entry is worth.
    found: Found,
    page: Option<(Arc<Ready>, Nearness)>,
}

impl Proxy {
    /// A proxy for the table's sites. What visitors send is kept in `spool` until all of it is there.
    pub fn new(table: Table, log: AccessLog, spool: Spool) -> Proxy {
        table.sites.iter().for_each(Tender::start);
        Proxy(Arc::new(Shared { table: ArcSwap::from_pointee(table), log, spool, crowd: Crowd::default() }))
    }

    /// The sites as they run now.
    pub fn table(&self) -> Arc<Table> {
        self.0.table.load_full()
    }

    /// Replaces the sites. Requests under way end with those that they began with.
    pub fn replace(&self, table: Table) {
        table.sites.iter().for_each(Tender::start);
        self.0.table.store(Arc::new(table));
    }

    /// Answers one request. Never fails: whatever goes wrong has an answer.
    pub async fn handle(&self, mut request: Request<Body>, visit: Visit<'_>) -> Response<Body> {
        let now = clock::now();
        let table = self.table();
        let mut subject = Subject::of(&request, now, visit.peer);
        let log = self.0.log.clone();

        // 1. read: what is asked, of which site; refuse what is malformed.
        let (site, mut ask) = match read(&table, &mut request, &visit) {
            Ok(read) => read,
            Err((site, failure)) => {
                tracing::debug!(client = %visit.peer, error = %failure, "request refused");
                let outcome = Box::pin(self.refuse(site.as_deref(), request.headers(), failure.cause)).await;
                let site =
                    site.map(|site| (site.config.name.clone(), site.metrics.clone(), site.metrics.enter()));
                return Pending::new(begun(subject, site, None, log)).end(outcome);
            }
        };
        subject.client = ask.client;
        let counted = (site.config.name.clone(), site.metrics.clone(), site.metrics.enter());
        let place = self.0.crowd.enter(ClientKey::of(ask.client), table.at_once);
        let is_over = place.is_none() && !table.is_trusted(ask.client);
        let pending = Pending::new(begun(subject, Some(counted), place, log));
        if is_over {
            let refusal = self.refuse(Some(&site), request.headers(), Cause::TooManyAtOnce);
            return pending.end(Box::pin(refusal).await);
        }
        let watched = visited::is_watched(&ask, request.headers());
        let own = ask.left_out(request.uri(), &site.config);
        let mut outcome = self.answer(&table, &site, &mut ask, request, &visit, now).await;
        if !own.is_empty() && outcome.response.status().is_redirection() {
            location::add_own(outcome.response.headers_mut(), &own, ask.asked(), &site.config);
        }
        requisites::note(&site, &ask, &outcome);
        if watched {
            visited::note(&site, &ask, &outcome, now.wall);
        }
        // 6. end: the only exit.
        pending.end(outcome)
    }

    async fn answer(
        &self,
        table: &Table,
        site: &Arc<Site>,
        ask: &mut Ask,
        request: Request<Body>,
        visit: &Visit<'_>,
        now: Now,
    ) -> Outcome {
        // 2. look up: what the cache has, what the snapshot has.
        let lookup = look_up(site, ask, request.headers(), now);
        let mark = if ask.kind == Kind::Read { site.page_health.mark(ask.key()) } else { Mark::None };
        let (found, entry) = found(site, lookup.as_ref(), mark, now);
        let mode = site.switch.mode(now.mono);
        let at_once =
            found == Found::Fresh && ask.visitor == Visitor::Anonymous && mode != Mode::HoldSnapshot;
        let page = if at_once || ask.kind != Kind::Read { None } else { copy_of(site, ask) };
        let copies = Copies { entry, page, found };

        // 3. decide: the fallback is chosen before the origin is asked.
        let state = site.observe(now);
        let page = remembered(site, ask, mark, copies.page.as_ref(), now);
        let situation = Situation {
            kind: ask.kind,
            visitor: ask.visitor,
            mode,
            state,
            page,
            turn: turn(site, state, now),
            found,
            mirrored: copies.mirrored(),
        };
        let plan = failover::decide(situation);
        match plan {
            Plan::Give(fallback) => {
                ask.keep_wishes(request.headers());
                if state == State::Unproven {
                    site.origins.check_soon(); // its first check may stand behind those of many other sites
                }
                let cause = cause_of(site, situation, mark);
                if page == Page::Late && matches!(fallback, Fallback::Copy(_)) && cause == Some(Cause::Slow) {
                    self.fetch_beside(site, (ask, &copies), request, visit, (lookup, now));
                }
                fallback::give(site, ask, fallback, copies, cause, now).await
            }
            // 4. carry out: the origin, within the patience that the plan allows.
            Plan::Ask { wait, fallback } => {
                ask.keep_wishes(request.headers());
                let allowance = Allowance::of(site, ask, wait, fallback);
                let beside = Beside::of(ask, &copies, page);
                let way = Way { lookup, allowance, beside };
                // Boxed: it is large, and copies are given without it.
                match Box::pin(self.ask_origin(table, site, ask, request, visit, way)).await {
                    Ok(outcome) => outcome,
                    // 5. fall: to the rung that the plan named, with the cause.
                    Err(failure) => {
                        tracing::debug!(site = %site.config.name, key = ask.key(), error = %failure, "origin gave no good answer");
                        fallback::give(site, ask, fallback, copies, Some(failure.cause), clock::now()).await
                    }
                }
            }
        }
    }

    /// Asks the origin: for all who want the same page, where that is possible, or for this visitor alone.
    async fn ask_origin(
        &self,
        table: &Table,
        site: &Arc<Site>,
        ask: &mut Ask,
        request: Request<Body>,
        visit: &Visit<'_>,
        way: Way,
    ) -> Result<Outcome, Failure> {
        let Way { lookup, allowance, beside } = way;
        check_size(&request, table.body_size)?;
        let why = forward_reason(ask, lookup.as_ref());
        let mut request = request;
        if let Some(lookup) = lookup.filter(|lookup| !matches!(lookup, Lookup::Uncacheable))
            && cache::ask::may_share(request.method(), request.headers())
            // Nothing is kept of what the operator wants passed on unjudged.
            && !site.is_held_live()
        {
            request = match Box::pin(self.fly(
                table,
                (site, ask, &beside),
                request,
                visit,
                &lookup,
                why,
                allowance,
            ))
            .await?
            {
                flight::Flown::Landed(outcome) => return Ok(outcome),
                flight::Flown::Alone(request) => request,
            };
        }
        let upgrade = ask.kind == Kind::Upgrade;
        let upgrading = upgrade.then(|| hyper::upgrade::on(&mut request));
        let early = (visit.early)();
        let request = self.spooled(request, table.body_size).await?;
        let request = fetch::outgoing(ask, request, visit, &table.trusted)?;
        let wishes = Wishes::of(request.headers());
        let trial = Trial { site, ask, beside: &beside, wishes, again: None };
        let mut answered = fetch::direct(trial, request, allowance, (table.body_size, early)).await?;
        if let Some(upgrading) = upgrading
            && answered.response.status() == StatusCode::SWITCHING_PROTOCOLS
        {
            let theirs = hyper::upgrade::on(&mut answered.response);
            crate::tasks::detached(join(upgrading, theirs));
        }
        let status = answered.response.status();
        if upgrade {
            headers::strip_hop_by_hop_but_upgrade(answered.response.headers_mut());
        } else {
            fetch::clean(answered.response.headers_mut());
        }
        fetch::sign(&mut answered.response);
        if cache::ask::invalidates(&ask.method, status) {
            site.cache.invalidate(&site.cache.key(ask.tls(), ask.authority(), ask.key()));
        }
        Ok(live(
            answered.response,
            answered.origin,
            CacheStatus::Forwarded { why, status, stored: false, collapsed: false },
        ))
    }

    /// The request with its body at hand: until then it takes nothing of the origin's.
    async fn spooled(&self, mut request: Request<Body>, limit: u64) -> Result<Request<Body>, Failure> {
        if !matches!(request.body(), Body::Empty) {
            let body = std::mem::replace(request.body_mut(), Body::Empty);
            *request.body_mut() = Box::pin(self.0.spool.collect(body, limit)).await?;
        }
        Ok(request)
    }

    /// The answer to a request that is at fault itself.
    async fn refuse(&self, site: Option<&Site>, asked: &HeaderMap, cause: Cause) -> Outcome {
        let about = match site {
            Some(site) => site.mirror.about(&site.config.key_pages).await,
            None => None,
        };
        let about = about.as_deref();
        let notice = Notice {
            kind: holding_page::Kind::Page,
            cause,
            site: about.and_then(|about| about.title.as_deref()),
            language: mirror::language(about, asked),
            format: Format::of(asked),
            down_for: None,
            retry_after: RETRY_AFTER,
            links: &[],
        };
        noticed(&notice, ServedFrom::Error, false)
    }
}

impl Copies {
    /// How old the snapshot's page is beside the cache's entry.
    fn mirrored(&self) -> Mirrored {
        match (&self.page, &self.entry) {
            (None, _) => Mirrored::Nothing,
            (Some((_, Nearness::Near)), _) => Mirrored::Near,
            (Some((page, Nearness::Exact)), Some(entry)) if page.taken_at() < entry.received().wall => {
                Mirrored::Older
            }
            (Some((_, Nearness::Exact)), _) => Mirrored::Newer,
        }
    }
}

/// Finds the site, and reads the request.
type Read = Result<(Arc<Site>, Ask), (Option<Arc<Site>>, Failure)>;

fn read(table: &Table, request: &mut Request<Body>, visit: &Visit<'_>) -> Read {
    normal::normalise(request.headers_mut()).map_err(|failure| (None, failure))?;
    let (host, _) = host_of(request).map_err(|failure| (None, failure))?;
    let unknown = || (None, Failure::new(Cause::UnknownSite).detail(host.to_string()));
    let site = table.find(&host).ok_or_else(unknown)?.clone();
    if site.origins.tools().instance.has_sent(request.headers()) {
        return Err((Some(site), Cause::Loop.into()));
    }
    let client = crate::http::forwarded::client(request.headers(), visit.peer, visit.tls, &table.trusted);
    let upgrade = headers::upgrade(request.method(), request.version(), request.headers()).is_some();
    let load = match request.body() {
        _ if upgrade => Load::Upgrade,
        Body::Empty => Load::Nothing,
        Body::Whole(_) | Body::Incoming(_) | Body::Stream(_) => Load::Body,
    };
    let mut ask = match Ask::read(request, &site.config, (client.addr, client.tls), load) {
        Ok(ask) => ask,
        Err(failure) => return Err((Some(site), failure)),
    };
    // A trusted proxy may speak of another address than was asked for: the key has only the latter.
    let asked = (ask.authority(), ask.port());
    if crate::http::claims::tells_otherwise(request.headers(), visit.peer, &table.trusted, asked) {
        ask.cacheable = false;
    }
    if ask.is_for_all() {
        crate::ask::drop_ignored_cookies(request.headers_mut(), &site.config.cache.ignore_cookies);
    }
    Ok((site, ask))
}

/// A body that is announced as too large is refused before anybody takes a byte of it.
fn check_size(request: &Request<Body>, limit: u64) -> Result<(), Failure> {
    match headers::content_length(request.headers()) {
        Some(length) if length > limit => Err(Cause::BodyTooLarge.into()),
        Some(_) | None => Ok(()),
    }
}

/// What the cache has; `None` if the request has no business with it.
fn look_up(site: &Site, ask: &Ask, asked: &HeaderMap, now: Now) -> Option<Lookup> {
    let open = ask.cacheable && ask.kind == Kind::Read && cache::ask::may_look_up(&ask.method, asked).is_ok();
    // A session is not answered from the cache; an answer to it is not looked for there, nor kept.
    (open && ask.visitor == Visitor::Anonymous)
        .then(|| site.cache.lookup(&site.cache.key(ask.tls(), ask.authority(), ask.key()), asked, now))
}

/// Why the origin is asked, as `Cache-Status` says it.
fn forward_reason(ask: &Ask, lookup: Option<&Lookup>) -> Forward {
    match lookup {
        None if ask.kind == Kind::Read => Forward::Bypass,
        None => Forward::Method,
        Some(Lookup::Fresh(_)) => Forward::Request,
        Some(Lookup::Stale(_) | Lookup::Revalidate(_)) => Forward::Stale,
        Some(Lookup::Otherwise(_)) => Forward::VaryMiss,
        Some(Lookup::Nothing(why)) => *why,
        Some(Lookup::Uncacheable) => Forward::UriMiss,
    }
}

/// What is remembered of the page. A copy that was taken after the page was removed is of the page that came back.
fn remembered(site: &Site, ask: &Ask, mark: Mark, copy: Option<&(Arc<Ready>, Nearness)>, now: Now) -> Page {
    match mark {
        Mark::None if ask.kind == Kind::Read && site.page_health.is_late(ask.key(), now.mono) => Page::Late,
        Mark::None => Page::Fine,
        Mark::Bad(_) => Page::Bad,
        Mark::Gone { since, .. } if copy.is_some_and(|(copy, _)| copy.taken_at() > since.wall) => Page::Fine,
        Mark::Gone { .. } => Page::Gone,
    }
}

/// The snapshot's page for a request. One that is only near is none if the site has removed it.
fn copy_of(site: &Site, ask: &Ask) -> Option<(Arc<Ready>, Nearness)> {
    let found = site.mirror.find(ask.key())?;
    let is_gone = match found.1 {
        Nearness::Exact => false,
        Nearness::Near => match site.page_health.mark(found.0.key()) {
            Mark::Gone { since, .. } => found.0.taken_at() <= since.wall,
            Mark::None | Mark::Bad(_) => false,
        },
    };
    (!is_gone).then_some(found)
}

/// Whether this visitor is among those who get the live site.
fn turn(site: &Site, state: State, now: Now) -> Turn {
    if state == State::Recovering && fastrand::f32() >= site.share(now) { Turn::Out } else { Turn::In }
}

/// Why the origin is not asked.
fn cause_of(site: &Site, situation: Situation, mark: Mark) -> Option<Cause> {
    match (situation.mode, situation.state) {
        (Mode::HoldSnapshot, _) => Some(Cause::Held),
        (Mode::Auto | Mode::HoldOrigin, State::Down) => {
            Some(site.page_health.flood().map_or_else(|| site.origins.why_none().cause, |(_, cause)| cause))
        }
        (Mode::Auto | Mode::HoldOrigin, State::Unproven) => Some(Cause::Unproven),
        (Mode::Auto | Mode::HoldOrigin, State::Up | State::Degraded | State::Recovering) => {
            match (mark, situation.turn) {
                (Mark::Bad(cause), _) => Some(cause),
                (Mark::None | Mark::Gone { .. }, Turn::Out) => Some(Cause::Recovering),
                (Mark::None | Mark::Gone { .. }, Turn::In) => {
                    (situation.page == Page::Late).then_some(Cause::Slow)
                }
            }
        }
    }
}

/// The origin's own answer.
fn live(mut response: Response<Body>, origin: Arc<Origin>, status: CacheStatus) -> Outcome {
    status.add_to(response.headers_mut());
    Outcome { response, served_from: ServedFrom::Origin, cause: None, origin: Some(origin) }
}

fn noticed(notice: &Notice<'_>, served_from: ServedFrom, head: bool) -> Outcome {
    let mut response = notice.response();
    if head {
        *response.body_mut() = Body::Empty;
    }
    let headers = response.headers_mut();
    headers.insert(header::VIA, HeaderValue::from_static("1.1 katahai"));
    CacheStatus::Miss { detail: notice.cause.code() }.add_to(headers);
    Outcome { response, served_from, cause: Some(notice.cause), origin: None }
}

/// A request of which nothing is known yet but that it has begun.
fn begun(subject: Subject, site: Option<end::Counted>, place: Option<Place>, log: AccessLog) -> Ending {
    Ending { subject, site, _place: place, served_from: ServedFrom::Error, cause: None, origin: None, log }
}

/// Lets the bytes of two upgraded connections flow into each other until one side ends.
async fn join(ours: hyper::upgrade::OnUpgrade, theirs: hyper::upgrade::OnUpgrade) {
    let (Ok(ours), Ok(theirs)) = tokio::join!(ours, theirs) else { return };
    let (mut ours, mut theirs) = (hyper_util::rt::TokioIo::new(ours), hyper_util::rt::TokioIo::new(theirs));
    if let Err(error) = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await {
        tracing::debug!(%error, "upgraded connection broke off");
    }
}
