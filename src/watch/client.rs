//! Reading a document by HTTPS: bounded in time, size and redirects.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use url::{Host, Url};

use crate::clock::{self, Now};
use crate::config::ready::OriginUrl;
use crate::descriptors::Use;
use crate::failure::{Cause, Failure, chain};
use crate::http::Body;
use crate::http::retry_after;
use crate::origin::connect::connect;
use crate::origin::dns::Resolver;
use crate::origin::exchange::{AnswerBody, Connection};

/// How long one document may take, redirects included.
const MOST: Duration = Duration::from_secs(15);
/// The longest silence within one.
const STALL: Duration = Duration::from_secs(5);
/// Redirects that are followed (RFC 7480 section 4.2).
const REDIRECTS: u32 = 5;
/// Bytes of the header fields.
const HEADER_SIZE: usize = 64 << 10;
/// Bytes of a document. IANA's list is a quarter of this.
const BODY: usize = 1 << 20;
/// Who asks.
const USER_AGENT: &str = concat!("Katahai/", env!("CARGO_PKG_VERSION"));

/// What documents are read with.
#[derive(Clone)]
pub struct Reader {
    /// Names to addresses; one for each round, so that it remembers no more than one round asks.
    pub resolver: Resolver,
    /// Trust in the certificates of servers.
    pub tls: Arc<rustls::ClientConfig>,
}

/// A document, or another answer.
#[derive(Clone, Debug)]
pub struct Document {
    /// The status.
    pub status: StatusCode,
    /// The content.
    pub body: Vec<u8>,
    /// How long to wait before the next question, if the server says so.
    pub retry_after: Option<Duration>,
    /// The server's host, and what its clock said when ours said the other.
    pub dated: Option<(String, SystemTime, Now)>,
}

impl Reader {
    /// Reads what is at `url`.
    ///
    /// # Errors
    /// In words for the operator: the host, and what stood in the way.
    pub async fn read(&self, url: &Url, accept: &'static str) -> Result<Document, String> {
        let host = url.host_str().unwrap_or_default().to_owned();
        match tokio::time::timeout(MOST, self.follow(url, accept)).await {
            Ok(read) => read.map_err(|failure| format!("{host}: {}", chain(&failure))),
            Err(_) => Err(format!("{host}: no whole answer within {} s", MOST.as_secs())),
        }
    }

    async fn follow(&self, url: &Url, accept: &'static str) -> Result<Document, Failure> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS {
            let (document, headers) = self.ask(&url, accept).await?;
            if !document.status.is_redirection() {
                return Ok(document);
            }
            let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
            let next = location.and_then(|location| url.join(location).ok());
            // what began by TLS stays there
            let next = next.filter(|next| next.scheme() == "https" || next.scheme() == url.scheme());
            url = next.ok_or_else(|| Failure::new(Cause::ForeignRedirect).detail("it leads nowhere"))?;
        }
        Err(Failure::new(Cause::RedirectLoop).detail(format!("more than {REDIRECTS} redirects")))
    }

    async fn ask(&self, url: &Url, accept: &'static str) -> Result<(Document, HeaderMap), Failure> {
        let malformed = || Failure::new(Cause::Malformed).detail("the URL");
        let (host, name) = match url.host() {
            Some(Host::Domain(name)) => (name.to_owned(), name.to_owned()),
            Some(Host::Ipv4(ip)) => (ip.to_string(), ip.to_string()),
            Some(Host::Ipv6(ip)) => (ip.to_string(), format!("[{ip}]")),
            None => return Err(malformed()),
        };
        let port = url.port_or_known_default().ok_or_else(malformed)?;
        let at = OriginUrl { tls: url.scheme() == "https", port, host: host.clone() };
        let addresses = self.resolver.resolve(&host).await?;
        let io = connect(&at, &addresses, &host, at.tls.then_some(&self.tls), Use::Upkeep).await?;
        let authority = url.port().map_or_else(|| name.clone(), |port| format!("{name}:{port}"));
        let target =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let request = Request::get(target)
            .header(header::HOST, authority)
            .header(header::ACCEPT, HeaderValue::from_static(accept))
            .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))
            .header(header::CONNECTION, HeaderValue::from_static("close"))
            .body(Body::Empty)
            .map_err(|error| Failure::new(Cause::Malformed).source(error))?;
        let connection = Connection::open(io, HEADER_SIZE).await?;
        let (answer, connection) =
            connection.ask(Box::new(request)).await.map_err(|unanswered| unanswered.failure)?;
        let (head, incoming) = answer.into_parts();
        let now = clock::now();
        let dated = head.headers.get(header::DATE).and_then(|date| date.to_str().ok());
        let dated = dated.and_then(|date| httpdate::parse_http_date(date).ok()).map(|date| (host, date, now));
        let body = whole(AnswerBody::read_once(incoming, connection, STALL)).await?;
        let retry_after = retry_after(&head.headers, now.wall);
        Ok((Document { status: head.status, body, retry_after, dated }, head.headers))
    }
}

/// All of a body that is not too large.
async fn whole(body: AnswerBody) -> Result<Vec<u8>, Failure> {
    let mut body = std::pin::pin!(body);
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let data: Bytes = frame?.into_data().unwrap_or_default();
        if read.len() + data.len() > BODY {
            return Err(Failure::new(Cause::OddAnswer)
                .detail(format!("the answer is larger than {} KiB", BODY >> 10)));
        }
        read.extend_from_slice(&data);
    }
    Ok(read)
}
