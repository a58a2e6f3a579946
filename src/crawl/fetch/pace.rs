//! When the next request may go out: the [`Tempo`] of a crawl with a clock, a queue, and counters that others read.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as Queue, Notify};
use tokio::time::sleep_until;

use super::tempo::{ResourceKind, Sign, Tempo, Turn};
use crate::clock;
use crate::crawl::progress::Progress;

/// The pace of one crawl.
#[derive(Debug)]
pub(crate) struct Pace {
    tempo: Mutex<Tempo>,
    /// First come, first served.
    queue: Queue<()>,
    /// Fetches in progress that neither send nor wait to: they read their answers, or pause.
    aside: AtomicUsize,
    /// Told whenever one steps aside.
    room: Notify,
    /// Told whenever the first in the queue may have to look again.
    moved: Notify,
}

impl Pace {
    /// `rate` in requests per second; `None`: as fast as the site answers. To be made within the runtime.
    pub(crate) fn new(rate: Option<f64>) -> Pace {
        let tempo = Mutex::new(Tempo::new(rate, now()));
        let (room, moved) = (Notify::new(), Notify::new());
        Pace { tempo, queue: Queue::new(()), aside: AtomicUsize::new(0), room, moved }
    }

    /// The time between two requests that `robots.txt` asks for.
    pub(crate) fn delay(&self, delay: Option<Duration>) {
        if let Some(delay) = delay {
            self.tempo().delay(delay);
        }
    }

    /// How many fetches are worth having in progress. No more: whatever leaves the queue too early goes before more important
    /// addresses that are found meanwhile.
    pub(crate) fn width(&self) -> usize {
        let tempo = self.tempo();
        (tempo.width() + self.aside.load(Relaxed)).min(tempo.most() * 3)
    }

    /// Notes that a fetch sends nothing for a while.
    pub(crate) fn step_aside(&self) -> Aside<'_> {
        self.aside.fetch_add(1, Relaxed);
        self.room.notify_one();
        Aside(&self.aside)
    }

    /// Waits until one more fetch may be worth starting.
    pub(crate) async fn room(&self) {
        self.room.notified().await;
    }

    /// Waits until the next request may be sent.
    pub(crate) async fn turn<'a>(&'a self, progress: &'a Progress) -> Asking<'a> {
        let _first = self.queue.lock().await;
        loop {
            let now = now();
            let turn = self.tempo().turn(now);
            match turn {
                Turn::Now => {
                    self.tell(progress, now);
                    return Asking { pace: self, progress, asked: now, own: true };
                }
                // A Retry-After that comes meanwhile is seen at the next look.
                Turn::At(at) => sleep_until(at.into()).await,
                Turn::Full => self.moved.notified().await,
            }
        }
    }

    /// Moves the counters.
    fn tell(&self, progress: &Progress, now: Instant) {
        let tempo = self.tempo();
        let (tally, counters) = (tempo.tally(), progress.counters());
        counters.slowdowns.store(tally.slowdowns, Relaxed);
        counters.too_many.store(tally.refused, Relaxed);
        counters.held.store(tally.held.as_secs(), Relaxed);
        counters.at_once.store(tempo.width() as u64, Relaxed);
        counters.gap.store(tempo.gap().as_millis() as u64, Relaxed);
        let until = tempo.held_until(now).map_or(0, |until| clock::unix(clock::now().wall + (until - now)));
        counters.held_until.store(until, Relaxed);
    }

    fn tempo(&self) -> MutexGuard<'_, Tempo> {
        self.tempo.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that may be sent, until it is over: dropped, it makes room for another one.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    pace: &'a Pace,
    progress: &'a Progress,
    asked: Instant,
    /// Whether it goes to the site itself.
    own: bool,
}

