//! One fetch for all who want the same page: joining it, or beginning it.

use std::sync::Arc;

use http::Request;
use tokio::sync::oneshot;

use super::circle::to_walk_with;
use super::fallback::from_entry;
use super::fetch::{Allowance, NEARLY, outgoing, pass_early};
use super::landing::{Fetch, Given, Whole};
use super::review::Beside;
use super::site::{Site, Table};
use super::{Outcome, Proxy, Visit, live};
use crate::ask::Ask;
use crate::cache::ask::make_whole;
use crate::cache::{Entry, Landed, Lookup, Role};
use crate::clock;
use crate::failure::{Cause, Failure};
use crate::http::Body;
use crate::http::cache_status::{CacheStatus, Forward};
use crate::metrics::ServedFrom;
use crate::tasks;

/// What came of joining a fetch.
pub(super) enum Flown {
    /// An answer.
    Landed(Outcome),
    /// This page's answers are for one visitor each: fetch for oneself.
    Alone(Request<Body>),
}

impl Proxy {
    /// Joins the fetch of the page, or begins it.
    #[expect(clippy::too_many_arguments, reason = "one step of the path, called once")]
    pub(super) async fn fly(
        &self,
        table: &Table,
        (site, ask, beside): (&Arc<Site>, &Ask, &Beside),
        request: Request<Body>,
        visit: &Visit<'_>,
        lookup: &Lookup,
        why: Forward,
        allowance: Allowance,
    ) -> Result<Flown, Failure> {
        let now = clock::now();
        let wait = if allowance.patient { allowance.longest } else { allowance.wait };
        let deadline = now.mono + wait;
        let key = site.cache.key(ask.tls(), ask.authority(), ask.key());
        let late = || allowance.over(site, ask);
        let mut whole = Whole::IfShort;
        let leader = match site.cache.join(&key, request.headers(), now) {
            Role::Leader(leader) => leader,
            Role::Alone => return Ok(Flown::Alone(request)),
            Role::Came(entry) if entry.shared_with(request.headers()) => {
                return Ok(Flown::Landed(collapsed(ask, &entry, why)));
            }
            Role::Came(_) => return Ok(Flown::Alone(request)),
            Role::Follower(waiter) => match waiter.wait(deadline).await {
                Landed::Stored(entry) if entry.shared_with(request.headers()) => {
                    return Ok(Flown::Landed(collapsed(ask, &entry, why)));
                }
                Landed::Stored(_) | Landed::Alone => return Ok(Flown::Alone(request)),
                Landed::Failed(failure) => {
                    return Err(Failure::new(failure.cause).detail(failure.to_string()));
                }
                Landed::Lead(leader) => leader,
                Landed::TakeOver(leader) => {
                    whole = Whole::IfInTime;
                    leader
                }
                Landed::TimedOut => return Err(late()),
            },
        };
        let entry = match lookup {
            Lookup::Fresh(entry) | Lookup::Stale(entry) | Lookup::Revalidate(entry) => Some(entry),
            // A 304 does not say for sure who may read it: some servers leave those fields out.
            Lookup::Otherwise(_) | Lookup::Nothing(_) | Lookup::Uncacheable => None,
        };
        let fetch = Fetch {
            site: site.clone(),
            ask: ask.clone(),
            key: key.into_owned(),
            request_headers: request.headers().clone(),
            entry: entry.filter(|entry| entry.has_validator()).cloned(),
            why,
            allowance,
            waits: now.mono + allowance.wait.mul_f64(NEARLY),
            beside: beside.clone(),
            whole,
            again: None,
        };
        let mut request = outgoing(ask, request, visit, &table.trusted)?;
        make_whole(request.headers_mut());
        let fetch = Fetch { again: to_walk_with(ask, &request), ..fetch };
        if let Some(early) = (visit.early)() {
            pass_early(&mut request, early);
        }
        let (tell, told) = oneshot::channel();
        tasks::detached(fetch.run(request, leader, tell));
        match tokio::time::timeout_at(deadline.into(), told).await {
            Ok(Ok(Ok(Given::Entry(entry, status)))) => {
                let outcome = from_entry(ask, &entry, clock::now(), status, (ServedFrom::Origin, None));
                Ok(Flown::Landed(outcome))
            }
            Ok(Ok(Ok(Given::Live(answered, status)))) => {
                Ok(Flown::Landed(live(answered.response, answered.origin, status)))
            }
            Ok(Ok(Err(failure))) => Err(failure),
            Ok(Err(_)) => Err(Failure::new(Cause::Internal).detail("the fetch ended without a word")),
            Err(_) => Err(late()),
        }
    }
}

/// The answer that another request's fetch brought.
fn collapsed(ask: &Ask, entry: &Entry, why: Forward) -> Outcome {
    let status = CacheStatus::Forwarded { why, status: entry.status(), stored: true, collapsed: true };
    from_entry(ask, entry, clock::now(), status, (ServedFrom::Origin, None))
}
