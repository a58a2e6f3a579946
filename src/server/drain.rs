//! The end of a server: no new connections, what runs is finished, and all of it within a deadline.

use std::time::Duration;

use super::Server;
use super::activity::End;

/// A connection that has not asked for anything yet may still do so for this long.
const UNUSED: Duration = Duration::from_millis(500);
/// How often the drain looks whether only WebSockets are left.
const LOOK: Duration = Duration::from_millis(250);
/// How long ended connections may take to be gone.
const SETTLE: Duration = Duration::from_secs(1);

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request was answered.
    Finished {
        /// WebSockets that were closed when nothing else was left: they have no end to wait for.
        upgraded: usize,
    },
    /// The deadline passed.
    Aborted {
        /// Connections that were cut.
        connections: usize,
    },
}

impl Server {
    /// Stops accepting, asks every connection to finish (`Connection: close`, GOAWAY), waits for that for up to
    /// `grace`, and cuts what is left.
    pub async fn drain(self, grace: Duration) -> Drained {
        drop(std::mem::take(&mut *self.accepting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)));
        self.shared.registry.close();
        let outcome = match tokio::time::timeout(grace, self.finish()).await {
            Ok(upgraded) => Drained::Finished { upgraded },
            Err(_) => Drained::Aborted { connections: self.shared.registry.kill_all(End::Drained) },
        };
        let _ = tokio::time::timeout(SETTLE, self.empty()).await;
        outcome
    }

    async fn finish(&self) -> usize {
        let registry = &self.shared.registry;
        let unused = async {
            tokio::time::sleep(UNUSED).await;
            registry.kill_unused(End::Drained);
            std::future::pending::<()>().await;
        };
        let mut upgraded = 0;
        let others = async {
            while registry.len() > 0 {
                upgraded += registry.kill_upgraded_when_alone(End::Drained);
                // not only when one leaves: the last other one may have become a WebSocket
                let _ = tokio::time::timeout(LOOK, registry.left()).await;
            }
        };
        tokio::select! {
            () = unused => {}
            () = others => {}
        }
        upgraded
    }

    async fn empty(&self) {
        while self.shared.registry.len() > 0 {
            self.shared.registry.left().await;
        }
    }
}
