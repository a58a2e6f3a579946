//! Where the crawler's answers come from.

use std::future::Future;

use http::header::{ACCEPT, ACCEPT_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderValue, Response};

use crate::failure::Failure;
use crate::http::Body;

/// The site as the crawler asks it: its origins, chosen again for each request; in tests, a site in memory.
///
/// Implementations bound the time to the first byte of an answer themselves; the crawler bounds the rest.
pub trait Fetch: Send + Sync + 'static {
    /// Sends one GET and returns the answer as it begins.
    fn fetch(&self, ask: FetchAsk) -> impl Future<Output = Result<Response<Body>, Failure>> + Send;
}

/// Whose address is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The site's: its origins are asked.
    Site,
    /// That of another host that the configuration lists: the one that [`FetchAsk::host`] names, wherever its
    /// name leads.
    OtherHost,
}

/// One GET.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchAsk {
    /// Whose address it is.
    pub whose: Whose,
    /// Whether a visitor would ask over TLS: for `X-Forwarded-Proto`, by which many sites decide whether to
    /// redirect. How the origin itself is reached is the configuration's business; another host is reached so.
    pub tls: bool,
    /// The host that a visitor would ask, with its port where that is not the scheme's own; an origin's own `host`
    /// setting goes before it.
    pub host: String,
    /// Path and query.
    pub target: String,
    /// The other header fields. No cookie, no authorization: the crawler is nobody.
    pub headers: HeaderMap,
}

impl FetchAsk {
    /// The crawler's usual request.
    pub(super) fn new(whose: Whose, tls: bool, host: &str, target: &str) -> FetchAsk {
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml,*/*;q=0.8"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE));
        FetchAsk { whose, tls, host: host.to_owned(), target: target.to_owned(), headers }
    }
}

/// How the crawler names itself; the token before the slash is the one in `robots.txt`.
pub const USER_AGENT_VALUE: &str = concat!("katahai/", env!("CARGO_PKG_VERSION"), " (site mirror)");
