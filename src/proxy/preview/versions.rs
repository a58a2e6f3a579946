//! The versions of a page, by time and as a list: a TimeGate, a TimeMap and Mementos (RFC 7089), below the door of previews. They are
//! for whoever has a good token: what a site once said is not everybody's business.
//!
//! A request for one version becomes one for its page before anything reads it, so that what is shown is what any preview of that
//! snapshot shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};

use super::door::{ours, said};
use super::words::Said;
use crate::ask::{Ask, key};
use crate::config::ready::{ANY_HOST, PREVIEW};
use crate::drill::Preview;
use crate::drill::memento::{self, LINK_FORMAT, Memento, Names, Wanted};
use crate::http::Body;
use crate::proxy::Outcome;
use crate::proxy::mirror::MEMENTO_DATETIME;
use crate::proxy::site::Site;
use crate::snapshot::{SnapshotId, Store};
use crate::tasks;

const ACCEPT_DATETIME: HeaderName = HeaderName::from_static("accept-datetime");
const TIMEGATE: &str = "/timegate/";
const TIMEMAP: &str = "/timemap/";
const MEMENTO: &str = "/memento/";

/// One version of a page that a request is for.
pub(super) struct Version {
    snapshot: Option<SnapshotId>,
    host: Option<String>,
}

/// A question about the versions of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Question {
    /// Which is nearest to a time?
    TimeGate,
    /// Which are there?
    TimeMap,
}

/// Whether this path below the door is about versions.
pub(super) fn is_about(below: &str) -> bool {
    [TIMEGATE, TIMEMAP, MEMENTO].iter().any(|prefix| below.starts_with(prefix))
}

/// Makes a request for a version one for its page. `None`: it is not for a version.
pub(super) fn take<B>(request: &mut Request<B>) -> Option<Version> {
    let target = request.uri().path_and_query()?.as_str();
    let (snapshot, rest) = target.strip_prefix(PREVIEW)?.strip_prefix(MEMENTO)?.split_once('/')?;
    let (host, page) = memento::page(rest)?;
    let version = Version { snapshot: snapshot.parse().ok(), host: host.map(str::to_owned) };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(page.parse().ok()?);
    *request.uri_mut() = Uri::from_parts(parts).ok()?;
    Some(version)
}

impl Version {
    /// What its bearer may see of it; `None`: it is not there for him.
    pub(super) fn within(&self, preview: Preview, site: &Site, ask: &Ask) -> Option<Preview> {
        let snapshot = self.snapshot?;
        let is_own = self.host.as_deref().is_none_or(|host| is_own(host, site, ask));
        let may_see = preview.snapshot.is_none_or(|only| only == snapshot);
        (is_own && may_see).then_some(Preview { snapshot: Some(snapshot), ..preview })
    }
}

fn is_own(host: &str, site: &Site, ask: &Ask) -> bool {
    let hosts = site.config.hosts.iter().chain(&site.config.standby_hosts);
    let mut hosts = hosts.map(String::as_str).chain([ask.host()]);
    hosts.any(|own| own == ANY_HOST || own.eq_ignore_ascii_case(host))
}

/// What is asked about versions, and of which page: path and query, or none that is the site's. `None`: nothing is asked about them.
pub(super) fn asked(site: &Site, ask: &Ask) -> Option<(Question, Option<String>)> {
    let below = ask.key().strip_prefix(PREVIEW)?;
    let gate = below.strip_prefix(TIMEGATE).map(|rest| (Question::TimeGate, rest));
    let (question, rest) = gate.or_else(|| Some((Question::TimeMap, below.strip_prefix(TIMEMAP)?)))?;
    let page = memento::page(rest).filter(|(host, _)| host.is_none_or(|host| is_own(host, site, ask)));
    Some((question, page.map(|(_, page)| page.into_owned())))
}

/// The answer to a question.
pub(super) async fn answer(
    site: &Arc<Site>,
    preview: &Preview,
    ask: &Ask,
    (question, page): (Question, &str),
    headers: &HeaderMap,
) -> Outcome {
    if !matches!(ask.method, Method::GET | Method::HEAD) {
        return said(site, ask, headers, Said::Method);
    }
    let time = match memento::wanted(headers.get_all(ACCEPT_DATETIME).iter().map(HeaderValue::as_bytes)) {
        Wanted::Unclear if question == Question::TimeGate => return said(site, ask, headers, Said::Date),
        Wanted::Newest | Wanted::Unclear => None,
        Wanted::At(time) => Some(time),
    };
    let path = page.split_once('?').map_or((page, None), |(path, query)| (path, Some(query)));
    let page_key = key::page_key(path.0, path.1, &site.config.cache.ignore_query).into_owned();
    let base = base(ask);
    let all = match site.mirror.store().cloned() {
        None => Vec::new(),
        Some(store) => {
            let only = preview.snapshot;
            let (base, page) = (base.clone(), page.to_owned());
            tasks::blocking(move || {
                mementos(&store, &page_key, only, &format!("{base}{PREVIEW}{MEMENTO}"), &page)
            })
            .await
            .unwrap_or_default()
        }
    };
    let uris = Uris::of(&base, page);
    let Some(nearest) = memento::nearest(&all, time) else {
        return said(site, ask, headers, Said::NoVersion);
    };
    let mut response = match question {
        Question::TimeGate => to(&all, nearest),
        Question::TimeMap => list(memento::timemap(uris.names(), &all), ask),
    };
    let around = (question == Question::TimeGate).then_some(nearest);
    put_link(&mut response, &memento::links(uris.names(), &all, around));
    ours(response)
}

