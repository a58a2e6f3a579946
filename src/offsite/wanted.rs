//! `wanted/<hash>`: bodies that are missing in the store or damaged there, as somebody has found who needs them. Who has one
//! puts it there again.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::context::{Context, blocking};
use super::here::SiteHere;
use super::push;
use super::trouble::Trouble;
use super::{layout, remote};
use crate::snapshot::BlobId;

/// Bytes that a note may have.
const MOST: u64 = 4096;
/// Notes that are looked at in one round.
const AT_MOST: usize = 1000;

/// How long a note is answered.
const BELIEVED: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is asked for.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    site: String,
    bytes: u64,
}

/// Asks all others for a body. That fails quietly: the trouble that led here is told.
pub(super) async fn ask(context: &Context, site: &str, id: &BlobId, len: u64) {
    let note = serde_json::to_vec(&Note { site: site.to_owned(), bytes: len });
    let Ok(note) = note else { return };
    if let Err(error) = context.remote.create(&layout::wanted(id), note.into()).await {
        tracing::debug!(site, blob = %id, %error, "the others were not asked for a body");
    }
}

/// Puts there again what this instance has of what is wanted. How much that was. Notes that nobody could answer for long are
/// removed; a clock that is some hours wrong does no harm.
pub(super) async fn answer(context: &Context, here: &[SiteHere], now: SystemTime) -> Result<usize, Trouble> {
    let mut listing = context.remote.list(layout::WANTED).take(AT_MOST);
    let mut answered = 0;
    while let Some(object) = listing.next().await {
        let remote::Listed { name, modified, .. } = object?;
        let Some(id) = layout::wanted_of(&name) else { continue };
        if now.duration_since(modified).is_ok_and(|age| age > BELIEVED) {
            // Nobody has it. Who still needs it asks again.
            context.remote.delete(&name).await?;
            continue;
        }
        let Some(object) = context.remote.get(&name, MOST).await? else { continue };
        let Ok(note) = serde_json::from_slice::<Note>(&object.bytes) else { continue };
        let Some(site) = here.iter().find(|site| *site.name == *note.site) else { continue };
        let store = site.store.clone();
        let current = blocking(move || Ok::<_, Trouble>(store.current())).await?;
        let Some(snapshot) = current else { continue };
        match push::put_body(context, &snapshot, id, note.bytes, &layout::blob(&id)).await {
            Ok(()) => {
                context.remote.delete(&name).await?;
                tracing::info!(site = note.site, blob = %id, "a body that was damaged or missing in the store was put there again");
                answered += 1;
            }
            Err(trouble @ Trouble::Store(_)) => return Err(trouble),
            // Somebody else may have it.
            Err(error) => tracing::debug!(blob = %id, %error, "a wanted body is not here"),
        }
    }
    Ok(answered)
}
