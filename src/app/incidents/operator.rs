//! What operators ask of incidents, and say to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::{Event, Incidents, events, now};
use crate::app::App;
use crate::incident::{Change, Incident, IncidentId, IncidentSummary, Wanted};
use crate::report::{self, Unprintable};
use crate::tasks;

/// Some incidents, the newest first.
#[derive(Debug, Serialize)]
pub struct Page {
    /// In short.
    pub incidents: Vec<IncidentSummary>,
    /// The `before` for the next page, if there may be one.
    pub next: Option<IncidentId>,
    /// Files that could not be read and were set aside.
    pub damaged: Vec<String>,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum Unanswerable {
    /// There is no such incident.
    #[error("there is no incident {0}")]
    Unknown(IncidentId),
    /// The disk.
    #[error("the incidents cannot be read or written: {0}")]
    Disk(#[from] std::io::Error),
    /// The process is ending.
    #[error("the process is stopping")]
    Stopping,
}

impl App {
    /// The incidents that are wanted.
    ///
    /// # Errors
    /// See [`Unanswerable`].
    pub async fn incidents(&self, wanted: Wanted) -> Result<Page, Unanswerable> {
        let fresher = self.incidents.in_memory();
        let (store, damaged) = (self.incidents.store.clone(), self.incidents.inner().damaged.clone());
        let limit = wanted.limit;
        let found = tasks::blocking(move || store.list(&wanted, &fresher)).await;
        let found = found.ok_or(Unanswerable::Stopping)??;
        let next = found.last().filter(|_| found.len() >= limit).map(|incident| incident.id.clone());
        Ok(Page { incidents: found.iter().map(Incident::summary).collect(), next, damaged })
    }

    /// One incident, as it is now.
    ///
    /// # Errors
    /// See [`Unanswerable`].
    pub async fn incident(&self, id: &IncidentId) -> Result<Incident, Unanswerable> {
        if let Some(incident) = self.incidents.newest(id) {
            return Ok(incident);
        }
        let (store, wanted) = (self.incidents.store.clone(), id.clone());
        match tasks::blocking(move || store.read(&wanted)).await.ok_or(Unanswerable::Stopping)? {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Unanswerable::Unknown(id.clone()))
            }
            read => Ok(read?),
        }
    }

    /// Prints a report, one at a time: a browser takes much memory.
    ///
    /// # Errors
    /// See [`Unprintable`].
    pub async fn print(&self, html: &str) -> Result<Vec<u8>, Unprintable> {
        let Ok(_one) = self.incidents.printing.try_acquire() else { return Err(Unprintable::Busy) };
        report::pdf(html).await
    }

    /// Somebody has seen an incident.
    ///
    /// # Errors
    /// See [`Unanswerable`].
    pub async fn acknowledge_incident(
        &self,
        id: &IncidentId,
        by: &str,
        note: &str,
    ) -> Result<Incident, Unanswerable> {
        let at = now().wall;
        let incidents = self.incidents.clone();
        let incident = match incidents.acknowledge_open(id, by, note) {
            Some(incident) => incident,
            None => {
                let mut incident = self.incident(id).await?;
                incident.acknowledge(by, note, at.into());
                let (writer, written) = (incidents.clone(), incident.clone());
                tasks::blocking(move || writer.write_ended(&written))
                    .await
                    .ok_or(Unanswerable::Stopping)??;
                incidents.put_ended(&incident);
                incident
            }
        };
        tracing::info!(incident = %id, by, "incident acknowledged");
        let event = Event::Incident { change: events::word(Change::Updated), incident: incident.summary() };
        incidents.events.tell(event, at);
        Ok(incident)
    }
}

impl Incidents {
    /// Those of which more is known than what is on the disk.
    fn in_memory(&self) -> BTreeMap<IncidentId, Incident> {
        let inner = self.inner();
        let mut all = inner.unsaved.clone();
        for incident in inner.sites.values().filter_map(|watched| watched.watcher.open()) {
            all.insert(incident.id.clone(), incident.clone());
        }
        all
    }

    /// One, if more is known of it than what is on the disk.
    fn newest(&self, id: &IncidentId) -> Option<Incident> {
        let inner = self.inner();
        let mut open = inner.sites.values().filter_map(|watched| watched.watcher.open());
        open.find(|incident| incident.id == *id).or_else(|| inner.unsaved.get(id)).cloned()
    }

    fn acknowledge_open(self: &Arc<Self>, id: &IncidentId, by: &str, note: &str) -> Option<Incident> {
        let mut inner = self.inner();
        let incident = {
            let mut open = inner.sites.values_mut().filter_map(|watched| watched.watcher.open_mut());
            let incident = open.find(|incident| incident.id == *id)?;
            incident.acknowledge(by, note, now().wall.into());
            incident.clone()
        };
        inner.unsaved.insert(id.clone(), incident.clone());
        Some(incident)
    }

    /// An incident was changed after it had ended: if it goes on, it goes on from there.
    fn put_ended(&self, incident: &Incident) {
        let mut inner = self.inner();
        if let Some(watched) = inner.sites.get_mut(&*incident.site) {
            watched.watcher.replace_ended(incident);
        }
    }
}
