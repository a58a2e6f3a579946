//! One fetch for a page, however many want it (the cold page that a thousand visitors request at once).
//!
//! The first who asks leads: it fetches and says how it ended. The others follow: they wait, and share what came, the
//! failure included, so that a dying origin is asked once and not a thousand times. A leader that vanishes (its
//! visitor left, its task was ended) is replaced by one of its followers; so is one whose visitor reads more slowly than the
//! answer comes, as far as the others are concerned. Nobody waits beyond their own deadline.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::entry::Entry;
use super::key::BuildHashed;
use crate::clock::Now;
use crate::failure::Failure;
use crate::http::pace::Lag;

/// For how long requests for a page that cannot be shared do not wait for each other.
const ALONE: Duration = Duration::from_secs(10);
/// So often a follower looks whether the leader's visitor keeps up.
const LOOK: Duration = Duration::from_millis(250);
/// Pages remembered as not shareable.
const REMEMBERED: usize = 16_384;

/// What is fetched once: a page, for requests that would get the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlightKey(pub(super) u128);

/// The fetches under way. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Flights(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    flying: HashMap<u128, Flight, BuildHashed>,
    /// The number of the last flight.
    last: u64,
    /// Hit-for-miss: pages whose answers could not be shared, until when not to try again.
    alone: HashMap<u128, Instant, BuildHashed>,
}

/// One fetch under way, as its followers see it.
#[derive(Clone, Debug)]
struct Flight {
    number: u64,
    landing: watch::Receiver<Option<Landing>>,
    lag: Arc<Mutex<Lag>>,
}

impl Flight {
    fn is_behind(&self) -> bool {
        self.lag.lock().unwrap_or_else(PoisonError::into_inner).is_behind(instant())
    }
}

/// How a fetch ended.
#[derive(Clone, Debug)]
enum Landing {
    Stored(Arc<Entry>),
    NotShareable,
    Failed(Arc<Failure>),
}

/// What somebody who asks is to do.
#[derive(Debug)]
pub enum Role {
    /// Fetch, and say how it ended.
    Leader(Leader),
    /// Wait.
    Follower(Waiter),
    /// Fetch for oneself: this page was not shareable a moment ago.
    Alone,
    /// Nothing to do: the page came between the look and the question.
    Came(Arc<Entry>),
}

/// What a follower gets.
#[derive(Debug)]
pub enum Landed {
    /// An answer. Whether it is one for this request too, [`Entry::shared_with`] says; if not, look up again.
    Stored(Arc<Entry>),
    /// The answer is for the leader alone: fetch for oneself.
    Alone,
    /// There is none, and why.
    Failed(Arc<Failure>),
    /// The leader vanished: fetch in its place.
    Lead(Leader),
    /// The leader's visitor does not read what has come: fetch in its place, whole, for all who wait.
    TakeOver(Leader),
    /// The deadline passed first.
    TimedOut,
}

impl Flights {
    /// Joins the fetch of a page, or begins it. (Whether the page came meanwhile, the store knows.)
    pub fn join(&self, key: FlightKey, now: Now) -> Role {
        let mut table = self.table();
        if let Some(&until) = table.alone.get(&key.0) {
            if now.mono < until {
                return Role::Alone;
            }
            table.alone.remove(&key.0);
        }
        self.enter(table, key)
    }

    /// Whether the page was found not shareable a moment ago.
    pub fn is_alone(&self, key: FlightKey, now: Now) -> bool {
        self.table().alone.get(&key.0).is_some_and(|&until| now.mono < until)
    }

    /// How many fetches are under way.
    pub fn under_way(&self) -> usize {
        self.table().flying.len()
    }

    fn enter(&self, mut table: MutexGuard<'_, Table>, key: FlightKey) -> Role {
        if let Some(flight) = table.flying.get(&key.0) {
            return Role::Follower(Waiter { flights: self.clone(), key, flight: flight.clone() });
        }
        Role::Leader(self.begin(&mut table, key))
    }

