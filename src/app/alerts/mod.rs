//! Alerts at work: each second the ledger is shown what holds; what it says to tell is put on the disk, and sent from there.

mod ack;
mod admin_listener;
mod heartbeat;
mod lane;
mod reports;
mod send;
mod signals;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::App;
use crate::alert::ledger::{Announced, Telling};
use crate::alert::token::Maker;
use crate::alert::{Event, Ledger, Pace, Put, Queue, Topic, queue};
use crate::clock::Now;
use crate::config::Config;
use crate::config::alerts::{Alerts as Settings, Channel};
use crate::failure::Cause;
use crate::tasks;
pub use ack::Acknowledging;
use heartbeat::Pulse;
pub(super) use heartbeat::beat;
use lane::Lane;
pub use send::Tried;
pub(super) use send::{run, url_of};

/// The file with what was told.
const LEDGER: &str = "ledger.json";
/// How often what nobody waits for is written down.
const SAVE: Duration = Duration::from_secs(5);
/// The most bytes of the ledger that are read.
const LEDGER_MOST: u64 = 64 << 20;

/// What all of it knows.
pub(super) struct Alerts {
    books: Mutex<Books>,
    lanes: Mutex<BTreeMap<String, Lane>>,
    /// What was announced, as of the last look: the books are held while something is written.
    announced: Mutex<Vec<Announced>>,
    /// Something may be there to be sent.
    news: Notify,
    pulse: Pulse,
    /// `None`: the system had no randomness; then no message has a link that acknowledges.
    tokens: Option<Maker>,
    /// What this machine is called.
    sender: String,
}

/// What is kept on the disk.
struct Books {
    ledger: Ledger,
    queue: Queue,
    state_dir: PathBuf,
    saved: Option<Instant>,
    /// Whether the ledger could not be written down the last time.
    is_unsaved: bool,
}

impl Books {
    /// Writes the ledger down, if it has changed. Blocks.
    fn save(&mut self, now: Instant) {
        let Some(text) = self.ledger.changed() else { return };
        self.saved = Some(now);
        let file = ledger_file(&self.state_dir);
        let kept = queue::keep(&self.state_dir, &file, &text);
        let was_unsaved = std::mem::replace(&mut self.is_unsaved, kept.is_err());
        let Err(error) = kept else { return };
        self.ledger.not_kept();
        if !was_unsaved {
            tracing::error!(file = %file.display(), %error, "what was told of alerts cannot be written down, a restart would tell it again");
        }
    }

    fn is_rested(&self, now: Instant) -> bool {
        self.saved.is_none_or(|saved| now.saturating_duration_since(saved) >= SAVE)
    }
}

impl Alerts {
    /// Finds what an earlier process has left. `None`: the process is stopping.
    pub(super) async fn open(config: &Config, now: Now) -> Option<Arc<Alerts>> {
        let state_dir = config.state_dir.clone();
        let instance = config.store.as_ref().and_then(|store| store.instance.clone());
        let open = move || {
            let ledger = ledger(&ledger_file(&state_dir));
            let queue = Queue::open(&state_dir, now.unix());
            Arc::new(Alerts {
                books: Mutex::new(Books { ledger, queue, state_dir, saved: None, is_unsaved: false }),
                lanes: Mutex::default(),
                announced: Mutex::default(),
                news: Notify::new(),
                pulse: Pulse::default(),
                tokens: Maker::new(),
                sender: instance.unwrap_or_else(super::regions::this_host),
            })
        };
        tasks::blocking(open).await
    }

    /// Held while something is written to the disk: not for the event loop.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<String, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps where it is at hand how many messages wait: the queue is held while the disk is written to.
    fn count(&self, queue: &Queue, settings: &Settings) {
        for key in settings.channels.iter().map(Channel::key) {
            let waiting = queue.len_of(&key);
            self.lane(&key, |lane| lane.waits(waiting));
        }
    }

    /// What waits for a channel that fails goes to the backups. Blocks.
    fn feed_backups(&self, queue: &mut Queue, settings: &Settings, now: Now) {
        let backups = backups(&settings.channels);
        for channel in settings.channels.iter().filter(|channel| !channel.is_backup) {
            let key = channel.key();
            if self.lane(&key, |lane| lane.failing_since.is_some()) {
                let count = queue.hand_on(&key, &backups, now.unix(), None);
                if count > 0 {
                    tracing::warn!(failed = %channel, messages = count, "alerts go to the backups");
                }
            }
        }
    }

