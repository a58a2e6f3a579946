//! A standby host: a second name, under another registrar, on which the site answers as well. What comes in by it is asked for
//! as on the site's first host (the same cache, the same snapshot, the same origin); what goes out leads to where its visitor
//! is, and search engines are not to know it by this name.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_LOCATION,
    CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, ETAG, HOST, LINK, LOCATION, ORIGIN, RANGE,
    REFERER, REFRESH, SET_COOKIE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Frame;

use super::buffer::buffer;
use super::fallback::ROBOTS_TAG;
use super::render::{self, Source};
use super::site::Site;
use crate::ask::{Ask, default_port};
use crate::content::document::Document;
use crate::content::edits::Edits;
use crate::content::media::{content_type, essence, is_html};
use crate::content::rehost::{Holds, Rehost};
use crate::failure::Failure;
use crate::http::{Body, coding};
use crate::origin::LatencyClass;

/// Bytes of a page or a style sheet in which addresses are written anew. A longer one passes as it is.
const MOST: u64 = 1 << 20;

/// By which standby host a visitor came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standby {
    scheme: &'static str,
    /// With its port, unless that is the scheme's own.
    authority: String,
}

impl Standby {
    /// Makes a request for a standby host of the site one for its first host; `None` if it is for another.
    pub(super) fn enter<B>(
        request: &mut Request<B>,
        site: &Site,
        (host, port): (&str, Option<u16>),
        tls: bool,
    ) -> Option<Standby> {
        if !site.config.standby_hosts.iter().any(|standby| standby == host) {
            return None;
        }
        let own = site.config.canonical_host()?;
        let port = port.filter(|port| *port != default_port(tls));
        let authority = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let standby = Standby { scheme: if tls { "https" } else { "http" }, authority };
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
        for name in [ORIGIN, REFERER] {
            let said = headers.get(&name).and_then(|value| value.to_str().ok());
            if let Some(to) = said.and_then(|said| standby.as_own(said, own)) {
                headers.insert(name, to);
            }
        }
        if may_change {
            // What is edited has to be read, and its parts are others.
            headers.remove(ACCEPT_ENCODING);
            headers.remove(RANGE);
        }
        Some(standby)
    }

    /// An address on the standby host, as the site knows it.
    fn as_own(&self, said: &str, own: &str) -> Option<HeaderValue> {
        let rest = said.strip_prefix(&format!("{}://{}", self.scheme, self.authority))?;
        let is_whole = rest.is_empty() || rest.starts_with('/');
        is_whole.then(|| HeaderValue::from_str(&format!("{}://{own}{rest}", self.scheme)).ok()).flatten()
    }

    /// Makes the answer one from the standby host.
    pub(super) async fn leave(&self, site: &Site, ask: &Ask, response: &mut Response<Body>) {
        let rehost = Rehost { hosts: &site.config.hosts, scheme: self.scheme, authority: &self.authority };
        self.fields(&rehost, ask, response.headers_mut());
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
            response.headers_mut().remove(CONTENT_LENGTH);
            response.headers_mut().remove(ETAG);
            return;
        }
        let body = std::mem::replace(response.body_mut(), Body::Empty);
        let whole = match buffer(body, MOST, &site.room).await.map(super::buffer::Buffered::into_whole) {
            Ok(Ok(whole)) => whole,
            Ok(Err(begun)) => {
                *response.body_mut() = begun.into_body();
                return;
            }
            Err(failure) => {
                *response.body_mut() = Body::stream(Broken(Some(failure)));
                return;
            }
        };
        match edited(&rehost, response.headers(), &whole, is_page) {
            None => *response.body_mut() = Body::whole(whole),
            Some((plain, edits)) => {
                let headers = response.headers_mut();
                render::as_edited(headers, &edits);
                headers.remove(CONTENT_ENCODING);
                headers.extend(edits.length(plain.len() as u64).map(|len| (CONTENT_LENGTH, len.into())));
                *response.body_mut() = render::all_edited(&Source::Whole(plain), &edits);
            }
        }
    }

    fn fields(&self, rehost: &Rehost<'_>, ask: &Ask, headers: &mut HeaderMap) {
        headers.insert(ROBOTS_TAG, HeaderValue::from_static("noindex"));
        let one = |said: &str| rehost.text(said, Holds::Address);
        let several = |said: &str| rehost.text(said, Holds::Several);
        change(headers, &LOCATION, |said| self.location(one(said)?, said, ask));
        change(headers, &CONTENT_LOCATION, one);
        change(headers, &ACCESS_CONTROL_ALLOW_ORIGIN, one);
        for name in [REFRESH, LINK, CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY] {
            change(headers, &name, several);
        }
        change(headers, &SET_COOKIE, |said| without_domain(said, rehost.hosts));
    }

    /// A redirect from http to https would lead in a circle if it led to the visitor's own scheme.
    fn location(&self, to: String, said: &str, ask: &Ask) -> Option<String> {
        let here = format!("{}://{}{}", self.scheme, self.authority, ask.key());
        let is_upgrade = self.scheme == "http" && said.trim().get(..6)?.eq_ignore_ascii_case("https:");
        if !is_upgrade || to.trim() != here {
            return Some(to);
        }
        let host = self.authority.rsplit_once(':').map_or(&*self.authority, |(host, _)| host);
        Some(format!("https://{host}{}", ask.key()))
    }
}

