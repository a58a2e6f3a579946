//! What instances tell of themselves, every few seconds, in an object each; and what follows from all of them together: who is
//! silent, and which site one of them reaches and another does not. No two clocks are compared: ages are differences of times of
//! the store's own.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::layout;
use super::signature::{Signed, Signer};

/// How often an instance says that it lives.
pub const BEAT: Duration = Duration::from_secs(15);
/// Who has not been heard for so long is silent.
pub const SILENT: Duration = Duration::from_secs(60);
/// Who has not been heard for so long is forgotten.
pub const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);
/// Who has said that it ends is forgotten after so long.
pub const FORGOTTEN_STOPPED: Duration = Duration::from_secs(3600);
/// What the word of an instance may be: that of a thousand sites is a quarter of it.
pub const MOST: u64 = 1 << 20;
/// What a name or a place may be, in characters: anybody who can write to the store can write them.
const WORD: usize = 100;
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
    /// How many more it has, of which there was no room to tell.
    #[serde(default)]
    pub sites_untold: usize,
}

impl Heartbeat {
    /// The object, as it fits, signed if there is a key.
    pub fn written(&self, signer: &Signer) -> Bytes {
        let (mut beat, name) = (self.clone(), layout::instance(&self.name));
        loop {
            let bytes = signer.seal(Signed::Instance(&name), &beat).unwrap_or_default();
            if bytes.len() as u64 <= MOST || beat.sites.is_empty() {
                return bytes;
            }
            let kept = beat.sites.len() / 2;
            beat.sites_untold += beat.sites.len() - kept;
            beat.sites.truncate(kept);
        }
    }

    /// What lies under the name of an instance; `None`: it is nobody's word, or not that one's. Without a key anybody may have
    /// written it: what people see of it is cut, and has no signs that a terminal obeys.
    pub fn read(name: &str, bytes: &[u8], signer: &Signer) -> Option<Heartbeat> {
        let mut beat: Heartbeat = signer.open(Signed::Instance(name), bytes).ok()?;
        if layout::instance(&beat.name) != name {
            return None;
        }
        for word in [
            &mut beat.id,
            &mut beat.run,
            &mut beat.name,
            &mut beat.place,
            &mut beat.katahai,
            &mut beat.at,
            &mut beat.started,
            &mut beat.lease,
        ] {
            shorten(word);
        }
        for site in &mut beat.sites {
            // a site may be called by a whole host name
            let more = [&mut site.cause, &mut site.snapshot, &mut site.taken_at, &mut site.origins];
            more.into_iter().flatten().for_each(shorten);
            [&mut site.state, &mut site.mode].into_iter().for_each(shorten);
            if site.name.chars().count() > NAME || site.name.chars().any(char::is_control) {
                return None;
            }
        }
        Some(beat)
    }
}

/// What the name of a site may be, in characters.
const NAME: usize = 255;

fn shorten(word: &mut String) {
    if word.chars().count() > WORD || word.chars().any(is_odd) {
        *word = word.chars().filter(|c| !is_odd(*c)).take(WORD).collect();
    }
}

/// Whether a sign moves others about, as those for text that runs from right to left do.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
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
    /// Whether it lives and has no such site.
    pub fn leaves_out(&self, site: &str) -> bool {
        let is_told = self.beat.sites_untold == 0 && !self.beat.sites.iter().any(|told| told.name == site);
        is_told && self.life() == Life::Heard
    }

    /// Whether it is gone for good.
    pub fn is_gone(&self) -> bool {
        self.age > if self.beat.stopped { FORGOTTEN_STOPPED } else { FORGOTTEN }
    }

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

    #[test]
    fn what_anybody_may_have_written_is_cut_and_under_another_name_is_nobodys() {
        let beat = |name: &str, place: &str| Heartbeat {
            name: name.to_owned(),
            place: place.to_owned(),
            ..Heartbeat::default()
        };
        let none = Signer::default();
        let read =
            |at: &str, beat: &Heartbeat| Heartbeat::read(&layout::instance(at), &beat.written(&none), &none);
        assert_eq!(read("osaka", &beat("osaka", "Osaka")), Some(beat("osaka", "Osaka")));
        assert_eq!(read("osaka", &beat("tokyo", "Osaka")), None);
        assert_eq!(Heartbeat::read("instances/osaka.json", b"{}", &none), None);
        let cut = read("osaka", &beat("osaka", &format!("\u{1b}[2J\u{202e}{}", "a".repeat(200)))).unwrap();
        assert_eq!(cut.place, format!("[2J{}", "a".repeat(97)));
        let site = |name: &str| Heartbeat {
            sites: vec![SiteBeat { name: name.to_owned(), ..SiteBeat::default() }],
            ..beat("osaka", "Osaka")
        };
        assert!(read("osaka", &site("shop")).is_some() && read("osaka", &site("a\nb")).is_none());
        let many = Heartbeat { sites: vec![site("shop").sites[0].clone(); 20_000], ..beat("osaka", "Osaka") };
        let fits = Heartbeat::read("instances/osaka.json", &many.written(&none), &none).unwrap();
        assert!(many.written(&none).len() as u64 <= MOST);
        assert_eq!(fits.sites.len() + fits.sites_untold, 20_000);
        let heard = |beat| Heard { beat, age: Duration::ZERO };
        assert!(!heard(fits).leaves_out("blog"), "it may be among the others");
        assert!(heard(site("shop")).leaves_out("blog") && !heard(site("shop")).leaves_out("shop"));
        assert!(!Heard { age: SILENT, ..heard(site("shop")) }.leaves_out("blog"));
    }

    #[test]
    fn with_a_key_nobody_else_speaks_for_an_instance() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store.key");
        let line = crate::forms::Keys::new_line().unwrap();
        crate::disk::write_new_private(&file, line.as_bytes()).unwrap();
        let signer = Signer::new(&crate::forms::Keys::read(&file).unwrap());
        let beat = Heartbeat { name: "osaka".to_owned(), ..Heartbeat::default() };
        let read = |name: &str, bytes: &[u8]| Heartbeat::read(name, bytes, &signer);
        assert_eq!(read("instances/osaka.json", &beat.written(&signer)), Some(beat.clone()));
        assert_eq!(read("instances/osaka.json", &beat.written(&Signer::default())), None);
        assert_eq!(read("instances/tokyo.json", &beat.written(&signer)), None);
    }

    #[test]
    fn who_has_ended_is_forgotten_before_who_is_silent() {
        for (age, stopped, gone) in [
            (FORGOTTEN_STOPPED, true, false),
            (FORGOTTEN_STOPPED * 2, true, true),
            (FORGOTTEN_STOPPED * 2, false, false),
            (FORGOTTEN * 2, false, true),
        ] {
            let beat = Heartbeat { stopped, ..Heartbeat::default() };
            assert_eq!(Heard { beat, age }.is_gone(), gone, "{age:?} {stopped}");
        }
    }
}
