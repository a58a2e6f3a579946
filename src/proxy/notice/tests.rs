//! What is said when, and to whom.

use super::*;
use http::{HeaderName, HeaderValue};

#[test]
fn the_site_is_out_only_if_it_is_down_or_has_nobody_to_ask() {
    for (is_down, cause, expected) in [
        (true, Cause::Refused, Some(Outage::Site)),
        (true, Cause::KnownDown, Some(Outage::Site)),
        (false, Cause::NoOrigin, Some(Outage::Site)),
        (false, Cause::Refused, Some(Outage::Page)),
        (false, Cause::ConnectTimeout, Some(Outage::Page)),
        (false, Cause::NameNotFound, Some(Outage::Page)),
        (false, Cause::ServerError, Some(Outage::Page)),
        (false, Cause::Slow, None),
        (false, Cause::Recovering, None),
        (false, Cause::VisitorGone, None),
        (false, Cause::Busy, None),
    ] {
        assert_eq!(outage(is_down, cause), expected, "{is_down} {cause:?}");
    }
}

#[test]
fn only_a_window_is_told() {
    const PAGE: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let fields: [(&[(&str, &str)], bool); 14] = [
        (&[PAGE], true),
        (&[("sec-fetch-dest", "document")], true),
        (&[PAGE, ("sec-fetch-dest", "document")], true),
        (&[], false),
        (&[("accept", "*/*")], false),
        (&[("accept", "application/json")], false),
        (&[PAGE, ("sec-fetch-dest", "empty")], false),
        (&[PAGE, ("sec-fetch-dest", "iframe")], false),
        (&[PAGE, ("service-worker", "script")], false),
        (&[PAGE, ("x-pjax", "true")], false),
        (&[PAGE, ("x-requested-with", "fetch")], false),
        (&[PAGE, ("turbo-frame", "messages")], false),
        (&[PAGE, ("hx-request", "true")], false),
        (&[("sec-fetch-dest", "document"), ("hx-request", "true")], false),
    ];
    for (fields, expected) in fields {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers: HeaderMap = fields.iter().map(field).collect();
        assert_eq!(is_for_window(&headers), expected, "{fields:?}");
    }
}
