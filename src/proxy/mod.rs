//! The request path, in six steps: read, look up, decide, carry out, fall back, end. Start at
//! [`Proxy::handle`]. The modules stand by their steps; reading is `crate::ask`, and deciding
//! `crate::failover`.

// what all steps use: a site with its engines, and one visitor's share
mod about;
mod copy_bytes;
mod crowd;
mod learned;
mod mirror;
mod page_head;
mod render;
mod site;
mod spelling;
mod standby;
mod status_page;
// 2. look up: the copies, what they are worth, what is remembered
mod looked;
mod vouch;
// 4. carry out: an attempt at the origins
mod attempt;
mod rewrite;
// 4. carry out: beside which copy an answer is judged, and by how much of its body
mod buffer;
mod reference;
// 4. carry out: is it the site's
mod known_good;
mod review;
// 4. carry out: what other pages say against it
mod circle;
mod uniform;
// 4. carry out: what follows
mod record;
mod removal;
mod requisites;
mod visited;
// 4. carry out: the ways of an attempt, for one visitor, for all who want the same, for the next one
mod direct;
mod late;
mod shared;
mod spool;
mod tee;
// 5. fall: copies, holding pages
mod fallback;
mod form_page;
mod keep;
mod notice;
mod search;
mod search_page;
mod shell;
// 6. end
mod end;
// beside the site as it is: as it would be in an outage
mod preview;
// beside the requests: what a visitor would get, bad pages once more, what checks see
mod check_judge;
mod deliver;
mod delivered;
mod explain;
mod recheck;
mod send_form;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};

use crate::access_log::AccessLog;
use crate::ask::{Ask, Load, host_of, location, normal};
use crate::clock::{self, Now};
use crate::config::ready::Banner;
use crate::drill::Signer;
use crate::failover::{self, Fallback, Plan, Remembered, State};
use crate::failure::{Cause, Failure};
use crate::forms::Intake;
use crate::holding_page::{self, Format, HoldingPage};
use crate::http::cache_status::CacheStatus;
use crate::http::client::ClientKey;
use crate::http::{Body, BoxRequest, headers};
use crate::metrics::ServedFrom;
use crate::origin::Origin;
use attempt::{Attempt, Incoming, Limits, Substitute};
pub use buffer::BufferRoom;
pub use check_judge::SiteJudge;
use crowd::Crowd;
pub use deliver::Deliverer;
use end::{OpenRequest, RequestRecord};
pub use explain::{Explained, Given, Step, Unexplained};
use keep::Sender;
pub use known_good::KnownGood;
use looked::{Looked, Purpose};
pub use mirror::{Hot, Mirror};
pub use recheck::Rechecker;
use reference::Reference;
pub use site::{Condition, Site, Switch, Table};
pub use spool::Spool;
use standby::Standby;
pub use vouch::Vouch;

/// The `Retry-After` of the holding page.
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
    /// Makes a channel for interim answers, where that is possible.
    pub early: &'a (dyn Fn() -> Option<Early> + Sync),
}

/// The proxy: all sites, the cache, the log. Cheap to clone.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    table: ArcSwap<Table>,
    log: AccessLog,
    spool: Spool,
    crowd: Crowd,
    intake: Arc<Intake>,
    /// What previews are allowed by.
    previews: Signer,
    /// The memory for forms on their way.
    form_room: BufferRoom,
}

/// An answer before its body has ended.
struct Outcome {
    response: Response<Body>,
    served_from: ServedFrom,
    cause: Option<Cause>,
    /// Who is blamed if the rest of the body fails.
    origin: Option<Arc<Origin>>,
}

impl Proxy {
    /// A proxy for the table's sites. `spool` keeps request bodies until they are complete, `intake` forms until they are
    /// delivered.
    pub fn new(table: Table, log: AccessLog, spool: Spool, intake: Arc<Intake>) -> Proxy {
        let table = ArcSwap::from_pointee(table);
        let (crowd, form_room) = (Crowd::default(), BufferRoom::default());
        Proxy(Arc::new(Inner { table, log, spool, crowd, intake, previews: Signer::default(), form_room }))
    }

    /// The sites as they run now.
    pub fn table(&self) -> Arc<Table> {
        self.0.table.load_full()
    }

