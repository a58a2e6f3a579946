//! Waiting for an event instead of sleeping for a time: ask until it is so, or fail with what was awaited.

use std::time::{Duration, Instant};

/// Milliseconds.
pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The least that is waited: a machine under load is no fault of what is tested.
const LEAST: Duration = secs(30);

/// Asks every 10 ms until there is an answer; fails the test after `within`, or [`LEAST`] if that is more.
pub async fn eventually<T>(what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let within = within.max(LEAST);
    let end = Instant::now() + within;
    loop {
        if let Some(value) = ask().await {
            return value;
        }
        assert!(Instant::now() < end, "not within {within:?}: {what}");
        tokio::time::sleep(ms(10)).await;
    }
}
