//! One look at a site: what is decided here and what is in the store are compared, and what follows from that is done.

use std::sync::Arc;
use std::time::Duration;

use super::board::{Board, Doing};
use super::context::{Context, blocking};
use super::follow::{Action, Agreed, InStore, Local, decide};
use super::here::{SiteHere, Sites};
use super::memory::Memory;
use super::pointer::{self, Pointer, Word};
use super::pull::{self, Extent};
use super::remote::{Version, Written};
use super::trouble::Trouble;
use super::{changes, layout, push};
use crate::clock;
use crate::snapshot::{Pins, SnapshotId};

/// How often a look begins anew because another instance was faster, or what was taken over is to be pushed back.
const TURNS: usize = 8;

/// What all looks share.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) context: Context,
    pub(super) sites: Arc<dyn Sites>,
    pub(super) board: Arc<Board>,
    pub(super) state_dir: std::path::PathBuf,
}

/// Whether something was taken over, of which more may be to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    AsBefore,
    Taken,
}

impl Work {
    /// Makes this instance and the store say the same of a site.
    pub(super) async fn look(&self, site: &SiteHere) -> Result<Seen, Trouble> {
        let memory = Memory::new(&self.state_dir, &site.name, &self.context.url);
        let mut looked = Seen::AsBefore;
        for _ in 0..TURNS {
            let (local, newest) = site.local(self.sites.mode(&site.name)).await?;
            let (from, serves) = (memory.clone(), local.serves);
            let mut agreed = blocking(move || from.read(serves)).await?;
            let (there, version) = self.pointer(&site.name).await?;
            match decide(&local, &agreed, &there) {
                Action::Nothing => {
                    if agreed.newest != newest && agreed.word.is_some() {
                        agreed.newest = newest;
                        note(&memory, &agreed, None).await?;
                    }
                    self.board.change(&site.name, |standing| {
                        (standing.generation, standing.behind) = (agreed.generation, None);
                        standing.doing = Doing::Nothing;
                    });
                    return Ok(looked);
                }
                Action::Take { word, generation, agreed: theirs } => {
                    self.begins(&site.name, Doing::Pulling);
                    let said = Agreed { generation, word: Some(theirs), newest };
                    self.take(site, &memory, &local, &agreed, &word, said).await?;
                    looked = Seen::Taken;
                }
                Action::Push { generation, word } => {
                    self.begins(&site.name, Doing::Pushing);
                    match self.push(site, &memory, &agreed, newest, (generation, word), &there, version).await
                    {
                        Ok(()) => {}
                        Err(Trouble::Raced) => {
                            tokio::time::sleep(Duration::from_millis(fastrand::u64(10..200))).await;
                        }
                        Err(other) => return Err(other),
                    }
                }
                Action::Refuse(refusal) => return Err(refusal.into()),
            }
        }
        Err(Trouble::Raced)
    }

    fn begins(&self, site: &str, doing: Doing) {
        self.board.change(site, |standing| {
            standing.doing = doing;
            standing.behind.get_or_insert_with(clock::now);
        });
    }

    async fn pointer(&self, site: &str) -> Result<(InStore, Option<Version>), Trouble> {
        let object = self.context.remote.get(&layout::pointer(site), pointer::MOST).await?;
        let Some(object) = object else { return Ok((InStore::Absent, None)) };
        let read = Pointer::open(site, &object.bytes, &self.context.signer);
        let read = read.map_or_else(InStore::Unusable, |pointer| InStore::Pointer(Box::new(pointer)));
        Ok((read, Some(object.version)))
    }

