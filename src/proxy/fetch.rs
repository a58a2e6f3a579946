//! Asking the origin for one visitor: the request as it goes out, the answer as it comes back.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response, header};

use super::review::{Terms, Trial};
use super::site::Site;
use super::{Early, Visit};
use crate::ask::{Ask, Kind, key, location};
use crate::clock;
use crate::failover::{Fallback, Wait};
use crate::failure::{Cause, Failure, Side};
use crate::http::client::ClientKey;
use crate::http::{Body, headers};
use crate::origin::health::{Evidence, Seen};
use crate::origin::upload::Upload;
use crate::origin::{Answered, Class, Origin, Sending, Whom};

/// So much of its wait a visitor spends on what may not come in time, so that something can be given for it.
pub(super) const NEARLY: f64 = 0.8;

/// What the plan allows.
#[derive(Clone, Copy)]
pub(super) struct Allowance {
    /// The visitor's wait, for the header fields and for what is held back of the body.
    pub wait: Duration,
    /// The origin's own time-out, whoever waits for it,
    pub timeout: Duration,
    /// and the longest that it may take while its checks are good.
    pub longest: Duration,
    /// How many bytes are held back; `None`: there is nothing else to give, so nothing is.
    pub hold_back: Option<u64>,
    /// Whether waiting in vain says something about the origin: only its own time-out does.
    pub patient: bool,
}

impl Allowance {
    /// What the plan's words mean for this site and page.
    pub(super) fn of(site: &Site, ask: &Ask, wait: Wait, fallback: Fallback) -> Allowance {
        let policy = &site.config.failover;
        let of_route = site.config.route_timeout(key::path_of(ask.key()));
        let timeout = of_route.unwrap_or(policy.timeout);
        let held = of_route.is_none() && !matches!(fallback, Fallback::Copy(_)) && may_be_held(ask);
        Allowance {
            wait: match wait {
                Wait::Timeout => timeout,
                Wait::Patience => site.patience(ask).min(timeout),
            },
            timeout,
            longest: if held { timeout * HELD } else { timeout },
            hold_back: matches!(fallback, Fallback::Copy(_)).then_some(policy.hold_back),
            patient: wait == Wait::Timeout,
        }
    }

    /// The wait was in vain. That an origin is slow, and who has waited, is remembered; whether it is dead, a check finds out.
    pub(super) fn over(&self, site: &Site, ask: &Ask) -> Failure {
        site.origins.check_soon();
        if site.origins.are_full() {
            return Cause::QueuedTooLong.into(); // our own queue may have taken the time
        }
        if self.patient {
            return Cause::Silent.into();
        }
        site.page_health.late(ask.key(), clock::instant());
        Cause::Slow.into()
    }
}

/// So many time-outs may an address take that is held on purpose.
const HELD: u32 = 4;

/// Whether the answer may be held until there is news, as a long poll is. Whoever opens a page looks at an empty window meanwhile;
/// browsers say so, and programs do not.
fn may_be_held(ask: &Ask) -> bool {
    let page = |value: &HeaderValue| value.as_bytes().windows(9).any(|part| part == b"text/html");
    ask.kind == Kind::Read && !ask.wishes.get_all(header::ACCEPT).iter().any(page)
}

/// How the request is sent to the origins.
pub(super) fn sending<'a>(site: &Site, ask: &'a Ask, allowance: Allowance) -> Sending<'a> {
    Sending {
        host: ask.authority(),
        client: ClientKey::of(ask.client),
        wait: allowance.timeout,
        longest: allowance.longest,
        stall: allowance.longest,
        upgrade: ask.kind == Kind::Upgrade,
        by: Evidence::by(ask.key(), ask.client),
        whom: if site.is_held_live() { Whom::Any } else { Whom::Usable },
    }
}

/// Makes the visitor's request one for the origin: hop-by-hop fields out, who asks and by what way in.
pub(super) fn outgoing(
    ask: &Ask,
    mut request: Request<Body>,
    visit: &Visit<'_>,
    trusted: &[ipnet::IpNet],
) -> Result<Request<Body>, Failure> {
    if crate::http::forwarded::passes(request.headers()) > 3 {
        return Err(Failure::new(Cause::Loop).detail("too many instances in a row"));
    }
    let upgrade = ask.kind == Kind::Upgrade;
    let version = request.version();
    if upgrade {
        headers::strip_hop_by_hop_but_upgrade(request.headers_mut());
    } else {
        headers::strip_hop_by_hop(request.headers_mut());
    }
    crate::http::coding::narrow(request.headers_mut());
    // We say 100 to the visitor ourselves, when the origin begins to take the body.
    request.headers_mut().remove(header::EXPECT);
    let hop = crate::http::forwarded::Hop {
        peer: visit.peer,
        tls: visit.tls,
        host: ask.authority(),
        port: ask.port(),
        version,
    };
    crate::http::forwarded::forward(request.headers_mut(), &hop, trusted);
    *request.uri_mut() = ask.target(request.uri())?;
    Ok(request)
}

