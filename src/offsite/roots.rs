//! What is named in the store: by each site's pointer, by whole snapshots, by those who are writing one.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use futures_util::future::try_join_all;

use super::collect::{Keeping, Stored};
use super::context::{AT_ONCE, Context, blocking};
use super::here::SiteHere;
use super::index::{self, Announced, Index};
use super::pointer::{self, Pointer};
use super::signature::Unusable;
use super::trouble::Trouble;
use super::{layout, twin};
use crate::disk::{self, StagedFile, TempDir};
use crate::snapshot::{BlobId, ReadError, SNAPSHOTS, Snapshot, SnapshotId, Store};

/// How long the next piece of a manifest may take.
const PIECE_TAKES: Duration = Duration::from_secs(60);

/// A snapshot in the store, whole or not.
#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    /// Its objects.
    pub(super) objects: Vec<String>,
    pub(super) written: Option<SystemTime>,
    /// Whether it has an index.
    pub(super) has_index: bool,
}

/// A site in the store.
#[derive(Clone, Debug, Default)]
pub(super) struct SiteRoots {
    pub(super) name: String,
    pub(super) keeping: Keeping,
    pub(super) folders: BTreeMap<SnapshotId, Folder>,
    /// Whether this instance has it.
    pub(super) is_here: bool,
    /// Why its pointer cannot be used, if it cannot.
    pub(super) unusable: Option<Unusable>,
}

impl SiteRoots {
    /// That its pointer cannot be used, if it cannot, and what to do about it.
    pub(super) fn refusal(&self) -> Option<Trouble> {
        let (name, why) = (layout::pointer(&self.name), self.unusable?);
        Some(match self.is_here {
            true => Trouble::refused(name, &why),
            false => Trouble::refused(name, &format!("{why}; {}", self.not_here())),
        })
    }

    /// What to do about what nobody here can put right.
    pub(super) fn not_here(&self) -> String {
        format!(
            "this instance has no site \"{}\": one that has it puts this right while it holds the lease; if none has it any more, delete \
             what lies below {}",
            self.name,
            layout::site(&self.name)
        )
    }

    pub(super) fn stored(&self) -> Vec<Stored> {
        let written =
            |(id, folder): (&SnapshotId, &Folder)| Some(Stored { id: *id, written: folder.written? });
        self.folders.iter().filter_map(written).collect()
    }
}

/// All sites that the store has, also those that this instance does not know.
///
/// # Errors
/// What cannot be read may name anything: then nothing may be removed.
pub(super) async fn sites(context: &Context, here: &[SiteHere]) -> Result<Vec<SiteRoots>, Trouble> {
    let sites = read(context, here).await?;
    match sites.iter().find_map(SiteRoots::refusal) {
        Some(refusal) => Err(refusal),
        None => Ok(sites),
    }
}

/// The same, also where a pointer cannot be used.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn read(context: &Context, here: &[SiteHere]) -> Result<Vec<SiteRoots>, Trouble> {
    let names = context.remote.folders(layout::SITES).await?;
    let mut all = Vec::new();
    for some in names.chunks(AT_ONCE) {
        let read = some.iter().map(|name| async move { site(context, here, name).await });
        all.extend(try_join_all(read).await?);
    }
    Ok(all)
}

async fn site(context: &Context, here: &[SiteHere], name: &str) -> Result<SiteRoots, Trouble> {
    // Of a site that is not here, nobody knows how many are to stay: all.
    let known = here.iter().find(|here| *here.name == *name);
    let mut site = SiteRoots { name: name.to_owned(), is_here: known.is_some(), ..SiteRoots::default() };
    if let Some(object) = context.remote.get(&layout::pointer(name), pointer::MOST).await? {
        match Pointer::open(name, &object.bytes, &context.signer) {
            Ok(Pointer { word, .. }) => {
                (site.keeping.current, site.keeping.pinned) = (Some(word.id), word.pinned);
            }
            Err(why) => site.unusable = Some(why),
        }
    }
    site.keeping.count = known.map_or(usize::MAX, |known| known.keep);
    site.keeping.age = known.and_then(|known| known.keep_for);
    let mut listing = context.remote.list(&layout::intents(name));
    while let Some(object) = listing.next().await {
        let object = object?;
        if let Some(id) = object.name.rsplit('/').next().and_then(|id| id.parse().ok()) {
            site.keeping.intents.insert(id, object.modified);
        }
    }
    let mut listing = context.remote.list(&layout::snapshots(name));
    while let Some(object) = listing.next().await {
        let object = object?;
        let id = object.name.rsplit('/').nth(1).and_then(|id| id.parse().ok());
        let Some(id) = id else { continue };
        let folder: &mut Folder = site.folders.entry(id).or_default();
        folder.has_index |= object.name == layout::index(name, &id);
        folder.written = folder.written.max(Some(object.modified));
        folder.objects.push(object.name);
    }
    Ok(site)
}

/// Whether a snapshot must stay after all: it is named, or being written, now.
pub(super) async fn is_kept(context: &Context, site: &str, id: &SnapshotId) -> Result<bool, Trouble> {
    if context.remote.head(&layout::intent(site, id)).await?.is_some() {
        return Ok(true);
    }
    let object = context.remote.get(&layout::pointer(site), pointer::MOST).await?;
    // Without a pointer nothing is known of what should stay.
    let Some(object) = object else { return Ok(true) };
    let pointer = Pointer::open(site, &object.bytes, &context.signer);
    let word = pointer.map_err(|why| Trouble::refused(layout::pointer(site), &why))?.word;
    Ok(word.id == *id || word.pinned.contains(id))
}

