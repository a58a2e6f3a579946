//! The histories of the running sites on the disk: what visitors get is written once a minute, what was counted
//! every ten, that nothing is new once an hour,
//! and at most some files a second.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::history::History;
use crate::proxy::{Proxy, Site, Table};
use crate::tasks;

/// From one look to the next.
const LOOK: Duration = Duration::from_secs(1);
/// Files that one look writes: of ten thousand sites with visitors each comes its turn every few minutes.
const AT_ONCE: usize = 64;
/// How long the end of the process waits for them.
const FAREWELL: Duration = Duration::from_secs(5);

/// Looks after them, as long as somebody wants it to.
pub(super) async fn keep(proxy: Proxy) {
    let mut failed = HashSet::new();
    let mut turn = 0_usize;
    loop {
        tokio::time::sleep(LOOK).await;
        let (table, now) = (proxy.table(), clock::instant());
        let sites = table.sites.len();
        let due: Vec<Arc<History>> = (0..sites)
            .map(|step| &table.sites[(turn + step) % sites])
            .filter(|site| site.history.is_due(now))
            .map(|site| site.history.clone())
            .take(AT_ONCE)
            .collect();
        if due.len() == AT_ONCE {
            turn = turn.wrapping_add(AT_ONCE) % sites; // the next look begins elsewhere
        }
        for history in due {
            save(history, now, &mut failed).await;
        }
        failed.retain(|name: &String| table.named(name).is_some());
    }
}

/// Writes what is news of all sites, for the last time; what does not get its turn in time has lost a minute.
pub(super) async fn save_all(table: &Table) {
    let news = |site: &&Arc<Site>| site.history.has_news();
    let histories: Vec<Arc<History>> =
        table.sites.iter().filter(news).map(|site| site.history.clone()).collect();
    let end = clock::instant() + FAREWELL;
    let mut failed = HashSet::new();
    for history in histories {
        let now = clock::instant();
        if now >= end {
            tracing::warn!("the last minute of some sites' histories was not written");
            return;
        }
        save(history, now, &mut failed).await;
    }
}

async fn save(history: Arc<History>, now: Instant, failed: &mut HashSet<String>) {
    let saving = history.clone();
    let Some(saved) = tasks::blocking(move || saving.save(now)).await else { return };
    let site = history.site();
    match saved {
        Ok(()) => drop(failed.remove(site)),
        Err(error) => {
            // a full disk is one piece of news, however many sites there are
            if failed.is_empty() {
                tracing::warn!(site, %error, "a site's history cannot be written, a restart would lose it");
            }
            failed.insert(site.to_owned());
        }
    }
}
