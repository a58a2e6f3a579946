//! Previews: for whoever has a good token, the site as if its origins were down. They change nothing: what notes something of
//! visitors is left out, or stands on a [`shadow`] of the site, and nothing that is sent in one is kept.
//!
//! A request without a token costs two looks at its header fields. The token comes in a header field (tools) or in a cookie
//! that the [`door`] sets (browsers); either is taken out before anything else reads the request.

mod bar;
mod door;
mod form;
mod shadow;
mod versions;
mod words;

use http::{HeaderMap, HeaderName, HeaderValue, Request, header};

use super::looked::{Looked, Purpose};
use super::site::Site;
use super::standby::Standby;
use super::{Outcome, Proxy, Visit, fallback};
use crate::ask::{Ask, Kind, key};
use crate::clock::Now;
use crate::config::ready::{PREVIEW, is_preview_door};
use crate::drill::{BadToken, Preview};
use crate::failover::{self, Plan};
use crate::failure::Cause;
use crate::http::BoxRequest;
use crate::proxy::Table;
use shadow::Shadow;
use std::sync::Arc;
use versions::{Question, Version};
use words::Said;

/// The field that tools send the token in.
const FIELD: HeaderName = HeaderName::from_static("katahai-preview");
/// The cookie's name over plain HTTP.
const COOKIE: &str = "katahai_preview";
/// The same over TLS: browsers take it from this host alone (RFC 6265bis section 4.1.3.2).
const HOST_COOKIE: &str = "__Host-katahai_preview";
/// Cookies of one name that are looked at: one that somebody else has set does not hide the good one.
const COOKIES: usize = 4;

/// The tokens that a request brought.
#[derive(Default)]
pub(super) struct Offered {
    field: Option<HeaderValue>,
    /// The name and the token of each cookie.
    cookies: Vec<(Vec<u8>, Vec<u8>)>,
    /// The version of a page that the request was for; it is one for the page now.
    version: Option<Version>,
}

/// What a request is, if it is not one for the site as it is.
pub(super) enum Aside {
    /// A file of the door.
    Door,
    /// The site as in an outage.
    Shown(Preview),
    /// Which versions of a page there are; of which page: path and query.
    Asked(Preview, Question, String),
    /// A version that is not there, or not for whoever asks.
    Nothing,
    /// A tool's token that is not good, or none where one is needed.
    Refused(BadToken),
}

impl Aside {
    /// How its address is logged, if not as it was sent: at the door it has the token in it.
    pub(super) fn logged_as(&self) -> Option<&'static str> {
        match self {
            Aside::Door => Some(PREVIEW),
            Aside::Shown(_) | Aside::Asked(..) | Aside::Nothing | Aside::Refused(_) => None,
        }
    }
}

/// Takes the tokens out of a request: neither the origin nor anything else gets to see them, good or not.
pub(super) fn take<B>(request: &mut Request<B>) -> Option<Offered> {
    let mut offered = take_tokens(request.headers_mut())?;
    offered.version = versions::take(request);
    Some(offered)
}

fn take_tokens(headers: &mut HeaderMap) -> Option<Offered> {
    let field = headers.remove(&FIELD);
    let has_cookie = headers
        .get_all(header::COOKIE)
        .iter()
        .any(|crumbs| memchr::memmem::find(crumbs.as_bytes(), COOKIE.as_bytes()).is_some());
    if field.is_none() && !has_cookie {
        return None;
    }
    let mut offered = Offered { field, ..Offered::default() };
    if has_cookie {
        take_cookies(headers, &mut offered.cookies);
    }
    Some(offered)
}

fn take_cookies(headers: &mut HeaderMap, taken: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    let all: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
    headers.remove(header::COOKIE);
    for field in all {
        let mut kept = Vec::new();
        for crumb in field.as_bytes().split(|&b| b == b';') {
            let mut pair = crumb.trim_ascii().splitn(2, |&b| b == b'=');
            let (name, value) =
                (pair.next().unwrap_or_default().trim_ascii(), pair.next().unwrap_or_default());
            if name == COOKIE.as_bytes() || name == HOST_COOKIE.as_bytes() {
                taken.push((name.to_vec(), value.trim_ascii().to_vec()));
            } else {
                kept.push(crumb);
            }
        }
        let kept = kept.join(&b';');
        if let Ok(kept) = HeaderValue::from_bytes(kept.trim_ascii())
            && !kept.is_empty()
        {
            headers.append(header::COOKIE, kept);
        }
    }
}

