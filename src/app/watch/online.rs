//! Looking at the domains of a configuration once, for `katahai check --online`.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};

use super::domains::AT_ONCE;
use super::sites::of_domains;
use super::{Watch, names, reader};
use crate::clock;
use crate::config::Config;
use crate::origin::Tools;
use crate::tasks;
use crate::watch::delegation::Site;
use crate::watch::ledger::{Known, Ledger};
use crate::watch::look::Observer;
use crate::watch::question;
use crate::watch::{Standing, What};

/// What is to be said of each site: its name, what is the matter, and what to do.
pub(in crate::app) async fn look(config: &Config, tools: &Tools) -> Vec<(Arc<str>, String, String)> {
    let hosts: std::collections::BTreeSet<String> =
        config.sites.iter().flat_map(|site| names(site)).collect();
    if hosts.is_empty() {
        return Vec::new();
    }
    let Some(reader) = reader(tools).await else { return Vec::new() };
    let registries = Watch::default().registries(&config.watch);
    let configured = config.dns.nameservers.clone();
    let servers = tasks::blocking(move || question::servers(&configured)).await.unwrap_or_default();
    let observer = Observer { reader: &reader, registries: registries.as_deref(), servers };
    let now = clock::now();
    let mut ledger = Ledger::default();
    let told = stream::iter(hosts).map(async |host| (observer.domain_of(&host, now).await, host));
    let told: Vec<(Option<String>, String)> = told.buffer_unordered(AT_ONCE).collect().await;
    ledger.hosts = told.into_iter().filter_map(|(domain, host)| Some((host, domain?))).collect();
    let domains: std::collections::BTreeSet<String> = ledger.hosts.values().cloned().collect();
    let looked = stream::iter(domains).map(async |domain| {
        let mut known = Known::default();
        observer.look(&domain, &mut known, (Site::Unproven, &[]), now).await;
        // there is no second look that could confirm it
        known.broken_since = None;
        (domain, known)
    });
    ledger.domains =
        looked.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect::<BTreeMap<_, _>>();
    let mut said = Vec::new();
    for site in &config.sites {
        for watched in of_domains(site, &config.watch, &ledger, now.wall) {
            let help = match (watched.warning, watched.what, watched.state) {
                (Some(warning), ..) => warning.cause.advice().en.to_owned(),
                // a domain of which nobody knows the end
                (None, What::Domain, Standing::Unknown) => "nobody will be warned before it ends".to_owned(),
                (None, ..) => continue,
            };
            let words = match watched.warning {
                Some(warning) => {
                    format!("{}: {} ({})", watched.subject, warning.cause.meaning().en, watched.detail)
                }
                None => format!("{}: when it ends {}", watched.subject, watched.detail),
            };
            said.push((site.name.clone(), words, help));
        }
    }
    said
}
