//! One message to people, as data: what has happened, to whom, and since when. The formats put it into words.

use serde::{Deserialize, Serialize};

use super::{Severity, Topic, code};
use crate::failure::{Cause, Said};

/// Sites that a message names; of the rest it says how many there are.
pub const LISTED: usize = 20;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It has begun.
    Begin,
    /// It has become more urgent.
    Worse,
    /// It goes on.
    Still,
    /// It is over.
    Over,
    /// Nothing: somebody tries whether alerts arrive.
    Test,
}

impl Event {
    /// As in the JSON of alerts.
    pub fn as_str(self) -> &'static str {
        match self {
            Event::Begin => "begin",
            Event::Worse => "worse",
            Event::Still => "still",
            Event::Over => "over",
            Event::Test => "test",
        }
    }
}

/// A message. Times are seconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its id: a second one with the same is the same message.
    pub id: String,
    /// The alert that it is about.
    pub alert: String,
    /// What has happened.
    pub event: Event,
    /// How urgent it is.
    pub severity: Severity,
    /// What about.
    pub topic: Topic,
    /// Why; of several sites, why most of them.
    #[serde(with = "code")]
    pub cause: Cause,
    /// Since when it holds.
    pub since: u64,
    /// When this message was made.
    pub at: u64,
    /// When it was over.
    pub ended: Option<u64>,
    /// Whom it concerns: the first of them.
    pub members: Vec<Member>,
    /// How many there are.
    pub total: usize,
    /// How often it came and went, if it does not stay either way.
    pub flaps: usize,
    /// What visitors get meanwhile.
    pub visitors: Option<Said>,
}

/// One whom an alert concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The site's name; empty: Katahai itself.
    pub site: String,
    /// Why.
    #[serde(with = "code")]
    pub cause: Cause,
    /// What exactly.
    pub detail: String,
}

impl Notice {
    /// A message that only shows that messages arrive.
    pub fn test(now: u64) -> Notice {
        Notice {
            id: format!("test-{now}-{:08x}", fastrand::u32(..)),
            alert: String::new(),
            event: Event::Test,
            severity: Severity::Info,
            topic: Topic::Outage,
            cause: Cause::Internal,
            since: now,
            at: now,
            ended: None,
            members: Vec::new(),
            total: 0,
            flaps: 0,
            visitors: None,
        }
    }
}
