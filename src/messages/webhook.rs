//! Posting JSON to a webhook.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use url::{Host, Url};

use super::{Again, NotTaken};
use crate::clock;
use crate::config::ready::OriginUrl;
use crate::descriptors::Use;
use crate::failure::{Cause, Failure, chain};
use crate::http::{Body, retry_after};
use crate::origin::connect::{Io, connect};
use crate::origin::dns::Resolver;
use crate::origin::exchange::Connection;

/// How long a webhook may take, connecting included.
const MOST: Duration = Duration::from_secs(30);
/// Bytes that the header fields of its answer may take.
const HEADER_SIZE: usize = 64 << 10;
/// When Discord takes messages again, in seconds with a fraction.
const RESET_AFTER: HeaderName = HeaderName::from_static("x-ratelimit-reset-after");
/// Who asks.
const USER_AGENT: &str = concat!("Katahai/", env!("CARGO_PKG_VERSION"));

/// What posts are made with.
#[derive(Clone)]
pub struct Client {
    /// Names to addresses.
    pub resolver: Resolver,
    /// Trust in the certificates of servers.
    pub tls: Arc<rustls::ClientConfig>,
}

impl Client {
    /// Posts this JSON. Redirects are not followed: whoever has moved a webhook says so to its owner.
    ///
    /// # Errors
    /// See [`NotTaken`]. An answer that says "not this one" (400, 409, 413, 415, 422) is final; any other but a 2xx may be
    /// different another time, and one of 429 or 503 may say when.
    pub async fn post(&self, url: &Url, fields: HeaderMap, json: Bytes) -> Result<(), NotTaken> {
        let request = Request::post(target(url))
            .header(header::CONTENT_LENGTH, json.len())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::whole(json));
        let mut request = request.map_err(|error| NotTaken::later("malformed", chain(&error)))?;
        request.headers_mut().extend(fields);
        judge(in_time(self.ask(url, request)).await?)
    }

    /// Asks for this URL, and has no interest in what it shows.
    ///
    /// # Errors
    /// See [`NotTaken`].
    pub async fn get(&self, url: &Url) -> Result<(), NotTaken> {
        let request = Request::get(target(url)).body(Body::Empty);
        let request = request.map_err(|error| NotTaken::later("malformed", chain(&error)))?;
        judge(in_time(self.ask(url, request)).await?)
    }

    /// Connects, by TLS where the URL says so, and asks for nothing.
    ///
    /// # Errors
    /// See [`NotTaken`].
    pub async fn connect(&self, url: &Url) -> Result<(), NotTaken> {
        in_time(async { self.connected(url).await.map(drop) }).await
    }

    async fn ask(&self, url: &Url, mut request: Request<Body>) -> Result<Said, Failure> {
        let (io, authority) = self.connected(url).await?;
        let host = HeaderValue::from_str(&authority);
        let host = host.map_err(|error| Failure::new(Cause::Malformed).source(error))?;
        request.headers_mut().insert(header::HOST, host);
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        let connection = Connection::open(io, HEADER_SIZE).await?;
        let (answer, _) = connection.ask(Box::new(request)).await.map_err(|unanswered| unanswered.failure)?;
        Ok(Said { status: answer.status(), after: pause(answer.headers(), clock::now().wall) })
    }

    /// A connection, and the authority that it is for.
    async fn connected(&self, url: &Url) -> Result<(Box<dyn Io>, String), Failure> {
        let malformed = || Failure::new(Cause::Malformed).detail("the URL of the webhook");
        let (host, name) = match url.host() {
            Some(Host::Domain(name)) => (name.to_owned(), name.to_owned()),
            Some(Host::Ipv4(ip)) => (ip.to_string(), ip.to_string()),
            Some(Host::Ipv6(ip)) => (ip.to_string(), format!("[{ip}]")),
            None => return Err(malformed()),
        };
        let at = OriginUrl {
            tls: url.scheme() == "https",
            port: url.port_or_known_default().ok_or_else(malformed)?,
            host: host.clone(),
        };
        let addresses = self.resolver.resolve(&host).await?;
        let tls = at.tls.then_some(&self.tls);
        let io = connect(&at, &addresses, &host, tls, Use::Upkeep).await?;
        let authority = url.port().map_or_else(|| name.clone(), |port| format!("{name}:{port}"));
        Ok((io, authority))
    }
}

/// What is asked for.
fn target(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

async fn in_time<T>(asking: impl Future<Output = Result<T, Failure>>) -> Result<T, NotTaken> {
    let asked = tokio::time::timeout(MOST, asking).await;
    let asked = asked.unwrap_or_else(|_| Err(Failure::new(Cause::Silent)));
    asked.map_err(|failure| NotTaken::later(failure.cause.code(), chain(&failure)))
}

/// What a webhook answers.
#[derive(Clone, Copy, Debug)]
struct Said {
    status: StatusCode,
    /// How long it wants to be left alone.
    after: Option<Duration>,
}

/// How long it is to be left alone: `Retry-After` (RFC 9110 section 10.2.3; Slack, Discord and most others), or Discord's
/// seconds with a fraction: <https://discord.com/developers/docs/topics/rate-limits>.
fn pause(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let discords = || {
        let seconds: f64 = headers.get(RESET_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Duration::try_from_secs_f64(seconds.ceil()).ok()
    };
    retry_after(headers, now).or_else(discords)
}

/// What an answer says of the message.
fn judge(Said { status, after }: Said) -> Result<(), NotTaken> {
    if status.is_success() {
        return Ok(());
    }
    let again = match status.as_u16() {
        400 | 409 | 413 | 415 | 422 => Again::Never,
        429 | 503 => after.map_or(Again::Later, Again::After),
        _ => Again::Later,
    };
    let detail = format!("it answered {status}");
    Err(NotTaken { again, code: format!("status-{}", status.as_u16()), detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_taken_not_this_one_or_not_now() {
        let after = Some(Duration::from_secs(7));
        let said = |status| {
            let status = StatusCode::from_u16(status).unwrap();
            judge(Said { status, after: None }).map_err(|not| (not.again, not.code))
        };
        let told = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            judge(Said { status, after }).unwrap_err().again
        };
        for status in [200, 201, 202, 204] {
            assert_eq!(said(status), Ok(()));
        }
        for status in [400, 409, 413, 415, 422] {
            assert_eq!(said(status), Err((Again::Never, format!("status-{status}"))));
        }
        for status in [301, 401, 403, 404, 410, 429, 500, 503] {
            assert_eq!(said(status), Err((Again::Later, format!("status-{status}"))));
        }
        assert_eq!([429, 503].map(told), [Again::After(Duration::from_secs(7)); 2]);
        assert_eq!([422, 500, 502].map(told), [Again::Never, Again::Later, Again::Later]);
    }

    #[test]
    fn a_receiver_says_how_long_it_wants_to_be_left_alone() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_088_600);
        for (fields, expected) in [
            (&[("retry-after", "30")][..], Some(30)),
            (&[("retry-after", "Tue, 01 Dec 2026 01:32:00 GMT")], Some(120)),
            (&[("retry-after", "65"), ("x-ratelimit-reset-after", "64.57")], Some(65)),
            (&[("x-ratelimit-reset-after", "64.57")], Some(65)),
            (&[("x-ratelimit-reset-after", "-1")], None),
            (&[("x-ratelimit-reset-after", "inf")], None),
            (&[("retry-after", "soon")], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            assert_eq!(pause(&headers, now).map(|pause| pause.as_secs()), expected, "{fields:?}");
        }
    }
}
