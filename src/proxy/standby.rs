//! A standby host: a second name, under another registrar, on which the site answers as well. What comes in by it is asked for
//! as on the site's first host (the same cache, the same snapshot, the same origin); what goes out leads to where its visitor
//! is, and search engines are not to know it by this name.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_LOCATION,
    CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, FORWARDED, HOST, LINK, LOCATION, ORIGIN,
    RANGE, REFERER, REFRESH, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Frame;

use super::buffer::{Buffered, beginning};
use super::fallback::ROBOTS_TAG;
use super::render::{self, Source};
use super::site::Site;
use crate::ask::{Ask, default_port, key};
use crate::content::document::Document;
use crate::content::edits::{Edits, Piece};
use crate::content::media::{content_type, essence, is_html};
use crate::content::policy::pins_style;
use crate::content::rehost::{Holds, Rehost};
use crate::failure::Failure;
use crate::http::range::slice;
use crate::http::{Body, coding};
use crate::origin::LatencyClass;

/// Bytes of a page or a style sheet in which addresses are written anew. What follows passes as it is.
const MOST: u64 = 1 << 20;
/// How long they are waited for once the first have come: a page that is sent little by little should appear so.
const PATIENCE: Duration = Duration::from_secs(2);

/// By which standby host a visitor came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standby {
    scheme: &'static str,
    host: String,
    /// The same with its port, unless that is the scheme's own.
    authority: String,
    /// Whether addresses of https lead to https whatever scheme the visitor came by.
    keeps_https: bool,
    /// The visitor's `Origin`, and what the site hears in its place.
    origin: Option<(HeaderValue, HeaderValue)>,
}

impl Standby {
    /// Makes a request for a standby host of the site one for its first host; `None` if it is for another. It came by TLS or
    /// not, and may find us there by a plain `https:` address or not.
    pub(super) fn enter<B>(
        request: &mut Request<B>,
        site: &Site,
        (host, port): (&str, Option<u16>),
        (tls, has_https): (bool, bool),
    ) -> Option<Standby> {
        if !site.config.standby_hosts.iter().any(|standby| standby == host) {
            return None;
        }
        let own = site.config.canonical_host()?;
        let port = port.filter(|port| *port != default_port(tls));
        let authority = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let scheme = if tls { "https" } else { "http" };
        let keeps_https = !tls && has_https && site.config.tls.is_some();
        let mut standby = Standby { scheme, host: host.to_owned(), authority, keeps_https, origin: None };
        let value = HeaderValue::from_str(own).ok()?;
        if request.uri().authority().is_some() {
            let mut parts = request.uri().clone().into_parts();
            parts.authority = Some(own.parse().ok()?);
            *request.uri_mut() = Uri::from_parts(parts).ok()?;
        }
        let may_change = changes(request.uri().path());
        let headers = request.headers_mut();
        headers.insert(HOST, value);
        // A proxy before us speaks of the host that it was asked for.
        headers.remove("x-forwarded-host");
        headers.remove("x-forwarded-port");
        change(headers, &FORWARDED, without_host);
        let origin = headers.get(ORIGIN).cloned();
        for name in [ORIGIN, REFERER] {
            change(headers, &name, |said| standby.as_own(said, own));
        }
        standby.origin = origin.zip(headers.get(ORIGIN).cloned()).filter(|(said, told)| said != told);
        if may_change {
            // What is edited has to be read, and its parts are others.
            headers.remove(ACCEPT_ENCODING);
            headers.remove(RANGE);
        }
        Some(standby)
    }

