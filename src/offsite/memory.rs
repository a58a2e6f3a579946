//! What this instance remembers of a site and the store: `<state>/snapshots/<site>/store.json`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::follow::{Agreed, InStore};
use super::pointer::{MOST_GENERATION, Word, WordText};
use crate::disk;
use crate::snapshot::SnapshotId;

/// What the file is called, in the folder of the site's snapshots.
const FILE: &str = "store.json";
/// The version of its shape.
const VERSION: u32 = 1;
/// Bytes that it may have.
const LONGEST: u64 = 1 << 20;

/// As it is written.
#[derive(Serialize, Deserialize)]
struct MemoryText {
    version: u32,
    /// With which store; of another one nothing is known.
    store: String,
    generation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again: Option<u64>,
    word: Option<WordText>,
    #[serde(default)]
    known: Vec<String>,
    #[serde(default)]
    pins: Vec<String>,
    pending: Option<PendingText>,
}

#[derive(Serialize, Deserialize)]
struct PendingText {
    #[serde(default)]
    way: Way,
    generation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again: Option<u64>,
    word: WordText,
    #[serde(default)]
    known: Vec<String>,
    #[serde(default)]
    pins: Vec<String>,
}

/// Which way something was about to be agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Way {
    /// From the store: it is agreed once it is what is here.
    #[default]
    Take,
    /// Into the store: it is agreed once it is what lies there, by this instance.
    Push,
}

/// What was about to be agreed when the last note was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) way: Way,
    pub(super) agreed: Agreed,
}

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Remembered {
    agreed: Agreed,
    pending: Option<Pending>,
}

impl Remembered {
    /// What was said last, as far as that is certain.
    pub(super) fn word(self) -> Option<Word> {
        self.agreed.word
    }

    /// What is agreed. A process that was killed after it had carried something out, and before it had noted that, is not
    /// to take it for somebody's word: `serves` and `pinned` are what is here, `there` is what the store has, and `me` is
    /// what this instance is called.
    pub(super) fn agreed(
        self,
        (serves, pinned): (Option<(SnapshotId, Option<u64>)>, &BTreeSet<SnapshotId>),
        there: &InStore,
        me: &str,
    ) -> Agreed {
        let done = self.pending.filter(|pending| {
            let Agreed { generation, word, pins, .. } = &pending.agreed;
            let Some(word) = word else { return false };
            match (pending.way, there) {
                (Way::Take, _) => serves == Some((word.id, word.by_hand)) && pinned == pins,
                (Way::Push, InStore::Pointer(there)) => {
                    there.generation == *generation && there.word == *word && there.by == me
                }
                (Way::Push, InStore::Absent | InStore::Unusable(_)) => false,
            }
        });
        let done = done.filter(|done| done.agreed.generation > self.agreed.generation);
        done.map_or(self.agreed, |done| done.agreed)
    }
}

fn texts(ids: &BTreeSet<SnapshotId>) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn ids(texts: &[String]) -> BTreeSet<SnapshotId> {
    texts.iter().filter_map(|id| id.parse().ok()).collect()
}

/// Where it is.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    file: PathBuf,
    store: String,
}

impl Memory {
    pub(super) fn new(state_dir: &Path, site: &str, store: &str) -> Memory {
        let file = state_dir.join(crate::snapshot::SNAPSHOTS).join(site).join(FILE);
        Memory { file, store: store.to_owned() }
    }