/// Asks for this visitor alone, and judges the answer.
///
/// # Errors
/// Why there is no good answer within the allowance.
pub(super) async fn direct(
    trial: Trial<'_>,
    mut request: Request<Body>,
    allowance: Allowance,
    (body_size, early): (u64, Option<Early>),
) -> Result<Answered, Failure> {
    let (upload, request) = if matches!(request.body(), Body::Empty) {
        (None, request)
    } else {
        let body = std::mem::replace(request.body_mut(), Body::Empty);
        let (upload, body) = Upload::watch(body, body_size);
        (Some(upload), request.map(|_| body))
    };
    let Trial { site, ask, .. } = trial;
    let sending = sending(site, ask, allowance);
    let mut request = request;
    let again = super::circle::to_walk_with(ask, &request);
    let trial = Trial { again: again.as_ref(), ..trial };
    if let Some(early) = early {
        pass_early(&mut request, early);
    }
    let asked = clock::instant();
    let terms = Terms {
        asked,
        hold: allowance.hold_back,
        stall: allowance.longest.max(Duration::from_secs(1)),
        until: asked + allowance.wait,
        waits: asked + allowance.wait.mul_f64(NEARLY),
    };
    let work = async {
        let mut answered = site.origins.send(request, sending, upload.as_deref()).await?;
        location::correct(answered.response.headers_mut(), &site.config, ask.asked());
        let (mut answered, held) = trial.weigh(answered, terms).await?;
        *answered.response.body_mut() = held.into_body();
        Ok(answered)
    };
    let mut work = std::pin::pin!(work);
    let result = if allowance.patient && allowance.hold_back.is_none() {
        work.as_mut().await // the origin's own time-out ends it, an upload in progress prolongs it
    } else {
        match tokio::time::timeout(allowance.wait, work.as_mut()).await {
            Ok(result) => result,
            Err(_) => Err(allowance.over(site, ask)),
        }
    };
    result.inspect_err(|failure| trial.note(failure))
}

/// Whether the answer is a stream without end, of which nothing can be held back.
pub(super) fn is_endless(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().get(..17).is_some_and(|start| start.eq_ignore_ascii_case(b"text/event-stream"))
    })
}

/// Takes out of an origin's answer what is between it and us alone.
pub(super) fn clean(headers: &mut HeaderMap) {
    headers::strip_hop_by_hop(headers);
    crate::http::coding::clean(headers);
    headers.remove(header::ALT_SVC); // about the origin's own ports, not ours
}

/// Puts our name on an origin's answer.
pub(super) fn sign(response: &mut Response<Body>) {
    let via = crate::http::forwarded::via(response.version());
    response.headers_mut().append(header::VIA, via);
    *response.version_mut() = http::Version::HTTP_11;
}

/// Notes a body that the origin broke off.
pub(super) fn hold_against(origin: &Origin, failure: &Failure, by: Evidence) {
    if failure.cause.side() == Side::Origin {
        origin.observe(by, Seen::Bad(failure.cause));
    }
}

/// Whether a page is made by a program, most likely, or is a file.
pub(super) fn class_of(key: &str) -> Class {
    const PAGES: [&str; 7] = ["html", "htm", "php", "asp", "aspx", "jsp", "cgi"];
    let path = key::path_of(key);
    let last = path.bytes().rposition(|b| matches!(b, b'/' | b'.')).unwrap_or_default();
    match path[last..].strip_prefix('.') {
        Some(ending) if !PAGES.iter().any(|page| ending.eq_ignore_ascii_case(page)) => Class::Asset,
        Some(_) | None => Class::Page,
    }
}

/// Has the origin's interim answers (103 Early Hints) passed on.
pub(super) fn pass_early(request: &mut Request<Body>, early: Early) {
    hyper::ext::on_informational(request, move |interim| {
        let mut headers = interim.headers().clone();
        headers::strip_hop_by_hop(&mut headers);
        early(interim.status(), &headers);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_assets_are_told_by_their_names() {
        for (key, class) in [
            ("/", Class::Page),
            ("/a/b", Class::Page),
            ("/a.html?x=1.css", Class::Page),
            ("/a.PHP", Class::Page),
            ("/a.css", Class::Asset),
            ("/v1.2/page", Class::Page),
            ("/a.pdf", Class::Asset),
        ] {
            assert_eq!(class_of(key), class, "{key}");
        }
    }
}
