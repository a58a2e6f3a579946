//! What instances tell of themselves, every few seconds, in an object each; and what follows from all of them together: who is
//! silent, and which site one of them reaches and another does not. No two clocks are compared: ages are differences of times of
//! the store's own.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// How often an instance says that it lives.
pub const BEAT: Duration = Duration::from_secs(10);
/// Who has not been heard for so long is silent.
pub const SILENT: Duration = Duration::from_secs(60);
/// Who has not been heard for so long is forgotten.
pub const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);
/// Rounds in which another process has written under this instance's name, until that is told. One may be the end of the process
/// before.
const ALIKE: u32 = 2;

/// What an instance tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Of this format.
    pub version: u32,
    /// Drawn once, and kept in its state directory.
    pub id: String,
    /// Drawn at its start.
    pub run: String,
    /// Its name.
    pub name: String,
    /// Where it is, for people.
    pub place: String,
    /// Of Katahai.
    pub katahai: String,
    /// When this was written, by its own clock: for people.
    pub at: String,
    /// When it was started, by its own clock.
    pub started: String,
    /// How it stands towards the lease: `holds`, `follows`, `free`, `alone`, `unknown`.
    pub lease: String,
    /// Of the lease, where it holds it or follows somebody.
    pub epoch: Option<u64>,
    /// Whether it may crawl at all.
    pub crawls: bool,
    /// It has ended by itself.
    pub stopped: bool,
    /// Its sites.
    pub sites: Vec<SiteBeat>,
}

/// What it tells of one site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteBeat {
    /// Its name.
    pub name: String,
    /// `unproven`, `up`, `degraded`, `down` or `recovering`.
    pub state: String,
    /// Why it is not well: the code.
    pub cause: Option<String>,
    /// `auto`, `hold_origin` or `hold_snapshot`.
    pub mode: String,
    /// The snapshot in service.
    pub snapshot: Option<String>,
    /// When that was taken, RFC 3339.
    pub taken_at: Option<String>,
    /// Which version of the shared list of origins it runs.
    pub origins: Option<String>,
    /// Seconds since when this instance and the store do not say the same; 0: they do.
    #[serde(default)]
    pub lag_s: u64,
}

/// Another instance as it was last heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What it said.
    pub beat: Heartbeat,
    /// How long that had lain in the store when it was last looked.
    pub age: Duration,
}

/// How another instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// It is heard.
    Heard,
    /// It is not.
    Silent,
    /// It has said that it ends.
    Stopped,
}

impl Heard {
    /// How it is, `since` after it was last looked.
    pub fn life(&self) -> Life {
        match self.beat.stopped {
            true => Life::Stopped,
            false if self.age >= SILENT => Life::Silent,
            false => Life::Heard,
        }
    }
}

/// How old an object is that was written at `written`, if the newest of all was written at `newest`: by the store's own clock
/// both, whose seconds may be whole.
pub fn age(newest: SystemTime, written: SystemTime) -> Duration {
    newest.duration_since(written).unwrap_or_default()
}

/// From where a site is reached, and from where it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Split {
    /// The places that reach it.
    pub reached: Vec<String>,
    /// Those that do not.
    pub not_reached: Vec<String>,
}

/// The sites that some of the living instances reach and others do not.
pub fn splits<'a>(alive: impl Iterator<Item = &'a Heartbeat>) -> BTreeMap<String, Split> {
    let mut found: BTreeMap<String, Split> = BTreeMap::new();
    for beat in alive {
        for site in &beat.sites {
            let none = || Split { reached: Vec::new(), not_reached: Vec::new() };
            let places = match &*site.state {
                "up" | "degraded" | "recovering" => {
                    &mut found.entry(site.name.clone()).or_insert_with(none).reached
                }
                "down" => &mut found.entry(site.name.clone()).or_insert_with(none).not_reached,
                _ => continue,
            };
            places.push(beat.place.clone());
        }
    }
    found.retain(|_, split| !split.reached.is_empty() && !split.not_reached.is_empty());
    for split in found.values_mut() {
        for places in [&mut split.reached, &mut split.not_reached] {
            places.sort();
            places.dedup();
        }
    }
    found
}

