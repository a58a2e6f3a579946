//! What an instance does about a site when it compares what is decided here with what is decided in the store. Pure.
//!
//! Both sides may have changed since they last agreed. Then each of three things is taken by itself: what is in service (with
//! whether an operator has the word), the mode, and the pins. What only one side has changed is taken over by the other. Where
//! both have changed what is in service, an operator's word here goes over the store's, and a crawl's does not: somebody else
//! has published meanwhile, and a crawl that began before must not go behind that.
//!
//! To take over comes first; what is left of this side's own changes is then pushed, on top.

use std::collections::BTreeSet;

use super::pointer::{ModeWord, Pointer, Word};
use super::signature::Unusable;
use crate::snapshot::SnapshotId;

/// What is decided here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// What is in service, and since when an operator has the word; `None`: nothing is.
    pub serves: Option<(SnapshotId, Option<u64>)>,
    /// Those of [`Local::shelf`] that are never removed.
    pub pinned: BTreeSet<SnapshotId>,
    /// The mode, if an operator has set one here since the start, or it was taken over.
    pub mode: Option<ModeWord>,
    /// The snapshots that are here.
    pub shelf: BTreeSet<SnapshotId>,
}

/// What this instance and the store agreed about last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// The highest generation that was written or taken over here.
    pub generation: u64,
    /// What it said.
    pub word: Option<Word>,
    /// The newest snapshot that was here then: one that is not newer was put in service by an operator.
    pub newest: Option<SnapshotId>,
}

/// What lies in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InStore {
    /// Nothing.
    Absent,
    /// A pointer.
    Pointer(Box<Pointer>),
    /// Something that must not be used.
    Unusable(Unusable),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: both say the same, or neither says anything.
    Nothing,
    /// To make this be in service here, and to note that the store says `agreed`.
    Take {
        /// What is to be here.
        word: Word,
        /// The store's generation.
        generation: u64,
        /// What the store says.
        agreed: Word,
    },
    /// To write this into the store, on the version that was read.
    Push {
        /// The pointer's new generation.
        generation: u64,
        /// What it says.
        word: Word,
    },
    /// To leave everything as it is, and to tell the operator.
    Refuse(Refusal),
}

/// Why what lies in the store is not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not signed, wrongly signed, or unreadable.
    Unusable(Unusable),
    /// It is older than what was taken over before: somebody has put an old object there again.
    Replayed {
        /// Its generation.
        generation: u64,
        /// The one that was taken over before.
        known: u64,
    },
}

/// What has changed what is in service here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    No,
    Crawled,
    Decided,
}

/// Compares.
pub fn decide(local: &Local, agreed: &Agreed, store: &InStore) -> Action {
    let pointer = match store {
        InStore::Unusable(why) => return Action::Refuse(Refusal::Unusable(*why)),
        InStore::Absent => {
            let push = |word| Action::Push { generation: agreed.generation + 1, word };
            return mine(local, agreed.word.as_ref()).map_or(Action::Nothing, push);
        }
        InStore::Pointer(pointer) => pointer,
    };
    if pointer.generation < agreed.generation {
        let refusal = Refusal::Replayed { generation: pointer.generation, known: agreed.generation };
        // A newer word heals it, also where a backup of the store was put back.
        return match mine(local, agreed.word.as_ref()) {
            Some(word) if Some(&word) != agreed.word.as_ref() => {
                Action::Push { generation: agreed.generation + 1, word }
            }
            Some(_) | None => Action::Refuse(refusal),
        };
    }
    // Where both have the same number, the store's content counts: it was written after this instance had lost a race.
    let Pointer { generation, word: theirs, .. } = &**pointer;
    let word = merged(local, agreed, theirs);
    let is_known = *generation == agreed.generation && agreed.word.as_ref() == Some(theirs);
    if !is_known || lacks(local, &word) {
        return Action::Take { word, generation: *generation, agreed: theirs.clone() };
    }
    if word == *theirs {
        return Action::Nothing;
    }
    Action::Push { generation: generation + 1, word }
}

/// Whether what is here is not yet as `word` says.
fn lacks(local: &Local, word: &Word) -> bool {
    let here: BTreeSet<SnapshotId> = word.pinned.intersection(&local.shelf).copied().collect();
    local.serves != Some((word.id, word.by_hand)) || local.mode != word.mode || local.pinned != here
}

/// What this instance says; `None`: it has nothing in service.
fn mine(local: &Local, base: Option<&Word>) -> Option<Word> {
    let (id, by_hand) = local.serves?;
    let mode = local.mode.clone().or_else(|| base.and_then(|base| base.mode.clone()));
    Some(Word { id, by_hand, pinned: pins_here(local, base), mode })
}

/// The pins as this instance sees them: of snapshots that are not here it says nothing.
fn pins_here(local: &Local, base: Option<&Word>) -> BTreeSet<SnapshotId> {
    let elsewhere = base.into_iter().flat_map(|base| base.pinned.difference(&local.shelf));
    local.pinned.iter().chain(elsewhere).copied().collect()
}

/// What both say together.
fn merged(local: &Local, agreed: &Agreed, theirs: &Word) -> Word {
    let base = agreed.word.as_ref();
    let Some(mine) = mine(local, base) else { return theirs.clone() };
    let Some(base) = base else {
        // The first meeting: what the deployment serves is not overruled by what an instance happens to have. Nothing is unpinned.
        let pinned = mine.pinned.union(&theirs.pinned).copied().collect();
        return Word { pinned, mode: local.mode.clone().or(theirs.mode.clone()), ..theirs.clone() };
    };
    let they_changed = (theirs.id, theirs.by_hand) != (base.id, base.by_hand);
    let (id, by_hand) = match changed(&mine, base, agreed.newest) {
        Changed::No => (theirs.id, theirs.by_hand),
        Changed::Crawled if they_changed => (theirs.id, theirs.by_hand),
        Changed::Crawled | Changed::Decided => (mine.id, mine.by_hand),
    };
    let mode = if mine.mode == base.mode { theirs.mode.clone() } else { mine.mode };
    let pinned = merged_pins(&base.pinned, &mine.pinned, &theirs.pinned);
    Word { id, by_hand, pinned, mode }
}

/// Three-way: what either side has added is in, what either has taken away is out.
fn merged_pins(
    base: &BTreeSet<SnapshotId>,
    mine: &BTreeSet<SnapshotId>,
    theirs: &BTreeSet<SnapshotId>,
) -> BTreeSet<SnapshotId> {
    let all = mine.union(theirs).copied();
    all.filter(|id| !base.contains(id) || (mine.contains(id) && theirs.contains(id))).collect()
}

fn changed(mine: &Word, base: &Word, newest: Option<SnapshotId>) -> Changed {
    if mine.by_hand != base.by_hand {
        return Changed::Decided;
    }
    if mine.id == base.id {
        return Changed::No;
    }
    // A crawl makes a snapshot that was not there before; what was there is put in service only by somebody's word.
    let was_there = mine.id < base.id || newest.is_some_and(|newest| mine.id <= newest);
    if was_there { Changed::Decided } else { Changed::Crawled }
}

#[cfg(test)]
mod tests;
