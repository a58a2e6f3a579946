//! The days of each site: read off its origins, kept over a restart, compared.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{App, Days, lock};
use crate::clock::{self, Now};
use crate::origin::Tallied;
use crate::proxy::Site;
use crate::watch::deadline::DAY;
use crate::watch::ledger::FOLDER;
use crate::watch::trend::{self, Day, DayBook};
use crate::{disk, tasks};

/// How often the origins' counters are read.
const READ: Duration = Duration::from_secs(60);
/// How often a site's days are written: what a kill loses at most.
pub(super) const SAVE: Duration = Duration::from_secs(3600);

impl App {
    /// A site's days up to now, with what its origins did since the last call.
    pub(super) fn days(&self, site: &Site, every: Duration, now: Now) -> Vec<Day> {
        let name = &site.config.name;
        let mut all = lock(&self.watch.days);
        let kept = all.entry(name.clone()).or_insert_with(|| Days {
            book: self.read_days(name),
            is_saved: true,
            read_at: None,
        });
        if kept.read_at.is_none_or(|at| now.mono.saturating_duration_since(at) >= READ.min(every)) {
            kept.read_at = Some(now.mono);
            let mut sum = Tallied::default();
            site.origins.members().iter().for_each(|member| member.origin.move_tally(&mut sum));
            let coverage = self.known_coverage(site).share;
            if sum != Tallied::default() || coverage.is_some() {
                kept.is_saved = false;
                kept.book.note(now.unix() / DAY.as_secs(), &sum, coverage);
            }
        }
        kept.book.days.clone()
    }

    fn read_days(&self, site: &str) -> DayBook {
        let file = self.file_of_days(site);
        let read = match std::fs::read(&file) {
            Ok(text) => trend::decode(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(DayBook::default()),
            Err(error) => Err(error.to_string()),
        };
        let tell = |error: &String| {
            tracing::warn!(site, error, "the days of the site cannot be read, beginning anew")
        };
        read.inspect_err(tell).unwrap_or_default()
    }

    fn file_of_days(&self, site: &str) -> PathBuf {
        self.fixed.state_dir().join(FOLDER).join("days").join(site)
    }

    /// Writes the days of the sites that have news. Without a sync: a power cut costs no more than a kill.
    pub(in crate::app) async fn save_days(&self) {
        let now = clock::now();
        for site in &self.table().sites {
            // with what has happened since the counters were read
            self.days(site, Duration::ZERO, now);
        }
        let due: Vec<(Arc<str>, DayBook)> = {
            let mut all = lock(&self.watch.days);
            let table = self.table();
            all.retain(|name, _| table.named(name).is_some());
            let due = all.iter_mut().filter(|(_, kept)| !kept.is_saved);
            due.map(|(name, kept)| {
                kept.is_saved = true;
                (name.clone(), kept.book.clone())
            })
            .collect()
        };
        if due.is_empty() {
            return;
        }
        let folder = self.fixed.state_dir().join(FOLDER).join("days");
        let write = move || {
            disk::ensure_dir(&folder)?;
            due.iter().try_for_each(|(name, book)| {
                let mut staged = disk::StagedFile::create(&folder)?;
                staged.write_all(&trend::encode(book))?;
                staged.place(&folder.join(&**name))
            })
        };
        if let Some(Err(error)) = tasks::blocking(write).await {
            tracing::debug!(%error, "the days of the sites cannot be written, a restart loses the last hour");
        }
    }
}
