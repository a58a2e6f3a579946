//! `changes`: which generation each site's pointer has, in one small object that all poll. A hint: what it lacks, the sweep of
//! all pointers repairs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::layout::CHANGES;
use super::remote::{Looked, Version, Written};
use super::trouble::Trouble;

/// Bytes that it may have: hundreds of thousands of sites.
const MOST: u64 = 32 << 20;
/// How often a change is tried to be told: others tell theirs, too.
const TRIES: u32 = 8;

/// Generations by site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Generations {
    sites: BTreeMap<String, u64>,
}

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct Changes(Option<Version>);

impl Changes {
    /// Looks whether anything has changed; the generations then.
    pub(super) async fn look(&mut self, context: &Context) -> Result<Option<BTreeMap<String, u64>>, Trouble> {
        match context.remote.look(CHANGES, MOST, self.0.as_ref()).await? {
            Looked::Same => Ok(None),
            Looked::Absent => {
                self.0 = None;
                Ok(None)
            }
            Looked::New(object) => {
                self.0 = Some(object.version);
                Ok(Some(read(&object.bytes).sites))
            }
        }
    }
}

/// One that cannot be read is as none.
fn read(bytes: &[u8]) -> Generations {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// Tells that a site has a new pointer.
pub(super) async fn tell(context: &Context, site: &str, generation: u64) -> Result<(), Trouble> {
    for turn in 0..TRIES {
        let there = context.remote.get(CHANGES, MOST).await?;
        let mut generations = there.as_ref().map(|object| read(&object.bytes)).unwrap_or_default();
        generations.sites.insert(site.to_owned(), generation);
        let bytes = serde_json::to_vec(&generations).map_err(|error| Trouble::here(&error))?;
        let written = match there {
            Some(object) => context.remote.replace(CHANGES, bytes.into(), &object.version).await?,
            None => context.remote.create(CHANGES, bytes.into()).await?,
        };
        if let Written::Won(_) = written {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20 + fastrand::u64(..(100 << turn.min(4))))).await;
    }
    Err(Trouble::Raced)
}
