//! One request, read once: which site, which page, what kind. What is malformed is refused here.

pub mod key;
pub mod location;
pub mod normal;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Request, Uri, Version, header};

use crate::config::ready::{Site, is_acme_challenge, wildcard};
use crate::failure::{Cause, Failure};

/// What a request wants of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GET or HEAD: any right answer will do.
    Read,
    /// POST: it must reach the origin, or be refused.
    Form,
    /// Any other method, and a GET that carries a body, which no copy can have seen; as a form.
    Write,
    /// A change of protocol: only the live origin can give it.
    Upgrade,
}

/// Whom it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// Anybody: copies will do.
    Anonymous,
    /// Somebody with a session: the live site while it lives.
    Session,
}

/// What a request brings beside its header fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Nothing.
    Nothing,
    /// A body.
    Body,
    /// The wish to change the protocol.
    Upgrade,
}

/// What was read of a request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Scheme, host, port and key in one piece, in normal form: what tells two answers apart, and all that the origin gets
    /// to see of the address where its answer may be given to others.
    full: String,
    /// Where the host ends in it.
    host_end: usize,
    /// Where the key begins in it.
    key_at: usize,
    /// What is wanted.
    pub kind: Kind,
    /// The method, for what depends on it alone.
    pub method: Method,
    /// Whom it comes from.
    pub visitor: Visitor,
    /// Whether the key has all of the query that was written.
    whole_query: bool,
    /// Whether the site's routes let its answers be cached.
    pub cacheable: bool,
    /// Whether the site's routes let it be mirrored.
    pub mirrorable: bool,
    /// The visitor's address.
    pub client: IpAddr,
    /// What copies and notices need of the header fields once those have gone on to the origin: conditions, range,
    /// and what the visitor can read.
    pub kept_headers: HeaderMap,
}

/// What [`Ask::kept_headers`] keeps.
static KEPT_HEADERS: [HeaderName; 11] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::COOKIE,
    header::REFERER,
    header::ORIGIN,
];

/// What it keeps beside that, where copies have notices: by what programs say that no window is to show the answer.
static OF_PROGRAMS: [HeaderName; 6] = [
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("service-worker"),
    HeaderName::from_static("x-requested-with"),
    HeaderName::from_static("x-pjax"),
    HeaderName::from_static("turbo-frame"),
    HeaderName::from_static("hx-request"),
];

/// The host that a request names, lower case, without a dot at its end (RFC 9110 section 4.2.3), and its port: from the target
/// (HTTP/2, proxy form) or the one Host field.
///
/// # Errors
/// [`Cause::Malformed`] if there is none, more than one, or not a host (RFC 9112 section 3.2).
pub fn host_of<B>(request: &Request<B>) -> Result<(Cow<'_, str>, Option<u16>), Failure> {
    let malformed = |why: &str| Failure::new(Cause::Malformed).detail(why.to_owned());
    let mut fields = request.headers().get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(malformed("more than one host field"));
    }
    let authority = match (request.uri().authority(), field) {
        (Some(authority), _) => authority.as_str(),
        (None, Some(field)) => field.to_str().map_err(|_| malformed("host field is not text"))?,
        (None, None) => return Err(malformed("no host")),
    };
    let authority = around_last(authority, b'@').map_or(authority, |(_, host)| host);
    let (host, port) = parted(authority);
    let odd = |b: u8| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'[' | b']'));
    if host.is_empty() || host.len() > 255 || authority.bytes().any(odd) {
        return Err(malformed("not a host"));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let upper = host.bytes().any(|b| b.is_ascii_uppercase());
    let host = if upper { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) };
    let port = match port {
        "" => None,
        port => Some(port.parse().ok().filter(|&port| port != 0).ok_or_else(|| malformed("not a port"))?),
    };
    Ok((host, port))
}