/// Adds to a copy that was shown what Memento calls its page, its TimeGate and its TimeMap.
pub(super) fn put_names(response: &mut Response<Body>, ask: &Ask) {
    if response.headers().contains_key(MEMENTO_DATETIME) {
        let uris = Uris::of(&base(ask), ask.key());
        put_link(response, &memento::links(uris.names(), &[], None));
    }
}

fn put_link(response: &mut Response<Body>, links: &str) {
    response.headers_mut().extend(HeaderValue::from_str(links).ok().map(|links| (header::LINK, links)));
}

fn to(all: &[Memento], nearest: usize) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::FOUND;
    // a path: what a tool sends on when it is led must stay with the host that it has asked
    let path = all.get(nearest).map(|one| one.uri.find(PREVIEW).map_or("/", |at| &one.uri[at..]));
    let uri = path.and_then(|path| HeaderValue::from_str(path).ok());
    response.headers_mut().extend(uri.map(|uri| (header::LOCATION, uri)));
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Datetime, Cookie"));
    response
}

fn list(text: String, ask: &Ask) -> Response<Body> {
    let body = if ask.method == Method::HEAD { Body::Empty } else { Body::whole(text) };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(LINK_FORMAT));
    response
}

/// The versions of a page, the oldest first. Of those that were taken in the same second the one of the latest snapshot. Blocks.
fn mementos(store: &Store, page_key: &str, only: Option<SnapshotId>, at: &str, page: &str) -> Vec<Memento> {
    let mut found: BTreeMap<u64, (SystemTime, SnapshotId)> = BTreeMap::new();
    for summary in store.list().iter().rev().filter(|one| only.is_none_or(|only| only == one.id)) {
        let copy = store.get(&summary.id).and_then(|snapshot| snapshot.find(page_key).ok().flatten());
        if let Some(copy) = copy {
            let seconds =
                copy.taken_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
            found.insert(seconds, (copy.taken_at, summary.id));
        }
    }
    found.into_values().map(|(taken, id)| Memento { at: taken, uri: format!("{at}{id}{page}") }).collect()
}

/// Scheme and authority of the site, as it was asked for.
fn base(ask: &Ask) -> String {
    format!("{}://{}", if ask.tls() { "https" } else { "http" }, ask.authority())
}

/// The names of a page, absolute.
struct Uris([String; 3]);

impl Uris {
    fn of(base: &str, page: &str) -> Uris {
        let below = |what: &str| format!("{base}{PREVIEW}{}{page}", what.trim_end_matches('/'));
        Uris([format!("{base}{page}"), below(TIMEGATE), below(TIMEMAP)])
    }

    fn names(&self) -> Names<'_> {
        let Uris([original, timegate, timemap]) = self;
        Names { original, timegate, timemap }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> (Option<Version>, String) {
        let mut request = Request::builder().uri(uri).body(()).unwrap();
        let version = take(&mut request);
        (version, request.uri().to_string())
    }

    #[test]
    fn a_request_for_a_version_becomes_one_for_its_page() {
        let at = "/.well-known/katahai/preview/memento/20261130T115251Z-000007/";
        for (rest, host, becomes) in [
            ("about?x=1", None, "/about?x=1"),
            ("", None, "/"),
            ("http://www.example.jp/about", Some("www.example.jp"), "/about"),
        ] {
            let (version, uri) = target(&format!("{at}{rest}"));
            let version = version.expect("a version");
            assert!(version.snapshot.is_some());
            assert_eq!((version.host.as_deref(), &*uri), (host, becomes), "{rest}");
        }
        let (version, uri) = target(&format!("https://www.example.jp{at}about"));
        assert!(version.is_some() && uri == "https://www.example.jp/about", "{uri}");
        let (version, _) = target("/.well-known/katahai/preview/memento/nonsense/about");
        assert!(
            version.is_some_and(|version| version.snapshot.is_none()),
            "refused, and never the live page"
        );
    }

    #[test]
    fn other_requests_stay_as_they_are() {
        for uri in [
            "/",
            "/.well-known/katahai/preview?token=x",
            "/.well-known/katahai/preview/timemap/about",
            "/.well-known/katahai/preview/memento/20261130T115251Z-000007",
            "/.well-known/katahai/preview/memento/20261130T115251Z-000007//evil.example/",
            "/about/.well-known/katahai/preview/memento/20261130T115251Z-000007/a",
        ] {
            let (version, left) = target(uri);
            assert!(version.is_none() && left == uri, "{uri}");
        }
    }
}
