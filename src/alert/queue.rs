//! Messages that are not sent yet, one file for each message and channel. What the disk does not take is kept in memory, and sent
//! all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Event, Notice};
use crate::clock::Now;
use crate::disk;

/// Messages that wait at once, for all channels.
const MOST: usize = 1000;
/// After this time, in seconds, a message is news to nobody.
const STALE: u64 = 7 * 86_400;
/// By how much the clock may run ahead of the time that passes, in seconds, before it has been set.
const JUMP: u64 = 60;
/// Bytes of one file.
const FILE: u64 = 256 << 10;
/// The folder in the state directory for all that alerts keep.
pub const FOLDER: &str = "alerts";
/// The folder in it with what waits.
const QUEUE: &str = "queue";
/// How files of messages end.
const ENDING: &str = ".json";

/// A message for one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// The key of the channel.
    pub channel: String,
    /// The message.
    pub notice: Notice,
    /// When it was put here, in seconds since the epoch.
    pub queued: u64,
    /// Whether sending it has failed before; then the backups have it, too.
    pub has_failed: bool,
    /// Whether the beginning never came to this channel, so that this message tells the whole.
    pub tells_all: bool,
}

/// What became of a message that was put into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It waits.
    Waits,
    /// It would say nothing to this channel.
    Needless,
}

/// Where a message stands among others: by channel, and there by age.
type Place = (String, u64, String);

/// All that waits.
#[derive(Debug)]
pub struct Queue {
    state_dir: PathBuf,
    dir: PathBuf,
    waiting: BTreeMap<Place, Queued>,
    looked: Option<Now>,
}

impl Queue {
    /// The queue in a state directory, with what waits in it. Files that are none are left alone, and told. Blocks.
    pub fn open(state_dir: &Path, now: u64) -> Queue {
        let dir = state_dir.join(FOLDER).join(QUEUE);
        let mut queue =
            Queue { state_dir: state_dir.to_owned(), dir, waiting: BTreeMap::new(), looked: None };
        for entry in std::fs::read_dir(&queue.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if !path.to_string_lossy().ends_with(ENDING) {
                continue;
            }
            let is_small = entry.metadata().is_ok_and(|file| file.is_file() && file.len() <= FILE);
            let text = if is_small { std::fs::read(&path).ok() } else { None };
            match text.and_then(|text| serde_json::from_slice::<Queued>(&text).ok()) {
                Some(queued) => drop(queue.waiting.insert(place(&queued), queued)),
                None => tracing::error!(file = %path.display(), "an alert that waits cannot be read"),
            }
        }
        queue.drop_stale(now);
        queue
    }

    /// Puts a message in. `has_had`: the channel has had one of this alert. Blocks.
    pub fn put(&mut self, channel: &str, notice: Notice, now: u64, has_had: bool) -> Put {
        let others: Vec<(Place, Event)> = self
            .waiting
            .iter()
            .filter(|((of, ..), queued)| of == channel && queued.notice.alert == notice.alert)
            .map(|(place, queued)| (place.clone(), queued.notice.event))
            .collect();
        let mut tells_all = false;
        match notice.event {
            Event::Over => {
                tells_all = others.iter().any(|(_, event)| *event == Event::Begin);
                if !tells_all && !has_had && others.is_empty() {
                    return Put::Needless;
                }
                others.iter().for_each(|(place, _)| self.remove(place));
            }
            // who has not heard of it yet hears of it late, and that is enough
            Event::Still if others.iter().any(|(_, event)| *event != Event::Still) => return Put::Needless,
            Event::Still => others.iter().for_each(|(place, _)| self.remove(place)),
            Event::Begin | Event::Worse | Event::Report | Event::Test => {}
        }
        let channel = channel.to_owned();
        self.keep(Queued { channel, notice, queued: now, has_failed: false, tells_all });
        while self.waiting.len() > MOST {
            self.drop_one();
        }
        Put::Waits
    }

    /// What is sent to a channel next.
    pub fn next(&self, channel: &str) -> Option<&Queued> {
        self.of(channel).next()
    }

