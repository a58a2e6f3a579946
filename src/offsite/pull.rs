//! Bringing a snapshot here from the store. Everything is verified before it has a name on this disk; what has come stays
//! when it is broken off, and the next try goes on with that.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::context::{AT_ONCE, Context, blocking};
use super::index::{self, Announced, Index};
use super::layout;
use super::trouble::Trouble;
use super::wanted;
use crate::snapshot::{
    AdoptError, Adopted, Adoption, BlobId, Incoming, Missing, ReadError, SnapshotId, Store,
};

/// Bytes that are gathered before they are written: each write is one change of threads.
const PIECE: usize = 1 << 20;
/// Bodies that are looked up and fetched together, and made durable where they are read.
const BATCH: usize = 512;
/// The file without which nothing is known of the others.
const MANIFEST: &str = "manifest";

/// What is fetched of a snapshot before it is put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// Its files: there is nothing to serve instead, and bodies are fetched as they are asked for.
    Files,
}

/// Makes a snapshot be on this disk. Does nothing if it is.
pub(super) async fn pull(
    context: &Context,
    store: &Store,
    id: SnapshotId,
    extent: Extent,
) -> Result<(), Trouble> {
    let site = store.site().to_owned();
    let Some(adoption) = begin(store, id).await? else { return Ok(()) };
    let name = layout::index(&site, &id);
    let object = context.remote.get(&name, index::MOST).await?;
    // The pointer names it, so it was there.
    let object = object.ok_or_else(|| Trouble::refused(&name, &"it is missing"))?;
    let index = Index::open(&site, &id, &object.bytes, &context.signer);
    let index = index.map_err(|why| Trouble::refused(&name, &why))?;
    let manifest = index.files.get_key_value(MANIFEST).into_iter();
    let others = index.files.iter().filter(|(file, _)| *file != MANIFEST);
    for (file, announced) in manifest.chain(others) {
        let object = index.object(&site, &id, file, announced);
        fetch_file(context, &adoption, (&object, file), *announced).await?;
    }
    if extent == Extent::Files {
        return finish(adoption, Adopted::Arriving).await;
    }
    let first: Vec<String> = Vec::new();
    fetch_bodies(context, &site, &adoption, first, Placing::AtTheEnd).await?;
    finish(adoption, Adopted::Whole).await
}

/// Fetches what an arriving snapshot still lacks, those of the pages `first` before the rest.
pub(super) async fn complete(
    context: &Context,
    store: &Store,
    id: SnapshotId,
    first: Vec<String>,
) -> Result<(), Trouble> {
    let Some(adoption) = begin(store, id).await? else { return Ok(()) };
    fetch_bodies(context, store.site(), &adoption, first, Placing::AtOnce).await?;
    finish(adoption, Adopted::Whole).await
}

/// `None`: it is here.
async fn begin(store: &Store, id: SnapshotId) -> Result<Option<Arc<Adoption>>, Trouble> {
    let store = store.clone();
    blocking(move || match store.begin_adoption(id) {
        Ok(adoption) => Ok(Some(Arc::new(adoption))),
        Err(AdoptError::There(_)) => Ok(None),
        Err(error) => Err(error),
    })
    .await
}

async fn finish(adoption: Arc<Adoption>, how: Adopted) -> Result<(), Trouble> {
    let adoption = Arc::into_inner(adoption).ok_or(Trouble::Ending)?;
    blocking(move || adoption.finish(how).map(drop)).await
}

async fn fetch_file(
    context: &Context,
    adoption: &Arc<Adoption>,
    (object, file): (&str, &str),
    announced: Announced,
) -> Result<(), Trouble> {
    let (asked, to) = (file.to_owned(), adoption.clone());
    let Announced { len, blake3 } = announced;
    let begun = blocking(move || match to.has_file(&asked, len, &blake3) {
        Ok(true) => Ok(None),
        Ok(false) => to.file(&asked, len, blake3).map(Some),
        // Of a later version: not needed here.
        Err(AdoptError::Name(_)) => Ok(None),
        Err(error) => Err(error),
    });
    let Some(incoming) = begun.await? else { return Ok(()) };
    let _flight = context.flight().await?;
    receive(context, object, len, incoming).await
}

/// When bodies are put where they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placing {
    /// With the snapshot.
    AtTheEnd,
    /// As they come.
    AtOnce,
}

/// Fetches all bodies that can be had; then says what was the matter with the others.
async fn fetch_bodies(
    context: &Context,
    site: &str,
    adoption: &Arc<Adoption>,
    first: Vec<String>,
    placing: Placing,
) -> Result<(), Trouble> {
    let from = adoption.clone();
    let mut missing = blocking(move || from.missing(&first)).await?;
    let mut refused = None;
    loop {
        let (some, rest) = next(missing).await?;
        missing = rest;
        if some.is_empty() {
            return refused.map_or(Ok(()), Err);
        }
        let fetch = |(id, len)| async move {
            let _flight = context.flight().await?;
            let incoming = adoption.body(id, len);
            let received = receive(context, &layout::blob(&id), len, incoming).await;
            if let Err(Trouble::Refused { .. }) = &received {
                wanted::ask(context, site, &id, len).await;
            }
            received
        };
        let mut fetched = stream::iter(some.into_iter().map(fetch)).buffer_unordered(AT_ONCE);
        while let Some(result) = fetched.next().await {
            match result {
                Ok(()) => {}
                // One that is damaged does not keep the others from coming.
                Err(trouble @ Trouble::Refused { .. }) => refused = Some(trouble),
                Err(other) => return Err(other),
            }
        }
        if placing == Placing::AtOnce {
            let to = adoption.clone();
            blocking(move || to.secure()).await?;
        }
    }
}

async fn next(mut missing: Missing) -> Result<(Vec<(BlobId, u64)>, Missing), Trouble> {
    blocking(move || {
        let some = missing.by_ref().take(BATCH).collect::<Result<Vec<_>, ReadError>>()?;
        Ok::<_, ReadError>((some, missing))
    })
    .await
}

/// Takes an object in, piece by piece.
async fn receive(context: &Context, name: &str, len: u64, mut to: Incoming) -> Result<(), Trouble> {
    let Some((length, mut pieces)) = context.remote.open(name).await? else {
        return Err(Trouble::refused(name, &"it is missing"));
    };
    if length != len {
        return Err(Trouble::refused(name, &format!("it has {length} bytes instead of {len}")));
    }
    let mut gathered = Vec::with_capacity(PIECE.min(usize::try_from(len).unwrap_or(PIECE)));
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        context.has_pulled(piece.len() as u64);
        gathered.extend_from_slice(&piece);
        if gathered.len() >= PIECE {
            let full = std::mem::take(&mut gathered);
            to = blocking(move || to.write(&full).map(|()| to)).await.map_err(|e| named(name, e))?;
        }
    }
    let written = blocking(move || {
        to.write(&gathered)?;
        to.finish()
    });
    written.await.map_err(|error| named(name, error))
}

/// The object instead of what it was announced as.
fn named(name: &str, trouble: Trouble) -> Trouble {
    if let Trouble::Refused { why, .. } = trouble {
        return Trouble::Refused { name: name.to_owned(), why };
    }
    trouble
}
