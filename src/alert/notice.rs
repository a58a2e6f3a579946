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
    /// It is over, and this is the report about it; by e-mail only.
    Report,
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
            Event::Report => "report",
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
    /// The id of its incident, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

impl Notice {
    /// The reports about the incidents of these, whose details say when each ended. The same ones have the same id.
    pub fn report(members: Vec<Member>, now: u64) -> Notice {
        // one that goes on and ends again has another report
        let name = |member: &Member| format!("{:?} {}\n", member.incident, member.detail);
        let digest = blake3::hash(members.iter().map(name).collect::<String>().as_bytes()).to_hex();
        let id = format!("report-{}", &digest[..16]);
        let cause = members.first().map_or(Cause::Internal, |member| member.cause);
        let total = members.len();
        Notice { alert: id.clone(), id, event: Event::Report, cause, members, total, ..Notice::test(now) }
    }

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
