//! Missing scripts and styles. If the current page names one, a release was published only in part: visitors get a copy of
//! the file or, without one, a copy of the page until it is complete. If only an older page names it, nothing is wrong.

use http::response::Parts;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};

use super::Outcome;
use super::review::Review;
use super::site::Site;
use crate::ask::{Ask, key};
use crate::clock;
use crate::content::media::{content_type, is_html};
use crate::failure::Cause;
use crate::http::Body;
use crate::http::coding::plain;
use crate::http::forwarded;
use crate::metrics::ServedFrom;
use crate::origin::{CHECK_USER_AGENT, Sending};
use crate::page_health::{Suspect, Weight};
use crate::verdict::Shape;

/// Bytes of a page that are searched for the file's name.
const READ: usize = 1024 * 1024;

/// Records that a visitor missed a script or a style.
pub(super) fn note(site: &Site, ask: &Ask, outcome: &Outcome) {
    if !is_code(ask.key()) || ask.method != http::Method::GET {
        return;
    }
    let (status, headers) = (outcome.response.status(), outcome.response.headers());
    let is_missed = match outcome.served_from {
        ServedFrom::Origin => is_missing(status, content_type(headers)),
        ServedFrom::Snapshot | ServedFrom::Stale => outcome.cause == Some(Cause::AssetMissing),
        ServedFrom::Cache
        | ServedFrom::Holding
        | ServedFrom::Kept
        | ServedFrom::Refused
        | ServedFrom::Error => false,
    };
    if !is_missed {
        return;
    }
    let referer = ask.kept_headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let page = referer.and_then(|referer| url::Url::parse(referer).ok()).filter(|url| {
        url.host_str()
            .is_some_and(|host| host == ask.host() || site.config.hosts.iter().any(|own| own == host))
    });
    let page = page.map(|url| key::page_key(url.path(), url.query(), &site.config.cache.ignore_query).into());
    site.page_health.suspect(Suspect { page, file: ask.key().into() }, clock::instant());
}

/// Looks into the files that visitors missed.
pub(super) async fn look_into(site: &Site) {
    for suspect in site.page_health.suspects() {
        let pages = suspect.page.iter().map(|page| &**page);
        let pages = pages.chain(site.config.key_pages.iter().map(String::as_str)).take(4);
        for page in pages.map(str::to_owned).collect::<Vec<_>>() {
            if lacks(site, &page, &suspect.file).await {
                tell(site, &page, &suspect.file);
                break;
            }
        }
    }
}

/// Whether the current page names the file, and the file is missing.
pub(super) async fn lacks(site: &Site, page: &str, file: &str) -> bool {
    let name = key::path_of(file).rsplit('/').next().unwrap_or_default();
    let Some((StatusCode::OK, kind, html)) = get(site, page).await else { return false };
    if name.is_empty()
        || !is_html(kind.as_deref())
        || !html.windows(name.len()).any(|at| at == name.as_bytes())
    {
        return false;
    }
    let Some((status, kind, _)) = get(site, file).await else { return false };
    is_missing(status, kind.as_deref())
}

/// If there is a copy of the file, that is enough; otherwise visitors get the page from its copy, if there is one.
fn tell(site: &Site, page: &str, file: &str) {
    let now = clock::now();
    let scheme = if site.config.tls.is_some() { "https" } else { "http" };
    let url = |key: &str| format!("{scheme}://{}{key}", site.config.canonical_host().unwrap_or("localhost"));
    let has_copy = |key: &str| site.mirror.find(key).is_some();
    tracing::warn!(site = %site.config.name, page, file, "a page names a file that is not there");
    if has_copy(file) {
        site.page_health.mark_bad(
            (file, &url(file)),
            Weight::Part,
            Cause::AssetMissing,
            now,
            fastrand::f64(),
        );
    } else if has_copy(page) {
        site.page_health.note_lack(page, file);
        super::uniform::drop_kept(site, page, &url(page));
        site.page_health.mark_bad(
            (page, &url(page)),
            Weight::Part,
            Cause::AssetMissing,
            now,
            fastrand::f64(),
        );
    }
}

/// What the origin gives to anybody.
async fn get(site: &Site, key: &str) -> Option<(StatusCode, Option<String>, Vec<u8>)> {
    let host = site.config.canonical_host().unwrap_or("localhost");
    let mut request = Request::get(key).body(Body::Empty).ok()?;
    let headers = request.headers_mut();
    forwarded::own(headers, site.config.tls.is_some(), host);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(CHECK_USER_AGENT));
    let timeout = site.config.failover.timeout;
    let sending = Sending::own(host, timeout);
    let answered = site.origins.send(Box::new(request), sending, None).await.ok()?;
    let (parts, body) = answered.response.into_parts();
    let read = tokio::time::timeout(timeout, Limited::new(body, READ).collect()).await.ok()?.ok()?;
    let body = plain(&parts.headers, &read.to_bytes(), READ)?.bytes.into_owned();
    Some((parts.status, content_type(&parts.headers).map(str::to_owned), body))
}

impl Review<'_> {
    /// A missing file that a good page names, known from another page, so that no visitor has to run into it again.
    pub(super) fn names_missing(&self, parts: &Parts, body: &[u8]) -> Option<String> {
        let (page_health, mirror) = (&self.site.page_health, &self.site.mirror);
        // of an address without a copy a single-page application has the same page as of any other
        let has_copy = self.reference.shape().map_or(mirror.shell().is_some(), |shape| shape == Shape::Page);
        let is_asked = has_copy
            && parts.status == StatusCode::OK
            && self.is_representative()
            && page_health.is_lacking();
        if is_asked { page_health.names_missing(body) } else { None }
    }
}

/// Whether an answer says that there is no such script or style: by its status, or by a page in its place.
fn is_missing(status: StatusCode, content_type: Option<&str>) -> bool {
    let is_page = status == StatusCode::OK && content_type.is_some() && is_html(content_type);
    is_page || matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}

pub(super) fn is_code(key: &str) -> bool {
    let path = key::path_of(key).to_ascii_lowercase();
    [".css", ".js", ".mjs"].iter().any(|ending| path.ends_with(ending))
}
