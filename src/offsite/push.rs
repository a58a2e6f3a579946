//! Putting a snapshot into the store: first that this is meant, then the bodies that the store lacks, then the files, and the
//! index last. A killed process leaves what it has put there, and the next try finds it.

use std::collections::{HashMap, HashSet};
use std::iter::Peekable;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use super::condemned::{Condemned, DEAD};
use super::context::{AT_ONCE, Context, blocking};
use super::index::{self, Index};
use super::layout;
use super::remote::{Version, Written};
use super::send::{Hashed, Parcel, send};
use super::trouble::Trouble;
use crate::clock;
use crate::snapshot::{BlobId, ReadError, Snapshot, SnapshotFile, SnapshotId, Store, Table};

/// Bodies that are asked for one by one; where there are more, all that the store has are listed.
const ASKED_SINGLY: usize = 256;
/// Bodies that are looked up and sent together.
const BATCH: usize = 4096;
/// How long somebody waits who finds that bodies are being removed.
pub(super) const REMOVAL_TAKES: Duration = Duration::from_secs(30);

/// How long after another snapshot of its name was put there it is believed that the pointer will name that one.
const TWIN_TAKES: Duration = Duration::from_secs(300);

/// That somebody is writing a snapshot.
#[derive(Serialize)]
struct Intent<'a> {
    version: u32,
    by: &'a str,
    at: u64,
}

/// Makes a snapshot be in the store, whole. `base`: one that is there, whole and named by the pointer, so that what it
/// names need not be looked for.
pub(super) async fn push(
    context: &Context,
    store: &Store,
    id: SnapshotId,
    base: Option<SnapshotId>,
) -> Result<(), Trouble> {
    push_by(context, store, id, base, Trust::Index).await
}

/// Whether a snapshot is taken for whole because its index is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Index,
    Nothing,
}

async fn push_by(
    context: &Context,
    store: &Store,
    id: SnapshotId,
    base: Option<SnapshotId>,
    trust: Trust,
) -> Result<(), Trouble> {
    let site = store.site().to_owned();
    let gone = || Trouble::Waits(format!("snapshot {id} is not here any more, or cannot be read"));
    let from = store.clone();
    let opened = blocking(move || Ok::<_, Trouble>(from.get(&id))).await?;
    let snapshot = opened.ok_or_else(gone)?;
    let damaged = |error: &ReadError| Trouble::DamagedHere { id, why: crate::failure::chain(error) };
    let read = snapshot.clone();
    let files = blocking(move || Ok::<_, Trouble>(read.files())).await?.map_err(|error| damaged(&error))?;
    let index = Index::of(&files);
    // Said before anything is looked at: what is whole now is not removed before the pointer names it.
    let intent = Intent { version: 1, by: &context.instance, at: clock::now().unix() };
    let intent = serde_json::to_vec(&intent).map_err(|error| Trouble::here(&error))?;
    context.remote.put(&layout::intent(&site, &id), intent).await?;
    let there = index_there(context, &site, &id, &index).await?;
    match &there {
        IndexThere::Same(_) if trust == Trust::Index => return Ok(()),
        IndexThere::Other(written) => return Err(gives_way(context, &site, &id, *written).await?),
        IndexThere::Same(_) | IndexThere::Unusable(_) | IndexThere::Absent => {}
    }
    // After the intent: a removal that began before has not seen it, one that begins later does.
    let condemned = Condemned::read(context).await?;
    if condemned.is_deleting() && !is_dead(context, &site, &id, &condemned).await? {
        let wait = humantime::format_duration(REMOVAL_TAKES);
        return Err(Trouble::Waits(format!("the store removes bodies; trying again in {wait}")));
    }
    let older = base.filter(|base| *base != id);
    let from = store.clone();
    let base = blocking(move || Ok::<_, Trouble>(older.and_then(|base| from.get(&base)))).await?;
    let sent = async {
        bodies(context, &snapshot, base.as_ref(), &condemned).await?;
        for file in &files {
            put_file(context, &site, &snapshot, file).await?;
        }
        Ok(())
    };
    let sent = sent.await;
    if let Err(Trouble::DamagedHere { .. }) = &sent {
        // It will not come to anything soon, and must not keep the store from being tidied up.
        forget_intent(context, &site, &id).await?;
    }
    sent?;
    put_index(context, &site, &id, (&index, there)).await
}

/// What is said by who has found another one of its name, and puts nothing there.
async fn gives_way(
    context: &Context,
    site: &str,
    id: &SnapshotId,
    written: SystemTime,
) -> Result<Trouble, Trouble> {
    // By the store's own clock.
    let now = context.remote.head(&layout::intent(site, id)).await?.map(|intent| intent.modified);
    forget_intent(context, site, id).await?;
    let age = now.and_then(|now| now.duration_since(written).ok());
    Ok(twin(site, *id, age.unwrap_or_default()))
}

