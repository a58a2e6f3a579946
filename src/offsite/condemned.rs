//! `garbage`: bodies that nothing in the store names any more, and how far their removal is ([`super::collect`]).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::context::{Context, blocking};
use super::layout::GARBAGE;
use super::remote::{Version, Written};
use super::signature::Signed;
use super::trouble::Trouble;
use crate::snapshot::BlobId;

/// Bytes that it may have: each body takes less than a hundred.
const MOST: u64 = 32 << 20;
/// Bodies that are condemned at once; the others come later.
pub(super) const MOST_BODIES: usize = 200_000;
/// After so long a removal that nobody has ended is taken to be that of a dead process.
pub(super) const DEAD: Duration = Duration::from_secs(600);

/// How far a removal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    /// Nothing is removed; what is listed waits.
    #[default]
    Idle,
    /// What is listed is being removed.
    Deleting,
}

/// As it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listing {
    pub(super) version: u32,
    pub(super) phase: Phase,
    /// When the phase began, by the store's clock, in seconds since 1970.
    pub(super) since: u64,
    /// Who writes it.
    pub(super) by: String,
    /// Bodies by their hash, and since when nothing names them, in the same seconds.
    pub(super) bodies: BTreeMap<String, u64>,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Condemned {
    pub(super) listing: Listing,
    pub(super) version: Option<Version>,
    /// When it was written, by the store's own clock.
    pub(super) modified: Option<SystemTime>,
}

impl Condemned {
    pub(super) async fn read(context: &Context) -> Result<Condemned, Trouble> {
        let Some(object) = context.remote.get(GARBAGE, MOST).await? else { return Ok(Condemned::default()) };
        let (signer, bytes) = (context.signer.clone(), object.bytes);
        let opened = blocking(move || Ok::<_, Trouble>(signer.open(Signed::Garbage, &bytes))).await?;
        // One that cannot be used is not believed: neither that something goes, nor for ever that it is just going.
        let listing = opened.unwrap_or_else(|why| {
            tracing::warn!(%why, "the list of unused bodies in the store cannot be used");
            Listing::default()
        });
        Ok(Condemned { listing, version: Some(object.version), modified: Some(object.modified) })
    }

    /// Writes another list in its place. `false`: somebody else has.
    pub(super) async fn write(&mut self, context: &Context, listing: Listing) -> Result<bool, Trouble> {
        let sealed = context.signer.seal(Signed::Garbage, &listing);
        let bytes = sealed.map_err(|why| Trouble::Here(why.to_string()))?;
        let written = match &self.version {
            Some(version) => context.remote.replace(GARBAGE, bytes, version).await?,
            None => context.remote.create(GARBAGE, bytes).await?,
        };
        let Written::Won(version) = written else { return Ok(false) };
        (self.listing, self.version) = (listing, Some(version));
        Ok(true)
    }

    pub(super) fn is_deleting(&self) -> bool {
        self.listing.phase == Phase::Deleting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listing.bodies.is_empty()
    }

    pub(super) fn names(&self, id: &BlobId) -> bool {
        !self.is_empty() && self.listing.bodies.contains_key(&id.to_string())
    }
}
