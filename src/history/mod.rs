//! What became of a site, minute by minute for a day and day by day for a year: requests by their rung, how long visitors
//! got what, the most requests of a second, how long the live site took, and its outages. Pure but for one small file a site,
//! which is read at the start and written now and then; without it nothing else changes.

mod days;
mod file;
mod gets;
mod latency;
mod minutes;
mod outages;
mod shown;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::disk;
use crate::metrics::{ServedFrom, Totals};
use days::{Days, SECONDS};
pub use gets::Gets;
use latency::{BUCKETS, Latencies, bucket};
use minutes::{Minutes, took};
pub use outages::Outage;
use outages::Outages;
pub use shown::{DayBar, LastDay, LastDays};

/// Below the state directory.
pub const FOLDER: &str = "history";
/// How the files in it end.
pub const ENDING: &str = ".history";
/// A longer time between two looks is not known to have been like its end: the process stood still.
const GAP: Duration = Duration::from_secs(60);
/// Without a look for so long, in seconds, an outage is not known to have gone on: Katahai did not run.
const AWAY: u64 = 300;
/// A clock that says another day than the newest one or the next has to say so for this long before it is believed.
const BELIEVED: Duration = Duration::from_secs(600);
/// Another thing that visitors get is written after this time, and an outage that goes on as often.
const SAVE: Duration = Duration::from_secs(60);
/// What was counted is written after this time.
const SAVE_COUNTS: Duration = Duration::from_secs(600);
/// That a site was well and nobody came is written after this time.
const SAVE_QUIET: Duration = Duration::from_secs(3600);

/// The most requests that there ever were in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// How many.
    pub peak: u32,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// What is on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    record: Record,
    minutes: Minutes,
    days: Days,
    outages: Outages,
    /// The last look, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noted: Option<u64>,
    /// How long the live site took on the newest day; `None` if it was not asked.
    took: Option<Box<(u32, Latencies)>>,
}

impl Kept {
    fn is_sound(&self) -> bool {
        self.minutes.is_sound() && self.days.is_sound() && self.outages.0.len() <= 1000
    }
}

/// What is not yet on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unsaved {
    Nothing,
    /// That time went by.
    Time,
    /// Requests.
    Counts,
    /// Another thing that visitors get.
    News,
}

struct State {
    kept: Kept,
    gets: Gets,
    /// Until when time was counted, and the counters then.
    counted: Option<(Instant, Totals)>,
    /// The minute that is not over, and how long the live site took in it.
    open: Option<Box<(u32, Latencies)>>,
    unsaved: Unsaved,
    saved: Option<Instant>,
    /// Since when the clock is far from what is kept.
    astray: Option<Instant>,
}

/// The history of one site. Whoever has answered a visitor adds to it without waiting.
pub struct History {
    site: String,
    file: PathBuf,
    /// What could not be read, and may be whole, is not written over.
    may_write: bool,
    state: Mutex<State>,
    /// How long the live site took, since the last look; made with the first answer.
    took: OnceLock<Box<[AtomicU64; BUCKETS]>>,
}

impl History {
    /// What the disk remembers of `site`. What is damaged is set aside, and a new history begins; what is whole but cannot be
    /// read now (an error of the disk, a later version's) stays as it is, and this process writes nothing. Blocks.
    pub fn open(state_dir: &Path, site: &str) -> History {
        let mut history = History::new(state_dir, site);
        match read(&history.file) {
            Ok(Some(kept)) => history.state().kept = kept,
            Ok(None) => {}
            Err(NotRead::Kept(error)) => {
                history.may_write = false;
                let file = history.file.display();
                tracing::warn!(site, %file, %error, "the history cannot be read; it stays as it is, and nothing is written until a restart");
            }
            Err(NotRead::Damaged) => {
                let error = file::Unreadable::Damaged;
                let aside = history.file.with_extension("unreadable");
                let (file, is_aside) = (history.file.display(), disk::rename(&history.file, &aside).is_ok());
                tracing::warn!(site, %file, %error, is_aside, "the history cannot be read, starting a new one");
            }
        }
        history
    }

