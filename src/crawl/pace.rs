//! How fast the site is asked: so many requests a second, and so many at once.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Requests at once where the rate is bounded.
const WIDTH_BOUNDED: usize = 4;
/// Requests at once where it is not.
const WIDTH: usize = 8;

/// The pace of one crawl.
#[derive(Debug)]
pub(super) struct Pace {
    turns: Option<Mutex<Interval>>,
}

impl Pace {
    /// `rate` in requests per second; `None`: as fast as the site answers. To be made within the runtime.
    pub(super) fn new(rate: Option<f64>) -> Pace {
        let turns = rate.map(|rate| {
            // A millisecond is beyond what one origin can take from one crawler; a day ends all patience.
            let period = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::from_secs(86_400));
            let mut turns = interval(period.clamp(Duration::from_millis(1), Duration::from_secs(86_400)));
            // After a pause requests do not come in a bunch.
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Mutex::new(turns)
        });
        Pace { turns }
    }

    /// Requests that may be under way at once.
    pub(super) fn width(&self) -> usize {
        if self.turns.is_some() { WIDTH_BOUNDED } else { WIDTH }
    }

    /// Waits until the next request may be sent. Whoever waits longest is first.
    pub(super) async fn turn(&self) {
        if let Some(turns) = &self.turns {
            turns.lock().await.tick().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn turns_come_at_the_rate_and_never_in_a_bunch() {
        let pace = Pace::new(Some(5.0));
        let start = Instant::now();
        for _ in 0..11 {
            pace.turn().await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        tokio::time::sleep(Duration::from_secs(10)).await;
        pace.turn().await;
        let late = Instant::now();
        pace.turn().await;
        pace.turn().await;
        assert_eq!(late.elapsed(), Duration::from_millis(400));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nobody_waits() {
        let start = Instant::now();
        let pace = Pace::new(None);
        for _ in 0..1000 {
            pace.turn().await;
        }
        assert!(start.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn odd_rates_are_survived() {
        for rate in [f64::INFINITY, f64::NAN, 0.0, -1.0, 1e-300, 1e300] {
            Pace::new(Some(rate)).turn().await;
        }
    }
}
