//! The only file that spawns. A task either belongs to a guard that ends it, or is short and bounded by itself.

use std::future::Future;

use tokio::task::JoinHandle;

/// Ends its task when dropped: whoever owns the guard owns the task.
#[derive(Debug)]
pub struct Guard(JoinHandle<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts a task that lives as long as the returned guard.
#[must_use = "the task ends when the guard is dropped"]
pub fn guarded<F>(work: F) -> Guard
where
    F: Future<Output = ()> + Send + 'static,
{
    Guard(detached(work))
}

/// Starts a task that ends by itself: a connection, a fetch with a deadline.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn detached<F, T>(work: F) -> JoinHandle<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    tokio::spawn(work)
}

/// Runs work that blocks (disk, hashing) off the event loop. `None` if it panicked or the runtime is ending.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub async fn blocking<F, T>(work: F) -> Option<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    tokio::task::spawn_blocking(work).await.ok()
}
