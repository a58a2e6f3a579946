//! What changes in a request and its answer on the way through: hop-by-hop fields go; client and route come in.

use http::{HeaderMap, Response, header};

use super::{Early, Visit};
use crate::ask::{Ask, Kind};
use crate::failure::{Cause, Failure};
use crate::http::{Body, BoxRequest, coding, forwarded, headers};

/// Makes the visitor's request one for the origin.
///
/// # Errors
/// A loop, or a target that cannot be written.
pub(super) fn outgoing(
    ask: &Ask,
    mut request: BoxRequest,
    visit: &Visit<'_>,
    trusted: &[ipnet::IpNet],
) -> Result<BoxRequest, Failure> {
    if forwarded::passes(request.headers()) > 3 {
        return Err(Failure::new(Cause::Loop).detail("too many instances in a row"));
    }
    let version = request.version();
    strip(ask.kind, request.headers_mut());
    coding::narrow(request.headers_mut());
    // We say 100 to the visitor ourselves, when the origin begins to take the body.
    request.headers_mut().remove(header::EXPECT);
    let hop =
        forwarded::Hop { peer: visit.peer, tls: visit.tls, host: ask.authority(), port: ask.port(), version };
    forwarded::forward(request.headers_mut(), &hop, trusted);
    *request.uri_mut() = ask.target(request.uri())?;
    Ok(request)
}

/// Passes on the origin's interim answers (103 Early Hints).
pub(super) fn pass_early(request: &mut BoxRequest, early: Early) {
    hyper::ext::on_informational(request, move |interim| {
        let mut interim_headers = interim.headers().clone();
        headers::strip_hop_by_hop(&mut interim_headers);
        early(interim.status(), &interim_headers);
    });
}

/// Removes the hop-by-hop fields from an origin's answer.
pub(super) fn clean(kind: Kind, response_headers: &mut HeaderMap) {
    strip(kind, response_headers);
    if kind != Kind::Upgrade {
        coding::clean(response_headers);
        response_headers.remove(header::ALT_SVC); // about the origin's own ports, not ours
    }
}

fn strip(kind: Kind, fields: &mut HeaderMap) {
    match kind {
        Kind::Upgrade => headers::strip_hop_by_hop_but_upgrade(fields),
        Kind::Read | Kind::Form | Kind::Write => headers::strip_hop_by_hop(fields),
    }
}

/// Puts our name on an origin's answer.
pub(super) fn sign(response: &mut Response<Body>) {
    let via = forwarded::via(response.version());
    response.headers_mut().append(header::VIA, via);
    *response.version_mut() = http::Version::HTTP_11;
}
