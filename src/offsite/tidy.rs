//! Removing from the store what nothing names any more: only by the instance that holds the lease, and with a day between the
//! word and the deed ([`super::collect`] says what may go).

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::try_join_all;

use super::collect::{BELIEVED, ROOTS_HOLD, StoredBody, condemn, removable, surplus};
use super::condemned::{Condemned, DEAD, Listing, Phase};
use super::context::{AT_ONCE, Context};
use super::forms::names;
use super::here::SiteHere;
use super::layout;
use super::resign::{Strange, sign_anew, without};
use super::roots::{self, SiteRoots};
use super::trouble::Trouble;
use crate::clock::{self, unix};
use crate::snapshot::{BlobId, SnapshotId};

/// The version of the list.
const VERSION: u32 = 1;
/// How long it is remembered that a form was erased: whoever was away for longer may bring it back.
const ERASED_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
/// How many of those are forgotten in one round.
const MOST_ERASED: usize = 10_000;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tidied {
    pub(super) snapshots: usize,
    pub(super) condemned: usize,
    pub(super) bodies: usize,
    /// What was left of erased forms.
    pub(super) erased: usize,
}

/// The store's own clock.
pub(super) async fn store_clock(context: &Context) -> Result<SystemTime, Trouble> {
    context.remote.put(layout::CLOCK, Bytes::from_static(b"tick")).await?;
    let head = context.remote.head(layout::CLOCK).await?;
    Ok(head.ok_or_else(|| Trouble::refused(layout::CLOCK, &"it is missing"))?.modified)
}

/// Removes what may go at this time of the store's clock.
pub(super) async fn tidy(context: &Context, here: &[SiteHere], now: SystemTime) -> Result<Tidied, Trouble> {
    let mut tidied = Tidied::default();
    let mut garbage = Condemned::read(context).await?;
    if garbage.is_deleting() {
        let clock = store_clock(context).await?;
        let age = garbage.modified.map(|begun| clock.duration_since(begun).unwrap_or_default());
        if age.is_some_and(|age| age < DEAD) {
            return Err(Trouble::Waits("another instance removes bodies from the store".to_owned()));
        }
        let bodies = garbage.listing.bodies.clone();
        write(context, &mut garbage, Phase::Idle, bodies, now).await?;
    }
    let sites = roots::read(context, here).await?;
    let strange = sign_anew(context, here, &sites).await?;
    if let Some(refusal) = sites.iter().find_map(SiteRoots::refusal) {
        return Err(refusal);
    }
    let sites = without(sites, &strange);
    // What is incomplete there is to be put there again, not to be cleared away.
    sites.iter().try_for_each(is_complete)?;
    for site in &sites {
        tidied.snapshots += remove_snapshots(context, site, now).await?;
    }
    tidied.erased = remove_erased(context, now).await?;
    let read = clock::instant();
    let sites = without(roots::sites(context, here).await?, &strange);
    let named = roots::named(context, here, &sites).await?;
    let bodies = listed(context).await?;
    let condemned = condemn(&garbage.listing.bodies, bodies.iter().copied(), &named, now);
    tidied.condemned = condemned.len();
    let due = removable(&condemned, bodies.iter().copied(), &named, now);
    // Somebody may be naming what nothing has named so far.
    let is_quiet = !sites.iter().any(|site| has_intents(site, now));
    let may_go = || context.lease.borrow().is_some() && clock::instant() - read < ROOTS_HOLD;
    if !due.is_empty() && clock::instant() - read >= ROOTS_HOLD {
        tracing::warn!(
            due = due.len(),
            "reading what the store names takes longer than a minute: no bodies are removed from it"
        );
    }
    if due.is_empty() || !is_quiet || !may_go() {
        if condemned != garbage.listing.bodies {
            write(context, &mut garbage, Phase::Idle, condemned, now).await?;
        }
        return Ok(tidied);
    }
    // Reading all that may have taken long: who pushes goes by the time of this.
    let clock = store_clock(context).await?;
    write(context, &mut garbage, Phase::Deleting, condemned, clock).await?;
    let removed = remove_bodies(context, (here, &strange), &garbage, now).await;
    // Whatever became of it, nobody is to wait any longer.
    let mut left = garbage.listing.bodies.clone();
    for id in removed.as_deref().unwrap_or_default() {
        left.remove(&id.to_string());
    }
    write(context, &mut garbage, Phase::Idle, left, now).await?;
    tidied.bodies = removed?.len();
    Ok(tidied)
}

async fn write(
    context: &Context,
    garbage: &mut Condemned,
    phase: Phase,
    bodies: std::collections::BTreeMap<String, u64>,
    now: SystemTime,
) -> Result<(), Trouble> {
    let listing =
        Listing { version: VERSION, phase, since: unix(now), by: context.instance.to_string(), bodies };
    match garbage.write(context, listing).await? {
        true => Ok(()),
        false => Err(Trouble::Raced),
    }
}

