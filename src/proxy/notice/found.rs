//! What was found in answers of the cache: where something can be said on them, and what they are without their content codings.
//! Found once for each, off the event loop; within a bound of bytes, the same for all sites.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::sync::Mutex;

use crate::cache::Entry;
use crate::content::document::Document;
use crate::content::media;
use crate::content::spots::{self, PageSpots};
use crate::http::coding;
use crate::tasks;

/// Bytes of a page without its content coding.
const MOST: usize = 8 << 20;
/// What one costs besides its own bytes: its place in the map, and what is left of its entry when that is gone.
const OVERHEAD: usize = 1024;

/// What was found, by where the entry lies: no other one lies there as long as there is something that points to it.
#[derive(Clone)]
pub(in crate::proxy) struct FoundSpots {
    found: moka::sync::Cache<usize, Arc<Found>>,
    /// Held by whoever looks: many may want the same page in the first moment of an outage.
    looking: Arc<Mutex<()>>,
}

/// What was found in an entry.
pub(in crate::proxy) struct Found {
    entry: Weak<Entry>,
    /// Its spots, and its body without content codings if it is in some; `None` if nothing can be said on it.
    pub(super) page: Option<(PageSpots, Option<Bytes>)>,
    /// What it takes, in bytes.
    weight: usize,
}

impl FoundSpots {
    /// Room for `bytes`.
    pub(in crate::proxy) fn new(bytes: u64) -> FoundSpots {
        let weigh = |_: &usize, found: &Arc<Found>| u32::try_from(found.weight).unwrap_or(u32::MAX);
        let found = moka::sync::Cache::builder().max_capacity(bytes).weigher(weigh).build();
        FoundSpots { found, looking: Arc::default() }
    }

    /// What was found in this entry, if it was looked at.
    pub(super) fn of(&self, entry: &Arc<Entry>) -> Option<Arc<Found>> {
        let at = Arc::as_ptr(entry);
        self.found.get(&at.addr()).filter(|found| std::ptr::eq(found.entry.as_ptr(), at))
    }

    /// Looks at it.
    pub(super) async fn find(&self, entry: &Arc<Entry>) -> Option<Arc<Found>> {
        if let Some(found) = self.of(entry) {
            return Some(found);
        }
        let _one = self.looking.lock().await;
        if let Some(found) = self.of(entry) {
            return Some(found);
        }
        let looked_at = entry.clone();
        let found = tasks::blocking(move || Arc::new(Found::read(&looked_at))).await?;
        self.found.insert(Arc::as_ptr(entry).addr(), found.clone());
        Some(found)
    }
}

impl Found {
    fn read(entry: &Arc<Entry>) -> Found {
        let body = entry.body();
        let plain = match coding::of(entry.headers()) {
            // The entry's own bytes would stay for as long as this does.
            Ok(codings) if codings.is_empty() => Some((body, None)),
            Ok(_) => unpacked(entry).map(|plain| (plain.clone(), Some(plain))),
            Err(coding::Foreign) => None,
        };
        let page = plain.and_then(|(body, unpacked)| {
            let spots = spots::read(&Document::new(&body, media::content_type(entry.headers())))?;
            Some((spots, unpacked))
        });
        let weigh = |(spots, unpacked): &(PageSpots, Option<Bytes>)| {
            spots.weight() + unpacked.as_ref().map_or(0, Bytes::len)
        };
        let weight = OVERHEAD + page.as_ref().map_or(0, weigh);
        Found { entry: Arc::downgrade(entry), page, weight }
    }
}

/// The whole body of an entry without its codings.
fn unpacked(entry: &Entry) -> Option<Bytes> {
    let body = entry.body();
    let plain = coding::plain(entry.headers(), &body, MOST)?;
    (plain.all && !plain.broken).then(|| Bytes::from(plain.bytes.into_owned()))
}
