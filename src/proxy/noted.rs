//! What is noted of a page whose answer was not the site's.

use super::requisites;
use super::weigh::Trial;
use crate::clock;
use crate::failure::{Cause, Failure};
use crate::verdict::Shape;
use crate::watch::{Mark, Weight};

impl Trial<'_> {
    /// Notes a failure that is of this page, and not of its server.
    pub(super) fn note(&self, failure: &Failure) {
        // Connections that fail say nothing of single pages, unless these are bad already; nor does patience that ends.
        let of_page = matches!(failure.cause, Cause::Silent | Cause::BodyStalled | Cause::BodyCut);
        let of_bad_page = matches!(failure.cause, Cause::Reset | Cause::NotHttp)
            && matches!(self.site.watch.mark(self.ask.key()), Mark::Bad(_));
        if of_page || of_bad_page {
            self.tell_bad(failure.cause);
        }
    }

    /// Notes that the page is not the site's.
    pub(super) fn tell_bad(&self, cause: Cause) {
        // Without a copy there is nothing to spare the next visitor from waiting with.
        let Some(shape) = self.beside.shape().filter(|_| self.speaks()) else { return };
        // an older page's file is no fault: whether a page names it today is looked into
        let is_marked = || matches!(self.site.watch.mark(self.ask.key()), Mark::Bad(_));
        if cause == Cause::AssetMissing
            && shape == Shape::Asset
            && requisites::is_code(self.ask.key())
            && !is_marked()
        {
            return;
        }
        let weight = if shape == Shape::Page { Weight::Page } else { Weight::Part };
        let url = self.ask.url();
        self.site.watch.bad((self.ask.key(), url), weight, cause, clock::now(), fastrand::f64());
    }
}
