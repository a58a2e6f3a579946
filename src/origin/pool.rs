//! Idle connections, last used first: the few that are needed stay warm, the others age and go.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::exchange::Connection;
use crate::clock;

/// The most idle connections of one kind.
const MOST: usize = 256;
/// The most kinds (server names); more come from visitors of a catch-all site who make up names.
const NAMES: usize = 64;
/// How long a connection may be idle. Origins usually close them after 5 to 75 seconds.
const REST: Duration = Duration::from_secs(55);

/// The idle connections to one origin.
#[derive(Default)]
pub struct Pool {
    resting: Mutex<HashMap<Arc<str>, Vec<Connection>>>,
    /// How often it was cleared.
    epoch: AtomicU64,
}

impl Pool {
    /// Takes an open connection that was idle for at most `rest`, the warmest first.
    pub fn take(&self, name: &str, rest: Duration) -> Option<Connection> {
        let now = clock::instant();
        loop {
            let mut connection = self.lock().get_mut(name)?.pop()?;
            let rested = connection.idle_since.map_or(Duration::ZERO, |since| now - since);
            if rested > rest.min(REST) {
                self.put_back(name, connection);
                return None; // those beneath it rested longer still
            }
            if connection.is_open() {
                return Some(connection);
            }
        }
    }

    /// What a connection that is opened from now on has as its `epoch`.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Lays an open connection to rest, unless all were dropped since it was opened.
    pub fn put(&self, name: &Arc<str>, mut connection: Connection) {
        connection.idle_since = Some(clock::instant());
        let mut resting = self.lock();
        if connection.epoch != self.epoch() {
            return;
        }
        if let Some(alike) = resting.get_mut(name) {
            if alike.len() < MOST {
                alike.push(connection);
            }
        } else if resting.len() < NAMES {
            resting.insert(name.clone(), vec![connection]);
        }
    }

    /// Drops all, and those under way once they come to rest: what they lead to is not in use any more.
    pub fn clear(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.lock().clear();
    }

    /// Drops connections that were idle for too long or that the origin closed. Called now and then.
    pub fn sweep(&self, now: Instant) {
        let old =
            |c: &Connection| c.idle_since.is_some_and(|since| now.saturating_duration_since(since) > REST);
        self.lock().retain(|_, alike| {
            alike.retain_mut(|connection| !old(connection) && connection.is_open());
            !alike.is_empty()
        });
    }

    fn put_back(&self, name: &str, connection: Connection) {
        if let Some(alike) = self.lock().get_mut(name) {
            alike.push(connection);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Connection>>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::DuplexStream;

    /// An open connection, and its other end.
    async fn opened(pool: &Pool) -> (Connection, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1024);
        let mut connection = Connection::open(Box::new(ours), 8192).await.unwrap();
        connection.epoch = pool.epoch();
        (connection, theirs)
    }

    #[tokio::test]
    async fn what_was_in_use_when_all_were_dropped_does_not_come_back() {
        let (pool, name) = (Pool::default(), Arc::from(""));
        let (resting, _end) = opened(&pool).await;
        let (in_use, _other_end) = opened(&pool).await;
        pool.put(&name, resting);
        pool.clear();
        assert!(pool.take("", Duration::MAX).is_none(), "at rest");
        pool.put(&name, in_use);
        assert!(pool.take("", Duration::MAX).is_none(), "in use");
        let (new, _new_end) = opened(&pool).await;
        pool.put(&name, new);
        assert!(pool.take("", Duration::MAX).is_some(), "opened since");
    }
}
