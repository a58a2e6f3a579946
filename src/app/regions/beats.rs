//! The heartbeat: every few seconds this instance tells the others of itself, and looks what they have told.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::Regions;
use crate::app::App;
use crate::clock::{self, Now};
use crate::offsite::instances::{
    BEAT, FORGOTTEN, Heard, Heartbeat, Life, MOST, Namesake, SiteBeat, Split, age, splits,
};
use crate::offsite::lease::Standing;
use crate::offsite::{FaultKind, Listed, Remote, Signer, StoreFault, layout};
use crate::proxy::Site;
use crate::snapshot::rfc3339;

/// Instances that are listened to.
const MOST_INSTANCES: usize = 200;
/// Objects that are looked at to find them.
const MOST_LISTED: usize = 10_000;
/// Words that are read at the same time.
const AT_ONCE: usize = 8;
/// Words that are read in one round, those that were not read for the longest time first: of a hundred instances, each reading
/// all others' each time would cost more than all the rest.
const MOST_READ: usize = 20;
/// How long a round may take.
const LONGEST: Duration = Duration::from_secs(25);

/// What is known of the others.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) others: BTreeMap<String, Heard>,
    /// When the words were written that are known.
    written: BTreeMap<String, SystemTime>,
    /// Sites that some reach and others do not.
    pub(super) splits: BTreeMap<String, Split>,
    /// When they were last looked at.
    pub(super) looked: Option<Instant>,
    /// Why that failed since.
    pub(super) fault: Option<StoreFault>,
    /// Another process writes under this name.
    pub(super) namesake: Option<String>,
}

/// Tells and listens for as long as the application is there.
pub(in crate::app) async fn run(app: Weak<App>) {
    let Some(regions) = app.upgrade().and_then(|app| app.regions.clone()) else { return };
    let (mut namesake, mut has_told) = (Namesake::default(), false);
    let mut standing = regions.post.subscribe();
    loop {
        let Some(app) = app.upgrade() else { return };
        let begun = clock::instant();
        let beat = regions.beat(&app, clock::now());
        drop(app);
        let round = tokio::time::timeout(LONGEST, regions.round(&beat, has_told, &mut namesake));
        let late = |_| Err(StoreFault::new(FaultKind::Unreachable, "no answer about the instances"));
        match round.await.unwrap_or_else(late) {
            Ok(()) => has_told = true,
            Err(fault) => {
                regions.door.met(&fault).await;
                regions.board().fault = Some(fault);
            }
        }
        // the others learn at once who crawls
        let rest = BEAT.saturating_sub(clock::instant() - begun);
        let wait = tokio::time::timeout(rest, standing.changed());
        if wait.await.is_ok_and(|changed| changed.is_err()) {
            return;
        }
    }
}

impl Regions {
    /// What this instance tells of itself now.
    pub(super) fn beat(&self, app: &App, now: Now) -> Heartbeat {
        let table = app.table();
        let standing = self.standing();
        let epoch = match standing {
            Standing::Holds { epoch } | Standing::Follows { epoch, .. } => Some(epoch),
            Standing::Free | Standing::Alone { .. } | Standing::Unknown => None,
        };
        Heartbeat {
            version: 1,
            id: self.identity.id.clone(),
            run: self.identity.run.clone(),
            name: self.identity.name.clone(),
            place: self.identity.place.clone(),
            katahai: env!("CARGO_PKG_VERSION").to_owned(),
            at: rfc3339(now.wall),
            started: rfc3339(app.started.wall),
            lease: word(&standing).to_owned(),
            epoch,
            crawls: self.may_hold,
            stopped: self.ending.load(Ordering::Relaxed),
            sites: table.sites.iter().map(|site| of_site(app, site, now)).collect(),
            sites_untold: 0,
        }
    }

