//! What can be known weeks before it stops a site: the end of its domain, what its registry and its name servers say, the chain
//! of its DNSSEC, how its origins do beside their own month, and the room on the disk.
//!
//! The judgements are pure: [`judge`] for what is known of a domain, [`trend`] for a site's answers, [`room`] for the disk,
//! [`skew`] for the clock. [`look`] asks registries and name servers, one question for a domain however many sites share it.
//! What cannot be asked is told as [`Standing::Unknown`], never as well.

pub mod bootstrap;
pub mod client;
pub mod deadline;
pub mod delegation;
pub mod dnssec;
pub mod domain;
pub mod judge;
pub mod ledger;
pub mod look;
pub mod parking;
pub mod question;
pub mod rdap;
pub mod registration;
pub mod room;
pub mod skew;
pub mod trend;

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::failure::Cause;
use crate::snapshot::rfc3339;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The end of a domain's registration.
    Domain,
    /// Whether the registry holds the domain back.
    Hold,
    /// Whether a stranger could move the domain to another registrar.
    TransferLock,
    /// The name servers of a domain.
    NameServers,
    /// Its chain of signatures.
    Dnssec,
    /// Where a host that visitors use leads.
    Addresses,
    /// The certificate that visitors see, or an origin's.
    Certificate,
    /// How long the origins take, and how often they fail.
    Answers,
    /// How old the snapshot in service is.
    Snapshot,
    /// How much of what visitors ask for it has.
    Coverage,
}

impl What {
    /// As in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            What::Domain => "domain",
            What::Hold => "hold",
            What::TransferLock => "transfer-lock",
            What::NameServers => "name-servers",
            What::Dnssec => "dnssec",
            What::Addresses => "addresses",
            What::Certificate => "certificate",
            What::Answers => "answers",
            What::Snapshot => "snapshot",
            What::Coverage => "coverage",
        }
    }
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Well.
    Ok,
    /// It ends within 30 days.
    Soon,
    /// It has ended.
    Past,
    /// Something is wrong that has no date.
    Bad,
    /// It cannot be checked, or was not yet.
    Unknown,
}

/// One thing that is watched, for the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Watched {
    /// What.
    pub what: What,
    /// Of whom: a domain, a host, an origin; empty for the site itself.
    pub subject: String,
    /// How it stands.
    pub state: Standing,
    /// When it ends, RFC 3339, where it has an end.
    #[serde(serialize_with = "as_rfc3339")]
    pub until: Option<SystemTime>,
    /// In words.
    pub detail: String,
    /// What of it is in nobody's language: statuses of the registry, name servers, addresses.
    #[serde(skip)]
    pub seen: Vec<String>,
    /// When that was learned, RFC 3339.
    #[serde(serialize_with = "as_rfc3339")]
    pub checked_at: Option<SystemTime>,
    /// What the operator is warned with, if there is something to warn of.
    #[serde(skip)]
    pub warning: Option<Warning>,
}

/// What becomes a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Which.
    pub cause: Cause,
    /// Of 30, 14, 7, 3 and 1 days the one that has come, where it is about an end; each is news once.
    pub step: Option<u16>,
}

fn as_rfc3339<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_some(&rfc3339(*time)),
        None => serializer.serialize_none(),
    }
}

impl Watched {
    /// Something that is well, or unknown; see [`Watched::warn`].
    pub fn new(what: What, subject: &str, state: Standing, detail: impl Into<String>) -> Watched {
        let (subject, detail) = (subject.to_owned(), detail.into());
        Watched {
            what,
            subject,
            state,
            until: None,
            detail,
            seen: Vec::new(),
            checked_at: None,
            warning: None,
        }
    }

    /// With what was seen, word for word.
    #[must_use]
    pub fn seeing<T: AsRef<str>>(mut self, seen: &[T]) -> Watched {
        self.seen = seen.iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// With its end.
    #[must_use]
    pub fn until(mut self, until: Option<SystemTime>) -> Watched {
        self.until = until;
        self
    }

    /// With the time when it was learned.
    #[must_use]
    pub fn checked_at(mut self, at: Option<SystemTime>) -> Watched {
        self.checked_at = at;
        self
    }

    /// With a warning.
    #[must_use]
    pub fn warn(mut self, cause: Cause, step: Option<u16>) -> Watched {
        self.warning = Some(Warning { cause, step });
        self
    }
}