    /// How many wait for a channel.
    pub fn len_of(&self, channel: &str) -> usize {
        self.of(channel).count()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// It was sent, or will never be taken. Blocks.
    pub fn done(&mut self, queued: &Queued) {
        self.remove(&place(queued));
    }

    /// Sending it has failed. Blocks.
    pub fn failed(&mut self, queued: &Queued) {
        if self.waiting.contains_key(&place(queued)) {
            self.keep(Queued { has_failed: true, ..queued.clone() });
        }
    }

    /// Hands what a channel has not taken on to these, once: all that waits for it, or one message by its id. Returns how many
    /// messages that are. The end of an alert goes by itself to all who have heard of it. Blocks.
    pub fn hand_on(&mut self, channel: &str, to: &[String], now: u64, only: Option<&str>) -> usize {
        if to.is_empty() {
            return 0;
        }
        let is_handed_on = |event| !matches!(event, Event::Over | Event::Report);
        let is_new = |queued: &&Queued| !queued.has_failed && is_handed_on(queued.notice.event);
        let is_meant = |queued: &&Queued| only.is_none_or(|id| queued.notice.id == id);
        let handed: Vec<Queued> = self.of(channel).filter(is_new).filter(is_meant).cloned().collect();
        for queued in &handed {
            for backup in to {
                self.put(backup, queued.notice.clone(), now, true);
            }
            self.failed(queued);
        }
        handed.len()
    }

    /// Moves what waits for channels that are not among these to those that have taken their place. Returns how many messages
    /// were dropped because nobody has. Blocks.
    pub fn move_on(&mut self, keys: &BTreeSet<String>, new: &BTreeSet<String>, now: u64) -> usize {
        let orphans: Vec<Queued> =
            self.waiting.values().filter(|queued| !keys.contains(&queued.channel)).cloned().collect();
        for queued in &orphans {
            self.remove(&place(queued));
            for key in new {
                let moved = Queued { channel: key.clone(), queued: now, ..queued.clone() };
                self.keep(moved);
            }
        }
        while self.waiting.len() > MOST {
            self.drop_one();
        }
        if new.is_empty() { orphans.len() } else { 0 }
    }

    /// Drops what is too old to be news. What a clock that was set forward makes old is not. Blocks.
    pub fn forget_stale(&mut self, now: Now) {
        if let Some(last) = self.looked.replace(now) {
            let passed = now.mono.saturating_duration_since(last.mono).as_secs();
            let jump = now.unix().saturating_sub(last.unix()).saturating_sub(passed);
            if jump > JUMP {
                for queued in self.waiting.values().cloned().collect::<Vec<_>>() {
                    let moved = queued.queued.saturating_add(jump).min(now.unix());
                    self.keep(Queued { queued: moved, ..queued });
                }
            }
        }
        self.drop_stale(now.unix());
    }

    fn drop_stale(&mut self, now: u64) {
        let is_stale = |queued: &Queued| now.saturating_sub(queued.queued) > STALE;
        let stale: Vec<Place> = self
            .waiting
            .iter()
            .filter(|(_, queued)| is_stale(queued))
            .map(|(place, _)| place.clone())
            .collect();
        for place in stale {
            tracing::error!(
                channel = place.0,
                alert = place.2,
                "an alert could not be sent for a week, dropped"
            );
            self.remove(&place);
        }
    }

    fn of(&self, channel: &str) -> impl Iterator<Item = &Queued> {
        let first = (channel.to_owned(), 0, String::new());
        self.waiting.range(first..).take_while(move |((of, ..), _)| of == channel).map(|(_, queued)| queued)
    }

    /// Makes room: a repetition first, then the oldest.
    fn drop_one(&mut self) {
        let oldest = |only: Option<Event>| {
            let all = self
                .waiting
                .iter()
                .filter(move |(_, queued)| only.is_none_or(|event| queued.notice.event == event));
            all.min_by_key(|(_, queued)| queued.queued).map(|(place, _)| place.clone())
        };
        if let Some(place) = oldest(Some(Event::Still)).or_else(|| oldest(None)) {
            tracing::error!(channel = place.0, alert = place.2, "too many alerts wait, one was dropped");
            self.remove(&place);
        }
    }

    fn keep(&mut self, queued: Queued) {
        let path = self.path(&place(&queued));
        let written = serde_json::to_vec(&queued)
            .map_err(std::io::Error::other)
            .and_then(|text| keep(&self.state_dir, &path, &text));
        if let Err(error) = written {
            tracing::error!(file = %path.display(), %error, "an alert that waits cannot be written to the disk, kept in memory");
        }
        self.waiting.insert(place(&queued), queued);
    }

    fn remove(&mut self, place: &Place) {
        self.waiting.remove(place);
        let path = self.path(place);
        if let Err(error) = disk::remove_file(&path) {
            tracing::error!(file = %path.display(), %error, "the file of an alert that was sent cannot be removed, it may be sent again");
        }
    }

    fn path(&self, (channel, _, id): &Place) -> PathBuf {
        self.dir.join(format!("{channel}-{id}{ENDING}"))
    }
}

/// Writes a file below the state directory. Where that itself is gone, it is not made anew: what was mounted there comes back.
/// Blocks.
///
/// # Errors
/// Of the file system.
pub fn keep(state_dir: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if !state_dir.is_dir() {
        return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "the state directory is gone"));
    }
    disk::ensure_dir(path.parent().unwrap_or(state_dir))?;
    disk::write_atomic(path, bytes)
}

