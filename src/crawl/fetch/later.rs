//! What a site says of when it wants to be asked again.

use std::time::Duration;

use http::StatusCode;

/// Whether an answer is about us, not about the page: 429 (RFC 6585 section 4), or 503 with the time when to come
/// back. A 503 without it may be one page's.
pub(crate) fn is_too_many(status: StatusCode, after: Option<Duration>) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE && after.is_some()
}