    /// Nothing is remembered.
    pub fn new(state_dir: &Path, site: &str) -> History {
        // a name may have dots: what is put aside must not be another site's
        let file = state_dir.join(FOLDER).join(format!("{site}{ENDING}"));
        let state = State {
            kept: Kept::default(),
            gets: Gets::Unknown,
            counted: None,
            open: None,
            unsaved: Unsaved::Nothing,
            saved: None,
            astray: None,
        };
        let (site, took) = (site.to_owned(), OnceLock::new());
        History { site, file, may_write: true, state: Mutex::new(state), took }
    }

    /// The site's name.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// An answer was given that took so long to begin.
    pub fn answered(&self, served_from: ServedFrom, took: Duration) {
        if served_from == ServedFrom::Origin {
            let counts = self.took.get_or_init(|| Box::new([const { AtomicU64::new(0) }; BUCKETS]));
            counts[bucket(took)].fetch_add(1, Relaxed);
        }
    }

    /// What visitors get now, and what was counted so far. To be told about every second.
    pub fn note(&self, now: Now, gets: Gets, totals: Totals) {
        let took = self.take();
        let mut state = self.state();
        state.gets_now(gets);
        if !state.believes(now) {
            return;
        }
        state.pass(now, gets);
        let before = state.counted.map_or(totals, |(_, before)| before);
        let until = state.counted.map_or(now.mono, |(until, _)| until);
        let passed = now.mono.saturating_duration_since(until).as_secs();
        if passed > 0 || state.counted.is_none() {
            state.count(now, passed, before, totals);
            // the rest of a second is of the next
            state.counted = Some((until + Duration::from_secs(passed), totals));
        }
        if let Some(took) = took {
            state.took(now, &took);
        }
    }

    /// The counts of the live site's answers since the last look.
    fn take(&self) -> Option<Latencies> {
        let counts = self.took.get()?;
        let taken: Latencies = std::array::from_fn(|place| counts[place].swap(0, Relaxed));
        taken.iter().any(|count| *count > 0).then_some(taken)
    }

    /// What visitors get.
    pub fn gets(&self) -> Gets {
        self.state().gets
    }

    /// Whether it is time to write it.
    pub fn is_due(&self, now: Instant) -> bool {
        let state = self.state();
        let after = match state.unsaved {
            Unsaved::Nothing => return false,
            Unsaved::Time => SAVE_QUIET,
            Unsaved::Counts => SAVE_COUNTS,
            Unsaved::News => SAVE,
        };
        self.may_write && state.saved.is_none_or(|saved| now.saturating_duration_since(saved) >= after)
    }

    /// Whether something is not on the disk yet that cannot be told again.
    pub fn has_news(&self) -> bool {
        self.may_write && self.state().unsaved >= Unsaved::Counts
    }

