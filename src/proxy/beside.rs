//! Fetching a late page beside the copy that its visitor gets: what he had no patience for is there for the next one.

use std::sync::Arc;

use http::{Method, Request, header};

use super::fetch::Allowance;
use super::review::Beside;
use super::site::Site;
use super::{Copies, Proxy, Visit, Way};
use crate::ask::Ask;
use crate::cache::Lookup;
use crate::clock::Now;
use crate::failover::{Copy, Fallback, Page, Wait};
use crate::http::Body;
use crate::tasks;

impl Proxy {
    /// Begins to fetch the page, unless somebody does so already. The answer is judged, timed and kept as if the visitor waited.
    pub(super) fn fetch_beside(
        &self,
        site: &Arc<Site>,
        (ask, copies): (&Ask, &Copies),
        request: Request<Body>,
        visit: &Visit<'_>,
        (lookup, now): (Option<Lookup>, Now),
    ) {
        if request.method() != Method::GET || request.headers().contains_key(header::RANGE) {
            return;
        }
        let Some(leave) = site.page_health.beside(ask.key(), now.mono) else { return };
        let (proxy, site, mut ask) = (self.clone(), site.clone(), ask.clone());
        let (peer, port, tls) = (visit.peer, visit.port, visit.tls);
        let allowance = Allowance::of(&site, &ask, Wait::Timeout, Fallback::Copy(Copy::Stale));
        let beside = Beside::of(&ask, copies, Page::Late);
        tasks::detached(async move {
            let visit = Visit { peer, port, tls, early: &|| None };
            let way = Way { lookup, allowance, beside };
            let asked = proxy.ask_origin(&proxy.table(), &site, &mut ask, request, &visit, way).await;
            if let Err(failure) = asked {
                tracing::debug!(site = %site.config.name, key = ask.key(), error = %failure, "could not fetch a late page");
            }
            drop(leave);
        });
    }
}