/// Another instance has taken another snapshot of the same name, and was faster: that one counts ([`super::twin`]). If the pointer
/// does not name it soon, nobody is going to, and nothing ends by itself.
fn twin(site: &str, id: SnapshotId, age: Duration) -> Trouble {
    match age < TWIN_TAKES {
        true => Trouble::Waits(format!(
            "another instance puts another snapshot {id} into the store, and that one counts"
        )),
        false => Trouble::refused(
            layout::index(site, &id),
            &format!(
                "another instance has put another snapshot of this name there, and has not put it in service. Take a new one: katahai \
                 snapshot take {site}"
            ),
        ),
    }
}

/// Ends a snapshot, in the place of what was there before, but never in that of what somebody has put there meanwhile.
async fn put_index(
    context: &Context,
    site: &str,
    id: &SnapshotId,
    (index, there): (&Index, IndexThere),
) -> Result<(), Trouble> {
    let name = layout::index(site, id);
    let sealed = index.seal(site, id, &context.signer).map_err(|why| Trouble::Here(why.to_string()))?;
    let written = match there {
        IndexThere::Same(version) | IndexThere::Unusable(version) => {
            context.remote.replace(&name, sealed, &version).await?
        }
        IndexThere::Absent | IndexThere::Other(_) => context.remote.create(&name, sealed).await?,
    };
    if let Written::Won(_) = written {
        return Ok(());
    }
    match index_there(context, site, id, index).await? {
        IndexThere::Same(_) => Ok(()),
        IndexThere::Other(written) => Err(gives_way(context, site, id, written).await?),
        IndexThere::Unusable(_) | IndexThere::Absent => Err(Trouble::Raced),
    }
}

/// Looks whether all files of a snapshot that all serve, or keep, are still in the store, and puts it there again if not. It
/// must be here whole. Returns whether something was missing.
pub(super) async fn mend(context: &Context, store: &Store, id: SnapshotId) -> Result<bool, Trouble> {
    let from = store.clone();
    let here =
        blocking(move || Ok::<_, Trouble>(from.get(&id).filter(|here| !from.arriving(&here.id())))).await?;
    if here.is_none() {
        return Ok(false);
    }
    let site = store.site();
    let mut listing = context.remote.list(&layout::snapshot(site, &id));
    let mut there = HashMap::new();
    while let Some(object) = listing.next().await {
        let object = object?;
        there.insert(object.name, object.bytes);
    }
    let name = layout::index(site, &id);
    let object = context.remote.get(&name, index::MOST).await?;
    let index = object.and_then(|object| Index::open(site, &id, &object.bytes, &context.signer).ok());
    let is_whole = index.is_some_and(|index| {
        let has = |(file, announced): (&String, &index::Announced)| {
            there.get(&index.object(site, &id, file, announced)) == Some(&announced.len)
        };
        !index.files.is_empty() && index.files.iter().all(has)
    });
    if is_whole {
        return Ok(false);
    }
    tracing::warn!(site, %id, "a snapshot is not whole any more in the store, putting it there again");
    push_by(context, store, id, None, Trust::Nothing).await?;
    forget_intent(context, site, &id).await?;
    Ok(true)
}

/// Whether a removal of bodies was begun so long ago, by the store's own clock, that its process must be dead.
async fn is_dead(
    context: &Context,
    site: &str,
    id: &SnapshotId,
    condemned: &Condemned,
) -> Result<bool, Trouble> {
    let intent = context.remote.head(&layout::intent(site, id)).await?;
    let since = intent.zip(condemned.modified);
    Ok(since.is_some_and(|(intent, begun)| intent.modified.duration_since(begun).is_ok_and(|age| age > DEAD)))
}

/// What ends a snapshot of this name in the store already.
#[derive(Debug)]
enum IndexThere {
    Absent,
    /// It names the same files.
    Same(Version),
    /// It names others, since then.
    Other(SystemTime),
    /// It is damaged, or not of this deployment: it is written anew.
    Unusable(Version),
}

async fn index_there(
    context: &Context,
    site: &str,
    id: &SnapshotId,
    ours: &Index,
) -> Result<IndexThere, Trouble> {
    let name = layout::index(site, id);
    let Some(object) = context.remote.get(&name, index::MOST).await? else { return Ok(IndexThere::Absent) };
    Ok(match Index::open(site, id, &object.bytes, &context.signer) {
        Ok(theirs) if theirs.files == ours.files => IndexThere::Same(object.version),
        Ok(_) => IndexThere::Other(object.modified),
        Err(why) => {
            tracing::warn!(site, %id, %why, "the snapshot in the store has an index that cannot be used, writing it anew");
            IndexThere::Unusable(object.version)
        }
    })
}

