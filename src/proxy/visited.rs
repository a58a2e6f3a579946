//! Whether an answer shows that visitors request a page that everybody may see: then it is counted, and the crawler may learn
//! of it. Nothing of the answer is kept; everything in a snapshot was fetched by the crawler.

use std::time::SystemTime;

use http::{HeaderMap, Method, StatusCode, header};

use super::Outcome;
use super::site::Site;
use crate::ask::key::path_of;
use crate::ask::{Ask, Visitor};
use crate::config::ready::MirrorPrivate;
use crate::content::media::{Purpose, content_type};
use crate::metrics::ServedFrom;
use crate::visits::Got;

/// Whether the answer to this request can count: an anonymous visitor reads what may be mirrored.
pub(super) fn is_watched(ask: &Ask, request_headers: &HeaderMap) -> bool {
    ask.method == Method::GET
        && ask.visitor == Visitor::Anonymous
        && ask.mirrorable
        && !is_ours(request_headers)
}

/// The crawlers and checks of another Katahai do not count as visitors.
fn is_ours(request_headers: &HeaderMap) -> bool {
    request_headers.get(header::USER_AGENT).is_some_and(|agent| {
        agent.as_bytes().get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"katahai/"))
    })
}

/// Counts the answer to a watched request, if it was good and public.
pub(super) fn note(site: &Site, ask: &Ask, outcome: &Outcome, now: SystemTime) {
    let response = &outcome.response;
    // A page that is marked as private is learned only where the operator says that it is everybody's: what the crawler
    // could not tell by asking twice, a path that one person knows, must not come onto the list.
    let private = match site.config.private(path_of(ask.key())) {
        MirrorPrivate::Always => MirrorPrivate::Always,
        MirrorPrivate::Auto | MirrorPrivate::Never => MirrorPrivate::Never,
    };
    if let Some(got) = got(outcome.served_from, response.status(), response.headers(), private) {
        // What pages are drawn with is found by reading them; only what is not found that way has to be learned.
        let is_file = matches!(got, Got::Requisite | Got::Data);
        if is_file && site.mirror.current().is_some_and(|copy| matches!(copy.find(ask.key()), Ok(Some(_)))) {
            return;
        }
        site.visits.observe_from(ask.key(), got, ask.client, now);
    }
}

/// What the visitor got, if it counts.
fn got(
    served_from: ServedFrom,
    status: StatusCode,
    headers: &HeaderMap,
    private: MirrorPrivate,
) -> Option<Got> {
    match served_from {
        ServedFrom::Cache | ServedFrom::Origin | ServedFrom::Stale | ServedFrom::Snapshot => {}
        ServedFrom::Holding | ServedFrom::Kept | ServedFrom::Refused | ServedFrom::Error => return None,
    }
    let got = match status {
        StatusCode::OK => kind(headers)?,
        StatusCode::NOT_MODIFIED => Got::Unchanged,
        _ => return None,
    };
    // The rule by which the crawler stores: what it would not keep need not be learned.
    private.refuses(headers).is_none().then_some(got)
}

/// What an answer with these header fields is, if it is opened by itself.
pub(super) fn kind(headers: &HeaderMap) -> Option<Got> {
    content_type(headers).and_then(Purpose::of).map(|purpose| match purpose {
        Purpose::Page => Got::Page,
        Purpose::Document => Got::Document,
        Purpose::Requisite => Got::Requisite,
        Purpose::Data => Got::Data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn only_good_and_public_pages_and_documents_count() {
        let html = ("content-type", "text/html; charset=utf-8");
        for (served_from, status, lines, expected) in [
            (ServedFrom::Origin, 200, vec![html], Some(Got::Page)),
            (ServedFrom::Cache, 200, vec![("content-type", "TEXT/HTML")], Some(Got::Page)),
            (ServedFrom::Stale, 200, vec![("content-type", "application/xhtml+xml")], Some(Got::Page)),
            (ServedFrom::Snapshot, 200, vec![html, ("cache-control", "no-cache")], Some(Got::Page)),
            (ServedFrom::Origin, 304, vec![], Some(Got::Unchanged)),
            (ServedFrom::Origin, 304, vec![("cache-control", "private")], None),
            (ServedFrom::Origin, 200, vec![("content-type", "application/pdf")], Some(Got::Document)),
            (
                ServedFrom::Origin,
                200,
                vec![("content-type", "application/vnd.oasis.opendocument.text")],
                Some(Got::Document),
            ),
            (ServedFrom::Origin, 200, vec![("content-type", "text/css")], Some(Got::Requisite)),
            (ServedFrom::Origin, 200, vec![("content-type", "image/png")], Some(Got::Requisite)),
            (ServedFrom::Origin, 200, vec![("content-type", "application/json")], Some(Got::Data)),
            (ServedFrom::Origin, 200, vec![("content-type", "")], None),
            (ServedFrom::Origin, 200, vec![], None),
            (ServedFrom::Origin, 404, vec![html], None),
            (ServedFrom::Origin, 206, vec![html], None),
            (ServedFrom::Origin, 301, vec![html], None),
            (ServedFrom::Holding, 200, vec![html], None),
            (ServedFrom::Error, 200, vec![html], None),
            (ServedFrom::Origin, 200, vec![html, ("cache-control", "private, max-age=0")], None),
            (ServedFrom::Origin, 200, vec![html, ("cache-control", "No-Store")], None),
            (ServedFrom::Origin, 200, vec![html, ("set-cookie", "PHPSESSID=1")], Some(Got::Page)),
            (ServedFrom::Origin, 200, vec![html, ("set-cookie", "wordpress_logged_in_x=1")], None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                got(served_from, status, &headers(&lines), MirrorPrivate::Never),
                expected,
                "{served_from:?} {status} {lines:?}"
            );
        }
    }

    #[test]
    fn our_own_are_no_visitors() {
        assert!(is_ours(&headers(&[("user-agent", "katahai/1.0 (site mirror)")])));
        assert!(!is_ours(&headers(&[("user-agent", "Mozilla/5.0")])) && !is_ours(&headers(&[])));
    }
}
