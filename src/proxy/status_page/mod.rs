//! The public status page of a site: whether it works, how the last 90 days were, and its past outages, in words for
//! everybody. It is served before the origin is asked, so it is there when nothing else is. It tells no cause, no address and
//! no number of visitors.

mod feed;
mod page;
mod public_words;

use http::header::{
    ACCEPT_LANGUAGE, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY, VIA,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use super::site::Site;
use super::standby::Standby;
use crate::ask::{Ask, key};
use crate::clock::Now;
use crate::config::ready::ANY_HOST;
use crate::history::{Gets, LastDays, Outage};
use crate::holding_page::Language;
use crate::http::Body;
use crate::http::cache_status;
use public_words::PublicWords;

/// As many days are told.
const DAYS: u32 = 90;
/// What the page may load: its own style.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// What its `Cache-Status` says.
pub(super) const CACHE_STATUS: &str = "katahai; hit; detail=status-page";
const STYLE: &str = include_str!("style.css");

/// One of the files of a status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusFile {
    Page,
    Style,
    Json,
    Badge,
    Feed,
}

/// Which of them is asked for, if any is.
pub(super) fn file_of(site: &Site, ask: &Ask) -> Option<StatusFile> {
    file_at(site.config.status_page.as_deref()?, key::path_of(ask.key()))
}

fn file_at(base: &str, path: &str) -> Option<StatusFile> {
    match path.strip_prefix(&*key::page_key(base, None, &[]))? {
        "" | "/" => Some(StatusFile::Page),
        "/style.css" => Some(StatusFile::Style),
        "/status.json" => Some(StatusFile::Json),
        "/badge.svg" => Some(StatusFile::Badge),
        "/feed.atom" => Some(StatusFile::Feed),
        _ => None,
    }
}

/// What is told of a site.
struct StatusView {
    /// The site's title, else its host.
    title: String,
    /// Its host, which does not change with the visitor's way.
    host: String,
    /// Where visitors reach it, without a slash at the end.
    root: String,
    /// Where the page is.
    base: String,
    gets: Gets,
    days: LastDays,
    outages: Vec<Outage>,
}

/// Answers with the file.
pub(super) async fn answer(
    site: &Site,
    (file, ask): (StatusFile, &Ask),
    (query, headers): (Option<&str>, &HeaderMap),
    standby: Option<&Standby>,
    now: Now,
) -> Response<Body> {
    if !matches!(ask.method, Method::GET | Method::HEAD) {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let view = view(site, ask, standby, now).await;
    let words = PublicWords::of(language(query, headers));
    let (kind, text) = match file {
        StatusFile::Page => ("text/html; charset=utf-8", page::page(&view, words)),
        StatusFile::Style => ("text/css; charset=utf-8", STYLE.to_owned()),
        StatusFile::Json => ("application/json", as_json(&view)),
        StatusFile::Badge => ("image/svg+xml", page::badge(view.gets, words)),
        StatusFile::Feed => ("application/atom+xml; charset=utf-8", feed::feed(&view, words)),
    };
    respond(file, kind, text, words, (ask, headers))
}

fn respond(
    file: StatusFile,
    kind: &'static str,
    text: String,
    words: PublicWords,
    (ask, request_headers): (&Ask, &HeaderMap),
) -> Response<Body> {
    let tag = format!("\"{}\"", &blake3::hash(text.as_bytes()).to_hex()[..32]);
    let is_same =
        request_headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).is_some_and(|tags| {
            // RFC 9110 section 13.1.2: compared weakly
            tags == "*" || tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
        });
    let body = if is_same || ask.method == Method::HEAD { Body::Empty } else { Body::whole(text) };
    let mut response = Response::new(body);
    if is_same {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "public, max-age=30"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (VIA, "1.1 katahai"),
        (cache_status::NAME, CACHE_STATUS),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    if !matches!(file, StatusFile::Json | StatusFile::Style) {
        headers.insert(VARY, HeaderValue::from_static("Accept-Language"));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(words.tag()));
    }
    if matches!(file, StatusFile::Json | StatusFile::Badge) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

/// The language that the address says, else the visitor's browser.
fn language(query: Option<&str>, headers: &HeaderMap) -> Language {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let said = pairs.find(|(name, _)| name == "lang").and_then(|(_, tag)| Language::of_tag(&tag));
    let accept = headers.get(ACCEPT_LANGUAGE).and_then(|accept| accept.to_str().ok());
    said.unwrap_or_else(|| Language::choose(None, accept))
}

async fn view(site: &Site, ask: &Ask, standby: Option<&Standby>, now: Now) -> StatusView {
    let host = public_host(&site.config.hosts, ask.host()).to_owned();
    let known = site.mirror.about(&site.config).await;
    let title = known.and_then(|known| known.title.clone()).unwrap_or_else(|| host.clone());
    let scheme = if ask.tls() { "https" } else { "http" };
    StatusView {
        title,
        host,
        root: standby.map_or_else(|| format!("{scheme}://{}", ask.authority()), Standby::root),
        base: site.config.status_page.clone().unwrap_or_default(),
        gets: site.history.gets(),
        days: site.history.last_days(DAYS, now.unix()),
        outages: site.history.outages(DAYS, now.unix()),
    }
}

/// The site's first name, else the visitor's word for it: never the name that only the origin is told.
fn public_host<'a>(hosts: &'a [String], asked: &'a str) -> &'a str {
    hosts.iter().find(|host| *host != ANY_HOST).map_or(asked, String::as_str)
}

fn as_json(view: &StatusView) -> String {
    let status = public_words::code;
    let both = |gets| {
        let said = |language| PublicWords::of(language).sentence(gets);
        json!({ "en": said(Language::En), "ja": said(Language::Ja) })
    };
    let days = view.days.days.iter();
    let days = days.map(|day| json!({ "day": day.day, "status": public_words::day_code(day.bar), "availability": day.availability }));
    let outages = view.outages.iter().map(|outage| {
        json!({ "id": feed::id(&view.host, outage), "status": status(outage.worst), "from": feed::rfc3339(outage.from),
                "until": outage.until.map(feed::rfc3339) })
    });
    let told = json!({
        "name": view.title,
        "status": status(view.gets),
        "text": both(view.gets),
        "availability": view.days.availability,
        "days": days.collect::<Vec<_>>(),
        "outages": outages.collect::<Vec<_>>(),
    });
    format!("{told:#}\n")
}

#[cfg(test)]
mod tests;
