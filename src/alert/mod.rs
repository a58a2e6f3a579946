//! Alerts: what is told to people when something is wrong, when, and in what words. The ledger decides without I/O; the formats
//! render; the queue keeps on the disk what is not sent yet. Sending is `app`'s.

mod code;
pub mod format;
pub mod ledger;
mod notice;
pub mod queue;
mod severity;
pub mod token;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::failure::{Cause, Said};
pub use ledger::{Ledger, Pace};
pub use notice::{Event, LISTED, Member, Notice};
pub use queue::{Put, Queue, Queued};

/// How urgent something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nobody is told.
    Info,
    /// Somebody has to look at it in the next days.
    Warn,
    /// Somebody has to look at it now.
    Page,
}

impl Severity {
    /// As in the API and in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Page => "page",
        }
    }
}

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// That visitors do not get the whole live site. Its cause may change meanwhile.
    Outage,
    /// A condition, which is what its cause says; see [`Topic::of`].
    Condition(#[serde(with = "code")] Cause),
}

impl Topic {
    /// That of a condition. What ends soon and what has ended are one topic: to whom the end was announced, it comes as
    /// something worse, and nobody hears that the warning is over because what it warned of has come.
    pub fn of(cause: Cause) -> Topic {
        Topic::Condition(announcement(cause).unwrap_or(cause))
    }

    /// The same of one that an earlier version has written.
    fn as_now(self) -> Topic {
        match self {
            Topic::Outage => Topic::Outage,
            Topic::Condition(cause) => Topic::of(cause),
        }
    }
}

/// The cause that has announced this one.
pub fn announcement(cause: Cause) -> Option<Cause> {
    const ANNOUNCED: [(Cause, Cause); 3] = [
        (Cause::DomainExpired, Cause::DomainExpiring),
        (Cause::DnssecBroken, Cause::DnssecExpiring),
        (Cause::SiteCertificateExpired, Cause::SiteCertificateExpiring),
    ];
    ANNOUNCED.iter().find(|(come, _)| *come == cause).map(|(_, before)| *before)
}

/// Something that holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The site's name; empty: Katahai itself.
    pub site: Arc<str>,
    /// What about.
    pub topic: Topic,
    /// Why.
    pub cause: Cause,
    /// Which one, where there may be several: a file, an origin.
    pub subject: String,
    /// The host that the trouble is on, if that is known: sites that share it share their alert.
    pub place: String,
    /// What exactly.
    pub detail: String,
    /// How urgent it is. What is [`Severity::Info`] begins no alert, but keeps one that has begun.
    pub severity: Severity,
    /// Since when, in seconds since the epoch.
    pub since: u64,
    /// Of what ends on a day: how many days before that it is told, the last that was passed. Each is told once.
    pub step: Option<u16>,
    /// Whether the operator has brought it about.
    pub is_planned: bool,
    /// What visitors get meanwhile.
    pub visitors: Option<Said>,
    /// The id of the incident that it belongs to.
    pub incident: Option<String>,
}

/// What names a signal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SignalKey {
    site: String,
    topic: Topic,
    subject: String,
}

impl Signal {
    fn key(&self) -> SignalKey {
        SignalKey { site: self.site.to_string(), topic: self.topic, subject: self.subject.clone() }
    }
}
