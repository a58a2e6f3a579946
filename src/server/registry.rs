//! The registry of open connections, and the reaper that walks it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Shared;
use super::activity::{Activity, End};
use super::counters::Counters;
use super::limits::Limits;
use super::timeouts::{Judgement, Timeouts};
use super::unread::Unread;
use crate::http::pace::READING;

const SHARDS: usize = 16;

/// Who has just come may still be in the TLS handshake, or its first byte on the way.
const NEWCOMER: Duration = Duration::from_secs(1);

/// How long to wait before looking again when nobody could make room: in a flood every newcomer would walk the registry.
const CROWDED: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Row {
    activity: Arc<Activity>,
    timeouts: Timeouts,
}

/// See the module. Sharded, so that a walk over many connections never holds an accept up for long.
#[derive(Debug)]
pub(super) struct Registry {
    shards: [Mutex<HashMap<u64, Row>>; SHARDS],
    next: AtomicU64,
    open: AtomicUsize,
    /// No new connections; those that are there finish.
    closed: AtomicBool,
    /// When nobody was found who could make room.
    crowded: Mutex<Option<Instant>>,
    left: Notify,
    counters: Arc<Counters>,
    unread: Arc<Unread>,
}

/// A connection's entry in the registry; dropping it takes it out.
#[derive(Debug)]
pub(super) struct Registration {
    registry: Arc<Registry>,
    number: u64,
}

impl Registry {
    pub(super) fn new(counters: Arc<Counters>, unread: Arc<Unread>) -> Registry {
        Registry {
            shards: std::array::from_fn(|_| Mutex::default()),
            next: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            crowded: Mutex::default(),
            left: Notify::new(),
            counters,
            unread,
        }
    }

