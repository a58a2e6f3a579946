//! `changes`: which generation each site's pointer has, in one small object that all poll. A hint: what it lacks, the sweep of
//! all pointers repairs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::context::{Context, blocking};
use super::fault::FaultKind;
use super::layout::CHANGES;
use super::remote::{Looked, Version, Written};
use super::trouble::Trouble;

/// Bytes that it may have: tens of thousands of sites.
const MOST: u64 = 2 << 20;
/// How often a change is tried to be told: others tell theirs, too.
const TRIES: u32 = 8;

/// Generations by site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Generations {
    sites: BTreeMap<String, u64>,
}

/// Sites of which it is told here that they are missing: where there are more, they may have been left out for want of room.
const FEW: usize = 1000;

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct Changes {
    version: Option<Version>,
    sites: BTreeMap<String, u64>,
}

impl Changes {
    /// Looks whether anything has changed; the generations then.
    pub(super) async fn look(&mut self, context: &Context) -> Result<Option<BTreeMap<String, u64>>, Trouble> {
        let looked = match context.remote.look(CHANGES, MOST, self.version.as_ref()).await {
            // One that is too long is as none; who tells the next change writes it anew.
            Err(fault) if fault.kind == FaultKind::Damaged => return Ok(None),
            looked => looked?,
        };
        match looked {
            Looked::Same => Ok(None),
            Looked::Absent => {
                *self = Changes::default();
                Ok(None)
            }
            Looked::New(object) => {
                self.sites = read(object.bytes).await?.sites;
                self.version = Some(object.version);
                Ok(Some(self.sites.clone()))
            }
        }
    }

    /// Tells the first of these that it does not tell: who has written a pointer may have been killed before telling so.
    pub(super) async fn complete(&self, context: &Context, known: &[(Arc<str>, u64)]) -> Result<(), Trouble> {
        let is_told = |(site, generation): &&(Arc<str>, u64)| match self.sites.get(&**site) {
            Some(told) => told >= generation,
            None => *generation == 0 || self.sites.len() >= FEW,
        };
        match known.iter().find(|one| !is_told(one)) {
            Some((site, generation)) => tell(context, site, *generation).await,
            None => Ok(()),
        }
    }
}

/// One that cannot be read is as none.
async fn read(bytes: Bytes) -> Result<Generations, Trouble> {
    blocking(move || Ok::<_, Trouble>(serde_json::from_slice(&bytes).unwrap_or_default())).await
}

fn written(generations: &Generations) -> Result<Bytes, Trouble> {
    Ok(serde_json::to_vec(generations).map_err(|error| Trouble::here(&error))?.into())
}

/// Tells that a site has a new pointer.
pub(super) async fn tell(context: &Context, site: &str, generation: u64) -> Result<(), Trouble> {
    for turn in 0..TRIES {
        let there = match context.remote.get(CHANGES, MOST).await {
            Err(fault) if fault.kind == FaultKind::Damaged => {
                // What it lacks then, the sweep finds.
                let alone = Generations { sites: [(site.to_owned(), generation)].into() };
                return Ok(context.remote.put(CHANGES, written(&alone)?).await?);
            }
            there => there?,
        };
        let mut generations = match &there {
            Some(object) => read(object.bytes.clone()).await?,
            None => Generations::default(),
        };
        generations.sites.insert(site.to_owned(), generation);
        let mut bytes = written(&generations)?;
        if bytes.len() as u64 > MOST {
            bytes = written(&Generations { sites: [(site.to_owned(), generation)].into() })?;
        }
        let written = match there {
            Some(object) => context.remote.replace(CHANGES, bytes, &object.version).await?,
            None => context.remote.create(CHANGES, bytes).await?,
        };
        if let Written::Won(_) = written {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20 + fastrand::u64(..(100 << turn.min(4))))).await;
    }
    Err(Trouble::Raced)
}
