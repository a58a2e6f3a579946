//! What a status says, beside what the copy has there.

use http::StatusCode;

use super::super::case::{Case, Finding, Shape, Verdict};
use super::Seen;
use crate::content::media::{content_type, is_html};
use crate::failure::Cause;

pub(super) fn judge(seen: &Seen<'_>) -> Verdict {
    let case = seen.case;
    let status = case.answer.status;
    let why = || format!("status {status}");
    let is_listed = StatusCode::from_u16(status).is_ok_and(|status| case.policy.bad_status.contains(status));
    if is_listed {
        return Verdict::Bad(Finding::new(cause_of(status), why()));
    }
    match case.known {
        // what the copy answers with, too, is the site's way
        Some(known) if known.status == status => instead_of_file(case),
        Some(known) => match refused(status) {
            None => instead_of_file(case),
            Some(cause) if known.shape == Shape::Asset => {
                // the copy of a file that was removed harms nobody
                let cause = if cause == Cause::Missing { Cause::AssetMissing } else { cause };
                Verdict::Bad(Finding::new(cause, why()))
            }
            // who asks too often is everybody: all visitors come from one address, ours
            Some(cause @ Cause::HostingLimit) => Verdict::Bad(Finding::new(cause, why())),
            Some(cause) => case.doubtful(Finding::new(cause, why())),
        },
        None if case.is_key_page => {
            refused(status).map_or(Verdict::Good, |cause| Verdict::Bad(Finding::new(cause, why())))
        }
        None => Verdict::Good,
    }
}

/// A page where the copy has a picture, a script, a document: "not found" in the words of the site, with status 200.
fn instead_of_file(case: &Case<'_>) -> Verdict {
    let Some(known) = case.known else { return Verdict::Good };
    let came = content_type(case.answer.headers);
    let was_page = is_html(known.content_type);
    let is_page = came.is_some() && is_html(came);
    if case.answer.status != 200 || known.status != 200 || was_page || !is_page {
        return Verdict::Good;
    }
    let was = known.content_type.unwrap_or_default();
    let finding = |cause| Finding::new(cause, format!("a page instead of {was}"));
    match known.shape {
        Shape::Asset => Verdict::Bad(finding(Cause::AssetMissing)),
        Shape::Document => case.doubtful(finding(Cause::SoftMissing)),
        Shape::Page | Shape::Redirect => Verdict::Good,
    }
}

/// What a status says that is on the operator's list.
fn cause_of(status: u16) -> Cause {
    match refused(status) {
        Some(cause) if cause != Cause::BadStatus => cause,
        Some(_) | None => StatusCode::from_u16(status).map_or(Cause::BadStatus, Cause::of_status),
    }
}

