//! Reload: read, check everything, then swap at once; or keep what runs, and say every reason why.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::forms_store::Occasion;
use super::{App, Source, build, certificates, in_one_line};
use crate::config::ready::{Listen, Origin, OriginsFile};
use crate::config::remote::RemoteStore;
use crate::config::{self, Config, Problem, Problems, Severity};
use crate::fingerprint::Fingerprints;
use crate::incident::Act;
use crate::proxy::Table;
use crate::server::Limits;
use crate::{clock, tasks, tls};

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
    /// There was no file descriptor left to read it with, which says nothing of it.
    #[error("the configuration could not be read, because no file descriptor is left")]
    NoDescriptors(Problems),
    /// There is no file.
    #[error("there is no configuration file to reload: the set-up came from the command line")]
    NoFile,
    /// The runtime is ending.
    #[error("the process is stopping")]
    Stopping,
}

/// Whether a file has to be read again though it does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    No,
    Soon,
}

impl App {
    /// Reads the configuration file again and runs by it.
    ///
    /// # Errors
    /// See [`Refused`]. What runs is as it was.
    pub async fn reload(&self) -> Result<Reloaded, Refused> {
        let Source::File { path, env, admin, .. } = self.source.clone() else { return Err(Refused::NoFile) };
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
            Ok((mut config, mut warnings)) => {
                if let Some(admin) = admin {
                    config.listen.admin = admin;
                }
                super::regions::origins::keep_in_force(&mut config, &self.config());
                let later = self.fixed.changed_in(&config);
                // the copies stay where they are until the restart
                config.state_dir.clone_from(&self.fixed.state_dir);
                let flaws = self.swap(config).await;
                warnings.extend(Problems::new(self.certificate_warnings(&file, &flaws)));
                self.conditions.needs_restart(&later);
                self.conditions.read(&file, None);
                self.parts.metrics.reloads.with_label_values(&["ok"]).inc();
                let sites = self.table().sites.len();
                self.incidents.act(None, &Act::Reload, clock::now());
                tracing::info!(sites, needs_restart = later.join(", "), "configuration reloaded");
                Ok(Reloaded { sites, later, warnings })
            }
            Err(problems) if problems.are_passing() => {
                self.not_read(&problems);
                Err(Refused::NoDescriptors(problems))
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

    /// No descriptor was left to read a file.
    pub(super) fn not_read(&self, problems: &Problems) {
        let problems = in_one_line(problems);
        self.conditions.lacked_descriptors(&problems, clock::now().mono);
        self.parts.metrics.reloads.with_label_values(&["unread"]).inc();
        tracing::error!(
            problems,
            "no file descriptor left to read a file, nothing has changed, trying again soon"
        );
    }

    /// Takes over a list of origins that others write. Works also while the configuration file itself is being edited.
    pub(super) async fn reload_origins(&self, file: &Path) -> Again {
        let (path, listen) = (file.to_owned(), self.config().listen);
        let read = move || config::load_origins(&path, &listen);
        self.take_over(file, "origins", read, |config, origins| replace_origins(config, file, &origins)).await
    }

    /// The same for the operator's fingerprints.
    pub(super) async fn reload_fingerprints(&self, file: &Path) -> Again {
        let path = file.to_owned();
        let read = move || config::load_fingerprints(&path);
        let put = |config: &mut Config, found| replace_fingerprints(config, file, &Arc::new(found));
        self.take_over(file, "fingerprints", read, put).await
    }

    /// Reads a file that the configuration names, and runs by it. Says whether it has to be read again, because there was no
    /// file descriptor left.
    pub(super) async fn take_over<T: Send + 'static>(
        &self,
        file: &Path,
        what: &'static str,
        read: impl FnOnce() -> Result<T, Problems> + Send + 'static,
        put: impl FnOnce(&mut Config, T),
    ) -> Again {
        let _one = self.reloading.lock().await;
        match tasks::blocking(read).await {
            Some(Ok(found)) => {
                let mut config = self.config();
                put(&mut config, found);
                self.conditions.read(file, None);
                if config == self.config() {
                    return Again::No;
                }
                self.swap(config).await;
                self.parts.metrics.reloads.with_label_values(&["ok"]).inc();
                tracing::info!(what, file = %file.display(), "file reloaded");
            }
            Some(Err(problems)) if problems.are_passing() => {
                self.not_read(&problems);
                return Again::Soon;
            }
            Some(Err(problems)) => {
                self.conditions.read(file, Some(&problems));
                self.parts.metrics.reloads.with_label_values(&["refused"]).inc();
                let problems = in_one_line(&problems);
                tracing::error!(what, file = %file.display(), problems, "file refused, its last good content stays in use");
            }
            None => {}
        }
        Again::No
    }

    /// The file of the admin API's token, as it was named at the start.
    pub(super) fn token_file(&self) -> Option<&Path> {
        self.fixed.listen.admin_token_file.as_deref()
    }

    /// The same of the token of those who only read.
    pub(super) fn readonly_token_file(&self) -> Option<&Path> {
        self.fixed.listen.admin_readonly_token_file.as_deref()
    }

    /// Takes over trust anchors of origins whose files were changed.
    pub(super) async fn renew_anchors(&self) {
        let _one = self.reloading.lock().await;
        let table = self.table();
        let same = move || table.sites.iter().all(|site| site.origins.is_current());
        if tasks::blocking(same).await.unwrap_or(true) {
            return;
        }
        self.swap(self.config()).await;
        tracing::info!("trust anchors of origins reloaded");
    }

    /// What a reload says of certificates.
    fn certificate_warnings(&self, file: &Path, flaws: &[tls::Problem]) -> Vec<Problem> {
        let mut warnings = certificates::as_problems(file, flaws, Severity::Warning);
        warnings.extend(certificates::soon(file, &self.certs.dates(), clock::now().wall));
        warnings
    }

    /// Puts a checked configuration in force. Returns what is wrong with its certificates.
    async fn swap(&self, config: Config) -> Vec<tls::Problem> {
        let old_tools = self.running().tools.clone();
        let tools = build::same_tools(&old_tools, &config);
        let same = std::ptr::eq(old_tools.resolver.settings(), tools.resolver.settings());
        let before = self.table();
        let sites = build::sites(&config, &tools, &self.parts, Some((&before, same))).await;
        let trusted = config.listen.trusted_proxies.clone();
        self.proxy.replace(Table::new(sites, trusted, &config.listen.https, &config.limits));
        super::keep_to_itself(&config);
        self.proxy.intake().set(config.forms.clone());
        super::drills::read_preview_keys(self.proxy.previews(), &config).await;
        let table = self.table();
        self.rechecks.keep_up(&table);
        let gone = before.sites.iter().filter(|site| table.named(&site.config.name).is_none());
        self.save_visits(gone).await;
        let flaws = self.read_certificates(&config).await;
        if let Some(visitors) = &*self.visitors.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            visitors.set_limits(Limits::visitors(&config));
        }
        {
            let mut running = self.running();
            running.config = config;
            running.tools = tools;
        }
        self.copy_forms(Occasion::Reload).await;
        self.start_crawlers();
        flaws
    }
}