    /// One round: what lies under the own name is looked at, the own word is written, the others' are read.
    async fn round(
        &self,
        beat: &Heartbeat,
        has_told: bool,
        namesake: &mut Namesake,
    ) -> Result<(), StoreFault> {
        let (remote, signer) = (self.door.open().await?, self.door.signer().await?);
        let own = layout::instance(&beat.name);
        // who cannot read may well write
        if has_told && let Ok(found) = read((&remote, &signer), &own).await {
            let is_shared = namesake.seen(&beat.run, found.as_ref());
            let other = found.filter(|_| is_shared);
            self.board().namesake = other.map(|other| {
                format!(
                    "\"{}\" is also the name of an instance at {} (id {}, this one's is {})",
                    other.name, other.place, other.id, beat.id
                )
            });
        }
        remote.put(&own, beat.written(&signer)).await?;
        let (mut listed, looked) = (listed(&remote).await?, clock::instant());
        let newest = listed.first().map(|one| one.modified);
        let told = listed.iter().find(|one| one.name == own).map(|one| one.modified);
        let Some(reference) = told.or(newest) else { return Ok(()) };
        // whatever it says, or does not
        let is_old = |one: &Listed| one.name != own && age(reference, one.modified) > FORGOTTEN;
        for one in listed.iter().filter(|one| is_old(one)).take(AT_ONCE) {
            self.forget(&remote, &one.name).await;
        }
        listed.retain(|one| !is_old(one));
        listed.truncate(MOST_INSTANCES);
        let others: Vec<&Listed> = listed.iter().filter(|one| one.name != own).collect();
        let due = due(&self.board().written, &others);
        let mut words = Vec::new();
        for one in others {
            let hearing = if due.contains_key(&one.name) { Hearing::Read } else { Hearing::Known };
            words.push(self.hear((&remote, &signer), one.clone(), age(reference, one.modified), hearing));
        }
        let heard: Vec<(String, Option<Heard>)> =
            stream::iter(words).buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
        let (mut found, mut were_read) = (BTreeMap::new(), BTreeMap::new());
        for (name, heard) in heard {
            were_read.extend(due.get_key_value(&name).map(|(name, written)| (name.clone(), *written)));
            let Some(heard) = heard else { continue };
            if heard.is_gone() {
                self.forget(&remote, &name).await;
            } else {
                found.insert(name, heard);
            }
        }
        let alive = found.values().filter(|heard| heard.life() == Life::Heard).map(|heard| &heard.beat);
        let splits = splits(alive.chain([beat]));
        let mut board = self.board();
        board.splits = splits;
        board.written.retain(|name, _| listed.iter().any(|one| one.name == *name));
        board.written.extend(were_read);
        board.others = found;
        board.looked = Some(looked);
        board.fault = None;
        Ok(())
    }

    /// What another one has told, with its name: nothing, if it is not in this format. `None`: it cannot be read, or nothing is
    /// known of it yet.
    async fn hear(
        &self,
        through: (&Remote, &Signer),
        one: Listed,
        age: Duration,
        hearing: Hearing,
    ) -> Option<(String, Option<Heard>)> {
        let beat = match hearing {
            Hearing::Known => Some(self.board().others.get(&one.name)?.beat.clone()),
            Hearing::Read => match read(through, &one.name).await {
                Ok(beat) => beat,
                Err(fault) => {
                    tracing::debug!(instance = one.name, %fault, "the word of an instance cannot be read");
                    return None;
                }
            },
        };
        Some((one.name, beat.map(|beat| Heard { beat, age })))
    }

    /// Removes the word of an instance that is gone for good. One does it for all.
    async fn forget(&self, remote: &Remote, name: &str) {
        if !matches!(self.standing(), Standing::Holds { .. }) {
            return;
        }
        match remote.delete(name).await {
            Ok(()) => tracing::info!(instance = name, "instance ended or not heard for a week, forgotten"),
            Err(fault) => {
                tracing::debug!(instance = name, %fault, "instance ended or not heard for a week, not removed");
            }
        }
    }

    /// The last word: this instance ends by itself.
    pub(super) async fn say_farewell(&self, app: &App) {
        let beat = self.beat(app, clock::now());
        let told = async {
            let bytes = beat.written(&self.door.signer().await?);
            self.door.open().await?.put(&layout::instance(&beat.name), bytes).await
        };
        if let Err(fault) = told.await {
            tracing::debug!(%fault, "the other instances were not told of the end");
        }
    }

    /// The others, with how long ago each was heard, and whether that is known at all: the store may be silent.
    pub(super) fn others(&self, now: Instant) -> Others {
        let board = self.board();
        let since = board.looked.map(|looked| now.saturating_duration_since(looked));
        Others { heard: board.others.values().cloned().collect(), since, fault: board.fault.clone() }
    }
}

