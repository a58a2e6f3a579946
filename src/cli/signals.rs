//! The signals that operators, logrotate and service managers send. None ends the process without a drain, and none that comes
//! while the process is still starting is lost: each has its receiver before the configuration is even read.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::App;

/// The receivers. Once made, a signal has no other effect than to be received here, also after this value is gone.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
}

impl Signals {
    /// Takes over all signals. Belongs at the very beginning of the runtime's work. (Rust's runtime has SIGPIPE ignored already.)
    ///
    /// # Errors
    /// The system refuses a handler.
    pub(super) fn install() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for a signal to stop: SIGTERM, SIGINT or SIGQUIT.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
        }
    }

    /// Does what signals ask for until one says to stop. SIGHUP reloads and reopens the access log, SIGUSR1 only reopens it;
    /// SIGUSR2 is kept for later.
    pub(super) async fn serve(&mut self, app: &Arc<App>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.quit.recv() => return,
                _ = self.hangup.recv() => {
                    app.reopen_access_log();
                    drop(app.reload().await); // it says itself what came of it
                }
                _ = self.user1.recv() => app.reopen_access_log(),
                _ = self.user2.recv() => tracing::info!(signal = %"SIGUSR2", "signal ignored, it has no effect"),
            }
        }
    }
}
