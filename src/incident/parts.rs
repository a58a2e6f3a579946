//! What an incident is made of, as it is written.

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use crate::failure::Sighting;

/// A failed answer, with what may be told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// When it was seen.
    pub at: Moment,
    /// `visitor` or `check`.
    pub by: String,
    /// The path of the page, without its query.
    pub path: String,
    /// The code of what was wrong.
    pub cause: String,
    /// What was seen exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The status that came, if an answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The first characters of that answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beginning: Option<String>,
}

impl From<&Sighting> for Evidence {
    fn from(seen: &Sighting) -> Evidence {
        let answer = seen.answer.as_ref();
        Evidence {
            at: seen.at.wall.into(),
            by: seen.by.as_str().to_owned(),
            path: seen.path().to_owned(),
            cause: seen.cause.code().to_owned(),
            detail: seen.detail.clone(),
            status: answer.map(|answer| answer.status),
            beginning: answer.map(|answer| answer.beginning.clone()).filter(|text| !text.is_empty()),
        }
    }
}

/// Something that was found out apart from the failed answers and may be what is behind them: of the domain, of the DNS, of a
/// certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its code.
    pub cause: String,
    /// The domain or the host; empty: the site itself.
    #[serde(default)]
    pub subject: String,
    /// When it was found.
    pub at: Moment,
    /// Since when it, or that it would come, was known.
    pub known_since: Moment,
    /// When somebody was sent an alert of it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Moment>,
    /// Of what has a day: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
    /// What was seen, in nobody's language: statuses of a registry, name servers, addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<String>,
    /// When it was so no longer, in the course of the incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Moment>,
}

impl Finding {
    /// Whether both are about the same.
    pub(super) fn is_of(&self, other: &Finding) -> bool {
        (&self.cause, &self.subject) == (&other.cause, &other.subject)
    }

    /// What a later look says of it: what was known first stays.
    pub(super) fn renew(&mut self, later: &Finding) {
        self.known_since = self.known_since.min(later.known_since);
        self.told = self.told.or(later.told);
        self.ended = later.ended.or(self.ended);
        if !later.seen.is_empty() {
            self.seen.clone_from(&later.seen);
        }
        self.over = None;
    }
}

/// A cause, for as long as it was the one that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseSpan {
    /// Its code.
    pub cause: String,
    /// From when on.
    pub from: Moment,
    /// Until when; `None`: still.
    #[serde(default)]
    pub until: Option<Moment>,
}

/// A page that visitors asked for and no copy could answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedPage {
    /// Its path, without its query.
    pub path: String,
    /// How many requests for it there were.
    pub requests: u64,
}

/// An origin, as it was when the incident opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginFacts {
    /// Where it is.
    pub url: String,
    /// The addresses that were in use.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Where its name led, if that was elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_moved: Option<String>,
    /// When the certificate that it showed last expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_ends: Option<Moment>,
    /// Why it is not in use or not up, by code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// The way to the origin, as a tool of the machine saw it when the incident opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Hops {
    /// What it printed, a line each.
    Seen {
        /// Which tool, with the address.
        tool: String,
        /// Its lines.
        lines: Vec<String>,
    },
    /// There is no such tool, or it did not end in time.
    NotPossible,
    /// What a newer version writes.
    #[serde(other)]
    Unknown,
}

/// What kind of planned work it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// An operator held the site.
    Hold,
    /// A maintenance window of the configuration.
    Maintenance,
    /// What a newer version writes.
    #[serde(other)]
    Unknown,
}

/// Planned work that an incident began in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// What kind.
    pub kind: PlanKind,
    /// Until when, if that was said.
    #[serde(default)]
    pub until: Option<Moment>,
    /// What for, if that was said.
    #[serde(default)]
    pub reason: String,
    /// When it was over and the site was still not well: since then, the outage is not planned.
    #[serde(default)]
    pub overran: Option<Moment>,
}

/// Somebody has seen it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// When.
    pub at: Moment,
    /// Who, as they said.
    #[serde(default)]
    pub by: String,
    /// What they said.
    #[serde(default)]
    pub note: String,
}

/// From where the site was reached, and from where it was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regions {
    /// The places.
    pub reached: Vec<String>,
    /// The others.
    pub not_reached: Vec<String>,
}