    /// Since when a condition of a site is known, and when it was told first.
    pub(super) fn announced(&self, site: &str, cause: Cause, subject: &str) -> Option<Announced> {
        let topic = Topic::of(cause);
        let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = announced.iter();
        known.find(|one| one.topic == topic && one.site == site && one.subject == subject).cloned()
    }

    fn lane<T>(&self, channel: &str, change: impl FnOnce(&mut Lane) -> T) -> T {
        change(self.lanes().entry(channel.to_owned()).or_default())
    }
}

fn ledger_file(state_dir: &Path) -> PathBuf {
    state_dir.join(queue::FOLDER).join(LEDGER)
}

/// The ledger in a file; an empty one if there is none that can be read.
fn ledger(file: &Path) -> Ledger {
    let size = match std::fs::metadata(file) {
        Ok(found) => found.len(),
        Err(_) => return Ledger::default(),
    };
    let text =
        if size <= LEDGER_MOST { std::fs::read(file) } else { Err(std::io::Error::other("too large")) };
    let read = text.map_err(|error| error.to_string());
    read.and_then(|text| Ledger::read(&text).map_err(|error| error.to_string())).unwrap_or_else(|error| {
        tracing::error!(file = %file.display(), error, "what was told of alerts cannot be read, it is told again");
        Ledger::default()
    })
}

fn pace(settings: &Settings) -> Pace {
    Pace { wait: settings.wait.as_secs(), repeat: settings.repeat.map(|repeat| repeat.as_secs().max(1)) }
}

/// The keys of those that get what another has not taken.
fn backups(channels: &[Channel]) -> Vec<String> {
    channels.iter().filter(|channel| channel.is_backup).map(Channel::key).collect()
}

impl App {
    fn alert_settings(&self) -> Settings {
        self.running().config.alerts.clone()
    }

    /// Shows the ledger what holds now, and puts on the disk what it says to tell. Blocks.
    pub(super) fn look_at_alerts(&self, now: Now) {
        self.alerts.pulse.ticked(now.mono);
        let signals = self.signals(now);
        let settings = self.alert_settings();
        let mut books = self.alerts.books();
        self.rewire_alerts(&mut books, &settings, now);
        let told = books.ledger.observe(&signals, now, pace(&settings));
        let is_news = !told.is_empty();
        for mut telling in told {
            if telling.notice.event == Event::Over && telling.notice.topic == Topic::Outage {
                telling.notice.visitors = self.visitors_now(&telling.notice, now);
            }
            put(&mut books.queue, &settings.channels, &telling, now);
        }
        if is_news {
            self.alerts.feed_backups(&mut books.queue, &settings, now);
        }
        // after the queue: whoever is killed in between tells it again, under the same id
        if is_news || books.is_rested(now.mono) {
            books.save(now.mono);
            books.queue.forget_stale(now);
        }
        self.alerts.count(&books.queue, &settings);
        let announced = books.ledger.announced();
        drop(books);
        *self.alerts.announced.lock().unwrap_or_else(PoisonError::into_inner) = announced;
        if is_news {
            self.alerts.news.notify_one();
        }
    }
}

impl App {
    /// What waits for a channel that a reload has taken away goes to those that have come. Blocks.
    fn rewire_alerts(&self, books: &mut Books, settings: &Settings, now: Now) {
        let keys: BTreeSet<String> = settings.channels.iter().map(Channel::key).collect();
        let Some(new) = books.ledger.rewire(&keys) else { return };
        let dropped = books.queue.move_on(&keys, &new, now.unix());
        if dropped > 0 {
            tracing::warn!(
                messages = dropped,
                "alerts that waited for a channel that is configured no more were dropped"
            );
        }
    }
}

/// Puts a message into the queue of everybody who gets it at once.
fn put(queue: &mut Queue, channels: &[Channel], telling: &Telling, now: Now) {
    let Telling { notice, reached } = telling;
    let (event, cause) = (notice.event.as_str(), notice.cause.code());
    let first = notice.members.first().map(|member| &*member.site).unwrap_or_default();
    let mut queues = 0;
    for channel in channels {
        let key = channel.key();
        let has_had = reached.contains(&key);
        // a backup has had only what another could not take; it hears the end of that
        if channel.is_backup && notice.event != Event::Over {
            continue;
        }
        if queue.put(&key, notice.clone(), now.unix(), has_had) == Put::Waits {
            queues += 1;
        }
    }
    tracing::info!(alert = %notice.alert, event, severity = notice.severity.as_str(), cause, site = first, sites = notice.total, channels = queues, "alert");
}
