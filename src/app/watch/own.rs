//! What is watched of the machine: the room on its disk, and its clock.

use std::collections::BTreeMap;
use std::time::Duration;

use super::App;
use crate::clock::Now;
use crate::disk;
use crate::failure::Cause;
use crate::watch::deadline::DAY;
use crate::watch::ledger;
use crate::watch::room::{self, Filling, Sample};
use crate::watch::skew;

/// Readings of other clocks that are older say nothing of today.
const CLOCK_HOLDS: Duration = Duration::from_secs(6 * 3600);
/// Clocks that are read.
const MOST_SOURCES: usize = 128;

impl App {
    /// What is wrong with the machine, or will be.
    pub(super) fn own_warnings(&self, now: Now) -> Vec<(Cause, String)> {
        let disk = self.disk_warning(now);
        let clock = skew::wrong(&self.clocks(now)).map(|ahead| {
            let word = if ahead > 0 { "ahead" } else { "behind" };
            let by = humantime::format_duration(Duration::from_secs(ahead.unsigned_abs()));
            (Cause::ClockWrong, format!("it is {by} {word} of what other servers say"))
        });
        disk.into_iter().chain(clock).collect()
    }

    fn disk_warning(&self, now: Now) -> Option<(Cause, String)> {
        let dir = self.fixed.state_dir();
        let found = disk::room(dir).ok()?;
        let day = now.unix() / DAY.as_secs();
        let disk::DiskRoom { free, size, files_free, files } = found;
        let reading = Sample { day, free, size, files_free, files };
        let mut ledger = self.watch.ledger();
        room::note(&mut ledger.disk, reading);
        let (dir, free) = (dir.display(), bytesize::ByteSize(free));
        let of = |of_files: bool| if of_files { "files (inodes)" } else { "bytes" };
        let detail = match room::filling(&ledger.disk, reading)? {
            Filling::Nearly { share, of_files } => {
                format!("{dir}: {:.1} % of the {} are free ({free})", share * 100.0, of(of_files))
            }
            Filling::In { days, of_files } => {
                format!(
                    "{dir}: no {} left in {} days if it goes on like this ({free} free)",
                    of(of_files),
                    days.ceil()
                )
            }
        };
        Some((Cause::DiskFilling, detail))
    }

    /// By how many seconds our clock is ahead of others, one reading of each domain: what is behind two names of one domain is
    /// likely to be one machine.
    fn clocks(&self, now: Now) -> Vec<i64> {
        let registries = super::lock(&self.watch.registries).clone();
        let dated = registries.map(|registries| registries.dated()).unwrap_or_default();
        let seconds = |time| i64::try_from(ledger::seconds(time)).unwrap_or_default();
        let of_registries = dated.into_iter().filter(|(_, (_, ours))| holds(*ours, now));
        let mut ahead: BTreeMap<String, i64> = of_registries
            .map(|(host, (theirs, ours))| (host, seconds(ours.wall) - seconds(theirs)))
            .collect();
        let of_hosts = self.watch.ledger().hosts.clone();
        let table = self.table();
        let origins = table.sites.iter().flat_map(|site| site.origins.members());
        let readings = origins.filter_map(|member| {
            let reading = member.origin.clock_ahead(now)?;
            let host = &member.origin.identity.url.host;
            Some((of_hosts.get(host).unwrap_or(host).clone(), reading))
        });
        for (source, reading) in readings {
            if ahead.len() < MOST_SOURCES {
                ahead.entry(source).or_insert(reading);
            }
        }
        ahead.into_values().collect()
    }
}

/// Whether a reading of another clock that was taken then says something of today: not after ours was set.
fn holds(then: Now, now: Now) -> bool {
    now.mono.saturating_duration_since(then.mono) < CLOCK_HOLDS && now.runs_on_from(then)
}