/// All bodies that whole snapshots name. Several are asked for at once: with many sites, the store is waited for most of the time.
pub(super) async fn named(
    context: &Context,
    here: &[SiteHere],
    sites: &[SiteRoots],
) -> Result<HashSet<BlobId>, Trouble> {
    let mut whole = Vec::new();
    for site in sites {
        let ids = site.folders.iter().filter(|(_, folder)| folder.has_index).map(|(id, _)| *id);
        whole.extend(ids.map(|id| (site.name.clone(), id)));
    }
    let mut named = HashSet::new();
    for some in whole.chunks(AT_ONCE) {
        let read = some.iter().map(|one| async move { manifest(context, here, one).await });
        for manifest in try_join_all(read).await?.into_iter().flatten() {
            named = add(named, manifest).await?;
        }
    }
    Ok(named)
}

/// The manifest of a whole snapshot, from here if it is the same, else from the store. `None`: gone since it was listed; what it
/// has named goes by the list of condemned ones, which takes a day.
async fn manifest(
    context: &Context,
    here: &[SiteHere],
    (site, id): &(String, SnapshotId),
) -> Result<Option<Arc<Snapshot>>, Trouble> {
    let id = *id;
    let Some((object, manifest)) = announced(context, site, id).await? else { return Ok(None) };
    let store = here.iter().find(|here| *here.name == **site).map(|known| known.store.clone());
    // Two of one name may name other bodies: the one that is here counts only if it is the same.
    let local = blocking(move || {
        let here = store.and_then(|store| store.get(&id));
        Ok::<_, Trouble>(here.filter(|here| twin::has(here, &manifest).is_ok_and(|same| same)))
    });
    match local.await? {
        Some(snapshot) => Ok(Some(snapshot)),
        None => from_store(context, (site, id), (object, manifest)).await.map(Some),
    }
}

async fn add(mut named: HashSet<BlobId>, manifest: Arc<Snapshot>) -> Result<HashSet<BlobId>, Trouble> {
    blocking(move || {
        for body in manifest.table() {
            named.insert(body.map_err(|error: ReadError| Trouble::here(&error))?.0);
        }
        Ok::<_, Trouble>(named)
    })
    .await
}

/// The object with the manifest of a whole snapshot, as its index says; `None`: there is no index.
async fn announced(
    context: &Context,
    site: &str,
    id: SnapshotId,
) -> Result<Option<(String, Announced)>, Trouble> {
    let name = layout::index(site, &id);
    let Some(object) = context.remote.get(&name, index::MOST).await? else { return Ok(None) };
    let index = Index::open(site, &id, &object.bytes, &context.signer);
    let index = index.map_err(|why| Trouble::refused(&name, &why))?;
    let manifest = index.files.get(twin::MANIFEST);
    let manifest = manifest.ok_or_else(|| Trouble::refused(&name, &"it names no manifest"))?;
    Ok(Some((index.object(site, &id, twin::MANIFEST, manifest), *manifest)))
}

/// Reads the manifest of a snapshot that is not here.
async fn from_store(
    context: &Context,
    (site, id): (&str, SnapshotId),
    (name, announced): (String, Announced),
) -> Result<Arc<Snapshot>, Trouble> {
    let dir = blocking(|| TempDir::create("katahai-store")).await?;
    let place = dir.path().join(SNAPSHOTS).join(site).join(id.to_string());
    fetch(context, (&name, announced), place).await?;
    let site = site.to_owned();
    blocking(move || {
        let store = Store::look(dir.path(), &site).map_err(|error| Trouble::here(&error))?;
        // Its file stays open when the folder goes.
        store.get(&id).ok_or_else(|| Trouble::refused(name, &"the manifest cannot be read"))
    })
    .await
}

/// Brings a manifest into a folder, piece by piece.
async fn fetch(
    context: &Context,
    (name, announced): (&str, Announced),
    folder: std::path::PathBuf,
) -> Result<(), Trouble> {
    let missing = || Trouble::refused(name, &"it is missing");
    let other = || Trouble::refused(name, &"it is not what was put there");
    let (length, mut pieces) = context.remote.open(name).await?.ok_or_else(missing)?;
    if length != announced.len {
        return Err(other());
    }
    let begin = move || {
        disk::ensure_dir(&folder)?;
        Ok::<_, Trouble>((StagedFile::create(&folder)?, folder))
    };
    let ((mut file, folder), mut hasher) = (blocking(begin).await?, blake3::Hasher::new());
    let slow = |_| Trouble::Waits(format!("{name} comes too slowly"));
    // No more than its index says.
    let mut left = announced.len;
    while let Some(piece) = tokio::time::timeout(PIECE_TAKES, pieces.next()).await.map_err(slow)? {
        let piece = piece?;
        left = left.checked_sub(piece.len() as u64).ok_or_else(other)?;
        (file, hasher) = blocking(move || {
            file.write_all(&piece)?;
            hasher.update(&piece);
            Ok::<_, Trouble>((file, hasher))
        })
        .await?;
    }
    if hasher.finalize().as_bytes() != announced.blake3.as_bytes() {
        return Err(other());
    }
    blocking(move || Ok::<_, Trouble>(file.place(&folder.join(twin::MANIFEST))?)).await
}
