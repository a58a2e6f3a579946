//! Lists of origins that all instances share: read from the store every few seconds, checked as a file is, kept on the disk, and
//! put in force; and put there by an operator.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use super::Regions;
use crate::app::App;
use crate::app::reload::Again;
use crate::config::ready::{OriginsFile, SharedList, Site};
use crate::config::{self, Config, Problems};
use crate::failure::chain;
use crate::offsite::shared_list::{self, MOST};
use crate::offsite::{Looked, Object, StoreFault, Version};
use crate::snapshot::rfc3339;
use crate::{disk, tasks};

/// How often the store is asked.
const LOOK: Duration = Duration::from_secs(5);

/// What is known of the lists in the store.
#[derive(Default)]
pub(super) struct Lists {
    known: Mutex<HashMap<Arc<str>, KnownList>>,
    /// One was put there just now.
    put: Notify,
}

/// What is known of one.
#[derive(Clone, Debug, Default)]
struct KnownList {
    /// What was read last, good or not: it is not read again.
    seen: Option<Version>,
    in_force: Option<InForce>,
    /// Why what is in the store is not in force.
    refused: Option<String>,
}

/// The version that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InForce {
    /// The beginning of its hash.
    pub version: String,
    /// When it was put into the store, RFC 3339; `None`: that is not known, because it comes from this machine's own copy.
    pub at: Option<String>,
}

/// Where a site's origins come from, if others write them in the store.
#[derive(Clone, Debug, Serialize)]
pub struct OriginList {
    /// As it stands in the configuration: `store:shop/origins.toml`.
    pub from: String,
    /// The version that is in force; `None`: there was none yet.
    pub in_force: Option<InForce>,
    /// Why what is in the store is not in force.
    pub refused: Option<String>,
}

/// Why a list was not put into the store.
#[derive(Debug)]
pub enum NotPut {
    /// The site's origins do not come from the store.
    NotShared(String),
    /// The list is not sound.
    Problems(Problems),
    /// The store does not take it.
    Store(StoreFault),
}

/// Reads the lists for as long as the application is there.
pub(in crate::app) async fn run(app: Weak<App>) {
    let Some(regions) = app.upgrade().and_then(|app| app.regions.clone()) else { return };
    loop {
        let Some(here) = app.upgrade() else { return };
        let lists: BTreeMap<Arc<str>, SharedList> = here
            .config()
            .sites
            .iter()
            .filter_map(|site| of(site))
            .map(|list| (list.name.clone(), list.clone()))
            .collect();
        for list in lists.values() {
            here.look_at_list(&regions, list).await;
        }
        drop(here);
        _ = tokio::time::timeout(LOOK, regions.lists.put.notified()).await;
    }
}

fn of(site: &Site) -> Option<&SharedList> {
    site.origins_file.as_ref().and_then(OriginsFile::shared)
}

/// A list that was taken over stays in force whatever becomes of its copy on the disk: the store says when there is another one.
pub(in crate::app) fn keep_in_force(config: &mut Config, running: &Config) {
    for site in &mut config.sites {
        let Some(list) = of(site) else { continue };
        let same = running.sites.iter().find(|old| of(old) == Some(list));
        if let Some(origins) = same.map(|old| old.origins.clone()) {
            Arc::make_mut(site).origins = origins;
        }
    }
}

fn version_of(text: &[u8]) -> String {
    blake3::hash(text).to_hex().as_str()[..12].to_owned()
}

impl Lists {
    fn with<T>(&self, name: &Arc<str>, work: impl FnOnce(&mut KnownList) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        work(known.entry(name.clone()).or_default())
    }
}

impl App {
    /// Reads one list, if it is another one than before.
    async fn look_at_list(&self, regions: &Regions, list: &SharedList) {
        let lists = &regions.lists;
        if lists.with(&list.name, |known| known.in_force.is_none()) {
            let kept = list.kept.clone();
            if let Some(Ok(text)) = tasks::blocking(move || std::fs::read(kept)).await {
                let in_force = InForce { version: version_of(&text), at: None };
                lists.with(&list.name, |known| known.in_force = Some(in_force));
            }
        }
        let known = lists.with(&list.name, |known| known.seen.clone());
        let Ok(remote) = regions.door.open().await else { return };
        let problems = match remote.look(&list.name, MOST, known.as_ref()).await {
            Ok(Looked::Same) => return,
            Ok(Looked::New(object)) => match self.take_over_list(regions, list, &object).await {
                Some(problems) => problems,
                None => return,
            },
            Ok(Looked::Absent) => {
                lists.with(&list.name, |known| known.seen = None);
                Some(config::list_refused(
                    list,
                    "the store has no such list of origins",
                    "put it there: katahai origin set SITE FILE --everywhere",
                ))
            }
            Err(fault) => {
                // the lease says already that the store is silent
                tracing::debug!(list = list.shown(), %fault, "list of origins not read");
                return;
            }
        };
        let refused = problems.as_ref().map(super::super::in_one_line);
        let is_news =
            lists.with(&list.name, |known| std::mem::replace(&mut known.refused, refused.clone()) != refused);
        self.conditions.read(Path::new(&list.shown()), problems.as_ref());
        if let Some(problems) = refused.filter(|_| is_news) {
            tracing::error!(
                list = list.shown(),
                problems,
                "list of origins in the store refused, the last good one stays in use"
            );
        }
    }

