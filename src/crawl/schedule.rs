//! Takes snapshots of one site when they are due: at the start if there is none or it is old, then as often as
//! configured, sooner after a failure or when visitors ask for what the current one lacks, and at once when somebody asks.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, Semaphore, watch};

use super::early::Early;
use super::fetch::resume::course;
use super::gate::Rule;
use super::leave::Leave;
use super::outcome::{CrawlError, Outcome};
use super::progress::{Progress, Reading};
use super::run::{begin, fill};
use super::scrub::scrub_slowly;
use super::transport::Fetch;
use crate::clock;
use crate::config::ready::Site;
use crate::snapshot::Store;
use crate::tasks::{self, Guard};
use crate::visits::Visits;

/// Crawls of all sites that run at the same time. Each takes threads for the disk, and memory for what it knows of its site; a
/// thousand at once, as after a first start, took a gigabyte.
const AT_ONCE: usize = 32;

/// The places for crawls that all sites share. What somebody asks for does not wait for one.
#[derive(Clone, Debug)]
pub struct Seats(Arc<Semaphore>);

/// File descriptors that one crawl is counted for: its connections, and the files that it reads and writes meanwhile.
const DESCRIPTORS: u64 = 32;

impl Seats {
    /// As many places as go with this limit on open files, of which crawls take a quarter at most: the rest is the visitors'.
    pub fn within(limit: u64) -> Seats {
        let places = usize::try_from(limit / 4 / DESCRIPTORS).unwrap_or(AT_ONCE);
        Seats(Arc::new(Semaphore::new(places.clamp(1, AT_ONCE))))
    }
}

/// How long who has no leave to crawl waits for word of it before asking again.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// The pause after the first failure; it doubles up to the configured interval.
const RETRY: Duration = Duration::from_secs(60);
/// The same as long as there is no snapshot at all.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// Takes the snapshots of one site as long as it lives. Dropped, it ends a running crawl; what that one has staged
/// stays on the disk for the next one to go on with, and the current snapshot in service.
#[derive(Debug)]
pub struct Crawler {
    shared: Arc<Shared>,
    _task: Guard,
}

#[derive(Debug)]
struct Shared {
    site: watch::Sender<Arc<Site>>,
    asked: Notify,
    state: Mutex<ScheduleState>,
}

#[derive(Debug, Default)]
struct ScheduleState {
    /// A crawl that was asked for, or is under way.
    run: Option<Run>,
    last: Option<Arc<Ended>>,
    tally: Tally,
}

/// How the crawls of this process ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// With a new snapshot in service.
    pub published: u64,
    /// Before the gate: the old one stayed.
    pub kept_old: u64,
    /// Without anything to judge.
    pub failed: u64,
    /// How often each rule of the gate spoke, in the order of [`Rule::ALL`]; once a crawl at most.
    pub refusals: [u64; Rule::ALL.len()],
}

#[derive(Debug)]
struct Run {
    progress: Progress,
    /// Whether it has begun.
    begun: bool,
    ended: watch::Sender<Option<Arc<Ended>>>,
}

/// How a crawl ended, and when.
#[derive(Debug)]
pub struct Ended {
    /// When.
    pub at: SystemTime,
    /// How.
    pub result: Result<Outcome, CrawlError>,
}

/// A crawl that was asked for.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// Its counters.
    pub progress: Progress,
    ended: watch::Receiver<Option<Arc<Ended>>>,
}

impl Ticket {
    /// Waits for its end. `None` when the crawler ended before it.
    pub async fn ended(mut self) -> Option<Arc<Ended>> {
        self.ended.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone())
    }
}

/// A crawl is under way, or has been asked for already.
#[derive(Debug, thiserror::Error)]
#[error("a snapshot of this site is being taken already")]
pub struct AlreadyRunning {
    /// The one that is under way.
    pub running: Ticket,
}

impl Crawler {
    /// Starts. `fetch` outlives configurations: it asks whichever origins the site has at the time. To be called
    /// within the runtime. `visits` say what visitors ask for; `seats` and `leave` are shared with the other sites.
    pub fn start<F: Fetch>(
        site: Arc<Site>,
        fetch: Arc<F>,
        (store, visits): (Store, Arc<Visits>),
        seats: Seats,
        leave: Leave,
    ) -> Crawler {
        let shared = Shared { site: watch::Sender::new(site), asked: Notify::new(), state: Mutex::default() };
        let shared = Arc::new(shared);
        let task = tasks::guarded(work(shared.clone(), fetch, (store, visits), (seats, leave)));
        Crawler { shared, _task: task }
    }