/// Whether what all serve is whole, and what all keep, if any of it is there.
fn is_complete(site: &SiteRoots) -> Result<(), Trouble> {
    let has_index = |id: &SnapshotId| site.folders.get(id).map(|folder| folder.has_index);
    let lacks = |id: &SnapshotId| Trouble::refused(layout::index(&site.name, id), &"it is missing");
    if let Some(current) = site.keeping.current.filter(|id| has_index(id) != Some(true)) {
        return Err(lacks(&current));
    }
    let half = site.keeping.pinned.iter().find(|id| has_index(id) == Some(false));
    half.map_or(Ok(()), |id| Err(lacks(id)))
}

fn has_intents(site: &SiteRoots, now: SystemTime) -> bool {
    let mut times = site.keeping.intents.values();
    times.any(|since| now.duration_since(*since).unwrap_or_default() < BELIEVED)
}

/// Removes those beyond what is kept, what was left half written, and intents that nobody believes in.
async fn remove_snapshots(context: &Context, site: &SiteRoots, now: SystemTime) -> Result<usize, Trouble> {
    let old = |since: SystemTime| now.duration_since(since).unwrap_or_default() >= BELIEVED;
    for (id, _) in site.keeping.intents.iter().filter(|(_, since)| old(**since)) {
        context.remote.delete(&layout::intent(&site.name, id)).await?;
    }
    let whole =
        site.stored().into_iter().filter(|one| site.folders.get(&one.id).is_some_and(|at| at.has_index));
    let mut gone = surplus(&whole.collect::<Vec<_>>(), &site.keeping, now);
    let is_left = |id, written: Option<SystemTime>| {
        written.is_some_and(old) && site.keeping.intents.get(id).is_none_or(|since| old(*since))
    };
    let half = site.folders.iter().filter(|(id, folder)| !folder.has_index && is_left(*id, folder.written));
    gone.extend(half.map(|(id, _)| *id));
    let mut removed = 0;
    for id in &gone {
        if roots::is_kept(context, &site.name, id).await? {
            continue;
        }
        if context.lease.borrow().is_none() {
            return Err(Trouble::Waits("the lease is lost".to_owned()));
        }
        // The index first: what is half gone is not taken for whole.
        context.remote.delete(&layout::index(&site.name, id)).await?;
        for object in site.folders.get(id).into_iter().flat_map(|folder| &folder.objects) {
            context.remote.delete(object).await?;
        }
        removed += 1;
        tracing::info!(site = site.name, %id, "an old snapshot was removed from the store");
    }
    Ok(removed)
}

/// Removes what is due, by what is named now.
async fn remove_bodies(
    context: &Context,
    (here, strange): (&[SiteHere], &Strange),
    garbage: &Condemned,
    now: SystemTime,
) -> Result<Vec<BlobId>, Trouble> {
    let read = clock::instant();
    let sites = without(roots::sites(context, here).await?, strange);
    if sites.iter().any(|site| has_intents(site, now)) {
        return Ok(Vec::new());
    }
    let named: HashSet<BlobId> = roots::named(context, here, &sites).await?;
    let bodies = listed(context).await?;
    let mut removed = Vec::new();
    let due = removable(&garbage.listing.bodies, bodies.into_iter(), &named, now);
    for some in due.chunks(AT_ONCE) {
        if context.lease.borrow().is_none() || clock::instant() - read >= ROOTS_HOLD {
            tracing::info!(
                removed = removed.len(),
                "removing bodies from the store is broken off, and gone on with later"
            );
            break;
        }
        let names = some.iter().map(layout::blob);
        try_join_all(names.map(|name| async move { context.remote.delete(&name).await })).await?;
        removed.extend_from_slice(some);
    }
    Ok(removed)
}

/// Removes what is left of forms that were erased long ago, and of which nothing else is left. To erase one again writes it anew.
async fn remove_erased(context: &Context, now: SystemTime) -> Result<usize, Trouble> {
    let mut listing = context.remote.list(names::ERASED);
    let mut due = Vec::new();
    while let Some(object) = listing.next().await {
        let object = object?;
        let is_old = now.duration_since(object.modified).is_ok_and(|age| age >= ERASED_KEPT);
        if let Some((site, id)) = names::erased_object(&object.name).filter(|_| is_old)
            && due.len() < MOST_ERASED
        {
            due.push((site.to_owned(), id, object.name.clone()));
        }
    }
    // Something of it is still there: it is not erased to the end.
    let sites: BTreeSet<String> = due.iter().map(|(site, ..)| site.clone()).collect();
    let mut left = HashSet::new();
    for site in sites {
        let mut listing = context.remote.list(&format!("{}/{site}", names::FORMS));
        while let Some(object) = listing.next().await {
            left.extend(names::form_object(&object?.name).map(|(_, id, _)| (site.clone(), id)));
        }
    }
    let mut removed = 0;
    for (site, id, name) in due {
        if context.lease.borrow().is_none() {
            break;
        }
        if !left.contains(&(site, id)) {
            context.remote.delete(&name).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

async fn listed(context: &Context) -> Result<Vec<StoredBody>, Trouble> {
    let mut listing = context.remote.list(layout::BLOBS);
    let mut bodies = Vec::new();
    while let Some(object) = listing.next().await {
        let object = object?;
        bodies.extend(layout::blob_of(&object.name).map(|id| StoredBody { id, written: object.modified }));
    }
    Ok(bodies)
}
