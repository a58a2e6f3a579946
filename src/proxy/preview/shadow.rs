//! A site as it is shown in a preview: with its copies, without origins, and with nothing that remembers visitors.

use std::sync::Arc;
use std::time::SystemTime;

use crate::drill::Preview;
use crate::failover::Mode;
use crate::proxy::site::{Site, Switch};
use crate::tasks;
use crate::visits::Visits;

/// The shadow of a site, for one request.
pub(super) struct Shadow {
    pub(super) site: Arc<Site>,
    /// How it answers: from whatever copies there are, or from the chosen snapshot alone.
    pub(super) mode: Mode,
    /// Whether a snapshot was chosen.
    pub(super) is_chosen: bool,
    /// Whether the snapshot that it shows is the one in service.
    pub(super) is_current: bool,
    /// When that was taken; `None`: there is none.
    pub(super) taken_at: Option<SystemTime>,
}

impl Shadow {
    /// The shadow for this preview; `None` if the snapshot is not there, or no longer.
    pub(super) async fn of(site: &Arc<Site>, preview: &Preview) -> Option<Shadow> {
        let current = site.mirror.current();
        let (mirror, mode) = match preview.snapshot {
            None => (site.mirror.clone(), Mode::Auto),
            Some(id) => {
                let store = site.mirror.store()?.clone();
                let snapshot = tasks::blocking(move || store.get(&id)).await??;
                (Arc::new(site.mirror.pinned(snapshot)), Mode::HoldSnapshot)
            }
        };
        let switch = Switch::default();
        switch.set(mode, None, "", crate::clock::now());
        let shown = mirror.current();
        let id = |snapshot: &Option<Arc<crate::snapshot::Snapshot>>| snapshot.as_ref().map(|one| one.id());
        Some(Shadow {
            is_current: id(&shown) == id(&current),
            taken_at: shown.map(|snapshot| snapshot.summary().taken_at),
            is_chosen: preview.snapshot.is_some(),
            mode,
            site: Arc::new(Site {
                config: site.config.clone(),
                origins: site.origins.none_of_them(),
                cache: site.cache.clone(),
                mirror,
                // nobody writes it to the disk
                visits: Arc::new(Visits::new("".as_ref(), &site.config.name)),
                page_health: site.page_health.clone(),
                known_good: crate::proxy::KnownGood::default(),
                room: site.room.clone(),
                vouch: site.vouch.clone(),
                history: site.history.clone(),
                metrics: site.metrics.clone(),
                switch: Arc::new(switch),
            }),
        })
    }
}
