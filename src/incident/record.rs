//! One incident, as it is kept. Every list has a bound, and what was left out of it is counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::id::IncidentId;
use super::moment::Moment;
use super::parts::{
    Acknowledgement, CauseSpan, Evidence, Finding, Hops, MissedPage, OriginFacts, Planned, Regions,
};
use super::timeline::{Happening, TimelineEntry};
use crate::failure::in_short;

/// Of the shape on the disk. Fields may be added with a default; anything else needs a new number and a conversion.
pub const VERSION: u32 = 1;

/// Entries of the timeline.
const TIMELINE: usize = 200;
/// Causes one after the other.
const CAUSES: usize = 50;
/// Failed answers that are shown.
const EVIDENCE: usize = 8;
/// What was found out beside them.
const FINDINGS: usize = 16;
/// Pages that were missed.
const MISSED: usize = 50;
/// Characters of a name that somebody gives, and of a note.
const NAME: usize = 100;
const NOTE: usize = 1000;

/// How much of the site it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Some of its pages.
    Partial,
    /// All of it.
    Outage,
}

impl Severity {
    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Partial => "partial",
            Severity::Outage => "outage",
        }
    }
}

/// The kept forms of a site, by what has become of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormCounts {
    /// Waiting to be delivered.
    #[serde(default)]
    pub kept: u64,
    /// On their way.
    #[serde(default)]
    pub sending: u64,
    /// Sent, and it is not known whether they arrived.
    #[serde(default)]
    pub doubtful: u64,
    /// Not accepted by the server, for a person to look at.
    #[serde(default)]
    pub parked: u64,
}

impl FormCounts {
    /// Those that will be delivered without anybody's doing.
    pub fn waiting(self) -> u64 {
        self.kept.saturating_add(self.sending)
    }
}

/// An incident in a line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IncidentSummary {
    /// Its name.
    pub id: IncidentId,
    /// The site's name.
    pub site: String,
    /// `open` or `closed`.
    pub state: &'static str,
    /// The most that it came to.
    pub severity: Severity,
    /// The first failed answer.
    pub began: Moment,
    /// When the site was proven to be well.
    pub ended: Option<Moment>,
    /// How long it lasted so far, in seconds.
    pub lasted_s: u64,
    /// The code of the cause that was seen last.
    pub cause: Option<String>,
    /// Whether it belongs to planned work.
    pub planned: bool,
    /// The same for all sites that failed together.
    pub group: Option<String>,
    /// How many other sites these are.
    pub others: u64,
    /// Who has seen it.
    pub acknowledged: Option<Acknowledgement>,
}

/// The time from a site's first failed answer to its proven recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Of this shape: [`VERSION`].
    pub version: u32,
    /// Its name.
    pub id: IncidentId,
    /// The site's name.
    pub site: String,
    /// The site's host, as visitors know it.
    #[serde(default)]
    pub host: String,
    /// The most that it came to.
    pub severity: Severity,
    /// The first failed answer.
    pub began: Moment,
    /// When the site's state left `up`.
    pub noticed: Moment,
    /// When the site was proven to be well; `None`: it is not.
    #[serde(default)]
    pub ended: Option<Moment>,
    /// How long it lasted, or has lasted so far, in seconds; by a clock that nobody sets.
    #[serde(default)]
    pub lasted_s: u64,
    /// When this was written.
    pub as_of: Moment,
    /// The last state that was seen: `down`, `degraded`, `recovering`, `unproven` or `up`.
    #[serde(default)]
    pub state: String,
    /// How often the site failed again within minutes.
    #[serde(default)]
    pub reopened: u32,
    /// The same for all sites that failed together, because they have a server in common.
    #[serde(default)]
    pub group: Option<String>,
    /// How many other sites these are.
    #[serde(default)]
    pub others: u64,
    /// The planned work that it began in.
    #[serde(default)]
    pub planned: Option<Planned>,
    /// The causes, one after the other.
    #[serde(default)]
    pub causes: Vec<CauseSpan>,
    /// Failed answers: the first one, and the first of each further cause.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// What was found out of the domain, the DNS and the certificates meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The origins as they were when it opened.
    #[serde(default)]
    pub origins: Vec<OriginFacts>,
    /// The way to the origin.
    #[serde(default)]
    pub hops: Option<Hops>,
    /// How many requests visitors made, by where the answer came from (the label of the metric).
    #[serde(default)]
    pub served: BTreeMap<String, u64>,
    /// Pages that visitors asked for and did not get, the most requested first.
    #[serde(default)]
    pub missed: Vec<MissedPage>,
    /// How many more pages these were.
    #[serde(default)]
    pub missed_more: u64,
    /// Kept forms that have not been delivered yet.
    #[serde(default)]
    pub forms_waiting: u64,
    /// All kept forms that are not delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forms: Option<FormCounts>,
    /// When these were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forms_as_of: Option<Moment>,
    /// For some time, visitors got the live site whatever it answered, because an operator said so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live_held: bool,
    /// Whether more pages were missed than there was room for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missed_at_least: bool,
    /// It ended because the site was no longer watched: its recovery was not seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unwatched: bool,
    /// When the snapshot in service was taken.
    #[serde(default)]
    pub copy_of: Option<Moment>,
    /// From where the site was reached and from where not, if instances differed.
    #[serde(default)]
    pub regions: Option<Regions>,
    /// What happened.
    #[serde(default)]
    pub timeline: Vec<TimelineEntry>,
    /// How many entries of it there was no room for.
    #[serde(default)]
    pub left_out: u64,
    /// Who has seen it, the last one.
    #[serde(default)]
    pub acknowledged: Option<Acknowledgement>,
    /// When its report was handed on to be mailed, or it was settled that it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Moment>,
}

