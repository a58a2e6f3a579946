//! Work over all sites: one round at a time, and whoever triggers it waits only briefly. With thousands of sites, or on a
//! busy disk, a round takes longer than a scrape may wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use crate::{clock, tasks};

/// How long whoever wants to read waits for a round. What it has not reached by then he is told as it was seen before.
const WAIT: Duration = Duration::from_millis(200);
/// A round ends after this time, wherever it is; the next one begins with what this one did not reach.
const LONGEST: Duration = Duration::from_secs(2);

/// Rounds of one kind.
#[derive(Debug, Default)]
pub(super) struct Rounds(Arc<tokio::sync::Mutex<()>>);

impl Rounds {
    /// Does `work` on each of what `due` finds once the round before is over, until all is done or the time is up. Returns
    /// when the round is over, or sooner: after [`WAIT`] at the latest. `work` blocks.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        due: impl FnOnce() -> Vec<T>,
        work: impl FnMut(T) + Send + 'static,
    ) {
        let until = clock::instant() + WAIT;
        let Ok(turn) = timeout_at(until.into(), self.0.clone().lock_owned()).await else { return };
        let due = due();
        if due.is_empty() {
            return;
        }
        let round = tasks::detached(tasks::blocking(move || {
            each_until(due, work, clock::instant() + LONGEST);
            drop(turn);
        }));
        _ = timeout_at(until.into(), round).await;
    }
}

fn each_until<T>(due: Vec<T>, mut work: impl FnMut(T), until: Instant) {
    for one in due {
        work(one);
        if clock::instant() >= until {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_round_that_is_quick_is_waited_for_whole() {
        let done = Arc::new(Mutex::new(Vec::new()));
        let rounds = Rounds::default();
        let into = done.clone();
        rounds.run(|| vec![1, 2, 3], move |n| into.lock().unwrap().push(n)).await;
        assert_eq!(*done.lock().unwrap(), [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_round_that_hangs_is_left_alone_and_no_second_one_begins() {
        let (go, wait) = mpsc::channel::<()>();
        let done = Arc::new(Mutex::new(Vec::new()));
        let rounds = Rounds::default();
        let into = done.clone();
        let hangs = move |n: u32| {
            _ = wait.recv();
            into.lock().unwrap().push(n);
        };
        rounds.run(|| vec![1], hangs).await;
        assert!(done.lock().unwrap().is_empty(), "whoever asked was not kept");
        let into = done.clone();
        rounds.run(|| unreachable!("one is under way"), move |n| into.lock().unwrap().push(n)).await;
        drop(go);
        let into = done.clone();
        while done.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        rounds.run(|| vec![2], move |n| into.lock().unwrap().push(n)).await;
        assert_eq!(*done.lock().unwrap(), [1, 2]);
    }

    #[test]
    fn a_round_ends_when_its_time_is_up() {
        let mut done = Vec::new();
        each_until(vec![1, 2], |n| done.push(n), clock::instant());
        assert_eq!(done, [1]);
    }
}