    /// Checks a list and puts it in force. What is returned are its problems, if it has any; nothing at all if it is to be read
    /// again.
    async fn take_over_list(
        &self,
        regions: &Regions,
        list: &SharedList,
        object: &Object,
    ) -> Option<Option<Problems>> {
        let seen = |known: &mut KnownList| known.seen = Some(object.version.clone());
        // without the key it is not known whether it may be used: it is read again when that is there
        let signer = regions.door.signer().await.ok()?;
        let text = match shared_list::read(&list.name, &object.bytes, &signer) {
            Ok(text) => text.to_vec(),
            Err(fault) => {
                regions.lists.with(&list.name, seen);
                let help = "put it there anew: katahai origin set SITE FILE --everywhere, on an instance with the same key_file";
                return Some(Some(config::list_refused(list, &fault.detail, help)));
            }
        };
        let read = {
            let (text, list, listen) = (text.clone(), list.clone(), self.config().listen);
            move || config::load_shared_list(&text, &list, &listen)
        };
        // looked at first, and kept before it is in force: what runs is what the next start runs by
        let origins = match tasks::blocking(read).await? {
            Ok(origins) => origins,
            Err(problems) if problems.are_passing() => return None,
            Err(problems) => {
                regions.lists.with(&list.name, seen);
                return Some(Some(problems));
            }
        };
        let (kept, copy) = (list.kept.clone(), text.clone());
        let keep = move || {
            let folder = kept.parent().unwrap_or(Path::new("."));
            disk::ensure_dir(folder).and_then(|()| disk::write_atomic(&kept, &copy))
        };
        if let Err(error) = tasks::blocking(keep).await? {
            tracing::warn!(file = %list.kept.display(), error = chain(&error), "list of origins not kept on this machine");
        }
        let shown = list.shown();
        let put = |config: &mut Config, origins: Vec<_>| {
            for site in &mut config.sites {
                if of(site) == Some(list) {
                    Arc::make_mut(site).origins.clone_from(&origins);
                }
            }
        };
        if self.take_over(Path::new(&shown), "origins", move || Ok(origins), put).await == Again::Soon {
            return None;
        }
        let in_force = InForce { version: version_of(&text), at: Some(rfc3339(object.modified)) };
        regions.lists.with(&list.name, |known| {
            seen(known);
            known.in_force = Some(in_force);
        });
        Some(None)
    }

    /// Where a site's origins come from, if that is the store.
    pub fn origin_list(&self, site: &Site) -> Option<OriginList> {
        let (regions, list) = (self.regions.as_ref()?, of(site)?);
        let known = regions.lists.with(&list.name, |known| known.clone());
        Some(OriginList { from: list.shown(), in_force: known.in_force, refused: known.refused })
    }

    /// Puts a list into the store, for all instances.
    ///
    /// # Errors
    /// See [`NotPut`]; the list in force stays.
    pub async fn put_origin_list(&self, site: &Site, text: &str) -> Result<InForce, NotPut> {
        let (Some(regions), Some(list)) = (self.regions.as_ref(), of(site)) else {
            let name = &site.name;
            return Err(NotPut::NotShared(format!(
                "the origins of \"{name}\" do not come from the store: write origins_file = \"store:{name}/origins.toml\" in its [[site]] \
                 on each instance, and reload"
            )));
        };
        let listen = self.config().listen;
        config::load_shared_list(text.as_bytes(), list, &listen).map_err(NotPut::Problems)?;
        let signer = regions.door.signer().await.map_err(NotPut::Store)?;
        let object = shared_list::write(&list.name, text, &signer);
        let version = version_of(shared_list::read(&list.name, &object, &signer).map_err(NotPut::Store)?);
        let remote = regions.door.open().await.map_err(NotPut::Store)?;
        remote.put(&list.name, object).await.map_err(NotPut::Store)?;
        tracing::info!(
            site = &*site.name,
            list = list.shown(),
            version,
            "operator put a list of origins into the store"
        );
        regions.lists.put.notify_one();
        Ok(InForce { version, at: None })
    }
}