/// What speaks against a status in place of what the copy has. `None`: it says nothing about the site, but about what
/// this one visitor sent (conditions, ranges, sizes, methods), or it is for the operator's list to say.
fn refused(status: u16) -> Option<Cause> {
    match status {
        404 | 410 => Some(Cause::Missing),
        401..=403 | 451 => Some(Cause::Forbidden),
        429 => Some(Cause::HostingLimit),
        400 | 405..=409 | 418 | 420 | 423..=426 | 444 | 499 => Some(Cause::BadStatus),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::case::{Shape, Wanted};
    use super::super::testing::{Given, PAGE, hold, policy};
    use crate::config::ready::{Failover, Statuses};

    #[test]
    fn statuses_are_judged_beside_the_copy() {
        let of = Given::status;
        let css = |status| of(status).instead_of_file(Shape::Asset, "text/css");
        let pdf = |status| of(status).instead_of_file(Shape::Document, "application/pdf");
        let listed = || Failover { bad_status: Statuses::new(&["403-404", "418"]).unwrap(), ..policy() };
        hold(vec![
            ("listed", of(500), "bad server-error"),
            ("listed", of(503).instead_of(PAGE), "bad unavailable"),
            ("listed", of(522), "bad cdn-error"),
            ("listed", of(508), "bad hosting-limit"),
            ("not listed", of(501).instead_of(PAGE), "good"),
            ("listed by the operator", Given { policy: listed(), ..of(404) }, "bad missing"),
            ("listed by the operator", Given { policy: listed(), ..of(403) }, "bad forbidden"),
            ("listed by the operator", Given { policy: listed(), ..of(418) }, "bad bad-status"),
            ("unlisted by the operator", Given { policy: listed(), ..of(500) }, "good"),
            ("odd success", of(203).instead_of(PAGE), "good"),
            ("odd success", of(299).instead_of(PAGE), "good"),
            ("nobody knows the page", of(404), "good"),
            ("nobody knows the page", of(403), "good"),
            ("removed", of(404).instead_of(PAGE), "doubtful missing"),
            ("removed", of(410).instead_of(PAGE), "doubtful missing"),
            ("closed", of(403).instead_of(PAGE), "doubtful forbidden"),
            ("closed", of(401).instead_of(PAGE), "doubtful forbidden"),
            ("refused", of(400).instead_of(PAGE), "doubtful bad-status"),
            ("too many", of(429).instead_of(PAGE), "bad hosting-limit"),
            ("key page", of(404).key_page(), "bad missing"),
            ("key page", of(404).key_page().instead_of(PAGE), "bad missing"),
            ("key page", of(403).key_page().instead_of(PAGE), "bad forbidden"),
            ("a file is gone", css(404), "bad asset-missing"),
            ("a file is gone", css(410), "bad asset-missing"),
            ("a file is closed", css(403), "bad forbidden"),
            ("a document is gone", pdf(404), "doubtful missing"),
            ("what the visitor sent", of(412).instead_of(PAGE), "good"),
            ("what the visitor sent", of(416).instead_of(PAGE), "good"),
            ("what the visitor sent", of(431).instead_of(PAGE), "good"),
            ("a page for a file", css(200), "bad asset-missing"),
            (
                "a page for a script",
                of(200).instead_of_file(Shape::Asset, "text/javascript"),
                "bad asset-missing",
            ),
            (
                "a page for a picture",
                of(200).instead_of_file(Shape::Asset, "image/webp"),
                "bad asset-missing",
            ),
            ("a page for a font", of(200).instead_of_file(Shape::Asset, "font/woff2"), "bad asset-missing"),
            (
                "a page for data",
                of(200).instead_of_file(Shape::Asset, "application/json"),
                "bad asset-missing",
            ),
            ("a page for a document", pdf(200), "doubtful soft-missing"),
            ("another type for a file", css(200).header("content-type", "text/css; charset=utf-8"), "good"),
            ("the file was a page", of(200).instead_of_file(Shape::Asset, "text/html"), "good"),
            ("a file not modified", css(304), "good"),
            ("part of a file", css(206), "good"),
            ("a redirect is a page now", of(200).instead_of_way_to("/b"), "good"),
        ]);
    }

    #[test]
    fn no_more_of_a_body_is_wanted_than_its_verdict_takes() {
        let css = || Given::status(200).instead_of_file(Shape::Asset, "text/css");
        for (name, given, wanted) in [
            ("a new page", Given::page(PAGE), Wanted::Beginning),
            ("a page with a copy", Given::page(PAGE).instead_of(PAGE), Wanted::Whole),
            ("an error with a copy", Given::status(500).instead_of(PAGE), Wanted::Beginning),
            ("a picture", Given::page(PAGE).header("content-type", "image/png"), Wanted::Head),
            ("a picture for a page", css().header("content-type", "image/png"), Wanted::Head),
            ("a redirect", Given::status(302).instead_of(PAGE), Wanted::Head),
            ("not modified", Given::status(304).instead_of(PAGE), Wanted::Head),
            ("part of it", Given::status(206).instead_of(PAGE), Wanted::Head),
            ("text", Given::page(PAGE).header("content-type", "text/plain"), Wanted::Beginning),
        ] {
            assert_eq!(given.case(super::super::wanted), wanted, "{name}");
        }
    }
}