    fn begin(&self, table: &mut Table, key: FlightKey) -> Leader {
        let (tell, landing) = watch::channel(None);
        table.last += 1;
        let (number, lag) = (table.last, Arc::default());
        let leader = Leader { flights: self.clone(), key, number, tell, lag: Arc::clone(&lag) };
        table.flying.insert(key.0, Flight { number, landing, lag });
        leader
    }

    /// Takes the place of a leader who is behind, unless another has already.
    fn take_over(&self, key: FlightKey, behind: &Flight) -> Role {
        let mut table = self.table();
        match table.flying.get(&key.0) {
            Some(flight) if flight.number == behind.number => Role::Leader(self.begin(&mut table, key)),
            Some(_) | None => self.enter(table, key),
        }
    }

    /// The lock guards two maps and is never held while waiting; a panic while it is held leaves both usable.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remember_alone(&mut self, key: u128, now: Now) {
        if self.alone.len() >= REMEMBERED {
            self.alone.retain(|_, until| now.mono < *until);
            // a flood of such pages: forgetting them costs one wait each, remembering all would cost memory
            if self.alone.len() >= REMEMBERED / 2 {
                self.alone.clear();
            }
        }
        self.alone.insert(key, now.mono + ALONE);
    }
}

/// The duty to fetch. Dropped without a word, it passes to a follower.
#[derive(Debug)]
#[must_use = "followers wait until the leader says how it ended"]
pub struct Leader {
    flights: Flights,
    key: FlightKey,
    number: u64,
    tell: watch::Sender<Option<Landing>>,
    lag: Arc<Mutex<Lag>>,
}

impl Leader {
    /// There is an answer for all.
    pub fn stored(self, entry: Arc<Entry>) {
        self.land(Landing::Stored(entry));
    }

    /// There is an answer, but not one for others. Say so as soon as it is known, before the body has come.
    pub fn not_shareable(self, now: Now) {
        self.flights.table().remember_alone(self.key.0, now);
        self.land(Landing::NotShareable);
    }

    /// There is something for the leader's visitor to read.
    pub fn give(&self) {
        self.lag().give(instant());
    }

    /// He has read all that has come.
    pub fn catch_up(&self) {
        self.lag().catch_up(instant());
    }

    /// Whether he has let the origin wait, so that what became of it says nothing to the others.
    pub fn has_let_wait(&self) -> bool {
        self.lag().has_let_wait(instant())
    }

    /// Whether another has taken its place, and brings what is newer.
    pub fn is_replaced(&self) -> bool {
        self.flights.table().flying.get(&self.key.0).is_none_or(|flight| flight.number != self.number)
    }

    fn lag(&self) -> MutexGuard<'_, Lag> {
        self.lag.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is no answer.
    pub fn failed(self, failure: Arc<Failure>) {
        self.land(Landing::Failed(failure));
    }

    fn land(self, landing: Landing) {
        self.tell.send_replace(Some(landing));
        // dropping takes the flight off the table, and those who still hold its end read what it said
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // before `tell` goes: who is woken by that must not find this flight again
        let mut table = self.flights.table();
        // another may have taken its place
        if table.flying.get(&self.key.0).is_some_and(|flight| flight.number == self.number) {
            table.flying.remove(&self.key.0);
        }
    }
}

/// A place in the queue behind a leader.
#[derive(Debug)]
#[must_use = "a waiter does nothing unless it waits"]
pub struct Waiter {
    flights: Flights,
    key: FlightKey,
    flight: Flight,
}

impl Waiter {
    /// Waits until the fetch ends, however often its leader changes, but not beyond `deadline`.
    pub async fn wait(self, deadline: Instant) -> Landed {
        let ended = tokio::time::timeout_at(deadline.into(), self.ended()).await;
        ended.unwrap_or(Landed::TimedOut)
    }

