//! Bodies that a visitor asks for before they have arrived, or that are damaged here.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::runtime::Handle;

use super::context::Context;
use super::layout;
use crate::clock;
use crate::snapshot::{BlobId, Elsewhere};

/// How long a visitor waits for the beginning of a body, and for each piece after it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nobody asks again after the store has not answered.
const REST: Duration = Duration::from_secs(5);

/// How long a body that the store does not have is not asked for again.
const ABSENT: Duration = Duration::from_secs(30);
/// Bodies of which that is remembered.
const MOST_ABSENT: usize = 4096;
/// Bytes in a second below which the store is as good as silent.
const SLOWEST: u64 = 64 << 10;

/// The store as a source of bodies.
#[derive(Debug)]
pub struct OnDemand {
    context: Context,
    runtime: Handle,
    /// Until when it is not asked.
    rests: Mutex<Option<Instant>>,
    /// What it does not have, or has other, and until when that is believed.
    absent: Mutex<HashMap<BlobId, Instant>>,
}

impl OnDemand {
    /// To be made within the runtime.
    pub fn new(context: Context) -> OnDemand {
        OnDemand { context, runtime: Handle::current(), rests: Mutex::default(), absent: Mutex::default() }
    }

    fn rests(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.rests.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn absent(&self) -> std::sync::MutexGuard<'_, HashMap<BlobId, Instant>> {
        self.absent.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Brings it within a time that even a slow store keeps.
    async fn bring_within(&self, id: &BlobId, len: u64, to: &mut dyn Write) -> io::Result<()> {
        let limit = PATIENCE + Duration::from_secs(len / SLOWEST);
        let silent = |_| io::Error::new(io::ErrorKind::TimedOut, "the store is too slow");
        tokio::time::timeout(limit, self.bring(id, len, to)).await.map_err(silent)?
    }

    /// Remembers that it is not there.
    fn lacks(&self, id: &BlobId, now: Instant) {
        let mut absent = self.absent();
        if absent.len() >= MOST_ABSENT {
            absent.retain(|_, until| now < *until);
        }
        if absent.len() < MOST_ABSENT {
            absent.insert(*id, now + ABSENT);
        }
    }

    async fn bring(&self, id: &BlobId, len: u64, to: &mut dyn Write) -> io::Result<()> {
        let silent = |_| io::Error::new(io::ErrorKind::TimedOut, "the store does not answer");
        let name = layout::blob(id);
        let opened = tokio::time::timeout(PATIENCE, self.context.remote.open(&name)).await;
        let opened = opened.map_err(silent)?.map_err(io::Error::other)?;
        let (length, mut pieces) = opened.ok_or(io::ErrorKind::NotFound)?;
        if length != len {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the store has another body of this name",
            ));
        }
        while let Some(piece) = tokio::time::timeout(PATIENCE, pieces.next()).await.map_err(silent)? {
            let piece = piece.map_err(io::Error::other)?;
            self.context.has_pulled(piece.len() as u64);
            to.write_all(&piece)?;
        }
        Ok(())
    }
}

impl Elsewhere for OnDemand {
    fn fetch(&self, _: &str, id: &BlobId, len: u64, to: &mut dyn Write) -> io::Result<()> {
        if self.rests().is_some_and(|until| clock::instant() < until) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the store did not answer a moment ago"));
        }
        if self.absent().get(id).is_some_and(|until| clock::instant() < *until) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the store did not have it a moment ago"));
        }
        let brought = self.runtime.block_on(self.bring_within(id, len, to));
        let is_absent =
            |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData);
        if brought.as_ref().is_err_and(is_absent) {
            self.lacks(id, clock::instant());
        }
        let is_store = |error: &io::Error| {
            !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::StorageFull
            )
        };
        *self.rests() =
            brought.as_ref().err().filter(|error| is_store(error)).map(|_| clock::instant() + REST);
        brought
    }
}