    /// Where its visitor reaches the site, without a slash at the end.
    pub(super) fn root(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// An address on the standby host, of either scheme, as the site knows it.
    fn as_own(&self, said: &str, own: &str) -> Option<String> {
        let (scheme, rest) =
            said.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
        let (authority, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_here = authority == self.authority || authority == self.host;
        is_here.then(|| format!("{scheme}://{own}{rest}"))
    }

    /// Makes the answer one from the standby host.
    pub(super) async fn leave(&self, site: &Site, ask: &Ask, response: &mut Response<Body>) {
        let rehost = self.rehost(&site.config.hosts);
        self.fields(&rehost, &site.config.cache.ignore_query, ask, response.headers_mut());
        let headers = response.headers();
        let kind = content_type(headers);
        let is_page = kind.is_some() && is_html(kind);
        let is_sheet = kind.is_some_and(|kind| essence(kind).eq_ignore_ascii_case("text/css"));
        let has_body = !response.status().is_informational()
            && !matches!(
                response.status(),
                StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
            );
        if !(is_page || is_sheet) || !has_body {
            return;
        }
        if ask.method == Method::HEAD {
            // What it would be, only its body could tell.
            render::undescribed(response.headers_mut());
            return;
        }
        let body = std::mem::replace(response.body_mut(), Body::Empty);
        let begun = match beginning(body, MOST, PATIENCE, &site.room).await {
            Ok(begun) => begun,
            Err(failure) => {
                *response.body_mut() = Body::stream(Broken(Some(failure)));
                return;
            }
        };
        let Some((plain, edits)) = edited(&rehost, response.headers(), &begun, is_page) else {
            *response.body_mut() = begun.into_body();
            return;
        };
        let headers = response.headers_mut();
        render::as_edited(headers, &edits);
        headers.remove(CONTENT_ENCODING);
        *response.body_mut() = match begun.into_whole() {
            Ok(_) => {
                headers.extend(edits.length(plain.len() as u64).map(|len| (CONTENT_LENGTH, len.into())));
                render::all_edited(&Source::Whole(plain), &edits)
            }
            Err(mut begun) => {
                begun.read = put_together(&plain, &edits);
                begun.into_body()
            }
        };
    }

    fn rehost<'a>(&'a self, hosts: &'a [String]) -> Rehost<'a> {
        let https = self.keeps_https.then_some(&*self.host);
        Rehost { hosts, scheme: self.scheme, authority: &self.authority, https }
    }

    fn fields(&self, rehost: &Rehost<'_>, ignored: &[String], ask: &Ask, headers: &mut HeaderMap) {
        headers.insert(ROBOTS_TAG, HeaderValue::from_static("noindex"));
        // It was promised for another name.
        headers.remove(STRICT_TRANSPORT_SECURITY);
        change(headers, &LOCATION, |said| {
            Some(self.location(rehost.text(said, Holds::Address)?, said, ignored, ask))
        });
        for (name, holds) in [
            (CONTENT_LOCATION, Holds::Address),
            (REFRESH, Holds::Several),
            (LINK, Holds::Links),
            (CONTENT_SECURITY_POLICY, Holds::Policy),
            (CONTENT_SECURITY_POLICY_REPORT_ONLY, Holds::Policy),
        ] {
            change(headers, &name, |said| rehost.text(said, holds));
        }
        if let Some((said, told)) = &self.origin
            && headers.get(ACCESS_CONTROL_ALLOW_ORIGIN) == Some(told)
        {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, said.clone());
        }
        change(headers, &SET_COOKIE, |said| without_domain(said, rehost.hosts));
    }

    /// A redirect from http to https would lead in a circle if it led to the visitor's own scheme.
    fn location(&self, to: String, said: &str, ignored: &[String], ask: &Ask) -> String {
        let is_upgrade = said.trim_start().get(..6).is_some_and(|start| start.eq_ignore_ascii_case("https:"));
        let here = format!("http://{}", self.authority);
        let Some(target) = to.trim().strip_prefix(&here).filter(|_| is_upgrade) else { return to };
        let asked = target.split('#').next().unwrap_or_default();
        let (path, query) = asked.split_once('?').map_or((asked, None), |(path, query)| (path, Some(query)));
        if key::page_key(path, query, ignored) != ask.key() {
            return to;
        }
        format!("https://{}{target}", self.host)
    }
}

/// Whether something at this path may be a page or a style sheet.
fn changes(path: &str) -> bool {
    LatencyClass::of(path) != LatencyClass::Asset || path.to_ascii_lowercase().ends_with(".css")
}

/// What is to be edited, and in which bytes; `None` if nothing is.
fn edited(
    rehost: &Rehost<'_>,
    headers: &HeaderMap,
    begun: &Buffered,
    is_page: bool,
) -> Option<(Bytes, Edits)> {
    let is_coded = !coding::of(headers).is_ok_and(|codings| codings.is_empty());
    if is_coded && !begun.is_whole() {
        return None;
    }
    let most = usize::try_from(if is_coded { MOST * 4 } else { MOST }).ok()?;
    let plain = coding::plain(headers, &begun.read, most).filter(|plain| plain.all && !plain.broken)?;
    // A copy in memory comes in one piece, however long it is.
    let first = &plain.bytes[..plain.bytes.len().min(most)];
    let document = Document::new(first, content_type(headers));
    let policies = [CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY];
    let mut policies = policies.iter().flat_map(|name| headers.get_all(name));
    let pinned = policies.any(|value| value.to_str().is_ok_and(pins_style));
    let edits = if is_page { rehost.html(&document, pinned) } else { rehost.css(&document) };
    let bytes = if is_coded { Bytes::copy_from_slice(&plain.bytes) } else { begun.read.clone() };
    (!edits.is_empty()).then_some((bytes, edits))
}

/// The edited form of a beginning.
fn put_together(plain: &Bytes, edits: &Edits) -> Bytes {
    let len = plain.len() as u64;
    let pieces = edits.pieces(len, &(0..edits.length(len).unwrap_or_default()));
    let bytes = pieces.into_iter().map(|piece| match piece {
        Piece::Kept(range) => slice(plain, &range),
        Piece::Put(text) => text,
    });
    bytes.collect::<Vec<Bytes>>().concat().into()
}

/// Changes the values of a field that can be read.
fn change(headers: &mut HeaderMap, name: &HeaderName, to: impl Fn(&str) -> Option<String>) {
    if !headers.contains_key(name) {
        return;
    }
    let changed: Vec<HeaderValue> = headers
        .get_all(name)
        .iter()
        .map(|value| {
            let new = std::str::from_utf8(value.as_bytes()).ok().and_then(&to);
            let new = new.and_then(|new| HeaderValue::from_bytes(new.as_bytes()).ok());
            new.unwrap_or_else(|| value.clone())
        })
        .collect();
    headers.remove(name);
    changed.into_iter().for_each(|value| _ = headers.append(name, value));
}

/// A `Forwarded` field that says nothing of the host (RFC 7239 section 5.3).
fn without_host(said: &str) -> Option<String> {
    let is_host =
        |pair: &&str| pair.split_once('=').is_some_and(|(name, _)| name.trim().eq_ignore_ascii_case("host"));
    let without = |element: &str| {
        element.split(';').filter(|pair| !is_host(pair)).map(str::trim).collect::<Vec<_>>().join(";")
    };
    let elements: Vec<String> = said.split(',').map(without).filter(|element| !element.is_empty()).collect();
    Some(elements.join(", "))
}

/// A cookie without a `Domain` that the standby host is not of: it is this host's then (RFC 6265 section 5.3).
fn without_domain(cookie: &str, hosts: &[String]) -> Option<String> {
    let is_own = |attribute: &str| {
        let Some((name, domain)) = attribute.split_once('=') else { return false };
        let domain = domain.trim().trim_start_matches('.').to_ascii_lowercase();
        name.trim().eq_ignore_ascii_case("domain")
            && hosts.iter().any(|host| *host == domain || host.ends_with(&format!(".{domain}")))
    };
    let mut parts = cookie.split(';');
    let first = parts.next()?;
    let kept: Vec<&str> = parts.filter(|part| !is_own(part)).collect();
    let new = [&[first], &*kept].concat().join(";");
    (new.len() < cookie.len()).then_some(new)
}

/// The body of an answer that broke off before its first byte went out.
struct Broken(Option<Failure>);

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_the_standby_hosts_own() {
        let hosts = ["www.example.jp".to_owned()];
        for (cookie, expected) in [
            ("a=b; Domain=example.jp; Path=/", Some("a=b; Path=/")),
            ("a=b; path=/; domain=.www.example.jp", Some("a=b; path=/")),
            ("a=Domain=example.jp; Path=/", None),
            ("a=b; Domain=other.example", None),
            ("a=b", None),
        ] {
            assert_eq!(without_domain(cookie, &hosts).as_deref(), expected, "{cookie}");
        }
    }

