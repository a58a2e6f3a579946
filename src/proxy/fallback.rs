//! The rungs below the live site: copies, the holding page, the refusal of a form.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::check_judge::is_of_the_answer;
use super::looked::Copies;
use super::mirror::{Nearness, Ready};
use super::notice::EntryEdits;
use super::site::Site;
use super::{Outcome, RETRY_AFTER, about, holding_outcome, notice, render, search, shell};
use crate::ask::{Ask, Kind, key};
use crate::cache::Entry;
use crate::clock::Now;
use crate::descriptors;
use crate::failover::{Copy, Fallback};
use crate::failure::{Cause, Side};
use crate::holding_page::{self, Delivery, Format, HoldingPage, Link};
use crate::http::Body;
use crate::http::cache_status::CacheStatus;
use crate::metrics::ServedFrom;
use crate::page_health::Mark;

/// Tells search engines what not to show.
pub(super) const ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");

/// What visitors get when the origin does not answer, or is not to be asked.
pub(super) async fn give(
    site: &Site,
    ask: &Ask,
    fallback: Fallback,
    copies: Copies,
    cause: Option<Cause>,
    now: Now,
) -> Outcome {
    match at_hand(site, ask, fallback, &copies, cause, now) {
        Some(outcome) => outcome,
        // Boxed: rarely needed, and large beside what copies at hand take.
        None => Box::pin(give_not_at_hand(site, ask, fallback, copies, cause, now)).await,
    }
}

/// The answer from a copy in memory.
fn at_hand(
    site: &Site,
    ask: &Ask,
    fallback: Fallback,
    copies: &Copies,
    cause: Option<Cause>,
    now: Now,
) -> Option<Outcome> {
    match (fallback, copies) {
        (Fallback::Copy(Copy::Fresh), Copies { entry: Some(entry), .. }) => {
            Some(from_entry(ask, entry, now, entry.hit(now), (ServedFrom::Cache, None)))
        }
        (Fallback::Copy(Copy::Entry), Copies { entry: Some(entry), .. }) => {
            match notice::on_entry(site, ask, entry, cause, now) {
                EntryEdits::Unknown => None,
                edits @ (EntryEdits::None | EntryEdits::Some(..)) => {
                    Some(stale(ask, entry, edits, now, cause))
                }
            }
        }
        (Fallback::Copy(Copy::Snapshot), Copies { page: Some((page, nearness)), .. }) => {
            page.at_hand().map(|source| from_page(site, ask, (page, *nearness), source, (cause, now)))
        }
        (Fallback::Copy(_) | Fallback::Holding | Fallback::Refusal | Fallback::Gone, _) => None,
    }
}

/// The same for what is not in memory: a copy that has to be read, or something in place of one.
async fn give_not_at_hand(
    site: &Site,
    ask: &Ask,
    fallback: Fallback,
    copies: Copies,
    cause: Option<Cause>,
    now: Now,
) -> Outcome {
    match (fallback, copies) {
        (Fallback::Copy(Copy::Entry), Copies { entry: Some(entry), .. }) => {
            let edits = notice::look_at(site, ask, &entry, cause, now).await;
            stale(ask, &entry, edits, now, cause)
        }
        (Fallback::Copy(_), Copies { page: Some((page, nearness)), entry, .. }) => {
            match site.mirror.open(page).await {
                Ok((page, source)) => {
                    let mut outcome = from_page(site, ask, (&page, nearness), source, (cause, now));
                    allow_as(entry.as_deref().map(Entry::headers), outcome.response.headers_mut());
                    outcome
                }
                // Damaged in every snapshot: whatever the cache has is better than nothing.
                Err(error) => {
                    let cause = if descriptors::is_want_behind(&error) {
                        tracing::warn!(site = %site.config.name, key = ask.key(), "no file descriptor left to read a copy");
                        Some(Cause::DescriptorsOut)
                    } else {
                        tracing::error!(site = %site.config.name, key = ask.key(), %error, "no snapshot has an intact copy of this page");
                        cause
                    };
                    match entry {
                        Some(entry) => {
                            let edits = notice::look_at(site, ask, &entry, cause, now).await;
                            stale(ask, &entry, edits, now, cause)
                        }
                        None => without_copy(site, ask, ServedFrom::Holding, cause).await,
                    }
                }
            }
        }
        (Fallback::Refusal, _) => without_copy(site, ask, ServedFrom::Refused, cause).await,
        (Fallback::Gone, _) => match told(site.page_health.mark(ask.key())) {
            Some(status) => bare(status, cause.unwrap_or(Cause::KnownDown)),
            None => without_copy(site, ask, ServedFrom::Holding, cause).await,
        },
        (Fallback::Holding | Fallback::Copy(_), _) => {
            let may_be_page = ask.kind == Kind::Read && !ask.is_acme_challenge();
            let meant = if may_be_page { site.mirror.meant(ask.key()).await } else { None };
            match meant.and_then(|page| HeaderValue::from_str(&page).ok()) {
                Some(page) => spelled(page, cause),
                None => without_copy(site, ask, ServedFrom::Holding, cause).await,
            }
        }
    }
}

