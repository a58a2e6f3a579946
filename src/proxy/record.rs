//! What is recorded of answers and their pages once they are judged: marks, times, what the cache must forget, and evidence
//! against an origin. What is recorded later, once a removal is proven, stands in [`super::removal`]; what
//! concerns all pages that show the same, in [`super::uniform`].

use std::time::Duration;

use http::response::Parts;
use http::{Method, StatusCode};

use super::attempt::Attempt;
use super::reference::Reference;
use super::removal::is_removal;
use super::review::{Review, is_part};
use super::site::Site;
use super::uniform::drop_kept;
use super::{requisites, visited};
use crate::ask::Ask;
use crate::ask::key::path_of;
use crate::cache;
use crate::clock;
use crate::failure::{Cause, Failure, SeenBy, Side, Sighting};
use crate::http::retry_after;
use crate::origin::health::{Evidence, Seen};
use crate::origin::{LatencyClass, Origin};
use crate::page_health::{Mark, Weight};
use crate::verdict::Shape;
use crate::visits::Got;

impl Review<'_> {
    /// Records how long a good answer took: for its origin, and for the page if somebody waited who could have had a copy.
    pub(super) fn record_time(&self, origin: &Origin, took: Duration) {
        origin.answered(LatencyClass::of(path_of(self.ask.key())), took, self.evidence());
        if self.reference.is_nothing() || !self.is_representative() {
            return;
        }
        let now = clock::instant();
        if took > self.site.patience(self.ask) {
            self.site.page_health.note_late(self.ask.key(), now);
        } else {
            self.site.page_health.note_in_time(self.ask.key(), now);
        }
    }

    /// Records that the answer is the site's.
    pub(super) fn record_good(&self, parts: &Parts) {
        let status = parts.status;
        let key = self.ask.key();
        // Parts, and answers to those who ask for no body, do not tell whether the page is well.
        if !self.is_representative() || is_part(status) || self.ask.method == Method::HEAD {
            return;
        }
        let now = clock::now();
        match self.reference {
            Reference::Entry(_) | Reference::Page(_) if is_removal(status) => {
                tracing::info!(site = %self.site.config.name, key, status = status.as_u16(), "the site has removed a page");
                self.site.page_health.mark_gone(key, status.as_u16(), now);
                self.site.cache.invalidate(&self.site.cache.key(self.ask.tls(), self.ask.authority(), key));
            }
            Reference::Nothing if status.is_client_error() => {}
            Reference::Nothing | Reference::Entry(_) | Reference::Page(_) => {
                self.site.page_health.note_good(key, self.weight(parts), now.mono);
            }
        }
    }

    /// Records that it is not, and why.
    pub(super) fn record_bad(&self, cause: Cause) {
        self.mark_bad(cause);
        if cause == Cause::Uniform {
            self.record_uniform();
        }
    }

    /// Drops redirects that the cache has of these pages.
    pub(super) fn record_outdated(&self, redirects: &[String]) {
        redirects.iter().for_each(|key| drop_kept(self.site, key, &self.url_of(key)));
    }

    /// Whether visitors open the address as a page: its copy is a page or, without a copy, the answer is.
    fn weight(&self, parts: &Parts) -> Weight {
        let is_page = parts.status.is_success()
            && match self.reference.shape() {
                Some(shape) => shape == Shape::Page,
                None => visited::kind(&parts.headers) == Some(Got::Page),
            };
        if is_page { Weight::Page } else { Weight::Part }
    }

    /// Records when the site says that it will be back.
    pub(super) fn record_return(&self, parts: &Parts) {
        if matches!(parts.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            let now = clock::now();
            self.site.page_health.returns.hear(retry_after(&parts.headers, now.wall), now);
        }
    }

    /// Records a failure of this page, not of its server. Every request that fails comes by here once, whatever has failed.
    pub(super) fn record_failure(&self, failure: &Failure) {
        // of the site's origins, whichever was asked: they are summed up
        if let Some(member) =
            self.site.origins.members().first().filter(|_| is_bad_page(self.ask.key(), failure))
        {
            member.origin.page_failed();
        }
        // Connections that fail say nothing of single pages, unless these are bad already; nor does patience that ends.
        let of_page = matches!(failure.cause, Cause::Silent | Cause::BodyStalled | Cause::BodyCut);
        let of_bad_page = matches!(failure.cause, Cause::Reset | Cause::NotHttp)
            && matches!(self.site.page_health.mark(self.ask.key()), Mark::Bad(_));
        if of_page || of_bad_page {
            self.mark_bad(failure.cause);
        }
    }

    /// Records that the page is not the site's.
    fn mark_bad(&self, cause: Cause) {
        // Without a copy there is nothing to spare the next visitor from waiting with.
        let Some(shape) = self.reference.shape().filter(|_| self.is_representative()) else { return };
        // an older page's file is no fault: whether a page names it today is looked into
        let is_marked = || matches!(self.site.page_health.mark(self.ask.key()), Mark::Bad(_));
        if cause == Cause::AssetMissing
            && shape == Shape::Asset
            && requisites::is_code(self.ask.key())
            && !is_marked()
        {
            return;
        }
        // a page that names what is not there is whole itself
        let is_page = shape == Shape::Page && cause != Cause::AssetMissing;
        let weight = if is_page { Weight::Page } else { Weight::Part };
        let url = self.ask.url();
        self.site.page_health.mark_bad((self.ask.key(), url), weight, cause, clock::now(), fastrand::f64());
    }

    /// Records that the page names a missing file, if there is a copy of the page that has all of its files.
    pub(super) fn record_lacking(&self, file: Option<&str>) {
        if let Some(file) = file.filter(|_| self.reference.shape().is_some()) {
            self.site.page_health.note_lack(self.ask.key(), file);
        }
    }
}

impl Attempt<'_> {
    /// A request that may have changed the page was answered with this status.
    pub(super) fn record_write(&self, status: StatusCode) {
        let Attempt { site, ask, .. } = self;
        if cache::ask::invalidates(&ask.method, status) {
            site.cache.invalidate(&site.cache.key(ask.tls(), ask.authority(), ask.key()));
        }
    }
}

/// Records that a visitor met with a failure of the origin: an outage may begin with it.
pub(super) fn sighted(site: &Site, ask: &Ask, failure: &Failure) {
    // what is known of the site is no answer of it, and patience that ends is none either
    if failure.cause.side() == Side::Origin && failure.cause < Cause::KnownDown {
        let sighting = Sighting::of(failure, SeenBy::Visitor, ask.key(), clock::now());
        site.page_health.sightings.note(sighting);
    }
}

/// Records a body that its origin broke off.
pub(super) fn broken_off(origin: &Origin, failure: &Failure, by: Evidence) {
    if failure.cause.side() == Side::Origin {
        origin.observe(by, Seen::Bad(failure.cause));
    }
}

/// Whether a page, not a file, has failed at its origin: the counterpart of the pages whose times are noted.
fn is_bad_page(key: &str, failure: &Failure) -> bool {
    LatencyClass::of(path_of(key)) == LatencyClass::Page && failure.cause.side() == Side::Origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_the_origin_spoils_count_as_bad_whatever_it_answers() {
        for (key, cause, expected) in [
            ("/", Cause::ServerError, true),
            ("/list?page=2", Cause::ServerError, true),
            ("/news.html", Cause::Refused, true),
            ("/photo.jpg", Cause::ServerError, false),
            ("/", Cause::Busy, false),
        ] {
            assert_eq!(is_bad_page(key, &Failure::new(cause)), expected, "{key} {cause:?}");
        }
    }
}
