//! A dead man's switch: a URL of somebody else's that is asked while Katahai is well, so that silence is noticed. It says
//! nothing of the sites: an outage of a site is told by an alert, and does not stop it.

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::App;
use super::admin_listener::answers;
use crate::clock::{self, Now};
use crate::config::ready::AdminAddr;
use crate::{disk, tasks};

/// The ticker is to have run within this time; of thousands of sites a turn takes a while.
const TICKED: Duration = Duration::from_secs(30);
/// How often it is looked whether there is one.
const LOOK: Duration = Duration::from_secs(1);
/// What is written to see whether the disk takes it: a file without content fits on a full one.
const PROBE: &[u8] = &[b'.'; 4096];

/// What is known of the heart.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    last_tick: Mutex<Option<Instant>>,
    last_beat: Mutex<Beat>,
    admin: OnceLock<AdminAddr>,
}

/// How the last beat went.
#[derive(Clone, Debug, Default)]
pub(super) struct Beat {
    /// When it was taken, in seconds since the epoch.
    pub(super) sent: Option<u64>,
    /// Why the last one was not sent, or not taken.
    pub(super) trouble: Option<String>,
}

impl Pulse {
    /// From now on it is to tick.
    fn begin(&self, now: Instant) {
        held(&self.last_tick).get_or_insert(now);
    }

    pub(super) fn ticked(&self, now: Instant) {
        *held(&self.last_tick) = Some(now);
    }

    pub(super) fn last_beat(&self) -> Beat {
        held(&self.last_beat).clone()
    }

    fn is_ticking(&self, now: Instant) -> bool {
        held(&self.last_tick).is_some_and(|last| now.saturating_duration_since(last) < TICKED)
    }

    fn beaten(&self, result: Result<(), String>, now: Now) {
        let mut last = held(&self.last_beat);
        match result {
            Ok(()) => {
                if last.trouble.is_some() {
                    tracing::info!("the heartbeat goes on");
                }
                *last = Beat { sent: Some(now.unix()), trouble: None };
            }
            Err(why) => {
                if last.trouble.as_ref() != Some(&why) {
                    tracing::warn!(why, "no heartbeat");
                }
                last.trouble = Some(why);
            }
        }
    }
}

fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Beats for as long as the application is there.
pub(in crate::app) async fn beat(app: Weak<App>) {
    let mut last: Option<Instant> = None;
    while let Some(app) = app.upgrade() {
        let now = clock::instant();
        app.alerts.pulse.begin(now);
        let heartbeat = app.alert_settings().heartbeat;
        if let Some(heartbeat) = heartbeat
            && last.is_none_or(|last| now.saturating_duration_since(last) >= heartbeat.every)
        {
            last = Some(now);
            let result = match app.illness(now).await {
                Some(why) => Err(why),
                None => match app.hook_client().await {
                    Ok(client) => client.get(&heartbeat.url.0).await,
                    Err(why) => Err(why),
                }
                .map_err(|why| format!("{}: {}", why.code, why.detail)),
            };
            app.alerts.pulse.beaten(result, clock::now());
        }
        drop(app);
        tokio::time::sleep(LOOK).await;
    }
}

impl App {
    /// Where the admin API was found to listen: the heart looks whether it answers.
    pub fn admin_listens(&self, at: AdminAddr) {
        _ = self.alerts.pulse.admin.set(at);
    }

    /// Why somebody is to notice that there is no heartbeat.
    async fn illness(&self, now: Instant) -> Option<String> {
        if !self.alerts.pulse.is_ticking(now) {
            return Some("the clockwork of Katahai stands still".to_owned());
        }
        let dir = self.config().state_dir;
        let probe = tasks::blocking(move || probe(&dir)).await?;
        if let Err(error) = probe {
            return Some(format!("the state directory cannot be written to: {error}"));
        }
        if let Some((to, _)) = self.undelivered(now).into_iter().next() {
            return Some(format!("alerts do not reach {to}"));
        }
        match self.alerts.pulse.admin.get() {
            Some(at) if !answers(at).await => Some("the admin listener does not answer".to_owned()),
            Some(_) | None => None,
        }
    }
}

/// Writes something to a folder, and takes it away again. Blocks.
fn probe(dir: &Path) -> io::Result<()> {
    let mut file = disk::StagedFile::create(dir)?;
    file.write_all(PROBE)?;
    file.sync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heart_ticks_for_a_while_after_each_turn() {
        let (pulse, now) = (Pulse::default(), clock::instant());
        assert!(!pulse.is_ticking(now));
        pulse.begin(now);
        assert!(pulse.is_ticking(now) && !pulse.is_ticking(now + TICKED));
        pulse.begin(now + TICKED);
        assert!(!pulse.is_ticking(now + TICKED), "a clockwork that never runs is found out");
        pulse.ticked(now);
        assert!(pulse.is_ticking(now + TICKED / 2) && !pulse.is_ticking(now + TICKED));
    }

    #[test]
    fn a_disk_is_probed_by_writing() {
        let dir = tempfile::tempdir().unwrap();
        probe(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing stays");
        probe(&dir.path().join("gone")).unwrap_err();
    }
}