    /// Makes this instance serve what `word` says; `said` is what the store says.
    async fn take(
        &self,
        site: &SiteHere,
        memory: &Memory,
        local: &Local,
        before: &Agreed,
        word: &Word,
        said: Agreed,
    ) -> Result<(), Trouble> {
        if !local.shelf.contains(&word.id) {
            // Where nothing is served, there is nothing better to wait for.
            let extent = if site.store.current().is_some() { Extent::Whole } else { Extent::Files };
            tracing::info!(site = %site.name, id = %word.id, generation = said.generation, ?extent, "bringing a snapshot from the store");
            pull::pull(&self.context, &site.store, word.id, extent).await?;
        }
        note(memory, before, said.word.as_ref().map(|theirs| (said.generation, theirs))).await?;
        let pin: Vec<SnapshotId> = word.pinned.iter().copied().collect();
        let unpin: Vec<SnapshotId> = local.pinned.difference(&word.pinned).copied().collect();
        let (store, id, by_hand) = (site.store.clone(), word.id, word.by_hand);
        blocking(move || store.follow(&id, by_hand, Pins { pin: &pin, unpin: &unpin }).map(drop)).await?;
        if let Some(mode) = word.mode.as_ref().filter(|mode| local.mode.as_ref() != Some(*mode)) {
            tracing::info!(site = %site.name, mode = mode.mode, "taking over the mode that another instance has set");
            self.sites.set_mode(&site.name, mode);
        }
        if local.serves != Some((word.id, word.by_hand)) {
            tracing::info!(site = %site.name, id = %word.id, generation = said.generation, "in service as the store says");
        }
        note(memory, &said, None).await
    }

    /// Puts what this instance says into the store.
    #[expect(clippy::too_many_arguments, reason = "what was read and what is decided, once")]
    async fn push(
        &self,
        site: &SiteHere,
        memory: &Memory,
        agreed: &Agreed,
        newest: Option<SnapshotId>,
        (generation, word): (u64, Word),
        there: &InStore,
        version: Option<Version>,
    ) -> Result<(), Trouble> {
        let context = &self.context;
        let base = match there {
            InStore::Pointer(pointer) => Some(pointer.word.id),
            InStore::Absent | InStore::Unusable(_) => None,
        };
        push::push(context, &site.store, word.id, base).await?;
        for id in word.pinned.iter().filter(|id| **id != word.id) {
            match push::push(context, &site.store, *id, Some(word.id)).await {
                Ok(()) => push::forget_intent(context, &site.name, id).await?,
                Err(trouble @ Trouble::Store(_)) => return Err(trouble),
                // A pinned one that is not here, or damaged, keeps nothing else from being said.
                Err(error) => {
                    tracing::debug!(site = %site.name, %id, %error, "a pinned snapshot was not pushed")
                }
            }
        }
        let epoch = context.lease.borrow().unwrap_or_default();
        let (by, at) = (context.instance.to_string(), clock::now().unix());
        let pointer = Pointer { generation, word: word.clone(), epoch, by, at };
        let bytes =
            pointer.seal(&site.name, &context.signer).map_err(|why| Trouble::Here(why.to_string()))?;
        note(memory, agreed, Some((generation, &word))).await?;
        let name = layout::pointer(&site.name);
        let written = match &version {
            Some(version) => context.remote.replace(&name, bytes, version).await?,
            None => context.remote.create(&name, bytes).await?,
        };
        if written == Written::Lost {
            return Err(Trouble::Raced);
        }
        let id = word.id;
        note(memory, &Agreed { generation, word: Some(word), newest }, None).await?;
        tracing::info!(site = %site.name, %id, generation, "the store says now what is in service here");
        push::forget_intent(context, &site.name, &id).await?;
        // Only a hint.
        if let Err(error) = changes::tell(context, &site.name, generation).await {
            tracing::debug!(site = %site.name, %error, "the other instances were not told at once");
        }
        Ok(())
    }
}

async fn note(memory: &Memory, agreed: &Agreed, pending: Option<(u64, &Word)>) -> Result<(), Trouble> {
    let (to, agreed) = (memory.clone(), agreed.clone());
    let pending = pending.map(|(generation, word)| (generation, word.clone()));
    blocking(move || to.write(&agreed, pending.as_ref().map(|(generation, word)| (*generation, word)))).await
}
