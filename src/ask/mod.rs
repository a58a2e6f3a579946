//! One request, read once: which site, which page, what kind. What is malformed is refused here.

pub mod key;

use std::borrow::Cow;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};

use crate::config::ready::{Site, wildcard};
use crate::failure::{Cause, Failure};

/// What a request wants of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GET or HEAD: any right answer will do.
    Read,
    /// POST: it must reach the origin, or be refused.
    Form,
    /// Any other method; as a form.
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

/// What was read of a request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Scheme, host and key in one piece.
    full: String,
    /// Where the key begins in it.
    key_at: usize,
    /// The host as the visitor wrote it, with its port.
    pub authority: HeaderValue,
    /// What is wanted.
    pub kind: Kind,
    /// The method, for what depends on it alone.
    pub method: Method,
    /// Whom it comes from.
    pub visitor: Visitor,
    /// Whether the site's routes let its answers be cached.
    pub cacheable: bool,
    /// Whether the site's routes let it be mirrored.
    pub mirrored: bool,
    /// The visitor's address.
    pub client: IpAddr,
    /// What copies and notices need of the header fields once those have gone on to the origin: conditions, range,
    /// and what the visitor can read.
    pub wishes: HeaderMap,
}

/// What [`Ask::wishes`] keeps.
static WISHES: [HeaderName; 8] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
];

/// The host that a request names: from the target (HTTP/2, proxy form) or the one Host field, lower case, no port.
///
/// # Errors
/// [`Cause::Malformed`] if there is none, more than one, or not a host (RFC 9112 section 3.2).
pub fn host_of<B>(request: &Request<B>) -> Result<(Cow<'_, str>, &str), Failure> {
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
    let host = without_port(authority);
    let odd = |b: u8| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'[' | b']'));
    if host.is_empty() || host.len() > 255 || authority.bytes().any(odd) {
        return Err(malformed("not a host"));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let upper = host.bytes().any(|b| b.is_ascii_uppercase());
    let host = if upper { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) };
    Ok((host, authority))
}

/// What stands before the last of these, and behind it; for texts this short, `rsplit_once` costs several times as much.
fn around_last(text: &str, ascii: u8) -> Option<(&str, &str)> {
    let at = text.bytes().rposition(|b| b == ascii)?;
    Some((&text[..at], &text[at + 1..]))
}

fn without_port(authority: &str) -> &str {
    match around_last(authority, b':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.is_empty() => host,
        _ => authority,
    }
}

impl Ask {
    /// Reads a request for `site` that came by `tls` or plain from `client`. `upgrade`: it asks for a change of protocol.
    ///
    /// # Errors
    /// [`Cause::Malformed`] or [`Cause::MethodRefused`].
    pub fn read<B>(
        request: &Request<B>,
        site: &Site,
        from: (IpAddr, bool),
        upgrade: bool,
    ) -> Result<Ask, Failure> {
        let (host, authority) = host_of(request)?;
        check_target(request.method(), request.uri())?;
        check_framing(request)?;
        let key = key::page_key(request.uri().path(), request.uri().query(), &site.cache.ignore_query);
        let (cacheable, mirrored) = site.route(key::path_of(&key));
        let kind = match *request.method() {
            _ if upgrade => Kind::Upgrade,
            Method::GET | Method::HEAD => Kind::Read,
            Method::POST => Kind::Form,
            _ => Kind::Write,
        };
        let headers = request.headers();
        let (client, tls) = from;
        let scheme = if tls { "https://" } else { "http://" };
        let mut full = String::with_capacity(scheme.len() + host.len() + key.len());
        full.push_str(scheme);
        full.push_str(&host);
        let key_at = full.len();
        full.push_str(&key);
        let malformed = |_| Failure::new(Cause::Malformed).detail("not a host");
        Ok(Ask {
            full,
            key_at,
            authority: match headers.get(header::HOST) {
                Some(field) if field.as_bytes() == authority.as_bytes() => field.clone(),
                _ => HeaderValue::from_str(authority).map_err(malformed)?,
            },
            kind,
            method: request.method().clone(),
            visitor: visitor(headers, &site.cache.bypass_cookies),
            cacheable,
            mirrored,
            client,
            wishes: HeaderMap::new(),
        })
    }

    /// Keeps what copies and notices need of the header fields, before those go on to the origin.
    pub fn keep_wishes(&mut self, headers: &HeaderMap) {
        // one look at the names that are there is cheaper than one for each that might be
        for (name, value) in headers {
            if WISHES.contains(name) && !self.wishes.contains_key(name) {
                self.wishes.insert(name, value.clone());
            }
        }
    }

    /// The page's key within the site.
    pub fn key(&self) -> &str {
        &self.full[self.key_at..]
    }

    /// The host, lower case, without port.
    pub fn host(&self) -> &str {
        let scheme = if self.tls() { "https://".len() } else { "http://".len() };
        &self.full[scheme..self.key_at]
    }

    /// The host as the visitor wrote it, with its port.
    pub fn authority(&self) -> &str {
        self.authority.to_str().unwrap_or_default()
    }

    /// The address in one normal form, with the host as the visitor wrote it.
    pub fn url(&self) -> String {
        let scheme = if self.tls() { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.key())
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
    Ok(())
}

/// A body's length said in two ways is how one request is smuggled behind another (RFC 9112 section 6.1).
fn check_framing<B>(request: &Request<B>) -> Result<(), Failure> {
    let headers = request.headers();
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    if chunked && (headers.contains_key(header::CONTENT_LENGTH) || request.version() == Version::HTTP_10) {
        return Err(Failure::new(Cause::Malformed).detail("content-length beside transfer-encoding"));
    }
    Ok(())
}

fn visitor(headers: &HeaderMap, bypass: &[String]) -> Visitor {
    if headers.contains_key(header::AUTHORIZATION) {
        return Visitor::Session;
    }
    if bypass.is_empty() {
        return Visitor::Anonymous;
    }
    let names = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|field| field.as_bytes().split(|&b| b == b';'))
        .map(|pair| pair.split(|&b| b == b'=').next().unwrap_or_default().trim_ascii());
    for name in names {
        if bypass.iter().any(|pattern| wildcard(pattern.as_bytes(), name)) {
            return Visitor::Session;
        }
    }
    Visitor::Anonymous
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
            &[("host", "a/../b")],
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

    #[test]
    fn what_could_smuggle_or_tunnel_is_refused() {
        let two = request("/", &[("transfer-encoding", "chunked"), ("content-length", "3")]);
        assert!(check_framing(&two).is_err());
        assert!(check_target(&Method::CONNECT, &"a:443".parse().unwrap()).is_err());
        assert!(check_target(&Method::OPTIONS, &"*".parse().unwrap()).is_ok());
    }
}
