//! Where the incidents are: in the running instance, or in the state directory.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use http::Method;
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};

use crate::cli::args::OfSite;
use crate::cli::client::{Client, message, read_config};
use crate::cli::snapshot::place::{ESCAPED, Place};
use crate::config::ready::UtcOffset;
use crate::incident::{Incident, IncidentId, IncidentStore, Wanted};
use crate::report::{self, Language};

/// The incidents of an instance, or of a state directory.
pub(super) struct Incidents {
    place: Place,
    /// The configuration, if there is one: it says in which zone times are.
    config: Option<PathBuf>,
}

impl Incidents {
    /// Of the instance, if one answers and no state directory was named.
    ///
    /// # Errors
    /// The exit code, after saying why.
    pub(super) async fn of(options: &OfSite) -> Result<Incidents, u8> {
        let place = Place::of(options).await?;
        Ok(Incidents { place, config: options.instance.config.clone() })
    }

    /// Says, beside the result, that no instance was there to ask.
    pub(super) fn mention(&self) {
        self.place.mention();
    }

    /// Some, in short, the newest first.
    ///
    /// # Errors
    /// Why not.
    pub(super) async fn list(
        &self,
        site: Option<&str>,
        open: Option<bool>,
        limit: usize,
    ) -> Result<Value, String> {
        let limit = limit.clamp(1, 500);
        match &self.place {
            Place::Instance { client, .. } => {
                let escaped = |text| utf8_percent_encode(text, ESCAPED).to_string();
                let site = site.map(|site| format!("&site={}", escaped(site))).unwrap_or_default();
                let state = open.map_or("", |open| if open { "&state=open" } else { "&state=closed" });
                let path = format!("/api/v1/incidents?limit={limit}{site}{state}");
                let body = ask(client, Method::GET, &path, Bytes::new()).await?;
                serde_json::from_slice(&body).map_err(|error| error.to_string())
            }
            Place::Folder { dir, .. } => {
                let wanted = Wanted { site: site.map(str::to_owned), open, limit, before: None };
                let found = IncidentStore::of(dir).list(&wanted, &BTreeMap::new());
                let found = found.map_err(|error| format!("could not read {}: {error}", dir.display()))?;
                let next = found.last().filter(|_| found.len() >= limit).map(|incident| &incident.id);
                let incidents: Vec<_> = found.iter().map(Incident::summary).collect();
                Ok(json!({ "incidents": incidents, "next": next, "damaged": [] }))
            }
        }
    }

    /// The one that runs, of several the newest; else the newest of all.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub(super) async fn latest(&self, site: Option<&str>) -> Result<String, String> {
        for open in [Some(true), None] {
            let page = self.list(site, open, 1).await?;
            if let Some(id) = page["incidents"][0]["id"].as_str() {
                return Ok(id.to_owned());
            }
        }
        let of = site.map(|site| format!(" of {site}")).unwrap_or_default();
        Err(format!("there is no incident{of}, so there is nothing to report"))
    }

    /// One of them.
    ///
    /// # Errors
    /// Why not.
    pub(super) async fn one(&self, id: &str) -> Result<Incident, String> {
        let id: IncidentId = id.parse().map_err(|wrong| format!("{id:?}: {wrong}"))?;
        match &self.place {
            Place::Instance { client, .. } => {
                let body = ask(client, Method::GET, &format!("/api/v1/incidents/{id}"), Bytes::new()).await?;
                serde_json::from_slice(&body)
                    .map_err(|error| format!("the instance is of another version: {error}"))
            }
            Place::Folder { dir, .. } => read(dir, &id),
        }
    }

    /// Says that somebody has seen it. Only an instance can be told: it may be writing it.
    ///
    /// # Errors
    /// Why not.
    pub(super) async fn acknowledge(&self, id: &str, by: &str, note: &str) -> Result<Incident, String> {
        let id: IncidentId = id.parse().map_err(|wrong| format!("{id:?}: {wrong}"))?;
        match &self.place {
            Place::Instance { client, .. } => {
                let body = Bytes::from(json!({ "by": by, "note": note }).to_string());
                let path = format!("/api/v1/incidents/{id}/ack");
                let body = ask(client, Method::POST, &path, body).await?;
                serde_json::from_slice(&body).map_err(|error| format!("the instance is of another version: {error}"))
            }
            Place::Folder { nobody: Some(at), .. } => {
                Err(format!("nothing runs at {at}: only a running instance can be told that somebody has seen an incident"))
            }
            Place::Folder { nobody: None, .. } => {
                Err("only a running instance can be told that somebody has seen an incident: leave out --state-dir".to_owned())
            }
        }
    }

    /// The report, as Markdown or as HTML.
    ///
    /// # Errors
    /// Why not.
    pub(super) async fn report(&self, id: &str, language: Language, as_html: bool) -> Result<String, String> {
        let parsed: IncidentId = id.parse().map_err(|wrong| format!("{id:?}: {wrong}"))?;
        match &self.place {
            Place::Instance { client, .. } => {
                let format = if as_html { "html" } else { "md" };
                let path =
                    format!("/api/v1/incidents/{parsed}/report?format={format}&lang={}", language.code());
                let body = ask(client, Method::GET, &path, Bytes::new()).await?;
                Ok(String::from_utf8_lossy(&body).into_owned())
            }
            Place::Folder { dir, .. } => {
                let document = report::document(&read(dir, &parsed)?, language, self.zone());
                Ok(if as_html { report::html(&document) } else { report::markdown(&document) })
            }
        }
    }

    fn zone(&self) -> Option<UtcOffset> {
        read_config(self.config.as_deref()).ok().flatten().and_then(|config| config.incidents.zone)
    }
}

fn read(dir: &std::path::Path, id: &IncidentId) -> Result<Incident, String> {
    IncidentStore::of(dir).read(id).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            return format!("there is no incident {id} in {}", dir.display());
        }
        format!("could not read the incident {id}: {error}")
    })
}

async fn ask(client: &Client, method: Method, path: &str, body: Bytes) -> Result<Bytes, String> {
    match client.send(method, path, body).await {
        Ok((status, body)) if status.is_success() => Ok(body),
        Ok((_, body)) => Err(message(&body)),
        Err(error) => Err(error.to_string()),
    }
}