/// The cookie's name for those who came by TLS, or not.
fn cookie_name(tls: bool) -> &'static str {
    if tls { HOST_COOKIE } else { COOKIE }
}

impl Proxy {
    /// What the request is, if it is not one for the site as it is. A cookie that is no longer good is as none: its visitor gets the
    /// site. A tool is told so.
    pub(super) fn aside(&self, site: &Site, ask: &Ask, offered: Option<&Offered>, now: Now) -> Option<Aside> {
        let is_at_door = is_preview_door(key::path_of(ask.key()));
        let Some(offered) = offered else { return is_at_door.then_some(Aside::Door) };
        if is_at_door {
            let asked = versions::asked(site, ask);
            let opened = asked.map(|asked| (self.opened(offered, site, ask, now), asked));
            return Some(match opened {
                None => Aside::Door,
                Some((Some(Ok(_)), (_, None))) => Aside::Nothing,
                Some((Some(Ok(preview)), (question, Some(page)))) => Aside::Asked(preview, question, page),
                Some((Some(Err(why)), _)) => Aside::Refused(why),
                Some((None, _)) => Aside::Refused(BadToken::Malformed),
            });
        }
        match (self.opened(offered, site, ask, now), &offered.version) {
            (None, None) => None,
            (None, Some(_)) => Some(Aside::Refused(BadToken::Malformed)), // and never the live page
            (Some(Err(why)), _) => Some(Aside::Refused(why)),
            (Some(Ok(preview)), None) => Some(Aside::Shown(preview)),
            (Some(Ok(preview)), Some(version)) => {
                Some(version.within(preview, site, ask).map_or(Aside::Nothing, Aside::Shown))
            }
        }
    }

    /// What the tokens allow: the tool's word goes before cookies, of which any good one will do. `None`: there is none.
    fn opened(
        &self,
        offered: &Offered,
        site: &Site,
        ask: &Ask,
        now: Now,
    ) -> Option<Result<Preview, BadToken>> {
        let open = |token: &[u8]| self.previews().open(token, &site.config.name, now);
        if let Some(field) = &offered.field {
            return Some(open(field.as_bytes()));
        }
        let name = cookie_name(ask.tls()).as_bytes();
        let of_name = offered.cookies.iter().filter(|(of, _)| of == name).take(COOKIES);
        of_name.filter_map(|(_, token)| open(token).ok()).next().map(Ok)
    }

