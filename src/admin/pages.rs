//! (in work)
use crate::http::Body;
use http::Response;
pub(super) fn answer(_segments: &[&str]) -> Option<Response<Body>> {
    None
}