/// Whether another instance lives under the same name: it writes over what this one has written, again and again.
#[derive(Debug, Default)]
pub struct Namesake(u32);

impl Namesake {
    /// What was found under the own name, after this process had written there. Returns whether there are two.
    pub fn seen(&mut self, own_run: &str, found: Option<&Heartbeat>) -> bool {
        let is_other = found.is_some_and(|beat| beat.run != own_run && !beat.stopped);
        self.0 = if is_other { self.0.saturating_add(1) } else { 0 };
        self.0 >= ALIKE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(place: &str, sites: &[(&str, &str)]) -> Heartbeat {
        let site = |(name, state): &(&str, &str)| SiteBeat {
            name: (*name).to_owned(),
            state: (*state).to_owned(),
            ..SiteBeat::default()
        };
        Heartbeat { place: place.to_owned(), sites: sites.iter().map(site).collect(), ..Heartbeat::default() }
    }

    #[test]
    fn a_site_that_one_reaches_and_another_does_not_is_told() {
        let split = |reached: &[&str], not: &[&str]| {
            let of = |places: &[&str]| places.iter().map(|place| (*place).to_owned()).collect();
            Some(Split { reached: of(reached), not_reached: of(not) })
        };
        for (osaka, tokyo, paris, expected) in [
            ("up", "up", "up", None),
            ("down", "down", "down", None),
            ("up", "unproven", "unproven", None),
            ("up", "down", "unproven", split(&["osaka"], &["tokyo"])),
            ("degraded", "down", "recovering", split(&["osaka", "paris"], &["tokyo"])),
            ("down", "down", "up", split(&["paris"], &["osaka", "tokyo"])),
            ("something new", "down", "up", split(&["paris"], &["tokyo"])),
        ] {
            let all = [
                beat("tokyo", &[("shop", tokyo)]),
                beat("osaka", &[("shop", osaka), ("other", "up")]),
                beat("paris", &[("shop", paris)]),
            ];
            let found = splits(all.iter());
            assert_eq!(found.get("shop").cloned(), expected, "{osaka} {tokyo} {paris}");
            assert!(!found.contains_key("other"));
        }
    }

    #[test]
    fn who_is_not_heard_is_silent_unless_he_said_that_he_ends() {
        let heard = |seconds, stopped| Heard {
            beat: Heartbeat { stopped, ..Heartbeat::default() },
            age: Duration::from_secs(seconds),
        };
        for (seconds, stopped, life) in [
            (0, false, Life::Heard),
            (59, false, Life::Heard),
            (60, false, Life::Silent),
            (0, true, Life::Stopped),
            (600, true, Life::Stopped),
        ] {
            assert_eq!(heard(seconds, stopped).life(), life, "{seconds} {stopped}");
        }
        let now = SystemTime::UNIX_EPOCH + SILENT;
        assert_eq!(age(now, SystemTime::UNIX_EPOCH), SILENT);
        assert_eq!(age(SystemTime::UNIX_EPOCH, now), Duration::ZERO);
    }

    #[test]
    fn two_under_one_name_are_told_and_a_restart_is_not() {
        let of = |run: &str, stopped| Heartbeat { run: run.to_owned(), stopped, ..Heartbeat::default() };
        let (own, other, ended) = (of("a", false), of("b", false), of("b", true));
        let mut namesake = Namesake::default();
        for (found, told) in [
            (Some(&other), false),
            (Some(&own), false),
            (Some(&other), false),
            (Some(&other), true),
            (Some(&other), true),
            (Some(&ended), false),
            (None, false),
        ] {
            assert_eq!(namesake.seen("a", found), told, "{found:?}");
        }
    }
}
