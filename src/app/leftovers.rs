//! What is left of sites that the configuration has no more: their histories and days go when their incidents do.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::App;
use crate::clock;
use crate::history;
use crate::watch::ledger;
use crate::{disk, tasks};

/// Files that one look removes at most.
const AT_ONCE: usize = 1000;

impl App {
    /// Removes what was written last longer ago than incidents are kept, of sites that are gone.
    pub(super) async fn remove_leftovers(&self) {
        let (keep_for, now) = (self.config().incidents.keep_for, clock::now().wall);
        let table = self.table();
        let state_dir = self.fixed.state_dir().to_owned();
        let removed = tasks::blocking(move || {
            let is_there = |name: &str| table.named(name).is_some();
            let histories = state_dir.join(history::FOLDER);
            let of_history =
                |file: &str| file.strip_suffix(history::ENDING).is_some_and(|name| !is_there(name));
            let days = state_dir.join(ledger::FOLDER).join("days");
            let histories = remove(&histories, of_history, keep_for, now)?;
            Ok::<_, io::Error>(histories + remove(&days, |name| !is_there(name), keep_for, now)?)
        });
        match removed.await {
            Some(Ok(files @ 1..)) => {
                tracing::info!(files, "what was left of sites that are gone was removed")
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "what is left of sites that are gone cannot be removed")
            }
            Some(Ok(0)) | None => {}
        }
    }
}

/// Removes the files of a folder that are left over and old; none if even the newest is as old as that: then it is the clock.
/// Returns how many. Blocks.
fn remove(
    folder: &Path,
    is_left_over: impl Fn(&str) -> bool,
    keep_for: Duration,
    now: SystemTime,
) -> io::Result<usize> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries.flatten(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let files = entries.filter_map(|entry| {
        let found = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some((entry.file_name().into_string().ok()?, found.modified().ok()?))
    });
    let files: Vec<(String, SystemTime)> = files.collect();
    let is_old = |at: SystemTime| now.duration_since(at).is_ok_and(|age| age > keep_for);
    if files.iter().map(|(_, at)| *at).max().is_none_or(is_old) {
        return Ok(0);
    }
    let old = files.iter().filter(|(name, at)| is_left_over(name) && is_old(*at));
    let mut removed = 0;
    for (name, _) in old.take(AT_ONCE) {
        disk::remove_file(&folder.join(name))?;
        removed += 1;
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_site_goes_when_its_time_is_over_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let now = clock::now().wall;
        let day = Duration::from_secs(86_400);
        for (name, age) in [("gone", 40), ("gone-lately", 20), ("shop", 40), ("fresh", 0)] {
            let file = dir.path().join(name);
            disk::write_atomic(&file, b"x").unwrap();
            std::fs::File::open(&file).unwrap().set_modified(now - day * age).unwrap();
        }
        let names = || {
            let mut names: Vec<String> = std::fs::read_dir(dir.path())
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        let is_left_over = |name: &str| name.starts_with("gone");
        assert_eq!(remove(dir.path(), is_left_over, 120 * day, now + 90 * day).unwrap(), 1);
        assert_eq!(names(), ["fresh", "gone-lately", "shop"]);
        assert_eq!(
            remove(dir.path(), is_left_over, 30 * day, now + 9000 * day).unwrap(),
            0,
            "that is the clock"
        );
        assert_eq!(remove(dir.path(), is_left_over, 30 * day, now + 20 * day).unwrap(), 1);
        assert_eq!(remove(&dir.path().join("none"), is_left_over, day, now).unwrap(), 0);
    }
}