    /// Puts a connection into the registry.
    pub(super) fn enter(self: &Arc<Self>, now: Instant) -> (Arc<Activity>, Registration) {
        let activity = Arc::new(Activity::default());
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::AcqRel);
        let row = Row { activity: Arc::clone(&activity), timeouts: Timeouts::new(now) };
        self.with_shard(number, |rows| rows.insert(number, row));
        // after the insertion: either the walk of `close` saw the row, or this sees that it is closed
        if self.closed.load(Ordering::SeqCst) {
            activity.dismiss();
        }
        (activity, Registration { registry: Arc::clone(self), number })
    }

    fn with_shard<T>(&self, number: u64, with: impl FnOnce(&mut HashMap<u64, Row>) -> T) -> T {
        let shard = &self.shards[number as usize % SHARDS];
        with(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Collects what `pick` finds, and leaves the locks before anybody is woken.
    fn walk<T>(&self, mut pick: impl FnMut(&mut Row) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let mut rows = shard.lock().unwrap_or_else(PoisonError::into_inner);
            found.extend(rows.values_mut().filter_map(&mut pick));
        }
        found
    }

    /// Open connections.
    pub(super) fn len(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Looks at every connection once, and ends those whose time is over.
    pub(super) fn sweep(&self, limits: &Limits, now: Instant) {
        let judged = self.walk(|row| match row.timeouts.judge(row.activity.pulse(), limits, now) {
            Judgement::Leave => None,
            judgement @ (Judgement::Dismiss(_) | Judgement::Kill(_)) => {
                Some((Arc::clone(&row.activity), judgement))
            }
        });
        self.relieve(now);
        let still = READING.min(limits.idle_timeout);
        for activity in self.walk(|row| (!row.activity.pulse().http1).then(|| Arc::clone(&row.activity))) {
            for _ in 0..activity.cut_streams(still, now) {
                self.counters.count_end(End::SlowReader);
            }
        }
        for (activity, judgement) in judged {
            match judgement {
                Judgement::Leave => {}
                Judgement::Dismiss(reason) => {
                    self.counters.count_end(reason);
                    activity.dismiss();
                }
                Judgement::Kill(reason) => {
                    self.kill(&activity, reason);
                }
            }
        }
    }

    /// When too much waits to be read: ends the answers whose visitors have taken nothing for longest, until it does not.
    fn relieve(&self, now: Instant) {
        let mut excess = self.unread.excess();
        if excess == 0 {
            return;
        }
        let rows = self.walk(|row| Some((Arc::clone(&row.activity), row.activity.still(now))));
        let mut still: Vec<_> = rows
            .into_iter()
            .flat_map(|(activity, flows)| {
                flows.into_iter().map(move |(since, flow)| (since, activity.clone(), flow))
            })
            .collect();
        still.sort_by_key(|&(since, ..)| since);
        for (_, activity, flow) in still {
            if excess == 0 {
                return;
            }
            excess = excess.saturating_sub(flow.counted());
            if activity.pulse().http1 {
                self.kill(&activity, End::Unread);
            } else if flow.end() {
                self.counters.count_end(End::Unread);
            }
        }
    }

    /// Ends one connection now; says whether nobody had done so before.
    pub(super) fn kill(&self, activity: &Activity, reason: End) -> bool {
        let first = activity.kill(reason);
        if first {
            self.counters.count_end(reason);
        }
        first
    }

    /// Asks the `count` connections that have been idle for longest to go. Says how many there were.
    pub(super) fn make_room(&self, count: usize, now: Instant) -> usize {
        let mut crowded = self.crowded.lock().unwrap_or_else(PoisonError::into_inner);
        if crowded.is_some_and(|since| now.duration_since(since) < CROWDED) {
            return 0;
        }
        let mut idle = self.walk(|row| {
            let pulse = row.activity.pulse();
            let waiting = pulse.calls == pulse.ended && !pulse.upgraded && !pulse.closing;
            let in_head = (pulse.http1 || pulse.calls == 0) && pulse.read > pulse.read_at_end;
            let new = pulse.calls == 0 && now.duration_since(row.timeouts.moved()) < NEWCOMER;
            (waiting && !in_head && !new).then(|| (row.timeouts.moved(), pulse, Arc::clone(&row.activity)))
        });
        idle.sort_by_key(|&(moved, ..)| moved);
        idle.truncate(count);
        *crowded = idle.is_empty().then_some(now);
        drop(crowded);
        for (_, pulse, activity) in &idle {
            if pulse.calls == 0 || pulse.dismissed {
                self.kill(activity, End::Displaced);
            } else {
                self.counters.count_end(End::Displaced);
                activity.displace();
            }
        }
        idle.len()
    }

    /// Asks all connections to finish, those too that come from now on.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for activity in self.walk(|row| Some(Arc::clone(&row.activity))) {
            activity.dismiss();
        }
    }

    /// Ends every connection now; says how many there were.
    pub(super) fn kill_all(&self, reason: End) -> usize {
        self.kill_where(reason, |_| true)
    }

    /// Ends the connections that have not made a request yet.
    pub(super) fn kill_unused(&self, reason: End) -> usize {
        self.kill_where(reason, |activity| !activity.has_called())
    }

    /// Ends the connections that were handed over (WebSockets), if there are no others.
    pub(super) fn kill_upgraded_when_alone(&self, reason: End) -> usize {
        let alone = self.walk(|row| (!row.activity.is_upgraded()).then_some(())).is_empty();
        if alone { self.kill_all(reason) } else { 0 }
    }

    fn kill_where(&self, reason: End, which: impl Fn(&Activity) -> bool) -> usize {
        let found = self.walk(|row| which(&row.activity).then(|| Arc::clone(&row.activity)));
        found.iter().filter(|activity| self.kill(activity, reason)).count()
    }

    /// Completes when a connection has left since the last call.
    pub(super) async fn left(&self) {
        self.left.notified().await;
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.with_shard(self.number, |rows| rows.remove(&self.number));
        self.registry.open.fetch_sub(1, Ordering::AcqRel);
        self.registry.left.notify_one();
    }
}

/// Sweeps for as long as the server lives.
pub(super) async fn reap(shared: Arc<Shared>) {
    loop {
        let limits = shared.limits.load_full();
        tokio::time::sleep(limits.tick()).await;
        shared.registry.sweep(&shared.limits.load(), crate::clock::instant());
    }
}
