//! Lists of origins that all instances share: read from the store every few seconds, checked as a file is, kept on the disk, and
//! put in force; and put there by an operator.

mod anew;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use super::Regions;
use crate::app::reload::Again;
use crate::app::{App, Source};
use crate::config::ready::{Origin, OriginsFile, SharedList, Site};
use crate::config::{self, Config, Problems};
use crate::failure::chain;
use crate::offsite::shared_list::{self, MOST};
use crate::offsite::{FaultKind, Looked, Object, StoreFault, Version};
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
    /// What that is: if it does not run, it is read again.
    origins: Option<Vec<Origin>>,
    /// The highest generation that was taken over; `None`: it has not been looked for yet.
    generation: Option<u64>,
    /// Why what is in the store is not in force.
    refused: Option<String>,
    /// The first key when it was last looked at whether that has signed it, as [`Regions::signs_with`] says.
    signed_with: Option<String>,
}

/// The version that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InForce {
    /// The beginning of its hash.
    pub version: String,
    /// When it was put into the store, RFC 3339; `None`: that is not known, because it comes from this machine's own copy.
    pub at: Option<String>,
    /// What is still to be done, for who has put it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
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

/// What runs goes on until there is something to replace it: a list that was taken over stays in force whatever becomes of its copy
/// on the disk, and a site whose origins are to come from the store from now on has its old ones until they do.
pub(in crate::app) fn keep_in_force(config: &mut Config, running: &Config) {
    for site in &mut config.sites {
        let Some(list) = of(site) else { continue };
        let Some(old) = running.sites.iter().find(|old| old.name == site.name) else { continue };
        let is_same = of(old).is_some_and(|old| old.name == list.name);
        // nothing is kept of a list that nobody has read yet
        if is_same || site.origins.is_empty() {
            let origins = old.origins.clone();
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
    /// What is known of a list from the copy on the disk.
    async fn remember_list(&self, regions: &Regions, list: &SharedList) {
        let lists = &regions.lists;
        if lists.with(&list.name, |known| known.generation.is_some()) {
            return;
        }
        let of = list.clone();
        let read = move || (std::fs::read(&of.kept).ok(), generation_of(&of));
        let Some((text, generation)) = tasks::blocking(read).await else { return };
        let of_copy = |text: Vec<u8>| InForce { version: version_of(&text), at: None, note: None };
        lists.with(&list.name, |known| {
            known.in_force = known.in_force.take().or_else(|| text.map(of_copy));
            known.generation = Some(known.generation.unwrap_or_default().max(generation));
        });
    }

    /// Reads one list, if it is another one than before.
    async fn look_at_list(&self, regions: &Regions, list: &SharedList) {
        let lists = &regions.lists;
        self.remember_list(regions, list).await;
        let config = self.config();
        let runs = |origins: &Vec<Origin>| {
            let mut sites = config.sites.iter().filter(|site| is_of(site, list));
            sites.all(|site| site.origins == *origins)
        };
        let key = regions.signs_with().await;
        let may_be_signed = lists.waits_for(&list.name, key.as_ref());
        let known = lists.with(&list.name, |known| {
            // after a reload, another site may have it, or have it again
            if may_be_signed || !known.origins.as_ref().is_none_or(runs) {
                known.seen = None;
            }
            known.seen.clone()
        });
        let looked = async { regions.door.open().await?.look(&list.name, MOST, known.as_ref()).await };
        let problems = match looked.await {
            Ok(Looked::Same) => return,
            Ok(Looked::New(object)) => match self.take_over_list(regions, list, &object).await {
                Some(problems) => {
                    let is_good = problems.is_none() && key.is_some();
                    if !is_good || regions.sign_list_anew(list, &object).await {
                        lists.with(&list.name, |known| known.signed_with = key);
                    }
                    problems
                }
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
                // what was said of it before is said no more: it is read again
                let has_none = lists.with(&list.name, |known| {
                    known.seen = known.seen.take().filter(|_| known.in_force.is_some());
                    known.in_force.is_none()
                });
                if !has_none {
                    return;
                }
                let is_bare = config.sites.iter().any(|site| is_of(site, list) && site.origins.is_empty());
                Some(without_any(list, &fault, is_bare))
            }
        };
        let refused = problems.as_ref().map(super::super::in_one_line);
        let (is_news, has_one) = lists.with(&list.name, |known| {
            let is_news = std::mem::replace(&mut known.refused, refused.clone()) != refused;
            (is_news, known.in_force.is_some())
        });
        self.conditions.read(Path::new(&list.shown()), problems.as_ref());
        if let Some(problems) = refused.filter(|_| is_news) {
            let list = list.shown();
            match has_one {
                true => tracing::error!(
                    list,
                    problems,
                    "list of origins in the store refused, the last good one stays in use"
                ),
                false => tracing::error!(list, problems, "no list of origins from the store is in use"),
            }
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
        let highest = regions.lists.with(&list.name, |known| known.generation.unwrap_or_default());
        let (text, generation) = match shared_list::read(&list.name, &object.bytes, &signer) {
            Ok(found) if signer.signs() && found.generation < highest => {
                regions.lists.with(&list.name, seen);
                return Some(Some(put_back(list, found.generation, highest)));
            }
            Ok(found) => (found.text.to_vec(), found.generation),
            // it is read again: it may have been spoiled on its way only
            Err(fault) => {
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
        let (of, copy) = (list.clone(), text.clone());
        let keep = move || keep(&of, &copy, generation);
        if let Err(error) = tasks::blocking(keep).await? {
            tracing::warn!(file = %list.kept.display(), error = chain(&error), "list of origins not kept on this machine");
        }
        let shown = list.shown();
        let put = |config: &mut Config, origins: Vec<_>| {
            for site in &mut config.sites {
                if is_of(site, list) {
                    Arc::make_mut(site).origins.clone_from(&origins);
                }
            }
        };
        let taken = origins.clone();
        if self.take_over(Path::new(&shown), "origins", move || Ok(taken), put).await == Again::Soon {
            return None;
        }
        let (version, at) = (version_of(&text), rfc3339(object.modified));
        regions.lists.with(&list.name, |known| {
            seen(known);
            // the same list, signed anew, is in force since it was put there
            let before = known.in_force.take().filter(|before| before.version == version);
            let at = before.and_then(|before| before.at).or(Some(at));
            let in_force = InForce { version, at, note: None };
            known.origins = Some(origins);
            known.generation = Some(generation.max(highest));
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

    /// Puts a list into the store, for all instances. That of a site whose origins come from elsewhere is put there, too: so it is
    /// there when the site is told to use it.
    ///
    /// # Errors
    /// See [`NotPut`]; the list in force stays.
    pub async fn put_origin_list(&self, site: &Site, text: &str) -> Result<InForce, NotPut> {
        let name = &site.name;
        let not_shared = || {
            NotPut::NotShared(format!(
                "the origins of \"{name}\" do not come from the store: add [store], write origins_file = \"store:{name}/origins.toml\" in \
                 its [[site]] on each instance, and restart it"
            ))
        };
        let regions = self.regions.as_ref().ok_or_else(not_shared)?;
        let folder = match &self.source {
            Source::File { path, .. } => path.parent().unwrap_or(Path::new("")),
            _ => Path::new(""),
        };
        let list = of(site).cloned().or_else(|| SharedList::of_site(name, &regions.state_dir, folder));
        let list = &list.ok_or_else(not_shared)?;
        let listen = self.config().listen;
        config::load_shared_list(text.as_bytes(), list, &listen).map_err(NotPut::Problems)?;
        let signer = regions.door.signer().await.map_err(NotPut::Store)?;
        self.remember_list(regions, list).await;
        let remote = regions.door.open().await.map_err(NotPut::Store)?;
        let there = match remote.get(&list.name, MOST).await {
            Err(fault) if fault.kind != FaultKind::Damaged => return Err(NotPut::Store(fault)),
            there => there.unwrap_or_default(),
        };
        let there = there.and_then(|object| {
            shared_list::read(&list.name, &object.bytes, &signer).ok().map(|found| found.generation)
        });
        let known = regions.lists.with(&list.name, |known| known.generation.unwrap_or_default());
        let generation = known.max(there.unwrap_or_default()).saturating_add(1);
        let object = shared_list::write(&list.name, text, generation, &signer);
        let put = shared_list::read(&list.name, &object, &signer).map_err(NotPut::Store)?;
        let version = version_of(put.text);
        remote.put(&list.name, object).await.map_err(NotPut::Store)?;
        let shown = list.shown();
        tracing::info!(
            site = &**name,
            list = shown,
            version,
            "operator put a list of origins into the store"
        );
        regions.lists.put.notify_one();
        let note = of(site).is_none().then(|| {
            format!(
                "\"{name}\" does not use it yet: write origins_file = \"{shown}\" in its [[site]] on each instance, instead of what is \
                 there, and reload"
            )
        });
        Ok(InForce { version, at: None, note })
    }
}

/// What is said of a list that is older than one that was in force.
fn put_back(list: &SharedList, generation: u64, highest: u64) -> Problems {
    let why = format!(
        "somebody has put an old list back: its generation is {generation}, and {highest} was in force already"
    );
    let help =
        "put it there anew: katahai origin set SITE FILE --everywhere; and look who can write to the store";
    config::list_refused(list, &why, help)
}

/// What is said where neither the store nor this machine has a list: the copies are served, which may be meant, but is not seen; or
/// the origins that the site had before. The same in each outage, whatever else the fault says.
fn without_any(list: &SharedList, fault: &StoreFault, is_bare: bool) -> Problems {
    let then = match is_bare {
        true => "there are no origins, only copies are served",
        false => "the origins that were there before stay in use",
    };
    let code = fault.kind.code();
    let why = format!("the store cannot be read ({code}), and this machine has no copy of the list: {then}");
    let help =
        "look at the store, as \"katahai status\" says; the list is in force as soon as the store answers";
    config::list_refused(list, &why, help)
}

/// Whether a site has this list, wherever its copy is.
fn is_of(site: &Site, list: &SharedList) -> bool {
    of(site).is_some_and(|of| of.name == list.name)
}

/// The highest generation that was taken over; 0 if none is known. Blocks.
fn generation_of(list: &SharedList) -> u64 {
    let text = std::fs::read_to_string(list.generation_file()).unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

/// Keeps a good list for a start without the store. Blocks.
fn keep(list: &SharedList, text: &[u8], generation: u64) -> std::io::Result<()> {
    disk::ensure_dir(list.kept.parent().unwrap_or(Path::new(".")))?;
    disk::write_atomic(&list.kept, text)?;
    match generation {
        0 => Ok(()),
        _ => disk::write_atomic(&list.generation_file(), format!("{generation}\n").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;

    fn config(state_dir: &Path, sites: &[(&str, &str)]) -> Config {
        let mut text = format!(
            "state_dir = \"{}\"\nlisten.http = [\"127.0.0.1:80\"]\n[store]\nurl = \"file://{}\"\n",
            state_dir.display(),
            state_dir.display()
        );
        for (name, origins) in sites {
            text += &format!("[[site]]\nname = \"{name}\"\nhosts = [\"{name}.example\"]\n{origins}\n");
        }
        let env = Env { state_dir: None, credentials: None };
        config::from_text(&text, &state_dir.join("katahai.toml"), &env).expect("it is sound").0
    }

    const INLINE: &str = "[[site.origin]]\nurl = \"http://203.0.113.10\"";
    const SHARED: &str = "origins_file = \"store:shop/origins.toml\"";

    fn urls(config: &Config) -> Vec<Vec<String>> {
        let of = |site: &Arc<Site>| site.origins.iter().map(|origin| origin.url.to_string()).collect();
        config.sites.iter().map(of).collect()
    }

    #[test]
    fn an_outage_is_told_once_and_by_what_is_served() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), &[("shop", SHARED)]);
        let list = of(&config.sites[0]).unwrap();
        let said = |elapsed: &str, is_bare| {
            let fault = StoreFault::new(FaultKind::Unreachable, format!("no answer in {elapsed}"));
            super::super::super::in_one_line(&without_any(list, &fault, is_bare))
        };
        assert_eq!(said("5.1 s", true), said("5.2 s", true));
        assert!(said("5 s", true).contains("there are no origins"));
        assert!(!said("5 s", false).contains("no origins") && said("5 s", false).contains("stay in use"));
    }

    #[test]
    fn a_site_that_is_told_to_use_the_store_has_its_origins_until_there_is_a_list() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let running = config(dir.path(), &[("shop", INLINE)]);
        let before = urls(&running);
        let kept = |new: &mut Config| {
            keep_in_force(new, &running);
            urls(new)
        };
        let mut new = config(dir.path(), &[("shop", SHARED), ("blog", SHARED)]);
        assert_eq!(kept(&mut new), [before[0].clone(), Vec::new()], "and nobody else has them");
        // whatever becomes of the copy, and wherever it is to be
        let mut moved = config(other.path(), &[("shop", SHARED)]);
        keep_in_force(&mut moved, &new);
        assert_eq!(urls(&moved), before);
        // a copy of the list is what a start would run by
        let list = of(&new.sites[0]).unwrap();
        keep(list, b"[[origin]]\nurl = \"http://203.0.113.20\"\n", 3).unwrap();
        assert_eq!(generation_of(list), 3);
        let mut again = config(dir.path(), &[("shop", SHARED)]);
        let copy = urls(&again);
        assert_ne!(copy, before);
        assert_eq!(kept(&mut again), copy);
        let list_of_site = SharedList::of_site("shop", dir.path(), dir.path());
        assert_eq!(list_of_site.as_ref(), Some(list));
    }
}