/// What is given where there is no copy: the 404 of a robots.txt, the shell of a single-page application, what a search finds in the
/// snapshot, the holding page, or the refusal of a form.
async fn without_copy(site: &Site, ask: &Ask, served_from: ServedFrom, cause: Option<Cause>) -> Outcome {
    let cause = cause.unwrap_or(Cause::KnownDown);
    if served_from == ServedFrom::Holding && ask.key() == "/robots.txt" {
        // No rules for crawlers are known. A 503 here would keep them off the whole host, for as long as they remember
        // it (RFC 9309 section 2.3.1.4); a 404 lets them come, and the pages themselves say 503 where they must.
        return bare(StatusCode::NOT_FOUND, cause);
    }
    let of_page = served_from == ServedFrom::Holding && !ask.is_acme_challenge();
    if of_page && let Some(outcome) = shell::answer(site, ask, cause).await {
        return outcome;
    }
    if of_page && let Some(outcome) = search::answer(site, ask, cause).await {
        return outcome;
    }
    if of_page && cause.side() != Side::Visitor {
        site.visits.lacking.note(ask.key(), crate::clock::now().wall);
    }
    let known = site.mirror.about(&site.config).await;
    let known = known.as_deref();
    let mut links = known.map_or_else(Vec::new, |known| known.links.clone());
    if let Some(page) = without_query(site, ask) {
        match links.iter().position(|link| link.href == page.href) {
            Some(at) => links.swap(0, at),
            None => links.insert(0, page),
        }
    }
    let refused = served_from == ServedFrom::Refused;
    let page = HoldingPage {
        kind: if refused { holding_page::Kind::Form(Delivery::of(cause)) } else { holding_page::Kind::Page },
        cause,
        site: Some(known.and_then(|known| known.title.as_deref()).unwrap_or_else(|| ask.host())),
        language: about::language(known, &ask.kept_headers),
        format: Format::of(&ask.kept_headers),
        down_for: site.down_for(crate::clock::now()),
        retry_after: retry_after(site, cause),
        links: &links,
        contact: known.map(|known| &known.contact),
    };
    let served_from = if cause.side() == Side::Visitor { ServedFrom::Error } else { served_from };
    holding_outcome(&page, served_from, ask.method == http::Method::HEAD)
}

/// When visitors may try again: if the site itself refuses, when it says that it will be back.
fn retry_after(site: &Site, cause: Cause) -> Duration {
    let said = is_of_the_answer(cause) || cause == Cause::KnownDown;
    said.then(|| site.page_health.returns.wait(crate::clock::now())).flatten().unwrap_or(RETRY_AFTER)
}

/// The page without the query: perhaps not what the visitor wants, but better than none.
fn without_query(site: &Site, ask: &Ask) -> Option<Link> {
    let path = key::path_of(ask.key());
    let (page, _) =
        site.mirror.find(path).filter(|_| ask.kind == Kind::Read && path.len() < ask.key().len())?;
    let is_page = page.status == StatusCode::OK && !matches!(site.page_health.mark(path), Mark::Gone { .. });
    is_page.then(|| Link { title: path.to_owned(), href: path.to_owned() })
}

/// The answer that an entry of the cache gives.
pub(super) fn from_entry(
    ask: &Ask,
    entry: &Entry,
    now: Now,
    status: CacheStatus,
    (served_from, cause): (ServedFrom, Option<Cause>),
) -> Outcome {
    let source = render::Source::Whole(entry.body());
    let response = render::copy(ask, entry.status(), entry.answer_headers(now, status), source);
    Outcome { response, served_from, cause, origin: None }
}