    /// Asks for a snapshot now.
    ///
    /// # Errors
    /// When one is being taken; its ticket comes with the error.
    pub fn take_now(&self) -> Result<Ticket, AlreadyRunning> {
        let mut state = self.shared.state();
        if let Some(run) = &state.run {
            return Err(AlreadyRunning { running: run.ticket() });
        }
        let ticket = state.run.insert(Run::new()).ticket();
        drop(state);
        self.shared.asked.notify_one();
        Ok(ticket)
    }

    /// The counters of the crawl under way; `None` when there is none.
    pub fn progress(&self) -> Option<Reading> {
        self.shared.state().run.as_ref().map(|run| run.progress.read())
    }

    /// The crawl under way.
    pub fn running(&self) -> Option<Ticket> {
        self.shared.state().run.as_ref().map(Run::ticket)
    }

    /// How the crawls of this process ended, counted.
    pub fn tally(&self) -> Tally {
        self.shared.state().tally
    }

    /// How the last crawl of this process ended.
    pub fn last_outcome(&self) -> Option<Arc<Ended>> {
        self.shared.state().last.clone()
    }

    /// Gives the site another configuration. A crawl under way goes on if nothing that it goes by has changed;
    /// otherwise it begins anew. Who is given the same one does not even wake: a reload with one changed site is none of the
    /// others' business.
    pub fn replace(&self, site: Arc<Site>) {
        self.shared.site.send_if_modified(|old| {
            let is_new = **old != *site;
            *old = site;
            is_new
        });
    }
}

impl Run {
    fn new() -> Run {
        Run { progress: Progress::new(), begun: false, ended: watch::Sender::new(None) }
    }

    fn ticket(&self) -> Ticket {
        Ticket { progress: self.progress.clone(), ended: self.ended.subscribe() }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, ScheduleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody has asked for a crawl.
    fn is_asked(&self) -> bool {
        self.state().run.is_some()
    }

    /// Waits until somebody has asked for a crawl.
    async fn asked(&self) {
        while !self.is_asked() {
            self.asked.notified().await;
        }
    }

    /// Begins the crawl that was asked for, or one that is due. The counters are new each time, so that a crawl that
    /// begins anew does not count twice.
    fn begin(&self) -> Progress {
        let mut state = self.state();
        let run = state.run.get_or_insert_with(Run::new);
        if std::mem::replace(&mut run.begun, true) {
            run.progress.reset();
        }
        run.progress.clone()
    }

    fn end(&self, result: Result<Outcome, CrawlError>) {
        let ended = Arc::new(Ended { at: clock::now().wall, result });
        let mut state = self.state();
        match &ended.result {
            Ok(Outcome::Published { .. }) => state.tally.published += 1,
            Ok(Outcome::Kept { broken, .. }) => {
                state.tally.kept_old += 1;
                for (count, rule) in state.tally.refusals.iter_mut().zip(Rule::ALL) {
                    *count += u64::from(broken.iter().any(|broken| broken.rule == rule));
                }
            }
            Err(_) => state.tally.failed += 1,
        }
        state.last = Some(ended.clone());
        if let Some(run) = state.run.take() {
            run.ended.send_replace(Some(ended));
        }
    }
}

/// The task.
async fn work<F: Fetch>(
    shared: Arc<Shared>,
    fetch: Arc<F>,
    (store, visits): (Store, Arc<Visits>),
    (seats, mut leave): (Seats, Leave),
) {
    let mut changes = shared.site.subscribe();
    let mut failures = 0;
    let mut eager = Early::new(visits.clone());
    loop {
        let site = changes.borrow_and_update().clone();
        // What is held is no copy to fall to.
        let newest = store.current().and_then(|_| store.list().first().map(|newest| newest.taken_at));
        let wait = pause(clock::now().wall, newest, site.mirror.every, failures);
        let due = tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = shared.asked.notified() => true,
            () = eager.wait(&store, site.mirror.every), if failures == 0 => true,
            changed = changes.changed() => changed.is_err(),
            never = scrub_slowly(&store) => match never {},
        };
        if !due {
            continue;
        }
        // What somebody has asked for was allowed already. Meanwhile another instance may have taken the snapshot: then none is
        // due any more.
        if !shared.is_asked() && !leave.is_given(store.current().is_none()) {
            let given = async {
                while !leave.is_given(store.current().is_none()) {
                    // a word that is missed delays a crawl, and does not stop it
                    _ = tokio::time::timeout(ASK_AGAIN, leave.changed()).await;
                }
            };
            tokio::select! {
                () = shared.asked() => {}
                () = given => continue,
                _ = changes.changed() => {
                    changes.mark_changed();
                    continue;
                }
                never = scrub_slowly(&store) => match never {},
            }
        }
        let _seat = tokio::select! {
            seat = seats.0.acquire() => seat.ok(),
            () = shared.asked() => None,
        };
        if !shared.is_asked() && !leave.is_given(store.current().is_none()) {
            continue;
        }
        eager.begins();
        // On the heap only while it lasts: the state of a crawl is large, and most sites rest most of the time.
        let Some(result) = Box::pin(one(&shared, &mut changes, &*fetch, (&store, &visits))).await else {
            return;
        };
        eager.ended();
        failures = match &result {
            Ok(outcome) if outcome.is_good() => 0,
            // Another process is at it: look again in a while.
            Err(CrawlError::AlreadyRunning) => 1,
            Ok(_) => failures + 1,
            Err(error) => {
                let error = error as &dyn std::error::Error;
                let in_service = store.current().map(|current| current.id().to_string());
                tracing::error!(site = &*site.name, error, in_service, "no snapshot could be taken");
                failures + 1
            }
        };
        shared.end(result);
    }
}

