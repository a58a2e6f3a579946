//! Which incidents are over and wait for their report to be mailed.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::Incidents;
use crate::clock::Now;
use crate::incident::{Incident, IncidentId, Moment, Severity};

/// So long after its end, in seconds, an incident cannot go on any more: what fails then is another one.
const FINAL: u64 = 600;

/// Takes in an incident as it is now: an outage that is over, was not planned and has no word on its report yet waits for one.
pub(super) fn note(unreported: &mut BTreeMap<IncidentId, Moment>, incident: &Incident) {
    let is_outage = incident.severity == Severity::Outage && !incident.is_planned() && !incident.unwatched;
    match incident.ended {
        Some(ended) if is_outage && incident.reported.is_none() => {
            unreported.insert(incident.id.clone(), ended);
        }
        _ => drop(unreported.remove(&incident.id)),
    }
}

impl Incidents {
    /// Those whose report is due, as they are: together with those of the same moment, for a host that fails takes many with
    /// it. Blocks.
    pub(in crate::app) fn due_reports(&self, now: SystemTime) -> Vec<Incident> {
        let due: Vec<IncidentId> = {
            let inner = self.inner();
            let of = |(id, ended): (&IncidentId, &Moment)| {
                (Moment::from(now).since(*ended) >= FINAL).then(|| id.clone())
            };
            inner.unreported.iter().filter_map(of).collect()
        };
        let mut found = Vec::new();
        for id in due {
            match self.as_it_is(&id) {
                Ok(incident) => found.push(incident),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    self.inner().unreported.remove(&id);
                }
                // a disk that does not answer: later
                Err(error) => {
                    tracing::debug!(incident = %id, %error, "the incident cannot be read to be reported")
                }
            }
        }
        found
    }

    fn as_it_is(&self, id: &IncidentId) -> std::io::Result<Incident> {
        match self.newest(id) {
            Some(incident) => Ok(incident),
            None => self.store.read(id),
        }
    }

    /// Their reports were handed on, or are not to be. Blocks.
    pub(in crate::app) fn reported(&self, incidents: &[Incident], now: Now) {
        for incident in incidents {
            let at = Moment::from(now.wall);
            if let Err(error) = self.change_ended(&incident.id, |incident| incident.reported = Some(at)) {
                tracing::warn!(incident = %incident.id, %error, "that the report was mailed cannot be noted");
            }
            self.inner().unreported.remove(&incident.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::{PlanKind, Planned};

    #[test]
    fn only_an_unplanned_outage_that_is_over_waits_for_its_report_and_once() {
        let at = Moment::from(crate::clock::now().wall);
        let id = IncidentId::new(at, "shop", |_| false);
        let open = Incident::new(id, "shop", Severity::Outage, at, at);
        let over = Incident { ended: Some(at), ..open.clone() };
        let planned = Planned { kind: PlanKind::Hold, until: None, reason: String::new(), overran: None };
        let overran = Planned { overran: Some(at), ..planned.clone() };
        for (incident, expected) in [
            (open.clone(), false),
            (over.clone(), true),
            (Incident { severity: Severity::Partial, ..over.clone() }, false),
            (Incident { unwatched: true, ..over.clone() }, false),
            (Incident { planned: Some(planned), ..over.clone() }, false),
            (Incident { planned: Some(overran), ..over.clone() }, true),
            (Incident { reported: Some(at), ..over.clone() }, false),
        ] {
            let mut unreported = BTreeMap::new();
            note(&mut unreported, &incident);
            assert_eq!(!unreported.is_empty(), expected, "{incident:?}");
        }
        // one that goes on waits for its new end
        let mut unreported = BTreeMap::new();
        note(&mut unreported, &over);
        note(&mut unreported, &open);
        assert!(unreported.is_empty());
    }
}