impl Incident {
    /// An incident that has just begun.
    pub fn new(id: IncidentId, site: &str, severity: Severity, began: Moment, now: Moment) -> Incident {
        Incident {
            version: VERSION,
            id,
            site: site.to_owned(),
            host: String::new(),
            severity,
            began,
            noticed: now,
            ended: None,
            lasted_s: now.since(began),
            as_of: now,
            state: String::new(),
            reopened: 0,
            group: None,
            others: 0,
            planned: None,
            causes: Vec::new(),
            evidence: Vec::new(),
            findings: Vec::new(),
            origins: Vec::new(),
            hops: None,
            served: BTreeMap::new(),
            missed: Vec::new(),
            missed_more: 0,
            forms_waiting: 0,
            forms: None,
            forms_as_of: None,
            live_held: false,
            missed_at_least: false,
            unwatched: false,
            copy_of: None,
            regions: None,
            timeline: Vec::new(),
            left_out: 0,
            acknowledged: None,
            reported: None,
        }
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether it belongs to planned work, and that is not over.
    pub fn is_planned(&self) -> bool {
        self.planned.as_ref().is_some_and(|planned| planned.overran.is_none())
    }

    /// `open` or `closed`.
    pub fn state_word(&self) -> &'static str {
        if self.is_closed() { "closed" } else { "open" }
    }

    /// In a line of a list.
    pub fn summary(&self) -> IncidentSummary {
        IncidentSummary {
            id: self.id.clone(),
            site: self.site.clone(),
            state: self.state_word(),
            severity: self.severity,
            began: self.began,
            ended: self.ended,
            lasted_s: self.lasted_s,
            cause: self.cause().map(str::to_owned),
            planned: self.is_planned(),
            group: self.group.clone(),
            others: self.others,
            acknowledged: self.acknowledged.clone(),
        }
    }

    /// The code of the cause that was seen last.
    pub fn cause(&self) -> Option<&str> {
        self.causes.last().map(|span| &*span.cause)
    }

    /// How many requests were answered from there.
    pub fn served_from(&self, label: &str) -> u64 {
        self.served.get(label).copied().unwrap_or_default()
    }

    /// Something happened. Once there is no room, what comes and goes by itself makes some: the first entries stay, and what
    /// people did.
    pub fn happened(&mut self, at: Moment, what: Happening) {
        if self.timeline.len() >= TIMELINE {
            let (first, later) = self.timeline.split_at(TIMELINE / 2);
            let passes = |entry: &TimelineEntry| entry.what.passes();
            let place = later.iter().position(passes).map(|place| place + first.len());
            let place = place.or_else(|| first.iter().rposition(passes)).unwrap_or(TIMELINE / 2);
            self.timeline.remove(place);
            self.left_out += 1;
        }
        self.timeline.push(TimelineEntry { at, what });
    }

    /// It is over.
    pub(super) fn end(&mut self, how: Happening, at: Moment) {
        self.close_cause(at);
        self.unwatched = how == Happening::Removed;
        self.happened(at, how);
        self.ended = Some(at.max(self.began));
    }

    /// The cause as it is seen now. Says whether it is another one.
    pub(super) fn caused(&mut self, cause: &str, at: Moment) -> bool {
        if self.cause() == Some(cause) && self.causes.last().is_some_and(|span| span.until.is_none()) {
            return false;
        }
        self.close_cause(at);
        if self.causes.len() >= CAUSES {
            self.causes.remove(CAUSES / 2); // the first and the last ones tell the most
        }
        self.causes.push(CauseSpan { cause: cause.to_owned(), from: at, until: None });
        true
    }

    pub(super) fn close_cause(&mut self, at: Moment) {
        if let Some(last) = self.causes.last_mut() {
            last.until.get_or_insert(at.max(last.from));
        }
    }

    /// A failed answer. The first of each cause is kept.
    pub(super) fn saw(&mut self, evidence: Evidence) {
        let is_new = self.evidence.iter().all(|known| known.cause != evidence.cause);
        if is_new && self.evidence.len() < EVIDENCE {
            self.evidence.push(evidence);
        }
    }

    /// What is found out now, all of it. Says whether that is news.
    pub(super) fn found(&mut self, findings: Vec<Finding>, at: Moment) -> bool {
        let before = self.findings.clone();
        for known in &mut self.findings {
            if known.over.is_none() && !findings.iter().any(|found| found.is_of(known)) {
                known.over = Some(at);
            }
        }
        for found in findings {
            if let Some(known) = self.findings.iter_mut().find(|known| known.is_of(&found)) {
                known.renew(&found);
            } else if self.findings.len() < FINDINGS {
                let (cause, subject) = (found.cause.clone(), found.subject.clone());
                self.happened(at, Happening::Found { cause, subject });
                self.findings.push(found);
            }
        }
        self.findings != before
    }

    /// Pages that visitors did not get, all of them, since it began or since Katahai started.
    pub(super) fn set_missed(&mut self, mut pages: Vec<MissedPage>) {
        pages.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.path.cmp(&b.path)));
        self.missed_more = pages.len().saturating_sub(MISSED) as u64;
        pages.truncate(MISSED);
        self.missed = pages;
    }

    /// The kept forms as they are now.
    pub fn set_forms(&mut self, forms: FormCounts, at: Moment) {
        self.forms_waiting = forms.waiting();
        (self.forms, self.forms_as_of) = (Some(forms), Some(at));
    }

    /// Somebody has seen it.
    pub fn acknowledge(&mut self, by: &str, note: &str, at: Moment) {
        let (by, note) = (in_short(by, NAME), in_short(note, NOTE));
        self.happened(at, Happening::Acknowledged { by: by.clone(), note: note.clone() });
        self.acknowledged = Some(Acknowledgement { at, by, note });
    }
}
