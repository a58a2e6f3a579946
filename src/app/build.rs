//! Sites from their configuration, with the engines of those that run already.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;

use super::Parts;
use crate::clock;
use crate::config::Config;
use crate::config::ready;
use crate::http::hops::Instance;
use crate::origin::dns::Resolver;
use crate::origin::{Judge, Origins, Tools, Trust};
use crate::proxy::{Mirror, Site, SiteJudge, Switch, Table, Tender, Trusted};
use crate::snapshot::Store;
use crate::tasks;
use crate::visits::Visits;
use crate::watch::Watch;

/// Sites whose files are opened at the same time.
const OPENED_AT_ONCE: usize = 16;

/// What the origins of this configuration share.
pub(super) fn tools(config: &Config) -> Tools {
    Tools {
        resolver: Resolver::new(config.dns.clone()),
        client_tls: |ca, pins| {
            let (config, pinned) =
                crate::tls::pinned_config(ca, pins).map_err(|error| super::chain(&error))?;
            Ok(Trust { config, odd: Arc::new(move || pinned.odd()) })
        },
        header_size: config.limits.header_size,
        in_flight: config.limits.in_flight_per_origin,
        instance: Instance::new(),
    }
}

/// The same tools if they would be made the same again.
pub(super) fn same_tools(old: &Tools, config: &Config) -> Tools {
    let same = old.resolver.settings() == &config.dns
        && old.header_size == config.limits.header_size
        && old.in_flight == config.limits.in_flight_per_origin;
    if same { old.clone() } else { Tools { instance: old.instance.clone(), ..tools(config) } }
}

/// The sites of this configuration. What `before` has of them goes on: a site that did not change as it is, a changed
/// one with its origins' health, its snapshots and its cache. `before` is not given when the tools changed.
pub(super) async fn sites(
    config: &Config,
    tools: &Tools,
    parts: &Parts,
    before: Option<(&Table, bool)>,
) -> Vec<Arc<Site>> {
    let old =
        |wanted: &ready::Site| before.and_then(|(table, same)| Some((table.named(&wanted.name)?, same)));
    let mut opened = Vec::with_capacity(config.sites.len());
    for some in config.sites.chunks(OPENED_AT_ONCE) {
        let each =
            some.iter().map(|wanted| open(&config.state_dir, wanted, parts, old(wanted).map(|(old, _)| old)));
        opened.extend(join_all(each).await);
    }
    let mut sites = Vec::with_capacity(config.sites.len());
    for (wanted, (mirror, visits)) in config.sites.iter().zip(opened) {
        let old = old(wanted);
        if let Some((old, true)) = old
            && *old.config == **wanted
            && old.origins.is_current()
            && old.mirror.store().is_some()
        {
            sites.push(old.clone());
            continue;
        }
        let origins = old.and_then(|(old, same)| same.then_some(&old.origins));
        let watch = match old {
            Some((old, _)) => old.watch.clone(),
            None => Arc::new(watch(&config.state_dir, wanted).await),
        };
        let judge = SiteJudge::new(wanted.clone(), mirror.clone(), watch.clone());
        let judge: Arc<dyn Judge> = Arc::new(judge);
        sites.push(Arc::new(Site {
            config: wanted.clone(),
            origins: Origins::new(wanted, tools, origins, &judge),
            cache: parts.cache.site(&wanted.name),
            mirror,
            visits,
            watch,
            vouch: old.map_or_else(Arc::default, |(old, _)| old.vouch.clone()),
            trusted: Trusted::default(),
            tender: Tender::default(),
            metrics: old
                .map_or_else(|| Arc::new(parts.metrics.site(&wanted.name)), |(old, _)| old.metrics.clone()),
            switch: old.map_or_else(|| Arc::new(Switch::default()), |(old, _)| old.switch.clone()),
        }));
    }
    sites
}

/// What a site has on the disk. Opening it waits for that, and there may be thousands of sites: so several at once.
async fn open(
    state_dir: &Path,
    wanted: &ready::Site,
    parts: &Parts,
    old: Option<&Arc<Site>>,
) -> (Arc<Mirror>, Arc<Visits>) {
    let visits = match old {
        Some(old) => old.visits.clone(),
        None => Arc::new(visits(state_dir, wanted).await),
    };
    let mirror = match old {
        Some(old) if old.mirror.store().is_some() => old.mirror.clone(),
        Some(_) | None => Arc::new(mirror(state_dir, wanted, parts).await),
    };
    (mirror, visits)
}

/// What a site's visitors ask for, as far as it is remembered.
async fn visits(state_dir: &Path, site: &ready::Site) -> Visits {
    let (dir, name) = (state_dir.to_owned(), site.name.clone());
    let opened = tasks::blocking(move || Visits::open(&dir, &name)).await;
    opened.unwrap_or_else(|| Visits::new(state_dir, &site.name))
}

/// What is known of a site's pages: those that it has removed.
async fn watch(state_dir: &Path, site: &ready::Site) -> Watch {
    let (dir, name) = (state_dir.to_owned(), site.name.clone());
    let opened = tasks::blocking(move || Watch::open(&dir, &name, clock::now())).await;
    opened.unwrap_or_default()
}

/// A site's snapshots. A state directory that cannot be used costs the copies, not the site.
async fn mirror(state_dir: &Path, site: &ready::Site, parts: &Parts) -> Mirror {
    let (dir, name) = (state_dir.to_owned(), site.name.clone());
    let store = match tasks::blocking(move || Store::open(&dir, &name)).await {
        Some(Ok(store)) => Some(store),
        Some(Err(error)) => {
            tracing::error!(site = %site.name, dir = %state_dir.display(), error = super::chain(&error), "state directory cannot be used, there are no snapshots");
            None
        }
        None => None,
    };
    Mirror::new(site.name.clone(), store, parts.hot.clone())
}
