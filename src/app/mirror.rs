//! The crawlers: one for each site that has a place for snapshots, asking the site's origins as they are at the time.

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Request, Response, header};

use super::App;
use crate::config::ready;
use crate::crawl::{Crawler, Fetch, FetchAsk};
use crate::failure::{Cause, Failure};
use crate::http::Body;
use crate::origin::Sending;
use crate::proxy::Proxy;

const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The site's origins, whichever they are when the crawler asks.
pub(super) struct ByOrigins {
    proxy: Proxy,
    site: Arc<str>,
}

impl ByOrigins {
    pub(super) fn new(proxy: Proxy, site: Arc<str>) -> ByOrigins {
        ByOrigins { proxy, site }
    }
}

impl Fetch for ByOrigins {
    async fn fetch(&self, ask: FetchAsk) -> Result<Response<Body>, Failure> {
        let table = self.proxy.table();
        let site = table.named(&self.site).ok_or(Failure::new(Cause::NoOrigin))?;
        let malformed = |e: http::Error| Failure::new(Cause::Malformed).detail(ask.target.clone()).source(e);
        let mut request = Request::get(ask.target.as_str()).body(Body::Empty).map_err(malformed)?;
        *request.headers_mut() = ask.headers;
        let headers = request.headers_mut();
        headers.insert(PROTO, HeaderValue::from_static(if ask.tls { "https" } else { "http" }));
        if let Ok(host) = HeaderValue::from_str(&ask.host) {
            headers.insert(HOST, host);
        }
        headers.insert(header::VIA, HeaderValue::from_static("1.1 katahai"));
        let timeout = site.config.failover.timeout;
        let sending = Sending { host: &ask.host, wait: timeout, stall: timeout, upgrade: false };
        Ok(site.origins.send(request, sending, None).await?.response)
    }
}

impl App {
    /// A crawler for every site that may be mirrored; those that run go on, with the site's new configuration.
    pub(super) fn start_crawlers(&self) {
        let table = self.table();
        let mut running = self.running();
        let mut old = std::mem::take(&mut running.crawlers);
        let mut crawlers = HashMap::new();
        for site in &table.sites {
            let Some(store) = site.mirror.store() else { continue };
            let name = &site.config.name;
            let crawler = match old.remove(name) {
                Some(crawler) => {
                    crawler.replace(site.config.clone());
                    crawler
                }
                None => self.crawler_of(site.config.clone(), store.clone()),
            };
            crawlers.insert(name.clone(), crawler);
        }
        running.crawlers = crawlers;
    }

    fn crawler_of(&self, site: Arc<ready::Site>, store: crate::snapshot::Store) -> Arc<Crawler> {
        let fetch = ByOrigins::new(self.proxy.clone(), site.name.clone());
        Arc::new(Crawler::start(site, Arc::new(fetch), store))
    }
}