/// What stands before the last of these, and behind it; for texts this short, `rsplit_once` costs several times as much.
fn around_last(text: &str, ascii: u8) -> Option<(&str, &str)> {
    let at = text.bytes().rposition(|b| b == ascii)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Host and port; an empty one if there is none.
fn parted(authority: &str) -> (&str, &str) {
    match around_last(authority, b':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.is_empty() => (host, port),
        _ => (authority, ""),
    }
}

impl Ask {
    /// Reads a request for `site` that came from this address, by TLS or not.
    ///
    /// # Errors
    /// [`Cause::Malformed`], [`Cause::MethodRefused`] or [`Cause::CodingRefused`].
    pub fn read<B>(
        request: &Request<B>,
        site: &Site,
        from: (IpAddr, bool),
        load: Load,
    ) -> Result<Ask, Failure> {
        let (host, port) = host_of(request)?;
        check_target(request.method(), request.uri())?;
        check_framing(request)?;
        let key = key::page_key(request.uri().path(), request.uri().query(), &site.cache.ignore_query);
        let (cacheable, mirrorable) = site.route(key::path_of(&key));
        let kind = match (request.method(), load) {
            (_, Load::Upgrade) => Kind::Upgrade,
            (&Method::GET | &Method::HEAD, Load::Nothing) => Kind::Read,
            (&Method::POST, _) => Kind::Form,
            _ => Kind::Write,
        };
        let headers = request.headers();
        let (client, tls) = from;
        let scheme = if tls { "https://" } else { "http://" };
        let mut full = String::with_capacity(scheme.len() + host.len() + ":65535".len() + key.len());
        full.push_str(scheme);
        full.push_str(&host);
        let host_end = full.len();
        if let Some(port) = port.filter(|&port| port != default_port(tls)) {
            _ = write!(full, ":{port}");
        }
        let key_at = full.len();
        full.push_str(&key);
        Ok(Ask {
            full,
            host_end,
            key_at,
            kind,
            method: request.method().clone(),
            whole_query: !request.uri().query().is_some_and(|query| {
                query.split('&').any(|pair| key::is_ignored(pair, &site.cache.ignore_query))
            }),
            visitor: visitor(headers, &site.cache.bypass_cookies),
            cacheable,
            mirrorable,
            client,
            kept_headers: HeaderMap::new(),
        })
    }

    /// Keeps what copies need of the header fields, and notices if there are any, before those go on to the origin.
    pub fn keep_headers(&mut self, headers: &HeaderMap, has_notices: bool) {
        let of_programs = if has_notices { &OF_PROGRAMS[..] } else { &[] };
        // one look at the names that are there is cheaper than one for each that might be
        for (name, value) in headers {
            let is_kept = KEPT_HEADERS.contains(name) || of_programs.contains(name);
            if is_kept && !self.kept_headers.contains_key(name) {
                self.kept_headers.insert(name, value.clone());
            }
        }
    }

    /// The parameters that the key, and so the origin where its answer may be given to others, does not get to see; empty if
    /// there are none.
    pub fn left_out(&self, asked: &Uri, site: &Site) -> String {
        if self.whole_query || !self.is_for_all() {
            return String::new();
        }
        let pairs = asked.query().unwrap_or_default().split('&');
        let ignored =
            pairs.filter(|pair| !pair.is_empty() && key::is_ignored(pair, &site.cache.ignore_query));
        ignored.collect::<Vec<_>>().join("&")
    }

    /// The page's key within the site.
    pub fn key(&self) -> &str {
        &self.full[self.key_at..]
    }

    /// The host, lower case, without port.
    pub fn host(&self) -> &str {
        &self.full[self.host_at()..self.host_end]
    }

    /// The host with the port that the visitor asked for, unless it is the scheme's own. Visitors who ask for another port are
    /// other visitors to the cache: origins make addresses of it.
    pub fn authority(&self) -> &str {
        &self.full[self.host_at()..self.key_at]
    }

    /// The port that the visitor asked for.
    pub fn port(&self) -> u16 {
        let written = self.full[self.host_end..self.key_at].strip_prefix(':');
        written.and_then(|port| port.parse().ok()).unwrap_or(default_port(self.tls()))
    }

    /// The address in one normal form.
    pub fn url(&self) -> &str {
        &self.full
    }

    /// Whether what comes may be given to others, or tells something of what they get: then the origin gets to see nothing of
    /// the address but what the key has.
    pub fn is_for_all(&self) -> bool {
        self.kind == Kind::Read && self.visitor == Visitor::Anonymous && (self.cacheable || self.mirrorable)
    }

    /// Whether it looks for the answer to an ACME challenge (RFC 8555 section 8.3).
    pub fn is_acme_challenge(&self) -> bool {
        self.kind == Kind::Read && is_acme_challenge(self.key())
    }

    /// Whether an answer that leads to this address leads in a circle: a form may well end where it began.
    pub fn may_lead_back(&self) -> bool {
        let reads = matches!(self.method, Method::GET | Method::HEAD);
        reads && (self.whole_query || self.is_for_all())
    }

    /// What the origin is asked for: path and query in their normal form; the query as it was written where the answer is this
    /// visitor's alone.
    ///
    /// # Errors
    /// [`Cause::Malformed`] if it grows too long on the way.
    pub fn target(&self, asked: &Uri) -> Result<Uri, Failure> {
        if asked.path() == "*" {
            return Ok(Uri::from_static("*"));
        }
        let target = if self.is_for_all() {
            Cow::Borrowed(self.key())
        } else {
            let path = key::path_of(self.key());
            asked.query().map_or(Cow::Borrowed(path), |query| Cow::Owned(format!("{path}?{query}")))
        };
        match asked.path_and_query() {
            // nearly always, and then nothing is copied
            Some(written) if written.as_str() == target => Ok(Uri::from(written.clone())),
            Some(_) | None => {
                let made = PathAndQuery::try_from(&*target);
                made.map(Uri::from).map_err(|e| Failure::new(Cause::Malformed).source(e))
            }
        }
    }

    fn host_at(&self) -> usize {
        if self.tls() { "https://".len() } else { "http://".len() }
    }

    /// Whether the visitor came over TLS.
    pub fn tls(&self) -> bool {
        self.full.starts_with("https")
    }
}

fn check_target(method: &Method, uri: &Uri) -> Result<(), Failure> {
    if *method == Method::CONNECT || *method == Method::TRACE {
        return Err(Failure::new(Cause::MethodRefused).detail(method.to_string()));
    }
    let path = uri.path();
    if !(path.starts_with('/') || path.is_empty() || (path == "*" && *method == Method::OPTIONS)) {
        return Err(Failure::new(Cause::Malformed).detail("the target is not a path"));
    }
    if key::leaves_root(path) {
        return Err(Failure::new(Cause::Malformed).detail("the path leads out of the root"));
    }
    Ok(())
}

/// A body's length said in two ways is how one request is smuggled behind another, and a coding that only one of two knows is
/// as well (RFC 9112 section 6.1).
fn check_framing<B>(request: &Request<B>) -> Result<(), Failure> {
    let headers = request.headers();
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    if chunked && (headers.contains_key(header::CONTENT_LENGTH) || request.version() == Version::HTTP_10) {
        return Err(Failure::new(Cause::Malformed).detail("content-length beside transfer-encoding"));
    }
    let mut codings =
        headers.get_all(header::TRANSFER_ENCODING).iter().map(|value| value.as_bytes().trim_ascii());
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(()),
        (Some(_), _) => Err(Failure::new(Cause::CodingRefused)),
    }
}

