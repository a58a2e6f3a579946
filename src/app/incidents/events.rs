//! What happens, told at once to those who listen: the API's stream of events, and alerts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use crate::clock::unix;
use crate::incident::{Change, IncidentSummary};
use crate::snapshot::rfc3339;

/// Events that a slow listener may be behind; then it misses some, and is told so.
const BEHIND: usize = 256;

/// Readers of the stream at once.
pub const READERS: usize = 64;

/// Something that has happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type")]
pub enum Event {
    /// An incident opened, changed, or ended.
    #[serde(rename = "incident")]
    Incident {
        /// `opened`, `reopened`, `updated` or `closed`.
        change: &'static str,
        /// Which.
        incident: IncidentSummary,
    },
    /// A site is in another state.
    #[serde(rename = "state")]
    State {
        /// The site's name.
        #[serde(serialize_with = "as_text")]
        site: Arc<str>,
        /// The state before.
        from: &'static str,
        /// The state now.
        to: &'static str,
        /// Why, by code.
        cause: Option<&'static str>,
    },
    /// The operator's mode of a site is another one.
    #[serde(rename = "mode")]
    Mode {
        /// The site's name.
        #[serde(serialize_with = "as_text")]
        site: Arc<str>,
        /// `auto`, `hold_origin` or `hold_snapshot`.
        mode: &'static str,
        /// Until when, RFC 3339.
        until: Option<String>,
    },
    /// Another snapshot is in service.
    #[serde(rename = "snapshot")]
    Snapshot {
        /// The site's name.
        #[serde(serialize_with = "as_text")]
        site: Arc<str>,
        /// Its id.
        snapshot: String,
    },
    /// A condition holds, or no longer does.
    #[serde(rename = "condition")]
    Condition {
        /// The site's name; empty: the whole process.
        #[serde(serialize_with = "as_text")]
        site: Arc<str>,
        /// `begins` or `ends`.
        change: &'static str,
        /// What it is, by code.
        cause: &'static str,
        /// What exactly.
        #[serde(skip_serializing_if = "String::is_empty")]
        detail: String,
    },
}

impl Event {
    /// Its name in the stream.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Incident { change, .. } => change_name(change),
            Event::State { .. } => "state",
            Event::Mode { .. } => "mode",
            Event::Snapshot { .. } => "snapshot",
            Event::Condition { change, .. } if *change == "ends" => "condition-ends",
            Event::Condition { .. } => "condition-begins",
        }
    }
}

fn as_text<S: serde::Serializer>(site: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(site)
}

fn change_name(change: &str) -> &'static str {
    match change {
        "opened" => "incident-opened",
        "reopened" => "incident-reopened",
        "closed" => "incident-closed",
        _ => "incident-updated",
    }
}

/// The word for a change of an incident.
pub(super) fn word(change: Change) -> &'static str {
    match change {
        Change::Opened => "opened",
        Change::Reopened => "reopened",
        Change::Updated => "updated",
        Change::Closed => "closed",
    }
}

/// An event with its number and its time.
#[derive(Clone, Debug, Serialize)]
pub struct Notice {
    /// Unlike that of any other event, also of earlier processes.
    pub id: String,
    /// When, RFC 3339.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// Tells all who listen.
#[derive(Debug)]
pub struct Events {
    sender: broadcast::Sender<Arc<Notice>>,
    run: u64,
    last: Mutex<u64>,
    seats: Arc<Semaphore>,
}

impl Events {
    pub(super) fn new(started: SystemTime) -> Events {
        Events {
            sender: broadcast::Sender::new(BEHIND),
            run: unix(started),
            last: Mutex::new(0),
            seats: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// A place among those who read the stream from outside; `None`: all are taken.
    pub fn seat(&self) -> Option<OwnedSemaphorePermit> {
        self.seats.clone().try_acquire_owned().ok()
    }

    /// From now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<Notice>> {
        self.sender.subscribe()
    }

    /// The id of the last one.
    pub fn last(&self) -> String {
        self.id(*self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(in crate::app) fn tell(&self, event: Event, now: SystemTime) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        let notice = Notice { id: self.id(*last), at: rfc3339(now), event };
        // nobody may be listening
        _ = self.sender.send(Arc::new(notice));
    }

    fn id(&self, number: u64) -> String {
        format!("{:x}-{number}", self.run)
    }
}
