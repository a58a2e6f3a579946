//! Levers stop a request at a chosen point, so that a race is arranged and not hoped for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::wait::eventually;

/// Holds every request that reaches it until it is released.
#[derive(Clone)]
pub struct Lever {
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, Default)]
struct State {
    arrived: usize,
    open: bool,
}

impl Lever {
    /// A lever that holds.
    pub fn new() -> Lever {
        Lever { state: Arc::new(watch::Sender::new(State::default())) }
    }

    /// Where the held code waits.
    pub async fn pass(&self) {
        self.state.send_modify(|state| state.arrived += 1);
        let mut moved = self.state.subscribe();
        // the sender lives in self: the wait ends only by the release
        let _ = moved.wait_for(|state| state.open).await;
    }

    /// How many have come so far.
    pub fn arrived(&self) -> usize {
        self.state.borrow().arrived
    }

    /// Waits until `n` have come.
    pub async fn wait_for(&self, n: usize, within: Duration) {
        eventually(&format!("{n} requests at the lever"), within, async || {
            (self.arrived() >= n).then_some(())
        })
        .await;
    }

    /// Lets everybody through, now and later.
    pub fn release(&self) {
        self.state.send_modify(|state| state.open = true);
    }
}
