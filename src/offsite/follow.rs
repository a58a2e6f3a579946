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

/// How far above what is known here something is said when the store has lost what was agreed: others may have agreed upon more.
const ABOVE: u64 = 1000;

/// What is decided here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// What is in service, and since when an operator has the word; `None`: nothing is.
    pub serves: Option<(SnapshotId, Option<u64>)>,
    /// Those that are never removed.
    pub pinned: BTreeSet<SnapshotId>,
    /// The mode, if an operator has set one here since the start, or it was taken over.
    pub mode: Option<ModeWord>,
    /// The snapshots that are here, and can be read.
    pub shelf: BTreeSet<SnapshotId>,
    /// Those of them that go in service only by an operator's word, and the one that is.
    pub settled: BTreeSet<SnapshotId>,
}

impl Local {
    /// Whether the same is decided, whatever else has come or gone.
    pub fn says_as(&self, other: &Local) -> bool {
        (&self.serves, &self.pinned, &self.mode) == (&other.serves, &other.pinned, &other.mode)
    }
}

/// What this instance and the store agreed about last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// The highest generation that was written or taken over here.
    pub generation: u64,
    /// See [`Pointer::again`]: if that only said again what had been agreed, since when it is so.
    pub again: Option<u64>,
    /// What it said.
    pub word: Option<Word>,
    /// The snapshots that were here then: only an operator's word puts one of them in service. Of one that was not, its
    /// number says nothing: a crawl that began long before may end long after.
    pub known: BTreeSet<SnapshotId>,
    /// The pins that were set here then: only these can have been taken away here.
    pub pins: BTreeSet<SnapshotId>,
}

impl Agreed {
    /// At which generation this was news.
    fn news(&self) -> u64 {
        self.again.unwrap_or(self.generation)
    }

    /// What is known and set here from now on.
    #[must_use]
    pub fn seeing(mut self, local: &Local) -> Agreed {
        let first = self.known.is_empty();
        // One that was just taken is on the shelf a moment before it is in service.
        let stays = |id: &&SnapshotId| first || local.settled.contains(id) || self.known.contains(id);
        self.known = local.shelf.iter().filter(stays).copied().collect();
        self.pins.clone_from(&local.pinned);
        self
    }
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
        /// See [`Pointer::again`].
        again: Option<u64>,
    },
    /// To write this into the store, on the version that was read.
    Push {
        /// The pointer's new generation.
        generation: u64,
        /// What it says.
        word: Word,
        /// See [`Pointer::again`].
        again: Option<u64>,
        /// If what was agreed was not there any more: what was there instead.
        instead_of: Option<Lost>,
    },
    /// To leave everything as it is, and to tell the operator.
    Refuse(Refusal),
}

/// What was in the store where something was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing.
    Gone,
    /// A pointer that is older.
    Older {
        /// Its generation.
        generation: u64,
    },
    /// What somebody has said again who had agreed upon less.
    SaidAgain,
    /// Something that cannot be used.
    Unusable(Unusable),
}

/// Why what lies in the store is not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not signed, wrongly signed, or unreadable, and this instance has nothing to put in its place.
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
        // What nobody could have written who has a key, or nobody at all, is written anew by who has agreed with the one
        // before. Another key, or a later version, may be right where this instance is wrong.
        InStore::Unusable(why) => {
            let may = agreed.word.is_some() && matches!(why, Unusable::Unsigned | Unusable::Unreadable);
            let refused = Action::Refuse(Refusal::Unusable(*why));
            let anew = || say_again(local, agreed, (Lost::Unusable(*why), 0), None);
            return may.then(anew).flatten().unwrap_or(refused);
        }
        InStore::Absent => return say_again(local, agreed, (Lost::Gone, 0), None).unwrap_or(Action::Nothing),
        InStore::Pointer(pointer) => pointer,
    };
    let Pointer { generation, word: theirs, again, .. } = &**pointer;
    let is_known = *generation == agreed.generation && agreed.word.as_ref() == Some(theirs);
    let is_old = !is_known && again.is_some_and(|again| again < agreed.news());
    if *generation < agreed.generation || is_old {
        // An old one was put there again, by somebody or with a backup; or somebody has said again, in its place, what is older
        // than what was agreed here. What was said last is said once more.
        let known = again.unwrap_or(*generation).min(*generation);
        let refusal = Refusal::Replayed { generation: known, known: agreed.generation };
        let (lost, beside) = match is_old {
            true => (Lost::SaidAgain, Some(theirs)),
            false => (Lost::Older { generation: *generation }, None),
        };
        let anew = say_again(local, agreed, (lost, *generation), beside);
        return anew.unwrap_or(Action::Refuse(refusal));
    }
    // Where both have the same number, the store's content counts.
    let word = merged(local, agreed, theirs);
    let is_damaged_here = word.id == theirs.id && !local.shelf.contains(&word.id);
    if !is_known || is_damaged_here || lacks(local, &word) {
        return Action::Take { word, generation: *generation, agreed: theirs.clone(), again: *again };
    }
    if word == *theirs {
        return Action::Nothing;
    }
    // A crawl, a pin and a mode go on from what was said again. Only an operator's word about what is in service is above what
    // others may have agreed upon later.
    let is_decided =
        agreed.word.as_ref().is_some_and(|base| changed(&word, base, &agreed.known) == Changed::Decided);
    let again = agreed.again.filter(|_| !is_decided);
    match generation.checked_add(1) {
        Some(generation) => Action::Push { generation, word, again, instead_of: None },
        None => Action::Refuse(Refusal::Unusable(Unusable::Unreadable)),
    }
}