/// Whether something at this path may be a page or a style sheet.
fn changes(path: &str) -> bool {
    LatencyClass::of(path) != LatencyClass::Asset || path.to_ascii_lowercase().ends_with(".css")
}

/// What is to be edited, and in which bytes; `None` if nothing is.
fn edited(rehost: &Rehost<'_>, headers: &HeaderMap, whole: &Bytes, is_page: bool) -> Option<(Bytes, Edits)> {
    let most = usize::try_from(MOST * 4).ok()?;
    let plain = coding::plain(headers, whole, most).filter(|plain| plain.all && !plain.broken)?;
    let document = Document::new(&plain.bytes, content_type(headers));
    let edits = if is_page { rehost.html(&document) } else { rehost.css(&document) };
    let is_coded = coding::of(headers).is_ok_and(|codings| !codings.is_empty());
    let bytes = if is_coded { Bytes::copy_from_slice(&plain.bytes) } else { whole.clone() };
    (!edits.is_empty()).then_some((bytes, edits))
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
            let new = value.to_str().ok().and_then(&to).and_then(|new| HeaderValue::from_str(&new).ok());
            new.unwrap_or_else(|| value.clone())
        })
        .collect();
    headers.remove(name);
    changed.into_iter().for_each(|value| _ = headers.append(name, value));
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

    #[test]
    fn a_redirect_to_https_does_not_lead_in_a_circle() {
        let text = "[[site]]\nhosts = [\"www.example.jp\"]\n[[site.origin]]\nurl = \"http://203.0.113.1\"\n";
        let (config, _) =
            crate::config::from_text(text, "k.toml".as_ref(), &crate::config::Env::default()).unwrap();
        let request = Request::get("/a?b").header("host", "www.example.jp").body(()).unwrap();
        let from = (std::net::IpAddr::from([127, 0, 0, 1]), false);
        let ask = Ask::read(&request, &config.sites[0], from, crate::ask::Load::Nothing).unwrap();
        for (authority, said, expected) in [
            ("s.example", "https://www.example.jp/a?b", "https://s.example/a?b"),
            ("s.example:8080", "https://www.example.jp/a?b", "https://s.example/a?b"),
            ("s.example:8080", "https://www.example.jp/c", "http://s.example:8080/c"),
            ("s.example", "http://www.example.jp/c", "http://s.example/c"),
            ("s.example", "/c", "/c"),
            ("s.example", "https://other.example/a?b", "https://other.example/a?b"),
        ] {
            let standby = Standby { scheme: "http", authority: authority.to_owned() };
            let hosts = &config.sites[0].hosts;
            let rehost = Rehost { hosts, scheme: "http", authority };
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_static(said));
            standby.fields(&rehost, &ask, &mut headers);
            assert_eq!(headers[LOCATION], expected, "{said} by {authority}");
            assert_eq!(headers["x-robots-tag"], "noindex");
        }
    }

    #[test]
    fn the_sites_own_address_is_what_the_origin_hears() {
        let standby = Standby { scheme: "http", authority: "s.example:8080".to_owned() };
        let own =
            |said| standby.as_own(said, "www.example.jp").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(own("http://s.example:8080").as_deref(), Some("http://www.example.jp"));
        assert_eq!(own("http://s.example:8080/a?b").as_deref(), Some("http://www.example.jp/a?b"));
        assert_eq!(own("http://s.example:80801/"), None);
        assert_eq!(own("https://s.example:8080/"), None);
    }
}