    /// Writes it, if there is anything new. Blocks.
    ///
    /// # Errors
    /// Of the file system; what was written last is then still there.
    pub fn save(&self, now: Instant) -> io::Result<()> {
        if !self.may_write {
            return Ok(());
        }
        let (kept, unsaved) = {
            let mut state = self.state();
            let unsaved = std::mem::replace(&mut state.unsaved, Unsaved::Nothing);
            // what fails is tried again after the same time, not at once
            state.saved = Some(now);
            if unsaved == Unsaved::Nothing {
                return Ok(());
            }
            (state.kept.clone(), unsaved)
        };
        let text = file::encode(&kept);
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let written = disk::ensure_dir(folder).and_then(|()| disk::write_atomic(&self.file, text.as_bytes()));
        written.inspect_err(|_| {
            let mut state = self.state();
            state.unsaved = state.unsaved.max(unsaved);
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Visitors get this from now on.
    fn gets_now(&mut self, gets: Gets) {
        if self.gets != gets {
            self.gets = gets;
            self.unsaved = Unsaved::News;
        }
    }

    /// Whether the clock may be right: one that jumps by days and back must not cost what is kept.
    fn believes(&mut self, now: Now) -> bool {
        let today = day_of(now.unix());
        if self.kept.days.newest().is_none_or(|newest| newest.abs_diff(today) <= 1) {
            self.astray = None;
            return true;
        }
        let since = *self.astray.get_or_insert(now.mono);
        if now.mono.saturating_duration_since(since) < BELIEVED {
            return false;
        }
        self.astray = None;
        self.kept.days.drop_after(today);
        self.kept.minutes.drop_after(minute_of(now.unix()));
        self.kept.outages.drop_after(now.unix());
        self.kept.took = self.kept.took.take().filter(|took| took.0 <= today);
        self.kept.noted = self.kept.noted.map(|noted| noted.min(now.unix()));
        true
    }

    fn pass(&mut self, now: Now, gets: Gets) {
        let unix = now.unix();
        let away = self.kept.noted.filter(|noted| unix.saturating_sub(*noted) > AWAY);
        let was_closed = away.is_some_and(|noted| self.kept.outages.close(noted));
        self.kept.noted = Some(unix);
        // how far an open one has come is known after a crash, too
        if self.kept.outages.note(unix, gets) || was_closed || self.kept.outages.is_open() {
            self.unsaved = Unsaved::News;
        }
    }

    fn count(&mut self, now: Now, passed: u64, before: Totals, totals: Totals) {
        let (day, minute) = (day_of(now.unix()), minute_of(now.unix()));
        if Duration::from_secs(passed) <= GAP && passed > 0 && self.gets.place().is_some() {
            self.kept.days.add(day, self.gets, u32::try_from(passed).unwrap_or(SECONDS));
            self.unsaved = self.unsaved.max(Unsaved::Time);
        }
        self.close(minute);
        let mut new = totals;
        new.iter_mut().zip(before).for_each(|(new, before)| *new = new.saturating_sub(before));
        let requests: u64 = new.iter().sum();
        if requests == 0 {
            return;
        }
        self.unsaved = self.unsaved.max(Unsaved::Counts);
        let peak = u32::try_from(requests.div_ceil(passed.max(1))).unwrap_or(u32::MAX);
        let traffic = self.kept.days.traffic(day);
        traffic.by_rung.iter_mut().zip(new).for_each(|(all, new)| *all += new);
        traffic.peak = traffic.peak.max(peak);
        if let Some(of) = self.kept.minutes.of(minute) {
            let small = |count| u32::try_from(count).unwrap_or(u32::MAX);
            of.by_rung.iter_mut().zip(new).for_each(|(all, new)| *all = all.saturating_add(small(new)));
            of.peak = of.peak.max(peak);
        }
        if peak > self.kept.record.peak {
            self.kept.record = Record { peak, at: now.unix() };
        }
    }

    /// Ends the open minute if it is over.
    fn close(&mut self, minute: u32) {
        self.kept.minutes.forget(minute);
        if self.open.as_ref().is_some_and(|open| open.0 != minute) {
            self.open = None;
        }
    }

    /// The live site took so long for its last answers.
    fn took(&mut self, now: Now, counts: &Latencies) {
        let (day, minute) = (day_of(now.unix()), minute_of(now.unix()));
        let open = self.open.get_or_insert_with(|| Box::new((minute, Latencies::default())));
        add(&mut open.1, counts);
        let of_minute = took(&open.1);
        if let Some(of) = self.kept.minutes.of(minute) {
            of.took = of_minute;
        }
        let of_day = &mut self.kept.took;
        if of_day.as_ref().is_none_or(|of_day| of_day.0 != day) {
            *of_day = Some(Box::new((day, Latencies::default())));
        }
        if let Some(of_day) = of_day {
            add(&mut of_day.1, counts);
            self.kept.days.traffic(day).took = took(&of_day.1);
        }
    }
}

fn add(all: &mut Latencies, new: &Latencies) {
    all.iter_mut().zip(new).for_each(|(all, new)| *all = all.saturating_add(*new));
}

fn day_of(unix: u64) -> u32 {
    u32::try_from(unix / u64::from(SECONDS)).unwrap_or(u32::MAX - 1)
}

fn minute_of(unix: u64) -> u32 {
    u32::try_from(unix / 60).unwrap_or(u32::MAX - 1)
}

/// Why what the disk remembers is not known.
enum NotRead {
    Damaged,
    /// It may well be whole.
    Kept(io::Error),
}

/// What the disk remembers; `None`: nothing was written yet.
fn read(path: &Path) -> Result<Option<Kept>, NotRead> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(file::LONGEST + 1).read_to_end(&mut bytes).map_err(NotRead::Kept)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(NotRead::Kept(error)),
    };
    file::decode(&bytes).map(Some).map_err(|error| match error {
        file::Unreadable::Damaged => NotRead::Damaged,
        file::Unreadable::Version => NotRead::Kept(io::Error::other(error)),
    })
}

#[cfg(test)]
mod tests;