fn replace_fingerprints(config: &mut Config, file: &Path, fingerprints: &Arc<Fingerprints>) {
    for site in &mut config.sites {
        if site.failover.fingerprints_file.as_deref() == Some(file) {
            Arc::make_mut(site).failover.fingerprints = Some(fingerprints.clone());
        }
    }
}

fn replace_origins(config: &mut Config, file: &Path, origins: &[Origin]) {
    for site in &mut config.sites {
        if site.origins_file.as_ref().and_then(OriginsFile::file).map(PathBuf::as_path) == Some(file) {
            Arc::make_mut(site).origins = origins.to_vec();
        }
    }
}

/// What of a configuration is in force from the start to the end of the process. Changes are told by comparing with this, not
/// with the file that was taken over last.
#[derive(Debug)]
pub(super) struct Fixed {
    state_dir: PathBuf,
    listen: Listen,
    memory_cache: u64,
    store: Option<RemoteStore>,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Fixed {
        let (state_dir, listen) = (config.state_dir.clone(), config.listen.clone());
        Fixed { state_dir, listen, memory_cache: config.limits.memory_cache, store: config.store.clone() }
    }

    /// Where everything is kept.
    pub(super) fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The keys that another configuration has otherwise: they need a new start.
    fn changed_in(&self, new: &Config) -> Vec<&'static str> {
        let changes = [
            ("state_dir", self.state_dir != new.state_dir),
            ("listen.http", self.listen.http != new.listen.http),
            ("listen.https", self.listen.https != new.listen.https),
            ("listen.admin", self.listen.admin != new.listen.admin),
            ("admin.token_file", self.listen.admin_token_file != new.listen.admin_token_file),
            (
                "admin.readonly_token_file",
                self.listen.admin_readonly_token_file != new.listen.admin_readonly_token_file,
            ),
            ("limits.memory_cache", self.memory_cache != new.limits.memory_cache),
            ("store", self.store != new.store),
        ];
        changes.iter().filter(|(_, changed)| *changed).map(|(key, _)| *key).collect()
    }
}