/// Says once more what was agreed, above what is there; `None`: this instance has nothing to say. Which snapshot an operator has put
/// in service here since then is news, which all others take over. `beside`: what others said again; its pins stay, and its mode if
/// this instance has none to say.
fn say_again(
    local: &Local,
    agreed: &Agreed,
    (lost, there): (Lost, u64),
    beside: Option<&Word>,
) -> Option<Action> {
    let mut word = mine(local, agreed)?;
    let is_news = |base: &Word| changed(&word, base, &agreed.known) == Changed::Decided;
    let again = agreed.word.as_ref().filter(|base| !is_news(base)).map(|_| agreed.news());
    if let Some(theirs) = beside {
        word.pinned.extend(&theirs.pinned);
        word.mode = word.mode.or_else(|| theirs.mode.clone());
    }
    let step = if agreed.word.is_some() { ABOVE } else { 1 };
    let generation = agreed.generation.max(there).checked_add(step)?;
    let instead_of = agreed.word.as_ref().map(|_| lost);
    Some(Action::Push { generation, word, again, instead_of })
}

/// Whether what is here is not yet as `word` says.
fn lacks(local: &Local, word: &Word) -> bool {
    local.serves != Some((word.id, word.by_hand))
        || local.mode != word.mode
        || local.pinned != pins_that_can_be(local, word)
}

/// The pins of `word` that can be set here.
pub(super) fn pins_that_can_be(local: &Local, word: &Word) -> BTreeSet<SnapshotId> {
    let can = |id: &&SnapshotId| local.shelf.contains(id) || local.pinned.contains(id) || word.id == **id;
    word.pinned.iter().filter(can).copied().collect()
}

/// What this instance says; `None`: it has nothing in service.
fn mine(local: &Local, agreed: &Agreed) -> Option<Word> {
    let (id, by_hand) = local.serves?;
    let mode = local.mode.clone().or_else(|| agreed.word.as_ref().and_then(|base| base.mode.clone()));
    Some(Word { id, by_hand, pinned: pins_here(local, agreed), mode })
}

/// The pins as this instance sees them: of snapshots that are not here, or came here since, it says nothing.
fn pins_here(local: &Local, agreed: &Agreed) -> BTreeSet<SnapshotId> {
    let taken_away = |id: &&SnapshotId| local.shelf.contains(id) && agreed.pins.contains(id);
    let base = agreed.word.iter().flat_map(|base| &base.pinned);
    local.pinned.iter().chain(base.filter(|id| !taken_away(id))).copied().collect()
}

/// What both say together.
fn merged(local: &Local, agreed: &Agreed, theirs: &Word) -> Word {
    let Some(mine) = mine(local, agreed) else { return theirs.clone() };
    let Some(base) = &agreed.word else {
        // The first meeting: what the deployment serves is not overruled by what an instance happens to have. Nothing is unpinned.
        let pinned = mine.pinned.union(&theirs.pinned).copied().collect();
        return Word { pinned, mode: local.mode.clone().or(theirs.mode.clone()), ..theirs.clone() };
    };
    let they_changed = (theirs.id, theirs.by_hand) != (base.id, base.by_hand);
    let (id, by_hand) = match changed(&mine, base, &agreed.known) {
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

fn changed(mine: &Word, base: &Word, known: &BTreeSet<SnapshotId>) -> Changed {
    if mine.by_hand != base.by_hand {
        return Changed::Decided;
    }
    if mine.id == base.id {
        return Changed::No;
    }
    // A crawl makes a snapshot that was not there before; what was there is put in service only by somebody's word.
    if known.contains(&mine.id) { Changed::Decided } else { Changed::Crawled }
}

#[cfg(test)]
mod tests;