    /// What was agreed. One that is damaged or lost is none: as if this instance met the store for the first time, and what
    /// the store says holds. Blocks.
    pub(super) fn read(&self) -> io::Result<Remembered> {
        let about = match std::fs::metadata(&self.file) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Remembered::default()),
            Err(error) => return Err(error),
        };
        let text = if about.len() > LONGEST { Vec::new() } else { std::fs::read(&self.file)? };
        let read = serde_json::from_slice::<MemoryText>(&text).ok();
        let read = read.filter(|text| text.version == VERSION && text.generation <= MOST_GENERATION);
        let Some(text) = read else {
            tracing::warn!(file = %self.file.display(), "what was agreed with the store cannot be read, taking over what it says");
            return Ok(Remembered::default());
        };
        if text.store != self.store {
            return Ok(Remembered::default());
        }
        let read = |(generation, again), word: Option<&WordText>, known: &[String], pins: &[String]| Agreed {
            generation,
            again,
            word: word.and_then(WordText::read),
            known: ids(known),
            pins: ids(pins),
        };
        let agreed = read((text.generation, text.again), text.word.as_ref(), &text.known, &text.pins);
        let pending = text.pending.filter(|pending| pending.generation <= MOST_GENERATION).map(|pending| {
            let PendingText { way, generation, again, word, known, pins } = pending;
            Pending { way, agreed: read((generation, again), Some(&word), &known, &pins) }
        });
        Ok(Remembered { agreed, pending })
    }

    /// Notes what is agreed, and what is about to be. Durable. Blocks.
    pub(super) fn write(&self, agreed: &Agreed, pending: Option<&Pending>) -> io::Result<()> {
        let pending = pending.and_then(|Pending { way, agreed }| {
            Some(PendingText {
                way: *way,
                generation: agreed.generation,
                again: agreed.again,
                word: agreed.word.as_ref()?.into(),
                known: texts(&agreed.known),
                pins: texts(&agreed.pins),
            })
        });
        let text = MemoryText {
            version: VERSION,
            store: self.store.clone(),
            generation: agreed.generation,
            again: agreed.again,
            word: agreed.word.as_ref().map(WordText::from),
            known: texts(&agreed.known),
            pins: texts(&agreed.pins),
            pending,
        };
        self.file.parent().map_or(Ok(()), disk::ensure_dir)?;
        disk::write_atomic(&self.file, &serde_json::to_vec(&text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pointer::Pointer;
    use super::*;

    fn word(id: &str) -> Word {
        Word { id: id.parse().unwrap(), by_hand: None, pinned: Default::default(), mode: None }
    }

    fn of(generation: u64, word: &Word) -> Agreed {
        let known = BTreeSet::from([word.id]);
        Agreed { generation, again: Some(1), word: Some(word.clone()), known: known.clone(), pins: known }
    }

    fn there(generation: u64, word: &Word, by: &str) -> InStore {
        let (word, by) = (word.clone(), by.to_owned());
        InStore::Pointer(Box::new(Pointer { generation, word, epoch: 1, by, at: 0, again: None }))
    }

    #[test]
    fn what_was_carried_out_before_a_kill_is_agreed_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::new(dir.path(), "shop", "s3://a/b");
        assert_eq!(memory.read().unwrap(), Remembered::default());
        let (old, new) = (word("20261120T011334Z-000042"), word("20261121T011334Z-000043"));
        let (before, after) = (of(3, &old), of(4, &new));
        let (serves_old, serves_new) = (Some((old.id, None)), Some((new.id, None)));
        let by_hand = Some((new.id, Some(1)));
        let (pins, none) = (after.pins.clone(), BTreeSet::new());
        use Way::{Push, Take};
        let table = [
            // Taken over: once it is what is here, pins and all.
            (Take, serves_new, &pins, there(4, &new, "you"), &after),
            (Take, serves_new, &pins, there(9, &old, "you"), &after),
            (Take, serves_new, &none, there(4, &new, "you"), &before),
            (Take, serves_old, &pins, there(4, &new, "you"), &before),
            (Take, by_hand, &pins, there(4, &new, "you"), &before),
            // Written: once the store has it, and from here. What is to be pushed is always what is here.
            (Push, serves_new, &pins, there(4, &new, "me"), &after),
            (Push, serves_old, &none, there(4, &new, "me"), &after),
            (Push, serves_new, &pins, there(3, &old, "me"), &before),
            (Push, serves_new, &pins, there(4, &new, "you"), &before),
            (Push, serves_new, &pins, there(4, &old, "me"), &before),
            (Push, serves_new, &pins, there(5, &new, "me"), &before),
            (Push, serves_new, &pins, InStore::Absent, &before),
        ];
        for (way, serves, pinned, store, expected) in table {
            memory.write(&before, Some(&Pending { way, agreed: after.clone() })).unwrap();
            let read = memory.read().unwrap().agreed((serves, pinned), &store, "me");
            assert_eq!(read, *expected, "{way:?} {serves:?} {store:?}");
        }
        memory.write(&before, None).unwrap();
        assert_eq!(memory.read().unwrap(), Remembered { agreed: before, pending: None });
    }

    #[test]
    fn what_was_agreed_with_another_store_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let agreed = Agreed { generation: 3, ..Agreed::default() };
        Memory::new(dir.path(), "shop", "s3://a/b").write(&agreed, None).unwrap();
        assert_eq!(Memory::new(dir.path(), "shop", "s3://a/c").read().unwrap(), Remembered::default());
        assert_eq!(Memory::new(dir.path(), "shop", "s3://a/b").read().unwrap().agreed, agreed);
    }

    #[test]
    fn a_damaged_one_is_a_first_meeting() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::new(dir.path(), "shop", "s3://a/b");
        memory.write(&Agreed { generation: 3, ..Agreed::default() }, None).unwrap();
        assert_eq!(memory.read().unwrap().agreed.generation, 3);
        let endless = format!("{{\"version\":1,\"store\":\"s3://a/b\",\"generation\":{}}}", u64::MAX);
        for bad in ["", "{", "{\"version\":9,\"generation\":4}", &endless] {
            disk::write_atomic(&memory.file, bad.as_bytes()).unwrap();
            assert_eq!(memory.read().unwrap(), Remembered::default());
        }
    }
}