impl Asking<'_> {
    /// The same for a file of another host, whose behaviour says nothing about the site.
    pub(crate) fn of_another_host(mut self) -> Self {
        self.own = false;
        self
    }

    /// Records an answer whose first byte has just come.
    pub(crate) fn good(&self, kind: ResourceKind) {
        self.saw(kind, Sign::Good(now() - self.asked));
    }

    /// Records trouble.
    pub(crate) fn bad(&self, kind: ResourceKind, sign: Sign) {
        self.saw(kind, sign);
    }

    fn saw(&self, kind: ResourceKind, sign: Sign) {
        if !self.own {
            return;
        }
        let now = now();
        self.pace.tempo().saw(kind, sign, self.asked, now);
        self.pace.tell(self.progress, now);
        self.pace.moved.notify_one();
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.pace.tempo().over();
        self.pace.moved.notify_one();
    }
}

/// A fetch that sends nothing until this is dropped.
pub(crate) struct Aside<'a>(&'a AtomicUsize);

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// The clock that timers go by: it stands still where a test says so.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    fn pace(rate: Option<f64>) -> (Pace, Progress) {
        (Pace::new(rate), Progress::new())
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_at_the_rate_and_never_in_a_bunch() {
        let (pace, progress) = pace(Some(5.0));
        let start = Instant::now();
        for _ in 0..11 {
            pace.turn(&progress).await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        tokio::time::sleep(Duration::from_secs(10)).await;
        pace.turn(&progress).await;
        let late = Instant::now();
        pace.turn(&progress).await;
        pace.turn(&progress).await;
        assert_eq!(late.elapsed(), Duration::from_millis(400));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nobody_waits() {
        let start = Instant::now();
        let (pace, progress) = pace(None);
        for _ in 0..1000 {
            pace.turn(&progress).await;
        }
        assert!(start.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn odd_rates_are_survived() {
        for rate in [f64::INFINITY, f64::NAN, 0.0, -1.0, 1e-300, 1e300] {
            let (pace, progress) = pace(Some(rate));
            pace.turn(&progress).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_asks_before_the_time_that_the_site_asked_for() {
        let (pace, progress) = pace(None);
        let start = Instant::now();
        let first = pace.turn(&progress).await;
        first.bad(ResourceKind::Page, Sign::Refused(Some(Duration::from_secs(30))));
        drop(first);
        assert_eq!((progress.read().too_many, progress.read().slowdowns), (1, 1));
        assert!(progress.read().held_until > 0);
        // All who wait do so together, and then one after the other.
        let waiting = (0..4).map(|_| async { drop(pace.turn(&progress).await) });
        futures_util::future::join_all(waiting).await;
        assert!(start.elapsed() >= Duration::from_secs(30) && start.elapsed() < Duration::from_secs(31));
        assert_eq!((progress.read().held_until, progress.read().held), (0, 30));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_that_is_asked_for_while_somebody_waits_holds_for_him_too() {
        let (pace, progress) = pace(Some(1.0));
        let start = Instant::now();
        let first = pace.turn(&progress).await;
        let second = async {
            drop(pace.turn(&progress).await);
            start.elapsed()
        };
        let refusal = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            first.bad(ResourceKind::Page, Sign::Refused(Some(Duration::from_secs(20))));
            drop(first);
        };
        let (waited, ()) = tokio::join!(second, refusal);
        assert_eq!(waited, Duration::from_millis(20_500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_waits_for_room_and_gets_it_when_a_request_is_dropped() {
        let (pace, progress) = pace(None);
        let first = pace.turn(&progress).await;
        let mut second = std::pin::pin!(pace.turn(&progress));
        assert!(tokio::time::timeout(Duration::from_secs(9), &mut second).await.is_err());
        drop(first);
        assert!(tokio::time::timeout(Duration::from_secs(9), &mut second).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_robots_txt_asks_for_slows_down_and_never_speeds_up() {
        for (rate, delay, expected) in
            [(None, 2, 4), (Some(5.0), 2, 4), (Some(0.1), 2, 20), (None, 9999, 120)]
        {
            let (pace, progress) = pace(rate);
            pace.delay(Some(Duration::from_secs(delay)));
            let start = Instant::now();
            for _ in 0..3 {
                pace.turn(&progress).await;
            }
            assert_eq!(start.elapsed().as_secs(), expected, "{rate:?} {delay}");
        }
    }
}
