//! Reload: read, check everything, then swap at once; or keep what runs, and say every reason why.

use std::path::Path;
use std::sync::Arc;

use super::{App, Source, build, in_one_line};
use crate::config::ready::Origin;
use crate::config::{self, Config, Problems};
use crate::proxy::Table;
use crate::server::Terms;
use crate::tasks;

/// What a reload did.
#[derive(Debug)]
pub struct Reloaded {
    /// How many sites run now.
    pub sites: usize,
    /// What was changed in the file but needs a new start.
    pub later: Vec<&'static str>,
    /// What is odd about the file.
    pub warnings: Problems,
}

/// Why what runs was kept.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The configuration is not sound.
    #[error("the configuration was refused")]
    Problems(Problems),
    /// There is no file.
    #[error("there is no configuration file to reload: the set-up came from the command line")]
    NoFile,
    /// The runtime is ending.
    #[error("the process is stopping")]
    Stopping,
}

impl App {
    /// Reads the configuration file again and runs by it.
    ///
    /// # Errors
    /// See [`Refused`]. What runs is as it was.
    pub async fn reload(&self) -> Result<Reloaded, Refused> {
        let Source::File { path, env, admin } = self.source.clone() else { return Err(Refused::NoFile) };
        let _one = self.reloading.lock().await;
        let file = path.clone();
        let read = tasks::blocking(move || config::load(&path, &env)).await.ok_or(Refused::Stopping)?;
        let sound =
            read.and_then(
                |(config, problems)| {
                    if problems.refuse_reload() { Err(problems) } else { Ok((config, problems)) }
                },
            );
        match sound {
            Ok((mut config, warnings)) => {
                if let Some(admin) = admin {
                    config.listen.admin = admin;
                }
                let later = self.swap(config).await;
                self.conditions.read(&file, None);
                self.parts.metrics.reloads.with_label_values(&["ok"]).inc();
                let sites = self.table().sites.len();
                tracing::info!(sites, needs_restart = later.join(", "), "configuration reloaded");
                Ok(Reloaded { sites, later, warnings })
            }
            Err(problems) => {
                self.conditions.read(&file, Some(&problems));
                self.parts.metrics.reloads.with_label_values(&["refused"]).inc();
                tracing::error!(
                    problems = in_one_line(&problems),
                    "configuration refused, the one in use stays"
                );
                Err(Refused::Problems(problems))
            }
        }
    }

    /// Takes over a list of origins that others write. Works also while the configuration file itself is being edited.
    pub(super) async fn reload_origins(&self, file: &Path) {
        let _one = self.reloading.lock().await;
        let (path, listen) = (file.to_owned(), self.config().listen);
        match tasks::blocking(move || config::load_origins(&path, &listen)).await {
            Some(Ok(origins)) => {
                let mut config = self.config();
                replace_origins(&mut config, file, &origins);
                self.swap(config).await;
                self.conditions.read(file, None);
                self.parts.metrics.reloads.with_label_values(&["ok"]).inc();
                tracing::info!(file = %file.display(), origins = origins.len(), "origin list reloaded");
            }
            Some(Err(problems)) => {
                self.conditions.read(file, Some(&problems));
                self.parts.metrics.reloads.with_label_values(&["refused"]).inc();
                tracing::error!(file = %file.display(), problems = in_one_line(&problems), "origin list refused, the one in use stays");
            }
            None => {}
        }
    }

    /// Puts a checked configuration in force. Returns what it asks for that needs a new start.
    async fn swap(&self, config: Config) -> Vec<&'static str> {
        let (old, old_tools) = {
            let running = self.running();
            (running.config.clone(), running.tools.clone())
        };
        let tools = build::same_tools(&old_tools, &config);
        let same = std::ptr::eq(old_tools.resolver.settings(), tools.resolver.settings());
        let before = self.table();
        let sites = build::sites(&config, &tools, &self.parts, Some((&before, same))).await;
        let trusted = config.listen.trusted_proxies.clone();
        self.proxy.replace(Table::new(sites, trusted, &config.limits));
        let table = self.table();
        let gone = before.sites.iter().filter(|site| table.named(&site.config.name).is_none());
        self.save_visits(gone).await;
        super::told(&self.certs.reload(&config.sites), &self.conditions);
        if let Some(visitors) = &*self.visitors.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            visitors.set_terms(Terms::visitors(&config));
        }
        let later = needs_restart(&old, &config);
        {
            let mut running = self.running();
            running.config = config;
            running.tools = tools;
        }
        self.start_crawlers();
        later
    }
}

fn replace_origins(config: &mut Config, file: &Path, origins: &[Origin]) {
    for site in &mut config.sites {
        if site.origins_file.as_deref() == Some(file) {
            Arc::make_mut(site).origins = origins.to_vec();
        }
    }
}

/// What of a new configuration cannot be put in force while the process runs.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut later = Vec::new();
    let changes = [
        ("state_dir", old.state_dir != new.state_dir),
        ("listen.http", old.listen.http != new.listen.http),
        ("listen.https", old.listen.https != new.listen.https),
        ("listen.admin", old.listen.admin != new.listen.admin),
        ("admin.token_file", old.listen.admin_token_file != new.listen.admin_token_file),
        ("limits.memory_cache", old.limits.memory_cache != new.limits.memory_cache),
    ];
    later.extend(changes.iter().filter(|(_, changed)| *changed).map(|(key, _)| *key));
    later
}