/// One crawl, restarted when the configuration changes under it. `None`: nobody wants it any more.
async fn one<F: Fetch>(
    shared: &Shared,
    changes: &mut watch::Receiver<Arc<Site>>,
    fetch: &F,
    (store, visits): (&Store, &Arc<Visits>),
) -> Option<Result<Outcome, CrawlError>> {
    loop {
        let site = changes.borrow_and_update().clone();
        let progress = shared.begin();
        let now = clock::now();
        let started = match begin(&site, store, now).await {
            Ok(started) => started,
            Err(error) => return Some(Err(error)),
        };
        let mut crawl = pin!(fill(started, &site, fetch, store, Some(visits), &progress));
        tokio::select! {
            result = &mut crawl => return Some(result),
            changed = changed(changes, &site) => changed?,
        }
        // What is being published cannot be called back, and is a good snapshot.
        if progress.is_publishing() {
            return Some(crawl.await);
        }
        tracing::info!(site = &*site.name, "the configuration has changed, restarting the crawl");
    }
}

/// Waits until the configuration differs in something that a crawl goes by. `None`: it never will.
async fn changed(changes: &mut watch::Receiver<Arc<Site>>, from: &Site) -> Option<()> {
    changes.wait_for(|site| !same_crawl(site, from)).await.ok().map(|_| ())
}

/// Whether a crawl by one configuration is a crawl by the other.
fn same_crawl(a: &Site, b: &Site) -> bool {
    course(a) == course(b) && a.mirror.rate == b.mirror.rate
}

/// How long to wait before the next crawl. `newest`: when the newest snapshot was taken, be it in service or not (who
/// has gone back to an older one does not want a new one at once); `None` when none is in service.
fn pause(now: SystemTime, newest: Option<SystemTime>, every: Duration, failures: u32) -> Duration {
    if failures > 0 {
        // Without any snapshot the site has nothing to fall to: every try is worth it.
        let first = if newest.is_none() { FIRST_RETRY } else { RETRY };
        return first.saturating_mul(1 << (failures - 1).min(16)).min(every.max(first));
    }
    // A snapshot from the future is one from before the clock was set back: as good as new.
    newest.map_or(Duration::ZERO, |taken| every.saturating_sub(now.duration_since(taken).unwrap_or_default()))
}

#[cfg(test)]
mod tests;
