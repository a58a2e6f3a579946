//! When a site wants the next request.

use std::time::Duration;

use http::StatusCode;

/// Whether an answer is about our request rate, not about the page: 429 (RFC 6585 section 4), or 503 with Retry-After. A 503
/// without it may concern one page only.
pub(crate) fn is_too_many(status: StatusCode, after: Option<Duration>) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE && after.is_some()
}
