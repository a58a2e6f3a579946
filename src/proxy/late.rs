//! Fetching a late page while its visitor gets a copy, so that the next visitor gets the page.

use std::sync::Arc;

use http::{Method, header};

use super::attempt::{Attempt, Incoming, Limits, Substitute};
use super::looked::Looked;
use super::reference::Reference;
use super::site::Site;
use super::{Proxy, Visit};
use crate::ask::Ask;
use crate::clock::Now;
use crate::failover::{Remembered, Wait};
use crate::http::BoxRequest;
use crate::tasks;

impl Proxy {
    /// Begins to fetch the page, unless somebody already does. The answer is judged, timed and kept as if the visitor waited.
    pub(super) fn fetch_beside(
        &self,
        (site, ask): (&Arc<Site>, &Ask),
        looked: &mut Looked,
        request: BoxRequest,
        visit: &Visit<'_>,
        now: Now,
    ) {
        if request.method() != Method::GET || request.headers().contains_key(header::RANGE) {
            return;
        }
        let Some(leave) = site.page_health.beside(ask.key(), now.mono) else { return };
        let (proxy, site, ask) = (self.clone(), site.clone(), ask.clone());
        let (peer, port, tls) = (visit.peer, visit.port, visit.tls);
        let (lookup, reference) =
            (looked.lookup.take(), Reference::of(&ask, &looked.copies, Remembered::Late));
        tasks::detached(async move {
            let table = proxy.table();
            let limits = Limits::of(&site, &ask, Wait::Timeout, Substitute::Copy);
            let attempt = Attempt { site: &site, ask: &ask, reference: &reference, limits };
            let visit = Visit { peer, port, tls, early: &|| None };
            let incoming = Incoming { request, visit, table: &table, spool: proxy.spool() };
            if let Err(error) = attempt.fetch(incoming, lookup).await {
                tracing::debug!(site = %site.config.name, key = ask.key(), %error, "late page was not to be had");
            }
            drop(leave);
        });
    }
}