/// Which words are to be read now, with when they were written; `known`: when those were that have been read.
fn due(known: &BTreeMap<String, SystemTime>, listed: &[&Listed]) -> BTreeMap<String, SystemTime> {
    let mut new: Vec<&&Listed> =
        listed.iter().filter(|one| known.get(&one.name) != Some(&one.modified)).collect();
    new.sort_by_key(|one| known.get(&one.name));
    new.iter().take(MOST_READ).map(|one| (one.name.clone(), one.modified)).collect()
}

/// Whether the word of another one is read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    Known,
    Read,
}

/// What is known of the others.
pub(super) struct Others {
    pub(super) heard: Vec<Heard>,
    /// How long ago they were looked at; `None`: not yet.
    pub(super) since: Option<Duration>,
    pub(super) fault: Option<StoreFault>,
}

/// What is not in this format is nobody's word.
async fn read((remote, signer): (&Remote, &Signer), name: &str) -> Result<Option<Heartbeat>, StoreFault> {
    let found = remote.get(name, MOST).await?;
    Ok(found.and_then(|object| Heartbeat::read(name, &object.bytes, signer)))
}

/// The words of all instances, newest first.
async fn listed(remote: &Remote) -> Result<Vec<Listed>, StoreFault> {
    let mut listing = pin!(remote.list(layout::INSTANCES).take(MOST_LISTED));
    let mut listed = Vec::new();
    while let Some(one) = listing.try_next().await? {
        listed.push(one);
    }
    listed.sort_by_key(|one| Reverse(one.modified));
    Ok(listed)
}

pub(super) fn word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Holds { .. } => "holds",
        Standing::Follows { .. } => "follows",
        Standing::Free => "free",
        Standing::Alone { .. } => "alone",
        Standing::Unknown => "unknown",
    }
}

fn of_site(app: &App, site: &Arc<Site>, now: Now) -> SiteBeat {
    let condition = site.condition(now);
    let snapshot = site.mirror.current().map(|snapshot| snapshot.summary().clone());
    SiteBeat {
        name: site.config.name.to_string(),
        state: condition.state.as_str().to_owned(),
        cause: condition.cause.map(|cause| cause.code().to_owned()),
        mode: site.switch.mode(now.mono).as_str().to_owned(),
        snapshot: snapshot.as_ref().map(|summary| summary.id.to_string()),
        taken_at: snapshot.as_ref().map(|summary| rfc3339(summary.taken_at)),
        origins: app.origin_list(&site.config).and_then(|list| list.in_force).map(|list| list.version),
        lag_s: app.offsite.as_ref().map_or(0, |store| store.site_status(&site.config.name, now).lag_s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_instances_each_is_read_in_its_turn_and_few_in_a_round() {
        for (instances, rounds) in [(1, 1), (19, 1), (20, 1), (21, 2), (99, 5)] {
            let (mut known, mut read) = (BTreeMap::new(), BTreeMap::<String, u32>::new());
            for round in 1..=rounds * 4 {
                // each has written a new word since the last round
                let modified = SystemTime::UNIX_EPOCH + BEAT * round;
                let name = |n: u32| format!("instances/{n}.json");
                let listed: Vec<Listed> =
                    (0..instances).map(|n| Listed { name: name(n), bytes: 1, modified }).collect();
                let now = due(&known, &listed.iter().collect::<Vec<_>>());
                assert!(now.len() <= MOST_READ, "{instances}");
                now.keys().for_each(|name| *read.entry(name.clone()).or_default() += 1);
                known.extend(now);
                if round == rounds {
                    assert_eq!(read.len() as u32, instances, "all are heard");
                }
            }
            assert!(read.values().all(|times| *times >= 3), "{instances}: {read:?}");
        }
    }

    #[test]
    fn a_word_that_is_known_is_not_read_again() {
        let listed = Listed { name: "instances/a.json".into(), bytes: 1, modified: SystemTime::UNIX_EPOCH };
        let known = BTreeMap::from([(listed.name.clone(), listed.modified)]);
        assert_eq!(due(&known, &[&listed]), BTreeMap::new());
        assert_eq!(due(&BTreeMap::new(), &[&listed]), known);
    }
}
