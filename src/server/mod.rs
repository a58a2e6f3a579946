//! Sockets: accepting, seats, TLS, HTTP/1.1 and HTTP/2, time limits, drain. What is asked goes to a [`Service`].
//!
//! A [`Server`] is one set of seats with any number of listeners: the application has one for visitors and one for
//! the admin API, so that a flood of visitors never keeps the operator out. Limits live in [`Limits`], which a reload
//! replaces without touching a socket.
//!
//! There is no timer for each connection. The io wrapper and the calls keep plain counters in a `Life`; one reaper
//! for each server walks the registry of open connections a few times in the shortest limit, compares what moved, and
//! wakes only the connections that have to end. So a request costs no clock reading and no timer.

mod activity;
mod conn;
mod counters;
mod drain;
mod http2;
mod interim;
mod io;
mod limits;
mod listener;
mod registry;
mod seats;
mod serve;
mod stream;
mod timeouts;
mod unread;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

pub use activity::End;
pub use conn::{Conn, Service, TlsInfo};
pub use counters::Counters;
pub use drain::Drained;
pub use interim::Interim;
pub use limits::Limits;
pub use listener::{BindError, Listener, bind_tcp, bind_unix};
use unread::Unread;

use crate::tasks::{self, Guard};

/// Refusals that are written out at the same time; more are closed without a word.
const REFUSALS_AT_ONCE: usize = 64;

/// Listeners that share their seats, their limits and their end.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    accepting: Mutex<Vec<Guard>>,
    _reaper: Guard,
}

/// What a server's tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    limits: ArcSwap<Limits>,
    seats: Arc<seats::Seats>,
    registry: Arc<registry::Registry>,
    counters: Arc<Counters>,
    unread: Arc<Unread>,
    refusing: Arc<Semaphore>,
}

impl Server {
    /// A server without listeners. Needs a running tokio runtime.
    pub fn new(limits: Limits) -> Server {
        let counters = Arc::new(Counters::default());
        let unread = Arc::new(Unread::default());
        unread.set_most(limits.unread);
        let shared = Arc::new(Shared {
            limits: ArcSwap::from_pointee(limits),
            seats: Arc::new(seats::Seats::default()),
            registry: Arc::new(registry::Registry::new(Arc::clone(&counters), Arc::clone(&unread))),
            counters,
            unread,
            refusing: Arc::new(Semaphore::new(REFUSALS_AT_ONCE)),
        });
        let reaper = tasks::guarded(registry::reap(Arc::clone(&shared)));
        Server { shared, accepting: Mutex::default(), _reaper: reaper }
    }

    /// Starts to accept. With `tls` every connection is TLS; without it, HTTP/1.1 and HTTP/2 by prior knowledge.
    pub fn listen<S: Service>(&self, listener: Listener, tls: Option<Arc<rustls::ServerConfig>>, service: S) {
        let task = listener::accept(listener, tls, service, Arc::clone(&self.shared));
        self.accepting.lock().unwrap_or_else(PoisonError::into_inner).push(tasks::guarded(task));
    }

    /// Replaces the limits. Numbers of seats and sizes hold for new connections, times for open ones too.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.unread.set_most(limits.unread);
        self.shared.limits.store(Arc::new(limits));
    }

    /// What happened on the sockets.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.shared.counters)
    }

    /// Bytes of answers that wait to be read.
    pub fn unread(&self) -> usize {
        self.shared.unread.bytes()
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.shared.registry.len()
    }
}

impl Drop for Server {
    /// Without the reaper nothing would end what is open, so all of it ends here.
    fn drop(&mut self) {
        self.shared.registry.close();
        self.shared.registry.kill_all(End::Drained);
    }
}