fn place(queued: &Queued) -> Place {
    (queued.channel.clone(), queued.notice.at, queued.notice.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(alert: &str, event: Event, at: u64) -> Notice {
        Notice { id: format!("{alert}-{at}"), alert: alert.to_owned(), event, at, ..Notice::test(at) }
    }

    fn events(queue: &Queue, channel: &str) -> Vec<(Event, bool)> {
        queue.of(channel).map(|queued| (queued.notice.event, queued.tells_all)).collect()
    }

    #[test]
    fn the_end_takes_the_place_of_a_beginning_that_was_not_sent() {
        use Event::{Begin, Over, Still, Worse};
        for (before, has_had, expected) in [
            (&[Begin][..], false, vec![(Over, true)]),
            (&[Begin, Still], false, vec![(Over, true)]),
            (&[Begin, Worse, Still], false, vec![(Over, true)]),
            (&[Still], true, vec![(Over, false)]),
            (&[], true, vec![(Over, false)]),
            (&[], false, vec![]),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let mut queue = Queue::open(dir.path(), 0);
            for (at, event) in (1..).zip(before) {
                queue.put("c", notice("a", *event, at), at, has_had);
            }
            queue.put("c", notice("b", Begin, 50), 50, false);
            queue.put("c", notice("a", Over, 99), 99, has_had);
            let mut found = events(&queue, "c");
            found.retain(|found| *found != (Begin, false));
            assert_eq!(found, expected, "{before:?}");
            assert_eq!(std::fs::read_dir(&queue.dir).unwrap().count(), queue.len(), "a file each");
        }
    }

    #[test]
    fn repetitions_do_not_pile_up() {
        let dir = tempfile::tempdir().unwrap();
        let mut queue = Queue::open(dir.path(), 0);
        assert_eq!(queue.put("c", notice("a", Event::Still, 1), 1, true), Put::Waits);
        assert_eq!(queue.put("c", notice("a", Event::Still, 2), 2, true), Put::Waits);
        assert_eq!(queue.len(), 1);
        queue.put("c", notice("b", Event::Begin, 3), 3, false);
        assert_eq!(queue.put("c", notice("b", Event::Still, 4), 4, false), Put::Needless);
    }

    #[test]
    fn what_waits_survives_a_restart_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let mut queue = Queue::open(dir.path(), 0);
        queue.put("c", notice("b", Event::Begin, 20), 20, false);
        queue.put("c", notice("a", Event::Begin, 10), 20, false);
        queue.put("d", notice("a", Event::Begin, 10), 20, false);
        std::io::Write::write_all(
            &mut std::fs::File::create_new(queue.dir.join("x.json")).unwrap(),
            b"not a message",
        )
        .unwrap();
        let mut again = Queue::open(dir.path(), 30);
        assert_eq!((again.len(), again.len_of("c"), again.len_of("d")), (3, 2, 1));
        let next = again.next("c").unwrap().clone();
        assert_eq!(next.notice.alert, "a");
        again.failed(&next);
        again.done(&Queued { has_failed: true, ..next });
        assert_eq!(again.next("c").unwrap().notice.alert, "b");
        assert_eq!(Queue::open(dir.path(), 30).len(), 2);
        assert!(Queue::open(dir.path(), 30 + STALE).is_empty());
    }

    #[test]
    fn a_backup_gets_all_that_waits_for_a_channel_that_fails_and_each_of_it_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut queue = Queue::open(dir.path(), 0);
        let to = ["b".to_owned()];
        for (at, alert) in [(1, "first"), (2, "second"), (3, "third")] {
            queue.put("a", notice(alert, Event::Begin, at), at, false);
        }
        assert_eq!(queue.hand_on("a", &[], 4, None), 0);
        assert_eq!(queue.hand_on("a", &to, 4, Some("second-2")), 1);
        assert_eq!(queue.len_of("b"), 1, "the one that was refused");
        assert_eq!(queue.hand_on("a", &to, 4, None), 2);
        assert_eq!((queue.hand_on("a", &to, 5, None), queue.len_of("a"), queue.len_of("b")), (0, 3, 3));
        // one that was replaced by its end while it was being sent is not told to anybody
        queue.put("a", notice("fourth", Event::Begin, 6), 6, false);
        queue.put("a", notice("fourth", Event::Over, 7), 7, false);
        assert_eq!((queue.hand_on("a", &to, 8, None), queue.len_of("b")), (0, 3));
        assert_eq!(events(&queue, "a").pop(), Some((Event::Over, true)));
    }

    #[test]
    fn what_waits_for_a_channel_that_is_gone_waits_for_the_one_in_its_place() {
        let keys = |of: &[&str]| of.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<String>>();
        let dir = tempfile::tempdir().unwrap();
        let mut queue = Queue::open(dir.path(), 0);
        queue.put("a", notice("x", Event::Begin, 1), 1, false);
        queue.put("b", notice("x", Event::Begin, 1), 1, false);
        assert_eq!(queue.move_on(&keys(&["b", "c"]), &keys(&["c"]), 2), 0);
        assert_eq!((queue.len_of("a"), queue.len_of("b"), queue.len_of("c")), (0, 1, 1));
        assert_eq!(Queue::open(dir.path(), 3).len_of("c"), 1);
        assert_eq!(queue.move_on(&keys(&["b"]), &keys(&[]), 2), 1, "dropped");
        assert_eq!(Queue::open(dir.path(), 3).len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_forward_makes_nothing_old() {
        let dir = tempfile::tempdir().unwrap();
        let mut queue = Queue::open(dir.path(), 0);
        let start = crate::clock::now();
        let at = |passed: u64, set: u64| {
            let passed = std::time::Duration::from_secs(passed);
            Now { wall: start.wall + passed + std::time::Duration::from_secs(set), mono: start.mono + passed }
        };
        queue.put("c", notice("a", Event::Begin, 1), start.unix(), false);
        queue.forget_stale(start);
        queue.forget_stale(at(5, 20 * STALE));
        assert_eq!(queue.len(), 1);
        assert_eq!(Queue::open(dir.path(), at(10, 20 * STALE).unix()).len(), 1, "nor after a restart");
        queue.forget_stale(at(STALE + 10, 20 * STALE));
        assert!(queue.is_empty(), "a week later it is");
    }

    #[test]
    fn a_full_queue_loses_repetitions_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut queue = Queue::open(&dir.path().join("gone"), 0);
        queue.put("c", notice("first", Event::Begin, 1), 1, false);
        queue.put("c", notice("still", Event::Still, 2), 2, true);
        for at in 3..=MOST as u64 + 1 {
            queue.put("c", notice(&format!("n{at}"), Event::Begin, at), at, false);
        }
        assert_eq!(queue.len(), MOST, "kept in memory though the disk takes nothing");
        assert!(queue.of("c").all(|queued| queued.notice.event == Event::Begin));
        queue.put("c", notice("last", Event::Begin, 9999), 9999, false);
        assert_eq!(queue.next("c").unwrap().notice.alert, "n3");
    }
}
