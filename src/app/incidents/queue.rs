//! Incidents that wait to be written. Each has its turn: what has begun or ended first, then who waits the longest.

use std::collections::BTreeMap;

use crate::incident::{Incident, IncidentId};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    waiting: BTreeMap<IncidentId, Waiting>,
    last: u64,
}

#[derive(Debug)]
struct Waiting {
    incident: Incident,
    is_urgent: bool,
    turn: u64,
}

impl WriteQueue {
    /// The incident is to be written like this. It keeps its turn.
    pub(super) fn put(&mut self, incident: Incident, is_urgent: bool) {
        self.last += 1;
        let turn = self.last;
        let new = Waiting { incident, is_urgent, turn };
        match self.waiting.get_mut(&new.incident.id) {
            Some(known) => {
                *known = Waiting { turn: known.turn, is_urgent: is_urgent || known.is_urgent, ..new };
            }
            None => _ = self.waiting.insert(new.incident.id.clone(), new),
        }
    }

    /// Their ids, in the order of their turns.
    pub(super) fn order(&self) -> Vec<IncidentId> {
        let mut order: Vec<(bool, u64, &IncidentId)> =
            self.waiting.iter().map(|(id, waiting)| (!waiting.is_urgent, waiting.turn, id)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, _, id)| id.clone()).collect()
    }

    pub(super) fn get(&self, id: &IncidentId) -> Option<&Incident> {
        self.waiting.get(id).map(|waiting| &waiting.incident)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Incident> {
        self.waiting.values().map(|waiting| &waiting.incident)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// It is on the disk like this. If it has changed since then, it waits on.
    pub(super) fn written(&mut self, incident: &Incident) {
        if self.get(&incident.id) == Some(incident) {
            self.waiting.remove(&incident.id);
        }
    }

    /// It could not be written: the others first.
    pub(super) fn failed(&mut self, id: &IncidentId) {
        self.last += 1;
        if let Some(waiting) = self.waiting.get_mut(id) {
            waiting.turn = self.last;
        }
    }

    /// Of more than so many that have ended and cannot be written, the oldest ones make room. Says which.
    pub(super) fn make_room(&mut self, most: usize) -> Vec<IncidentId> {
        let ended = self.all().filter(|incident| incident.is_closed());
        let ended: Vec<IncidentId> = ended.map(|incident| incident.id.clone()).collect();
        let lost: Vec<IncidentId> = ended.iter().take(ended.len().saturating_sub(most)).cloned().collect();
        lost.iter().for_each(|id| _ = self.waiting.remove(id));
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::{Moment, Severity};

    fn incident(site: &str, is_open: bool) -> Incident {
        let at = Moment::from(std::time::SystemTime::UNIX_EPOCH);
        let id = IncidentId::new(at, site, |_| false);
        let mut incident = Incident::new(id, site, Severity::Outage, at, at);
        incident.ended = (!is_open).then_some(at);
        incident
    }

    fn sites(ids: &[IncidentId]) -> Vec<&str> {
        ids.iter().map(IncidentId::site).collect()
    }

    #[test]
    fn each_has_its_turn() {
        let mut queue = WriteQueue::default();
        queue.put(incident("c", true), false);
        queue.put(incident("b", true), false);
        queue.put(incident("z", false), true);
        // again and again the same: that takes nobody's turn
        queue.put(incident("b", true), false);
        assert_eq!(sites(&queue.order()), ["z", "c", "b"]);
        queue.failed(&queue.order()[1]);
        assert_eq!(sites(&queue.order()), ["z", "b", "c"]);
        let written = incident("b", true);
        queue.put(incident("b", false), true);
        queue.written(&written);
        assert_eq!(sites(&queue.order()), ["b", "z", "c"], "it has changed while it was written");
        queue.written(&incident("b", false));
        assert_eq!(sites(&queue.order()), ["z", "c"]);
    }

    #[test]
    fn what_is_open_is_never_lost_and_of_what_has_ended_the_oldest() {
        let mut queue = WriteQueue::default();
        for n in 0..9 {
            queue.put(incident(&n.to_string(), n % 3 != 0), true);
        }
        assert!(queue.make_room(3).is_empty());
        assert_eq!(sites(&queue.make_room(1)), ["0", "3"]);
        assert_eq!(queue.order().len(), 7);
    }
}
