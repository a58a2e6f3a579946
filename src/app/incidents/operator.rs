//! What operators ask of incidents, and say to them.

use std::collections::BTreeMap;
use std::io;
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
    Disk(#[from] io::Error),
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
        let (incidents, limit) = (self.incidents.clone(), wanted.limit);
        let damaged = self.incidents.inner().damaged.clone();
        let found = tasks::blocking(move || incidents.list(&wanted)).await;
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
        self.found(id, tasks::blocking(move || store.read(&wanted)).await)
    }

    fn found(&self, id: &IncidentId, read: Option<io::Result<Incident>>) -> Result<Incident, Unanswerable> {
        match read.ok_or(Unanswerable::Stopping)? {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Unanswerable::Unknown(id.clone())),
            read => Ok(read?),
        }
    }

    /// The same for a report: with what has become of the kept forms since then.
    ///
    /// # Errors
    /// See [`Unanswerable`].
    pub async fn incident_to_report(&self, id: &IncidentId) -> Result<Incident, Unanswerable> {
        let mut incident = self.incident(id).await?;
        if let Some(forms) = self.form_counts(&incident.site) {
            incident.set_forms(forms, now().wall.into());
        }
        Ok(incident)
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
                let (writer, wanted) = (incidents.clone(), id.clone());
                let (by, note) = (by.to_owned(), note.to_owned());
                let change = move |incident: &mut Incident| incident.acknowledge(&by, &note, at.into());
                let changed = tasks::blocking(move || writer.change_ended(&wanted, change)).await;
                self.found(id, changed)?
            }
        };
        let by = incident.acknowledged.as_ref().map(|seen| &*seen.by).unwrap_or_default();
        tracing::info!(incident = %id, by, "incident acknowledged");
        let event = Event::Incident { change: events::word(Change::Updated), incident: incident.summary() };
        incidents.events.tell(event, at);
        Ok(incident)
    }
}

impl Incidents {
    /// Those that are wanted. Blocks.
    fn list(&self, wanted: &Wanted) -> io::Result<Vec<Incident>> {
        let (is_loaded, fresher) = self.in_memory();
        if wanted.open == Some(true) && is_loaded {
            return Ok(wanted.of(&fresher));
        }
        self.store.list(wanted, &fresher)
    }

    /// Those of which more is known than what is on the disk, all that are open among them if the disk was read.
    fn in_memory(&self) -> (bool, BTreeMap<IncidentId, Incident>) {
        let inner = self.inner();
        let earlier = inner.earlier.values().flatten();
        let open = inner.sites.values().filter_map(|watched| watched.watcher.open());
        let all = earlier.chain(inner.unsaved.all()).chain(open);
        (inner.is_loaded, all.map(|incident| (incident.id.clone(), incident.clone())).collect())
    }

    /// One, if more is known of it than what is on the disk.
    pub(super) fn newest(&self, id: &IncidentId) -> Option<Incident> {
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
        inner.unsaved.put(incident.clone(), true);
        Some(incident)
    }
}