    /// Replaces the sites. Requests in flight finish with the old ones.
    pub fn replace(&self, table: Table) {
        self.0.table.store(Arc::new(table));
    }

    /// Answers one request. Never fails: whatever goes wrong has an answer.
    pub async fn handle(&self, mut request: BoxRequest, visit: Visit<'_>) -> Response<Body> {
        let now = clock::now();
        let table = self.table();
        let mut record = RequestRecord::of(&request, now, visit.peer, self.0.log.clone());
        let offered = preview::take(&mut request);

        // 1. read: what is asked, of which site; refuse what is malformed.
        let (site, mut ask, standby) = match read(&table, &mut request, &visit) {
            Ok(read) => read,
            Err((site, failure)) => {
                tracing::debug!(client = %visit.peer, error = %failure, "request refused");
                if let Some(site) = &site {
                    record.enter(site);
                }
                let open = OpenRequest::new(record);
                let refusal = self.refuse(site.as_deref(), request.headers(), failure.cause);
                return open.end(Box::pin(refusal).await);
            }
        };
        record.client = ask.client;
        let status_file = status_page::file_of(&site, &ask);
        let aside = self.aside(&site, &ask, offered.as_ref(), now);
        match (&aside, status_file) {
            (None, None) => record.enter(&site),
            (None, Some(_)) => record.name(&site), // what is told of the site is none of its answers
            (Some(aside), _) => record.aside(&site, aside.logged_as()),
        }
        record.place = self.0.crowd.enter(ClientKey::of(ask.client), table.at_once);
        let is_over = record.place.is_none() && !table.is_trusted(ask.client);
        let open = OpenRequest::new(record);
        if is_over {
            let refusal = self.refuse(Some(&site), request.headers(), Cause::TooManyAtOnce);
            return open.end(Box::pin(refusal).await);
        }
        if let Some(aside) = aside {
            let of = (&*table, &site, standby.as_ref());
            let answer = self.answer_aside(aside, of, &mut ask, request, (&visit, now));
            return open.end(Box::pin(answer).await);
        }
        if let Some(file) = status_file {
            let told = (request.uri().query(), request.headers());
            let page = status_page::answer(&site, (file, &ask), told, standby.as_ref(), now);
            return open.end(ours(Box::pin(page).await));
        }
        let visit = if standby.is_some() { Visit { early: &|| None, ..visit } } else { visit }; // they would name the first host
        let watched = visited::is_watched(&ask, request.headers());
        let own = ask.left_out(request.uri(), &site.config);
        let mut outcome = match keep::form_of(&site, &ask) {
            None => self.answer(&table, &site, &mut ask, request, &visit, now).await,
            Some(form) => {
                let sender = Sender { table: &table, site: &site, form, visit: &visit };
                Box::pin(self.answer_form(sender, &mut ask, request, now)).await
            }
        };
        if !own.is_empty() && outcome.response.status().is_redirection() {
            location::add_own(outcome.response.headers_mut(), &own, ask.asked(), &site.config);
        }
        requisites::note(&site, &ask, &outcome);
        if watched {
            visited::note(&site, &ask, &outcome, now.wall);
        }
        if let Some(standby) = standby {
            Box::pin(standby.leave(&site, &ask, &mut outcome.response)).await;
        }
        // 6. end: the only exit.
        open.end(outcome)
    }