fn stale(ask: &Ask, entry: &Entry, edits: EntryEdits, now: Now, cause: Option<Cause>) -> Outcome {
    let mut outcome = match edits {
        EntryEdits::None | EntryEdits::Unknown => {
            from_entry(ask, entry, now, CacheStatus::HitStale, (ServedFrom::Stale, cause))
        }
        EntryEdits::Some(body, edits) => {
            let mut headers = entry.answer_headers(now, CacheStatus::HitStale);
            headers.remove(header::CONTENT_ENCODING);
            let response = render::edited(ask, entry.status(), headers, render::Source::Whole(body), &edits);
            Outcome { response, served_from: ServedFrom::Stale, cause, origin: None }
        }
    };
    let headers = outcome.response.headers_mut();
    let allowed = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    if allowed.is_some_and(|allowed| allowed != "*" && Some(allowed) != ask.kept_headers.get(header::ORIGIN))
    {
        // it was another site's
        headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        headers.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
    }
    outcome
}

/// Lets the scripts of all sites read a copy, if the origin was seen to allow that: the crawler that got the copy sends no
/// `Origin`.
fn allow_as(seen: Option<&HeaderMap>, headers: &mut HeaderMap) {
    let all = seen.and_then(|seen| seen.get(header::ACCESS_CONTROL_ALLOW_ORIGIN)).filter(|all| *all == "*");
    if let Some(all) = all
        && !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, all.clone());
    }
}

fn from_page(
    site: &Site,
    ask: &Ask,
    (page, nearness): (&Ready, Nearness),
    source: render::Source,
    (cause, now): (Option<Cause>, Now),
) -> Outcome {
    let edits = notice::on_page(site, ask, (page, &source), cause, now);
    let mut response = render::edited(ask, page.status, page.headers.clone(), source, &edits);
    let headers = response.headers_mut();
    match nearness {
        Nearness::Exact => CacheStatus::HitSnapshot.add_to(headers),
        Nearness::Near => {
            CacheStatus::HitNear.add_to(headers);
            // It says itself which page it is, and search engines are not to know it by this address.
            headers.extend(HeaderValue::from_str(page.key()).ok().map(|key| (header::CONTENT_LOCATION, key)));
            headers.insert(ROBOTS_TAG, HeaderValue::from_static("noindex"));
        }
    }
    Outcome { response, served_from: ServedFrom::Snapshot, cause, origin: None }
}

/// Redirects to the spelling of the address that has a copy. Temporarily, since the live site may see it differently.
fn spelled(page: HeaderValue, cause: Option<Cause>) -> Outcome {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, page);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VIA, HeaderValue::from_static("1.1 katahai"));
    CacheStatus::HitSpelling.add_to(headers);
    Outcome { response, served_from: ServedFrom::Snapshot, cause, origin: None }
}

/// The status by which visitors are told that the site itself has removed a page: in an outage, it stays removed. A page that
/// now asks for a password exists for those who have one, but nobody can check passwords during an outage; and one that has
/// been found good meanwhile is not removed.
pub(super) fn told(mark: Mark) -> Option<StatusCode> {
    match mark {
        Mark::Gone { status: 401 | 403, .. } | Mark::None | Mark::Bad(_) => None,
        Mark::Gone { status, .. } => Some(StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND)),
    }
}

/// A status and no more.
fn bare(status: StatusCode, cause: Cause) -> Outcome {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VIA, HeaderValue::from_static("1.1 katahai"));
    CacheStatus::Miss { detail: cause.code() }.add_to(headers);
    Outcome { response, served_from: ServedFrom::Holding, cause: Some(cause), origin: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_site_has_removed_for_everybody_is_told_as_removed() {
        let since = crate::clock::now();
        for (mark, expected) in [
            (Mark::Gone { status: 404, since }, Some(StatusCode::NOT_FOUND)),
            (Mark::Gone { status: 410, since }, Some(StatusCode::GONE)),
            (Mark::Gone { status: 401, since }, None),
            (Mark::Gone { status: 403, since }, None),
            // found good, or bad, since the decision
            (Mark::None, None),
        ] {
            assert_eq!(told(mark), expected, "{mark:?}");
        }
    }
}
