//! What is noted of answers and of their pages, once they are judged.

use std::time::Duration;

use http::response::Parts;
use http::{Method, StatusCode};

use super::fetch::class_of;
use super::removal::is_removal;
use super::review::{Beside, Trial, is_part};
use super::{requisites, visited};
use crate::clock;
use crate::failure::{Cause, Failure};
use crate::http::retry_after;
use crate::origin::Origin;
use crate::page_health::{Mark, Weight};
use crate::verdict::{Finding, Shape};
use crate::visits::Got;

impl Trial<'_> {
    /// Records how long a good answer took: for its origin, and for the page if somebody waited who could have had a copy.
    pub(super) fn answered(&self, origin: &Origin, took: Duration) {
        origin.answered(class_of(self.ask.key()), took, self.by());
        if self.beside.is_nothing() || !self.speaks() {
            return;
        }
        let now = clock::instant();
        if took > self.site.patience(self.ask) {
            self.site.page_health.late(self.ask.key(), now);
        } else {
            self.site.page_health.in_time(self.ask.key(), now);
        }
    }

    /// Notes that the answer is the site's.
    pub(super) fn good(&self, parts: &Parts) {
        let status = parts.status;
        let key = self.ask.key();
        // Parts, and answers to those who ask for no body, do not tell whether the page is well.
        if !self.speaks() || is_part(status) || self.ask.method == Method::HEAD {
            return;
        }
        let now = clock::now();
        match self.beside {
            Beside::Entry(_) | Beside::Page(_) if is_removal(status) => {
                tracing::info!(site = %self.site.config.name, key, status = status.as_u16(), "the site has removed a page");
                self.site.page_health.gone(key, status.as_u16(), now);
                self.site.cache.invalidate(&self.site.cache.key(self.ask.tls(), self.ask.authority(), key));
            }
            Beside::Nothing if status.is_client_error() => {}
            Beside::Nothing | Beside::Entry(_) | Beside::Page(_) => {
                self.site.page_health.good(key, self.weight(parts), now.mono);
            }
        }
    }

    /// Notes that it is not, and what it is.
    pub(super) fn bad(&self, finding: Finding) -> Failure {
        self.tell_bad(finding.cause);
        if finding.cause == Cause::Uniform {
            self.tell_uniform();
        }
        Failure::new(finding.cause).detail(finding.why)
    }

    /// Whether the address is one that visitors open: its copy is a page, or without one the answer.
    fn weight(&self, parts: &Parts) -> Weight {
        let is_page = parts.status.is_success()
            && match self.beside.shape() {
                Some(shape) => shape == Shape::Page,
                None => visited::kind(&parts.headers) == Some(Got::Page),
            };
        if is_page { Weight::Page } else { Weight::Part }
    }

    /// Notes when the site says that it will be back.
    pub(super) fn hear(&self, parts: &Parts) {
        if matches!(parts.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            let now = clock::now();
            self.site.page_health.returns.hear(retry_after(&parts.headers, now.wall), now);
        }
    }

    /// Notes a failure that is of this page, and not of its server.
    pub(super) fn note(&self, failure: &Failure) {
        // Connections that fail say nothing of single pages, unless these are bad already; nor does patience that ends.
        let of_page = matches!(failure.cause, Cause::Silent | Cause::BodyStalled | Cause::BodyCut);
        let of_bad_page = matches!(failure.cause, Cause::Reset | Cause::NotHttp)
            && matches!(self.site.page_health.mark(self.ask.key()), Mark::Bad(_));
        if of_page || of_bad_page {
            self.tell_bad(failure.cause);
        }
    }

    /// Notes that the page is not the site's.
    pub(super) fn tell_bad(&self, cause: Cause) {
        // Without a copy there is nothing to spare the next visitor from waiting with.
        let Some(shape) = self.beside.shape().filter(|_| self.speaks()) else { return };
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
        self.site.page_health.bad((self.ask.key(), url), weight, cause, clock::now(), fastrand::f64());
    }
}