    async fn answer(
        &self,
        table: &Table,
        site: &Arc<Site>,
        ask: &mut Ask,
        request: BoxRequest,
        visit: &Visit<'_>,
        now: Now,
    ) -> Outcome {
        // 2. look up: what the cache has, what the snapshot has, what is remembered of the page.
        let mut looked = Looked::at(site, ask, request.headers(), now, Purpose::Answer);
        // 3. decide: the fallback is chosen before the origin is asked.
        let plan = failover::decide(looked.situation);
        ask.keep_headers(request.headers(), site.config.notice.banner != Banner::Off);
        match plan {
            Plan::Give(fallback) => {
                if looked.situation.state == State::Unproven {
                    site.origins.check_soon(); // its first check may stand behind those of many other sites
                }
                let cause = looked.cause(site);
                let is_late = looked.situation.remembered == Remembered::Late && cause == Some(Cause::Slow);
                if is_late && matches!(fallback, Fallback::Copy(_)) {
                    self.fetch_beside((site, ask), &mut looked, request, visit, now);
                }
                fallback::give(site, ask, fallback, looked.copies, cause, now).await
            }
            // 4. carry out: the origin, within the limits that the plan's words mean.
            Plan::Ask { wait, fallback } => {
                let Looked { lookup, copies, situation, .. } = looked;
                let reference = Reference::of(ask, &copies, situation.remembered);
                let limits = Limits::of(site, ask, wait, Substitute::of(fallback));
                let attempt = Attempt { site, ask, reference: &reference, limits };
                let incoming = Incoming { request, visit: *visit, table, spool: &self.0.spool };
                // Boxed: it is large, and copies are given without it.
                match Box::pin(attempt.fetch(incoming, lookup)).await {
                    Ok(outcome) => outcome,
                    // 5. fall: to the rung that the plan named, with the cause.
                    Err(failure) => {
                        tracing::debug!(site = %site.config.name, key = ask.key(), error = %failure, "origin gave no good answer");
                        record::sighted(site, ask, &failure);
                        fallback::give(site, ask, fallback, copies, Some(failure.cause), clock::now()).await
                    }
                }
            }
        }
    }

    fn spool(&self) -> &Spool {
        &self.0.spool
    }

    /// What previews are allowed by; keys can be put in force while it runs.
    pub fn previews(&self) -> &Signer {
        &self.0.previews
    }

    /// Where forms are taken in.
    pub fn intake(&self) -> &Arc<Intake> {
        &self.0.intake
    }

    /// The answer to a faulty request.
    async fn refuse(&self, site: Option<&Site>, request_headers: &HeaderMap, cause: Cause) -> Outcome {
        let known = match site {
            Some(site) => site.mirror.about(&site.config).await,
            None => None,
        };
        let known = known.as_deref();
        let page = HoldingPage {
            kind: holding_page::Kind::Page,
            cause,
            site: known.and_then(|known| known.title.as_deref()),
            language: about::language(known, request_headers),
            format: Format::of(request_headers),
            down_for: None,
            retry_after: RETRY_AFTER,
            links: &[],
            contact: None,
        };
        holding_outcome(&page, ServedFrom::Error, false)
    }
}

/// A request's site, what it asks for, and by which standby host; or, if it is refused, why, and its site if that was found.
type Read = Result<(Arc<Site>, Ask, Option<Standby>), (Option<Arc<Site>>, Failure)>;

/// Finds the site, and reads the request.
fn read(table: &Table, request: &mut Request<Body>, visit: &Visit<'_>) -> Read {
    normal::normalise(request.headers_mut()).map_err(|failure| (None, failure))?;
    let (host, port) = host_of(request).map_err(|failure| (None, failure))?;
    let unknown = || (None, Failure::new(Cause::UnknownSite).detail(host.to_string()));
    let site = table.find(&host).ok_or_else(unknown)?.clone();
    if site.origins.tools().instance.has_sent(request.headers()) {
        return Err((Some(site), Cause::Loop.into()));
    }
    let client = crate::http::forwarded::client(request.headers(), visit.peer, visit.tls, &table.trusted);
    let host = (!site.config.standby_hosts.is_empty()).then(|| host.into_owned());
    let standby =
        host.and_then(|host| Standby::enter(request, &site, (&host, port), (client.tls, table.has_https)));
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
    Ok((site, ask, standby))
}

/// The origin's own answer.
fn live(mut response: Response<Body>, origin: Arc<Origin>, status: CacheStatus) -> Outcome {
    status.add_to(response.headers_mut());
    Outcome { response, served_from: ServedFrom::Origin, cause: None, origin: Some(origin) }
}

/// What Katahai tells by itself.
fn ours(response: Response<Body>) -> Outcome {
    Outcome { response, served_from: ServedFrom::Cache, cause: None, origin: None }
}

fn holding_outcome(page: &HoldingPage<'_>, served_from: ServedFrom, head: bool) -> Outcome {
    let mut response = page.response();
    if head {
        *response.body_mut() = Body::Empty;
    }
    let headers = response.headers_mut();
    headers.insert(header::VIA, HeaderValue::from_static("1.1 katahai"));
    CacheStatus::Miss { detail: page.cause.code() }.add_to(headers);
    Outcome { response, served_from, cause: Some(page.cause), origin: None }
}
