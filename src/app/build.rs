//! Sites from their configuration, with the engines of those that run already.

use crate::failure::chain;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;

use super::Parts;
use crate::config::Config;
use crate::config::ready;
use crate::history::History;
use crate::http::loops::Instance;
use crate::origin::dns::Resolver;
use crate::origin::{FirstChecks, Judge, Origins, Room, Tools, Trust};
use crate::page_health::PageHealth;
use crate::proxy::{KnownGood, Mirror, Site, SiteJudge, Switch, Table};
use crate::snapshot::{Garbage, Store};
use crate::tasks;
use crate::visits::Visits;
use crate::{clock, descriptors};

/// Sites whose files are opened at the same time.
const OPENED_AT_ONCE: usize = 16;

/// What the origins of this configuration share.
pub(super) fn tools(config: &Config) -> Tools {
    Tools {
        resolver: Resolver::new(config.dns.clone()),
        client_tls: |ca, pins| {
            let (config, pinned) = crate::tls::pinned_config(ca, pins).map_err(|error| chain(&error))?;
            let dated = pinned.clone();
            Ok(Trust {
                config,
                odd: Arc::new(move || pinned.odd()),
                ends: Arc::new(move |now| {
                    dated.validity().map(|validity| super::certificates::ends(validity, now))
                }),
            })
        },
        header_size: config.limits.header_size,
        in_flight: config.limits.in_flight_per_origin,
        instance: Instance::new(),
        first: FirstChecks::default(),
        room: Room::new(descriptors::limit()),
    }
}

/// The same tools if they would be made the same again.
pub(super) fn same_tools(old: &Tools, config: &Config) -> Tools {
    let same = old.resolver.settings() == &config.dns
        && old.header_size == config.limits.header_size
        && old.in_flight == config.limits.in_flight_per_origin;
    if same {
        return old.clone();
    }
    Tools {
        instance: old.instance.clone(),
        first: old.first.clone(),
        room: old.room.clone(),
        ..tools(config)
    }
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
    for (wanted, opened) in config.sites.iter().zip(opened) {
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
        let Opened { mirror, visits, page_health, history } = opened;
        let judge = SiteJudge::new(wanted.clone(), mirror.clone(), page_health.clone());
        let judge: Arc<dyn Judge> = Arc::new(judge);
        sites.push(Arc::new(Site {
            config: wanted.clone(),
            origins: Origins::new(wanted, tools, origins, &judge),
            cache: parts.cache.site(&wanted.name),
            mirror,
            visits,
            page_health,
            history,
            vouch: old.map_or_else(Arc::default, |(old, _)| old.vouch.clone()),
            known_good: KnownGood::default(),
            room: parts.room.clone(),
            metrics: old
                .map_or_else(|| Arc::new(parts.metrics.site(&wanted.name)), |(old, _)| old.metrics.clone()),
            switch: old.map_or_else(|| Arc::new(Switch::default()), |(old, _)| old.switch.clone()),
        }));
    }
    sites
}

/// What a site has on the disk.
struct Opened {
    mirror: Arc<Mirror>,
    visits: Arc<Visits>,
    page_health: Arc<PageHealth>,
    history: Arc<History>,
}

/// Opens it. That waits for the disk, and there may be thousands of sites: so several at once, each with one change of threads.
async fn open(state_dir: &Path, wanted: &ready::Site, parts: &Parts, old: Option<&Arc<Site>>) -> Opened {
    if let Some(old) = old.filter(|old| old.mirror.store().is_some()) {
        return Opened {
            mirror: old.mirror.clone(),
            visits: old.visits.clone(),
            page_health: old.page_health.clone(),
            history: old.history.clone(),
        };
    }
    let known = old.map(|old| (old.visits.clone(), old.page_health.clone(), old.history.clone()));
    let (dir, name) = (state_dir.to_owned(), wanted.name.clone());
    let garbage = parts.garbage.clone();
    let opened = tasks::blocking(move || {
        let (visits, page_health, history) = known.unwrap_or_else(|| {
            let page_health = PageHealth::open(&dir, &name, clock::now());
            let visits = Visits::open(&dir, &name);
            (Arc::new(visits), Arc::new(page_health), Arc::new(History::open(&dir, &name)))
        });
        (store(&dir, &name, &garbage), visits, page_health, history)
    });
    let unopened = || {
        let visits = Arc::new(Visits::new(state_dir, &wanted.name));
        (None, visits, Arc::default(), Arc::new(History::new(state_dir, &wanted.name)))
    };
    let (store, visits, page_health, history) = opened.await.unwrap_or_else(unopened);
    Opened {
        mirror: Arc::new(Mirror::new(wanted.name.clone(), store, parts.hot.clone())),
        visits,
        page_health,
        history,
    }
}

/// A site's snapshots. A state directory that cannot be used costs the copies, not the site. Blocks.
fn store(state_dir: &Path, site: &str, garbage: &Arc<Garbage>) -> Option<Store> {
    let opened = Store::open_among(state_dir, site, garbage);
    opened.inspect_err(|error| {
        tracing::error!(site, dir = %state_dir.display(), error = chain(error), "state directory cannot be used, serving without snapshots");
    }).ok()
}