    async fn ended(mut self) -> Landed {
        loop {
            let landing = self.flight.landing.wait_for(Option::is_some);
            let landed = tokio::time::timeout(LOOK, landing).await;
            let role = match landed.map(|landing| landing.ok().and_then(|landing| landing.clone())) {
                Ok(landing) => match landing {
                    Some(Landing::Stored(entry)) => return Landed::Stored(entry),
                    Some(Landing::NotShareable) => return Landed::Alone,
                    Some(Landing::Failed(failure)) => return Landed::Failed(failure),
                    // the leader vanished: the first to get here takes its place
                    None => self.flights.enter(self.flights.table(), self.key),
                },
                Err(_) if self.flight.is_behind() => match self.flights.take_over(self.key, &self.flight) {
                    Role::Leader(leader) => return Landed::TakeOver(leader),
                    other @ (Role::Follower(_) | Role::Alone | Role::Came(_)) => other,
                },
                Err(_) => continue,
            };
            match role {
                Role::Leader(leader) => return Landed::Lead(leader),
                Role::Follower(waiter) => self.flight = waiter.flight,
                Role::Alone => return Landed::Alone,
                Role::Came(entry) => return Landed::Stored(entry),
            }
        }
    }
}

/// The runtime's own clock, which its timers go by.
fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;
    use crate::clock::now;
    use crate::failure::Cause;
    use crate::tasks;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const KEY: FlightKey = FlightKey(7);

    fn lead(flights: &Flights) -> Leader {
        match flights.join(KEY, now()) {
            Role::Leader(leader) => leader,
            other @ (Role::Follower(_) | Role::Alone | Role::Came(_)) => panic!("{other:?}"),
        }
    }

    fn follow(flights: &Flights) -> Waiter {
        match flights.join(KEY, now()) {
            Role::Follower(waiter) => waiter,
            other @ (Role::Leader(_) | Role::Alone | Role::Came(_)) => panic!("{other:?}"),
        }
    }

    fn soon() -> Instant {
        now().mono + Duration::from_secs(20)
    }

    fn page() -> Arc<Entry> {
        Arc::new(entry(&[("cache-control", "max-age=10")], now()))
    }

    #[tokio::test]
    async fn followers_share_what_the_leader_got() {
        let flights = Flights::default();
        let (leader, waiter) = (lead(&flights), follow(&flights));
        let stored = page();
        leader.stored(stored.clone());
        assert!(matches!(waiter.wait(soon()).await, Landed::Stored(e) if Arc::ptr_eq(&e, &stored)));
        assert_eq!(flights.under_way(), 0);

        let (leader, waiter) = (lead(&flights), follow(&flights));
        leader.failed(Arc::new(Failure::new(Cause::Refused)));
        assert!(matches!(waiter.wait(soon()).await, Landed::Failed(f) if f.cause == Cause::Refused));
        drop(lead(&flights)); // a failure does not outlive those who waited for it
    }

    #[tokio::test]
    async fn what_cannot_be_shared_is_not_waited_for_again() {
        let flights = Flights::default();
        let t = now();
        let (leader, waiter) = (lead(&flights), follow(&flights));
        leader.not_shareable(t);
        assert!(matches!(waiter.wait(soon()).await, Landed::Alone));
        assert!(matches!(flights.join(KEY, t), Role::Alone));
        assert!(flights.is_alone(KEY, t) && !flights.is_alone(FlightKey(8), t));
        assert!(matches!(flights.join(KEY, t.plus(ALONE)), Role::Leader(_)));
        assert!(!flights.is_alone(KEY, t.plus(ALONE)));
    }

    #[tokio::test]
    async fn a_vanished_leader_is_replaced_by_a_follower() {
        let flights = Flights::default();
        let (leader, first, second) = (lead(&flights), follow(&flights), follow(&flights));
        drop(leader);
        let Landed::Lead(leader) = first.wait(soon()).await else { panic!("nobody leads") };
        leader.stored(page());
        // the second one never noticed the first leader's end, and may lead once more, but not wait for ever
        match second.wait(soon()).await {
            Landed::Lead(leader) => drop(leader),
            Landed::Stored(_) => {}
            other @ (Landed::Alone | Landed::Failed(_) | Landed::TakeOver(_) | Landed::TimedOut) => {
                panic!("{other:?}")
            }
        }
        assert_eq!(flights.under_way(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_who_does_not_read_is_not_waited_for() {
        let flights = Flights::default();
        let (slow, first, second) = (lead(&flights), follow(&flights), follow(&flights));
        slow.give();
        let until = (tokio::time::Instant::now() + Duration::from_secs(20)).into_std();
        let second = tasks::detached(second.wait(until));
        let Landed::TakeOver(leader) = first.wait(until).await else { panic!("nobody leads") };
        assert!(slow.is_replaced() && !leader.is_replaced());
        drop(slow);
        assert_eq!(flights.under_way(), 1, "his end is not the new flight's");
        leader.give();
        leader.catch_up();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!second.is_finished(), "the origin is waited for");
        leader.stored(page());
        assert!(matches!(second.await, Ok(Landed::Stored(_))));
        assert_eq!(flights.under_way(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_beyond_their_deadline() {
        let flights = Flights::default();
        let (_leader, waiter) = (lead(&flights), follow(&flights));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(3);
        assert!(matches!(waiter.wait(deadline.into_std()).await, Landed::TimedOut));
        assert_eq!(tokio::time::Instant::now(), deadline);
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let flights = Flights::default();
        let t = now();
        for key in 0..3 * REMEMBERED as u128 {
            if let Role::Leader(leader) = flights.join(FlightKey(key), t) {
                leader.not_shareable(t);
            }
        }
        assert!(flights.table().alone.len() <= REMEMBERED);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_thousand_requests_are_one_fetch() {
        let flights = Flights::default();
        let fetches = Arc::new(AtomicUsize::new(0));
        let work: Vec<_> = (0..1000)
            .map(|_| {
                let (flights, fetches) = (flights.clone(), fetches.clone());
                tasks::detached(async move {
                    match flights.join(KEY, now()) {
                        Role::Leader(leader) => {
                            fetches.fetch_add(1, Ordering::Relaxed);
                            // the origin answers once all the others wait; the table itself holds one end
                            let deadline = soon();
                            while leader.tell.receiver_count() < 1000 && now().mono < deadline {
                                tokio::task::yield_now().await;
                            }
                            leader.stored(page());
                            true
                        }
                        Role::Follower(waiter) => matches!(waiter.wait(soon()).await, Landed::Stored(_)),
                        Role::Alone | Role::Came(_) => false,
                    }
                })
            })
            .collect();
        for task in work {
            assert!(task.await.unwrap());
        }
        assert_eq!(fetches.load(Ordering::Relaxed), 1);
        assert_eq!(flights.under_way(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn leaders_that_are_ended_anywhere_leave_nobody_waiting() {
        let flights = Flights::default();
        let fetched = Arc::new(AtomicUsize::new(0));
        let mut rng = fastrand::Rng::with_seed(42);
        let work: Vec<_> = (0..1000)
            .map(|_| {
                let (flights, fetched) = (flights.clone(), fetched.clone());
                let (steps, dies) = (rng.usize(0..20), rng.u8(0..10) < 9);
                tasks::detached(async move {
                    let leader = match flights.join(KEY, now()) {
                        Role::Leader(leader) => leader,
                        Role::Follower(waiter) => match waiter.wait(soon()).await {
                            Landed::Lead(leader) | Landed::TakeOver(leader) => leader,
                            Landed::TimedOut => panic!("waited for ever"),
                            Landed::Stored(_) | Landed::Alone | Landed::Failed(_) => return,
                        },
                        Role::Alone | Role::Came(_) => return,
                    };
                    for _ in 0..steps {
                        tokio::task::yield_now().await;
                    }
                    if dies {
                        drop(leader);
                    } else {
                        fetched.fetch_add(1, Ordering::Relaxed);
                        leader.stored(page());
                    }
                })
            })
            .collect();
        // and some tasks are ended from outside, wherever they are
        for task in work.iter().step_by(7) {
            tokio::task::yield_now().await;
            task.abort();
        }
        for task in work {
            match task.await {
                Ok(()) => {}
                Err(ended) => assert!(ended.is_cancelled(), "{ended}"),
            }
        }
        assert_eq!(flights.under_way(), 0);
    }
}