/// The port of http or https.
pub(crate) fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn visitor(headers: &HeaderMap, bypass: &[String]) -> Visitor {
    if headers.contains_key(header::AUTHORIZATION) {
        return Visitor::Session;
    }
    if bypass.is_empty() {
        return Visitor::Anonymous;
    }
    let is_session = |name: &[u8]| bypass.iter().any(|pattern| wildcard(pattern.as_bytes(), name));
    if normal::cookie_names(headers).any(is_session) { Visitor::Session } else { Visitor::Anonymous }
}

/// Takes away cookies of which no page of the site depends, where all of a visitor's are such: then he is like one without.
pub fn drop_ignored_cookies(headers: &mut HeaderMap, ignore: &[String]) {
    let is_ignored = |name: &[u8]| ignore.iter().any(|pattern| wildcard(pattern.as_bytes(), name));
    if headers.contains_key(header::COOKIE) && normal::cookie_names(headers).all(is_ignored) {
        headers.remove(header::COOKIE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn the_host_is_found_and_made_plain() {
        for (uri, field, host) in [
            ("/", "WWW.Example.jp:8080", "www.example.jp"),
            ("/", "example.jp.", "example.jp"),
            ("/", "EXAMPLE.jp.:31337", "example.jp"),
            ("/", "[::1]:80", "[::1]"),
            ("/", "[::1]", "[::1]"),
            ("http://a.example/x", "b.example", "a.example"),
        ] {
            assert_eq!(host_of(&request(uri, &[("host", field)])).unwrap().0, host, "{uri} {field}");
        }
    }

    #[test]
    fn no_host_two_hosts_or_nonsense_are_refused() {
        let cases: [&[(&str, &str)]; 5] = [
            &[],
            &[("host", "a"), ("host", "a")],
            &[("host", "")],
            &[("host", "a b")],
            &[("host", "a:99999")],
        ];
        for headers in cases {
            assert_eq!(host_of(&request("/", headers)).unwrap_err().cause, Cause::Malformed, "{headers:?}");
        }
    }

    #[test]
    fn sessions_are_known_by_their_cookies_or_authorization() {
        let bypass = ["wordpress_logged_in_*".to_owned()];
        let of = |headers: &[(&str, &str)]| visitor(request("/", headers).headers(), &bypass);
        assert_eq!(of(&[("cookie", "a=1; b=2")]), Visitor::Anonymous);
        assert_eq!(of(&[("cookie", "a=1; wordpress_logged_in_x=2")]), Visitor::Session);
        assert_eq!(of(&[("cookie", "a=wordpress_logged_in_x")]), Visitor::Anonymous);
        assert_eq!(of(&[("authorization", "Basic x")]), Visitor::Session);
    }

    fn ask(uri: &str, headers: &[(&str, &str)], load: Load) -> Ask {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k.toml");
        let text = b"[[site]]\nhosts = [\"www.example.jp\"]\n";
        std::io::Write::write_all(&mut std::fs::File::create_new(&file).unwrap(), text).unwrap();
        let (config, _) = crate::config::load(&file, &crate::config::Env::default()).unwrap();
        let site = &config.sites[0];
        Ask::read(&request(uri, headers), site, ([192, 0, 2, 1].into(), false), load).unwrap()
    }

    #[test]
    fn the_address_has_one_normal_form() {
        for (field, authority, port) in [
            ("www.example.jp", "www.example.jp", 80),
            ("WWW.Example.JP.", "www.example.jp", 80),
            ("www.example.jp:80", "www.example.jp", 80),
            ("www.example.jp.:8080", "www.example.jp:8080", 8080),
            ("www.example.jp:0080", "www.example.jp", 80),
            ("www.example.jp:", "www.example.jp", 80),
        ] {
            let ask = ask("/a/../b?utm_x=1&p=1", &[("host", field)], Load::Nothing);
            assert_eq!(
                (ask.authority(), ask.host(), ask.port()),
                (authority, "www.example.jp", port),
                "{field}"
            );
            assert_eq!(ask.url(), format!("http://{authority}/b?p=1"));
        }
    }

    #[test]
    fn what_is_not_in_the_key_does_not_reach_the_origin() {
        let host = ("host", "www.example.jp");
        let target = |uri: &str, headers: &[(&str, &str)], load: Load| {
            let ask = ask(uri, headers, load);
            ask.target(&uri.parse().unwrap()).unwrap().to_string()
        };
        for (uri, expected) in [
            ("/a?p=1", "/a?p=1"),
            ("/a/%2e%2e/b%7e?utm_source=x&p=1", "/b~?p=1"),
            ("/a?utm_source=x", "/a"),
            ("/a?", "/a"),
            ("/a//b?p=1&&q=%e3", "/a//b?p=1&q=%E3"),
            ("/\u{3042}", "/%E3%81%82"),
            ("http://www.example.jp?x=1", "/?x=1"),
        ] {
            assert_eq!(target(uri, &[host], Load::Nothing), expected, "{uri}");
        }
        // what is one visitor's alone may have all of its query
        for (headers, load) in
            [(vec![host, ("authorization", "Basic x")], Load::Nothing), (vec![host], Load::Body)]
        {
            assert_eq!(target("/a/../b?utm_source=x&p=1", &headers, load), "/b?utm_source=x&p=1");
        }
    }

    #[test]
    fn a_get_with_a_body_is_nobody_elses() {
        let host = [("host", "www.example.jp")];
        assert_eq!(ask("/", &host, Load::Nothing).kind, Kind::Read);
        assert_eq!(ask("/", &host, Load::Body).kind, Kind::Write);
        assert_eq!(ask("/", &host, Load::Upgrade).kind, Kind::Upgrade);
    }

    #[test]
    fn cookies_of_which_nothing_depends_make_no_visitor() {
        let ignore = ["_ga*".to_owned(), "_fbp".to_owned()];
        for (cookie, kept) in
            [("_ga=1; _fbp=2", false), ("_ga_x=1", false), ("_ga=1; sid=2", true), ("sid=2", true)]
        {
            let mut headers = request("/", &[("cookie", cookie)]).headers().clone();
            drop_ignored_cookies(&mut headers, &ignore);
            assert_eq!(headers.contains_key("cookie"), kept, "{cookie}");
        }
    }

    #[test]
    fn what_could_smuggle_or_tunnel_is_refused() {
        let two = request("/", &[("transfer-encoding", "chunked"), ("content-length", "3")]);
        assert!(check_framing(&two).is_err());
        for coding in ["gzip, chunked", "xchunked", "identity", ""] {
            let odd = check_framing(&request("/", &[("transfer-encoding", coding)]));
            assert_eq!(odd.unwrap_err().cause, Cause::CodingRefused, "{coding}");
        }
        assert!(check_framing(&request("/", &[("transfer-encoding", "Chunked")])).is_ok());
        assert!(check_target(&Method::GET, &"/a/%2e%2e/.%2e/etc".parse().unwrap()).is_err());
        assert!(check_target(&Method::CONNECT, &"a:443".parse().unwrap()).is_err());
        assert!(check_target(&Method::OPTIONS, &"*".parse().unwrap()).is_ok());
    }
}