    #[test]
    fn what_may_be_edited_is_asked_for_whole() {
        for (path, expected) in
            [("/", true), ("/a.html", true), ("/a.CSS", true), ("/a.png", false), ("/a.js", false)]
        {
            assert_eq!(changes(path), expected, "{path}");
        }
    }

    fn standby(authority: &str, keeps_https: bool) -> Standby {
        let host = authority.split(':').next().unwrap().to_owned();
        Standby { scheme: "http", host, authority: authority.to_owned(), keeps_https, origin: None }
    }

    /// What these fields of an answer to this target are for a visitor.
    fn leave(standby: &Standby, target: &str, fields: &[(&'static str, &[u8])]) -> HeaderMap {
        let text = "[[site]]\nhosts = [\"www.example.jp\"]\n[[site.origin]]\nurl = \"http://203.0.113.1\"\n";
        let (config, _) =
            crate::config::from_text(text, "k.toml".as_ref(), &crate::config::Env::default()).unwrap();
        let site = &config.sites[0];
        let request = Request::get(target).header("host", "www.example.jp").body(()).unwrap();
        let from = (std::net::IpAddr::from([127, 0, 0, 1]), false);
        let ask = Ask::read(&request, site, from, crate::ask::Load::Nothing).unwrap();
        let field = |(name, value): &(&'static str, &[u8])| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
        };
        let mut headers: HeaderMap = fields.iter().map(field).collect();
        standby.fields(&standby.rehost(&site.hosts), &site.cache.ignore_query, &ask, &mut headers);
        assert_eq!(headers["x-robots-tag"], "noindex");
        headers
    }

    #[test]
    fn a_redirect_to_https_does_not_lead_in_a_circle() {
        for (authority, asked, said, expected) in [
            ("s.example", "/a?b", "https://www.example.jp/a?b", "https://s.example/a?b"),
            ("s.example:8080", "/a?b", "https://www.example.jp/a?b", "https://s.example/a?b"),
            ("s.example:8080", "/a?b", "https://www.example.jp/c", "http://s.example:8080/c"),
            ("s.example", "/a?b", "http://www.example.jp/c", "http://s.example/c"),
            ("s.example", "/a?b", "/c", "/c"),
            ("s.example", "/a?b", "https://other.example/a?b", "https://other.example/a?b"),
            // another spelling of what was asked for
            ("s.example", "/?fbclid=x", "https://www.example.jp/?fbclid=x", "https://s.example/?fbclid=x"),
            ("s.example", "/?fbclid=x", "https://www.example.jp", "https://s.example"),
            (
                "s.example",
                "/a",
                "HTTPS://www.example.jp/a?utm_source=x#b",
                "https://s.example/a?utm_source=x#b",
            ),
            ("s.example", "/~a", "https://www.example.jp/b/../%7ea", "https://s.example/b/../%7ea"),
            ("s.example", "/a", "https://www.example.jp/a?b", "http://s.example/a?b"),
        ] {
            let headers = leave(&standby(authority, false), asked, &[("location", said.as_bytes())]);
            assert_eq!(headers[LOCATION], expected, "{asked}: {said} by {authority}");
        }
        let by_both = standby("s.example:8080", true);
        for (said, expected) in [
            ("https://www.example.jp/login", "https://s.example/login"),
            ("https://www.example.jp/a", "https://s.example/a"),
            ("http://www.example.jp/login", "http://s.example:8080/login"),
        ] {
            let headers = leave(&by_both, "/a", &[("location", said.as_bytes())]);
            assert_eq!(headers[LOCATION], expected, "{said}");
        }
    }

    #[test]
    fn the_fields_are_those_of_the_standby_host() {
        let mut visitor = standby("s.example", false);
        let fields: [(_, &[u8]); 6] = [
            ("location", "https://www.example.jp/お茶".as_bytes()),
            ("set-cookie", "name=花子; Domain=example.jp; Path=/".as_bytes()),
            ("set-cookie", b"a=b; Domain=www.example.jp"),
            ("set-cookie", b"a=\xff; Domain=example.jp"),
            ("strict-transport-security", b"max-age=600"),
            ("access-control-allow-origin", b"https://www.example.jp"),
        ];
        let headers = leave(&visitor, "/", &fields);
        assert_eq!(headers["location"].as_bytes(), "http://s.example/お茶".as_bytes());
        let cookies: Vec<&[u8]> = headers.get_all("set-cookie").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(cookies, ["name=花子; Path=/".as_bytes(), b"a=b", b"a=\xff; Domain=example.jp"]);
        assert!(!headers.contains_key("strict-transport-security"));
        assert_eq!(headers["access-control-allow-origin"], "https://www.example.jp", "he has not asked");
        let value = HeaderValue::from_static;
        visitor.origin = Some((value("https://s.example"), value("https://www.example.jp")));
        assert_eq!(leave(&visitor, "/", &fields)["access-control-allow-origin"], "https://s.example");
    }

    #[test]
    fn the_sites_own_address_is_what_the_origin_hears() {
        for (said, expected) in [
            ("http://s.example:8080", Some("http://www.example.jp")),
            ("http://s.example:8080/a?b", Some("http://www.example.jp/a?b")),
            ("https://s.example/お茶", Some("https://www.example.jp/お茶")),
            ("http://s.example:80801/", None),
            ("http://s.example.evil.example/", None),
            ("null", None),
        ] {
            let own = standby("s.example:8080", false).as_own(said, "www.example.jp");
            assert_eq!(own.as_deref(), expected, "{said}");
        }
        for (said, expected) in [
            ("for=192.0.2.1;host=s.example;proto=https", "for=192.0.2.1;proto=https"),
            (
                "for=192.0.2.1, Host=\"s.example:8080\" , for=192.0.2.2; host=s.example",
                "for=192.0.2.1, for=192.0.2.2",
            ),
        ] {
            assert_eq!(without_host(said).as_deref(), Some(expected));
        }
    }
}
