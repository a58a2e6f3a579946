//! One look at a site: what is decided here and what is in the store are compared, and what follows from that is done.

use std::sync::Arc;
use std::time::Duration;

use super::board::{Board, Doing};
use super::context::{Context, blocking};
use super::follow::{Action, Agreed, InStore, Local, Lost, decide, pins_that_can_be};
use super::here::{self, SiteHere, Sites};
use super::memory::{Memory, Pending, Way};
use super::pointer::{self, Pointer, Word};
use super::pull::{self, Extent};
use super::remote::{Version, Written};
use super::trouble::Trouble;
use super::{changes, layout, push, twin};
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

/// What became of one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Done,
    /// Something else was said here meanwhile, or more is here to go by: all is decided anew.
    Anew,
}

/// What a turn goes by.
struct Read<'a> {
    site: &'a SiteHere,
    memory: &'a Memory,
    local: Local,
    agreed: Agreed,
    there: InStore,
    version: Option<Version>,
}

impl Work {
    /// Makes this instance and the store say the same of a site.
    pub(super) async fn look(&self, site: &SiteHere) -> Result<Seen, Trouble> {
        let memory = Memory::new(&self.state_dir, &site.name, &self.context.url);
        let mut looked = Seen::AsBefore;
        for _ in 0..TURNS {
            let from = memory.clone();
            let remembered = blocking(move || from.read()).await?;
            let (there, version) = self.pointer(&site.name).await?;
            // Read last: what is said here while the store is asked counts.
            let local = site.local(self.sites.mode(&site.name)).await?;
            let agreed = remembered.agreed((local.serves, &local.pinned), &there, &self.context.instance);
            let action = decide(&local, &agreed, &there);
            let read = Read { site, memory: &memory, local, agreed, there, version };
            let turn = match action {
                Action::Nothing => {
                    self.in_step(read).await?;
                    return Ok(looked);
                }
                Action::Take { word, generation, agreed: theirs, again } => {
                    self.begins(&site.name, Doing::Pulling);
                    looked = Seen::Taken;
                    self.take(&read, &word, (generation, again), theirs).await
                }
                Action::Push { generation, word, again, instead_of } => {
                    self.begins(&site.name, Doing::Pushing);
                    let pushed = self.push(&read, word, (generation, again)).await;
                    if let (Ok(Turn::Done), Some(lost)) = (&pushed, instead_of) {
                        self.tell_of(&read, lost);
                    }
                    pushed
                }
                Action::Refuse(refusal) => return Err(refusal.into()),
            };
            match turn {
                Ok(Turn::Done | Turn::Anew) => {}
                Err(Trouble::Raced) => {
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(10..200))).await;
                }
                Err(other) => return Err(other),
            }
        }
        Err(Trouble::Raced)
    }

    /// Looks whether what all serve and keep is still whole in the store, and puts there again what is missing.
    pub(super) async fn mend(&self, site: &SiteHere) -> Result<(), Trouble> {
        let memory = Memory::new(&self.state_dir, &site.name, &self.context.url);
        let Some(word) = blocking(move || memory.read()).await?.word() else { return Ok(()) };
        for id in word.pinned.iter().copied().filter(|id| *id != word.id).chain([word.id]) {
            match push::mend(&self.context, &site.store, id).await {
                Ok(_) => {}
                Err(trouble @ Trouble::Store(_)) => return Err(trouble),
                Err(trouble) if id == word.id => return Err(trouble),
                Err(error) => {
                    tracing::debug!(site = %site.name, %id, %error, "a pinned snapshot was not put into the store again")
                }
            }
        }
        Ok(())
    }

    /// Both say the same.
    async fn in_step(&self, read: Read<'_>) -> Result<(), Trouble> {
        let agreed = read.agreed.clone().seeing(&read.local);
        if agreed != read.agreed && agreed.word.is_some() {
            note(read.memory, &agreed, None).await?;
        }
        self.board.change(&read.site.name, |standing| {
            (standing.generation, standing.behind) = (agreed.generation, None);
            standing.doing = Doing::Nothing;
        });
        Ok(())
    }

    /// What was put right in the store is told: somebody may have done it.
    fn tell_of(&self, read: &Read<'_>, lost: Lost) {
        let (site, known) = (&read.site.name, read.agreed.generation);
        let what = match (lost, &read.there) {
            (Lost::Older { generation }, _) => format!(
                "the store had an older pointer (generation {generation}) than what was agreed ({known}): it was restored from a \
                 backup, or somebody put an old one back"
            ),
            (Lost::SaidAgain, InStore::Pointer(there)) => format!(
                "after the store had lost its pointer, \"{}\" put an older one there than what was agreed ({known})",
                there.by
            ),
            (Lost::Unusable(why), _) => format!("the pointer in the store could not be used: {why}"),
            (Lost::Gone | Lost::SaidAgain, _) => "the pointer was gone from the store".to_owned(),
        };
        let text = format!(
            "{what}. What was agreed is there again; look whether the right snapshot is in service, else: katahai snapshot publish"
        );
        tracing::warn!(site = %site, known, text, "the pointer in the store was written anew");
        self.board.change(site, |standing| standing.set_right = Some((clock::now(), text)));
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

    /// Whether nothing else was said here since that was read.
    async fn is_unchanged(&self, read: &Read<'_>) -> Result<bool, Trouble> {
        let now = read.site.local(self.sites.mode(&read.site.name)).await?;
        Ok(now.says_as(&read.local))
    }

    /// Makes this instance serve what `word` says; `theirs` is what the store says.
    async fn take(
        &self,
        read: &Read<'_>,
        word: &Word,
        (generation, again): (u64, Option<u64>),
        theirs: Word,
    ) -> Result<Turn, Trouble> {
        let Read { site, memory, local, agreed: before, .. } = read;
        if !local.shelf.contains(&word.id) {
            // Where nothing is served, there is nothing better to wait for.
            let extent = if site.store.current().is_some() { Extent::Whole } else { Extent::Files };
            tracing::info!(site = %site.name, id = %word.id, generation, ?extent, "bringing a snapshot from the store");
            pull::pull(&self.context, &site.store, word.id, extent).await?;
            // That may have taken hours.
            return Ok(Turn::Anew);
        }
        if before.word.as_ref().is_none_or(|known| known.id != word.id)
            && word.id == theirs.id
            && twin::is_other(&self.context, &site.store, word.id).await?
        {
            twin::set_aside(&site.store, word.id, before.word.as_ref()).await?;
            return Ok(Turn::Anew);
        }
        let mut said = Agreed { generation, again, word: Some(theirs), ..before.clone() }.seeing(local);
        said.pins = pins_that_can_be(local, word);
        note(memory, before, Some(Pending { way: Way::Take, agreed: said.clone() })).await?;
        let pin: Vec<SnapshotId> = said.pins.iter().copied().collect();
        let unpin: Vec<SnapshotId> = local.pinned.difference(&word.pinned).copied().collect();
        let (store, id, by_hand) = (site.store.clone(), word.id, word.by_hand);
        let (seen, sites, name) = (local.clone(), self.sites.clone(), site.name.clone());
        let followed = blocking(move || {
            // Nothing is waited for between this and the deed: what somebody says here meanwhile is not undone.
            if !here::local(&store, sites.mode(&name))?.says_as(&seen) {
                return Ok(false);
            }
            store.follow(&id, by_hand, Pins { pin: &pin, unpin: &unpin })?;
            Ok::<_, Trouble>(true)
        });
        if !followed.await? {
            note(memory, before, None).await?;
            return Ok(Turn::Anew);
        }
        if let Some(mode) = word.mode.as_ref().filter(|mode| local.mode.as_ref() != Some(*mode)) {
            if self.sites.mode(&site.name) != local.mode {
                return Ok(Turn::Anew);
            }
            tracing::info!(site = %site.name, mode = mode.mode, "taking over the mode that another instance has set");
            self.sites.set_mode(&site.name, mode);
        }
        if local.serves != Some((word.id, word.by_hand)) {
            tracing::info!(site = %site.name, id = %word.id, generation, "in service as the store says");
        }
        note(memory, &said, None).await?;
        Ok(Turn::Done)
    }

    /// Puts what this instance says into the store.
    async fn push(
        &self,
        read: &Read<'_>,
        word: Word,
        (generation, again): (u64, Option<u64>),
    ) -> Result<Turn, Trouble> {
        let Read { site, memory, local, agreed, there, version } = read;
        let context = &self.context;
        let base = match there {
            InStore::Pointer(pointer) => Some(pointer.word.id),
            InStore::Absent | InStore::Unusable(_) => None,
        };
        push::push(context, &site.store, word.id, base).await?;
        self.push_pinned(site, &word).await?;
        let epoch = context.lease.borrow().unwrap_or_default();
        let (by, at) = (context.instance.to_string(), clock::now().unix());
        let pointer = Pointer { generation, word: word.clone(), epoch, by, at, again };
        let bytes =
            pointer.seal(&site.name, &context.signer).map_err(|why| Trouble::Here(why.to_string()))?;
        let id = word.id;
        let said = Agreed { generation, again, word: Some(word), ..agreed.clone() }.seeing(local);
        note(memory, agreed, Some(Pending { way: Way::Push, agreed: said.clone() })).await?;
        let name = layout::pointer(&site.name);
        let written = match (self.is_unchanged(read).await?, version) {
            // What was withdrawn while it was sent is not published any more.
            (false, _) => None,
            (true, Some(version)) => Some(context.remote.replace(&name, bytes, version).await?),
            (true, None) => Some(context.remote.create(&name, bytes).await?),
        };
        if let None | Some(Written::Lost) = written {
            note(memory, agreed, None).await?;
            // If it is still to be pushed, that is said again then.
            push::forget_intent(context, &site.name, &id).await?;
            return if written.is_some() { Err(Trouble::Raced) } else { Ok(Turn::Anew) };
        }
        note(memory, &said, None).await?;
        tracing::info!(site = %site.name, %id, generation, "the store says now what is in service here");
        push::forget_intent(context, &site.name, &id).await?;
        // Only a hint.
        if let Err(error) = changes::tell(context, &site.name, generation).await {
            tracing::debug!(site = %site.name, %error, "the other instances were not told at once");
        }
        Ok(Turn::Done)
    }

    async fn push_pinned(&self, site: &SiteHere, word: &Word) -> Result<(), Trouble> {
        for id in word.pinned.iter().filter(|id| **id != word.id) {
            match push::push(&self.context, &site.store, *id, Some(word.id)).await {
                Ok(()) => push::forget_intent(&self.context, &site.name, id).await?,
                Err(trouble @ Trouble::Store(_)) => return Err(trouble),
                // A pinned one that is not here, or damaged, keeps nothing else from being said.
                Err(error) => {
                    tracing::debug!(site = %site.name, %id, %error, "a pinned snapshot was not pushed")
                }
            }
        }
        Ok(())
    }
}

async fn note(memory: &Memory, agreed: &Agreed, pending: Option<Pending>) -> Result<(), Trouble> {
    let (to, agreed) = (memory.clone(), agreed.clone());
    blocking(move || to.write(&agreed, pending.as_ref())).await
}