/// Bodies that one snapshot names and another does not. Both tables are sorted.
struct New {
    table: Table,
    base: Option<Peekable<Table>>,
}

impl Iterator for New {
    type Item = Result<(BlobId, u64), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (id, len) = match self.table.next()? {
                Ok(body) => body,
                Err(error) => return Some(Err(error)),
            };
            let Some(base) = &mut self.base else { return Some(Ok((id, len))) };
            // What cannot be read of the other one is passed over: then more is looked for in the store.
            while base
                .next_if(|body| body.as_ref().is_ok_and(|(known, _)| *known < id) || body.is_err())
                .is_some()
            {}
            if !base.peek().is_some_and(|body| body.as_ref().is_ok_and(|(known, _)| *known == id)) {
                return Some(Ok((id, len)));
            }
        }
    }
}

/// Sends what the store lacks.
async fn bodies(
    context: &Context,
    snapshot: &Arc<Snapshot>,
    base: Option<&Arc<Snapshot>>,
    condemned: &Condemned,
) -> Result<(), Trouble> {
    let mut there = None;
    // What is condemned may be removed though the other snapshot names it: that one is looked at by itself.
    let base = base.filter(|_| condemned.is_empty()).map(|base| base.table().peekable());
    let mut new = New { table: snapshot.table(), base };
    loop {
        let (some, rest) = blocking(move || {
            let some: Vec<(BlobId, u64)> = new.by_ref().take(BATCH).collect::<Result<_, _>>()?;
            Ok::<_, ReadError>((some, new))
        })
        .await?;
        new = rest;
        if some.is_empty() {
            return Ok(());
        }
        if there.is_none() && some.len() > ASKED_SINGLY {
            there = Some(listed(context).await?);
        }
        let known =
            |id: &BlobId| there.as_ref().is_some_and(|there: &HashSet<[u8; 16]>| there.contains(&half(id)));
        let absent = some.into_iter().filter(|(id, _)| condemned.names(id) || !known(id));
        let asks = there.is_none();
        stream::iter(absent.map(Ok))
            .try_for_each_concurrent(AT_ONCE, |(id, len)| async move {
                let _flight = context.flight().await?;
                let name = layout::blob(&id);
                if asks
                    && !condemned.names(&id)
                    && context.remote.head(&name).await?.is_some_and(|there| there.bytes == len)
                {
                    return Ok(());
                }
                put_body(context, snapshot, id, len, &name).await
            })
            .await?;
    }
}

/// All bodies that the store has, by the first half of their hash: of a million, 16 MiB.
async fn listed(context: &Context) -> Result<HashSet<[u8; 16]>, Trouble> {
    let mut listing = context.remote.list(layout::BLOBS);
    let mut there = HashSet::new();
    while let Some(object) = listing.next().await {
        if let Some(id) = layout::blob_of(&object?.name) {
            there.insert(half(&id));
        }
    }
    Ok(there)
}

fn half(id: &BlobId) -> [u8; 16] {
    let (half, _) = id.as_bytes().as_chunks::<16>();
    half.first().copied().unwrap_or_default()
}

pub(super) async fn put_body(
    context: &Context,
    snapshot: &Arc<Snapshot>,
    id: BlobId,
    len: u64,
    name: &str,
) -> Result<(), Trouble> {
    let from = snapshot.clone();
    send(context, Parcel { of: from.id(), name, len }, move || from.body(&id, len)).await
}

async fn put_file(
    context: &Context,
    site: &str,
    snapshot: &Arc<Snapshot>,
    file: &SnapshotFile,
) -> Result<(), Trouble> {
    let (from, of, SnapshotFile { name, len, blake3 }) = (snapshot.clone(), snapshot.id(), *file);
    let object = layout::file(site, &of, name, &blake3);
    let open = move || from.open_file(name).map(|file| Hashed::new(file, blake3));
    send(context, Parcel { of, name: &object, len }, open).await
}

/// It is done with.
pub(super) async fn forget_intent(context: &Context, site: &str, id: &SnapshotId) -> Result<(), Trouble> {
    Ok(context.remote.delete(&layout::intent(site, id)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_twin_that_nobody_serves_says_so() {
        let id: SnapshotId = "20261120T011334Z-000042".parse().unwrap_or_else(|_| unreachable!());
        let after = |seconds| twin("shop", id, Duration::from_secs(seconds));
        assert!(matches!(after(299), Trouble::Waits(_)));
        assert!(
            matches!(after(300), Trouble::Refused { why, .. } if why.contains("katahai snapshot take shop"))
        );
    }
}
