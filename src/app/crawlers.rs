//! The crawlers: one for each site that can store snapshots. They use the site's current origins, and other hosts for files
//! that pages need for their display.

use crate::failure::chain;
use std::collections::HashMap;
use std::sync::Arc;

use http::{Request, Response};

use super::assets::Hosts;
use super::{App, Parts, build};
use crate::access_log::AccessLog;
use crate::cache::Cache;
use crate::clock;
use crate::config::Config;
use crate::crawl::{Crawler, Ended, Fetch, FetchAsk, Leave, Progress, Seats, Whose};
use crate::failure::{Cause, Failure};
use crate::forms::Intake;
use crate::http::Body;
use crate::http::forwarded;
use crate::metrics::Metrics;
use crate::origin::Sending;
use crate::proxy::{BufferRoom, Hot, Proxy, Site, Spool, Table};
use crate::snapshot::{Garbage, SNAPSHOTS, Store};
use crate::{disk, tasks};

/// The site's origins, whichever they are when the crawler asks.
pub(super) struct ByOrigins {
    proxy: Proxy,
    site: Arc<str>,
    hosts: Hosts,
}

impl ByOrigins {
    pub(super) fn new(proxy: Proxy, site: Arc<str>) -> ByOrigins {
        ByOrigins { proxy, site, hosts: Hosts::default() }
    }
}

impl Fetch for ByOrigins {
    async fn fetch(&self, ask: FetchAsk) -> Result<Response<Body>, Failure> {
        let table = self.proxy.table();
        let site = table.named(&self.site).ok_or(Failure::new(Cause::NoOrigin))?;
        let timeout = site.config.failover.timeout;
        if ask.whose == Whose::OtherHost {
            return self.hosts.fetch(ask, site.origins.tools(), timeout).await;
        }
        let malformed = |e: http::Error| Failure::new(Cause::Malformed).detail(ask.target.clone()).source(e);
        let mut request = Request::get(ask.target.as_str()).body(Body::Empty).map_err(malformed)?;
        *request.headers_mut() = ask.headers;
        forwarded::own(request.headers_mut(), ask.tls, &ask.host);
        let sending = Sending::own(&ask.host, timeout);
        Ok(site.origins.send(Box::new(request), sending, None).await?.response)
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
                None => self.crawler_of(site, store.clone()),
            };
            crawlers.insert(name.clone(), crawler);
        }
        running.crawlers = crawlers;
    }

    fn crawler_of(&self, site: &Site, store: Store) -> Arc<Crawler> {
        let fetch = ByOrigins::new(self.proxy.clone(), site.config.name.clone());
        let (config, visits, seats) = (site.config.clone(), site.visits.clone(), self.parts.seats.clone());
        if let Some(regions) = &self.regions {
            // an instance that others crawl for has no snapshot at first, and no folder that could be missed
            let folder = regions.state_dir.join(SNAPSHOTS).join(&*site.config.name);
            tasks::detached(tasks::blocking(move || disk::ensure_dir(&folder)));
        }
        let leave =
            self.regions.as_ref().map_or_else(Leave::always, |regions| regions.leave(&site.config.name));
        Arc::new(Crawler::start(config, Arc::new(fetch), (store, visits), seats, leave))
    }
}

/// Takes one snapshot without a running instance: for the command line. The origins are those of the configuration.
///
/// # Errors
/// Why it could not even be begun, in words.
pub async fn crawl_once(config: &Config, site: &str, progress: &Progress) -> Result<Ended, String> {
    let wanted = config.sites.iter().find(|wanted| &*wanted.name == site);
    let wanted = wanted.ok_or_else(|| format!("there is no site \"{site}\""))?.clone();
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let parts = Parts {
        metrics,
        cache: Cache::new(0),
        hot: Hot::new(0),
        room: BufferRoom::default(),
        seats: Seats::within(u64::MAX),
        garbage: Arc::new(Garbage::new(&config.state_dir, clock::now().mono)),
    };
    // Where there is nothing to write to, there is nothing to ask for.
    let (dir, name) = (config.state_dir.clone(), wanted.name.clone());
    let store =
        crate::tasks::blocking(move || Store::open(&dir, &name)).await.ok_or("the program is ending")?;
    let store = store.map_err(|error| {
        format!("the state directory {} cannot be used: {}", config.state_dir.display(), chain(&error))
    })?;
    let only = Config { sites: vec![wanted.clone()], ..config.clone() };
    let tools = build::tools(&only);
    let sites = build::sites(&only, &tools, &parts, None).await;
    let visits = sites.first().map(|site| site.visits.clone());
    let table = Table::new(sites, Vec::new(), &[], &config.limits);
    // a crawl sends no form
    let intake = Arc::new(Intake::open(&config.state_dir.join("none"), config.forms.clone()));
    let proxy = Proxy::new(table, AccessLog::off(), Spool::in_memory(), intake);
    let fetch = ByOrigins::new(proxy, wanted.name.clone());
    let result = crate::crawl::take(&wanted, &fetch, &store, visits.as_ref(), progress, clock::now()).await;
    Ok(Ended { at: clock::now().wall, result })
}