    /// The answer to it.
    pub(super) async fn answer_aside(
        &self,
        aside: Aside,
        (table, site, standby): (&Table, &Arc<Site>, Option<&Standby>),
        ask: &mut Ask,
        request: BoxRequest,
        (visit, now): (&Visit<'_>, Now),
    ) -> Outcome {
        let preview = match aside {
            Aside::Door => return door::answer(self.previews(), site, ask, &request, now),
            Aside::Refused(why) => return door::refusal(site, ask, request.headers(), why),
            Aside::Nothing => return door::said(site, ask, request.headers(), Said::Unknown),
            Aside::Asked(preview, question, page) => {
                return versions::answer(site, &preview, ask, (question, &page), request.headers()).await;
            }
            Aside::Shown(preview) => preview,
        };
        let Some(shadow) = Shadow::of(site, &preview).await else {
            return door::no_snapshot(site, ask, request.headers());
        };
        let mut outcome = self.shown(table, &shadow, ask, request, visit, now).await;
        bar::put(&shadow, ask, &mut outcome.response).await;
        versions::put_names(&mut outcome.response, ask);
        if let Some(standby) = standby {
            Box::pin(standby.leave(&shadow.site, ask, &mut outcome.response)).await;
        }
        own(outcome.response.headers_mut());
        outcome
    }

    /// What visitors would get in an outage.
    async fn shown(
        &self,
        table: &Table,
        shadow: &Shadow,
        ask: &mut Ask,
        mut request: BoxRequest,
        visit: &Visit<'_>,
        now: Now,
    ) -> Outcome {
        // What the browser has is the live page, without the bar: it must not be told to show that.
        for name in [
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::IF_MATCH,
            header::IF_UNMODIFIED_SINCE,
            header::IF_RANGE,
        ] {
            request.headers_mut().remove(name);
        }
        ask.keep_headers(request.headers(), true);
        if matches!(ask.kind, Kind::Form | Kind::Write) {
            return form::answer(self, table, shadow, ask, (request, visit), now).await;
        }
        shadow.site.mirror.learn().await;
        let mut looked = Looked::at(&shadow.site, ask, request.headers(), now, Purpose::Knowledge);
        looked.situation.mode = shadow.mode;
        if shadow.is_chosen {
            looked.copies.entry = None; // only what that snapshot has
        }
        let (Plan::Give(fallback) | Plan::Ask { fallback, .. }) = failover::decide(looked.situation);
        fallback::give(&shadow.site, ask, fallback, looked.copies, Some(Cause::KnownDown), now).await
    }
}

/// Makes the answer one that nobody keeps, nor gives to somebody else.
fn own(headers: &mut HeaderMap) {
    for name in
        ["expires", "pragma", "etag", "last-modified", "surrogate-control", "x-accel-expires", "edge-control"]
    {
        headers.remove(name);
    }
    // caches of one maker go by a field of their own first (RFC 9213)
    let of_makers: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().ends_with("-cache-control")).cloned().collect();
    for name in of_makers {
        headers.remove(name);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    let varies = headers.get_all(header::VARY).iter().any(|value| {
        let names = value.to_str().unwrap_or_default();
        names.split(',').any(|name| name.trim() == "*" || name.trim().eq_ignore_ascii_case("cookie"))
    });
    if !varies {
        headers.append(header::VARY, HeaderValue::from_static("Cookie"));
    }
    headers.insert(fallback::ROBOTS_TAG, HeaderValue::from_static("noindex"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_out_and_nothing_else_is() {
        for (cookies, left, taken) in [
            (vec!["a=1"], vec!["a=1"], None),
            (vec!["a=1; katahai_preview=x.y; b=2"], vec!["a=1; b=2"], Some(1)),
            (vec!["katahai_preview=x"], vec![], Some(1)),
            (vec!["__Host-katahai_preview=x;b=2"], vec!["b=2"], Some(1)),
            (vec!["a=1", "katahai_preview=x", "b=2"], vec!["a=1", "b=2"], Some(1)),
            (vec!["katahai_preview=x; katahai_preview=y"], vec![], Some(2)),
            (vec!["my_katahai_preview=x"], vec!["my_katahai_preview=x"], Some(0)),
            (vec!["a=katahai_preview"], vec!["a=katahai_preview"], Some(0)),
        ] {
            let mut headers = HeaderMap::new();
            cookies.iter().for_each(|field| _ = headers.append(header::COOKIE, field.parse().unwrap()));
            let offered = take_tokens(&mut headers);
            let found: Vec<&str> =
                headers.get_all(header::COOKIE).iter().map(|field| field.to_str().unwrap()).collect();
            assert_eq!((found, offered.map(|offered| offered.cookies.len())), (left, taken), "{cookies:?}");
        }
        let mut headers = HeaderMap::new();
        headers.append(FIELD, "x".parse().unwrap());
        headers.append(FIELD, "y".parse().unwrap());
        assert!(take_tokens(&mut headers).unwrap().field.is_some() && headers.is_empty());
    }

    #[test]
    fn an_answer_is_for_nobody_else() {
        for (vary, expected) in
            [(None, "Cookie"), (Some("accept, cookie"), "accept, cookie"), (Some("*"), "*")]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=600"));
            headers.insert(header::ETAG, HeaderValue::from_static("\"a\""));
            headers.extend(vary.map(|vary| (header::VARY, HeaderValue::from_static(vary))));
            own(&mut headers);
            assert_eq!(headers[header::CACHE_CONTROL], "private, no-store");
            assert_eq!(headers[header::VARY], expected);
            assert!(!headers.contains_key(header::ETAG));
        }
    }
}
