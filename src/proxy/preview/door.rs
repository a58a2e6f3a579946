//! The door of previews on the site's own address: it takes a token, and gives the cookie that browsers bring from then on; and
//! the way out. It is never passed to the origin, and its answers are nobody else's.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::cookie_name;
use super::versions;
use super::words::{Said, Words};
use crate::ask::{Ask, key};
use crate::clock::Now;
use crate::config::ready::PREVIEW;
use crate::drill::{BadToken, Preview, Signer};
use crate::holding_page::{Format, Language, SaidPage};
use crate::http::cache_status;
use crate::http::{Body, BoxRequest};
use crate::metrics::ServedFrom;
use crate::proxy::Outcome;
use crate::proxy::site::Site;

/// What its `Cache-Status` says.
const CACHE_STATUS: &str = "katahai; detail=preview";

/// Answers what is asked of the door.
pub(super) fn answer(signer: &Signer, site: &Site, ask: &Ask, request: &BoxRequest, now: Now) -> Outcome {
    let headers = request.headers();
    if !matches!(ask.method, Method::GET | Method::HEAD) {
        let mut outcome = said(site, ask, headers, Said::Method);
        outcome.response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return outcome;
    }
    match key::path_of(ask.key()).strip_prefix(PREVIEW) {
        Some("") => enter(signer, site, ask, request, now),
        Some("/end") => leave(ask),
        // whoever has a good token does not come here for them
        Some(below) if versions::is_about(below) => refusal(site, ask, headers, BadToken::Malformed),
        Some(_) | None => said(site, ask, headers, Said::Unknown),
    }
}

fn enter(signer: &Signer, site: &Site, ask: &Ask, request: &BoxRequest, now: Now) -> Outcome {
    // A cookie that anybody on the way can read and set is none for a site that has TLS.
    if site.config.tls.is_some() && !ask.tls() {
        return said(site, ask, request.headers(), Said::Plain);
    }
    let query = request.uri().query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let token = pairs.find(|(name, _)| name == "token").map(|(_, token)| token.into_owned());
    let token = token.unwrap_or_default();
    match signer.open(token.as_bytes(), &site.config.name, now) {
        Ok(preview) => admitted(ask, &token, &preview, now),
        Err(why) => refusal(site, ask, request.headers(), why),
    }
}

/// RFC 9110 section 15.4.4; the browser forgets what it has of the live site, which it would show without asking
/// (Clear Site Data, section 3.1).
fn admitted(ask: &Ask, token: &str, preview: &Preview, now: Now) -> Outcome {
    let left = Duration::from_secs(preview.ends.saturating_sub(now.unix()));
    let mut response = see_other(preview.path.as_deref().unwrap_or("/"));
    let headers = response.headers_mut();
    if let Ok(cookie) = HeaderValue::from_str(&cookie(ask.tls(), token, left)) {
        headers.insert(header::SET_COOKIE, cookie);
    }
    headers.insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\""));
    ours(response)
}

fn leave(ask: &Ask) -> Outcome {
    let mut response = see_other("/");
    // Both: who came by plain HTTP may leave by TLS.
    let gone = |tls| HeaderValue::from_str(&cookie(tls, "", Duration::ZERO)).ok();
    for tls in if ask.tls() { &[true, false][..] } else { &[false] } {
        response.headers_mut().extend(gone(*tls).map(|cookie| (header::SET_COOKIE, cookie)));
    }
    ours(response)
}

fn cookie(tls: bool, token: &str, left: Duration) -> String {
    let secure = if tls { "; Secure" } else { "" };
    format!(
        "{}={token}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
        cookie_name(tls),
        left.as_secs()
    )
}

fn see_other(path: &str) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

/// That a token is not good, and what to do.
pub(super) fn refusal(site: &Site, ask: &Ask, headers: &HeaderMap, why: BadToken) -> Outcome {
    tracing::debug!(site = %site.config.name, client = %ask.client, why = why.code(), "preview refused");
    said(site, ask, headers, Said::Token(why))
}

/// That the snapshot of a good token is not there.
pub(super) fn no_snapshot(site: &Site, ask: &Ask, headers: &HeaderMap) -> Outcome {
    said(site, ask, headers, Said::NoSnapshot)
}

/// A page of ours.
pub(super) fn said(site: &Site, ask: &Ask, headers: &HeaderMap, said: Said) -> Outcome {
    let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = Language::choose(None, accept);
    let Words { title, lead, advice } = said.words(language);
    let host = site.config.canonical_host().unwrap_or(ask.host());
    let format = Format::of(headers);
    let page =
        SaidPage { site: Some(host), language, format, status: said.status(), title, lead, advice: &advice };
    let mut response = page.response();
    if ask.method == Method::HEAD {
        *response.body_mut() = Body::Empty;
    }
    ours(response)
}

pub(super) fn ours(mut response: Response<Body>) -> Outcome {
    let headers = response.headers_mut();
    super::own(headers);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::VIA, HeaderValue::from_static("1.1 katahai"));
    headers.insert(cache_status::NAME, HeaderValue::from_static(CACHE_STATUS));
    Outcome { response, served_from: ServedFrom::Cache, cause: None, origin: None }
}
