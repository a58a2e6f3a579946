//! (in work)
use http::Response;
use crate::http::Body;
pub(super) fn answer(_segments: &[&str]) -> Option<Response<Body>> { None }
