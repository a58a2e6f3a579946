//! What this instance remembers of a site and the store: `<state>/snapshots/<site>/store.json`.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::follow::Agreed;
use super::pointer::{Word, WordText};
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
    word: Option<WordText>,
    newest: Option<String>,
    /// What was about to be agreed: it is, if it is what is here now.
    pending: Option<Pending>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Pending {
    generation: u64,
    word: WordText,
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
    ///
    /// `serves` is what is in service here: a process that was killed after it had carried something out, and before it had
    /// noted that, is not to take it for somebody's word.
    pub(super) fn read(&self, serves: Option<(SnapshotId, Option<u64>)>) -> io::Result<Agreed> {
        let about = match std::fs::metadata(&self.file) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Agreed::default()),
            Err(error) => return Err(error),
        };
        let text = if about.len() > LONGEST { Vec::new() } else { std::fs::read(&self.file)? };
        let read = serde_json::from_slice::<MemoryText>(&text).ok().filter(|text| text.version == VERSION);
        let Some(text) = read else {
            tracing::warn!(file = %self.file.display(), "what was agreed with the store cannot be read, taking over what it says");
            return Ok(Agreed::default());
        };
        if text.store != self.store {
            return Ok(Agreed::default());
        }
        let newest = text.newest.and_then(|id| id.parse().ok());
        let read =
            |generation, word: &WordText| Some(Agreed { generation, word: Some(word.read()?), newest });
        let done = text.pending.and_then(|pending| read(pending.generation, &pending.word));
        let done = done.filter(|done| {
            done.word.as_ref().is_some_and(|word| serves == Some((word.id, word.by_hand)))
                && done.generation > text.generation
        });
        let agreed = || Agreed {
            generation: text.generation,
            word: text.word.as_ref().and_then(WordText::read),
            newest,
        };
        Ok(done.unwrap_or_else(agreed))
    }

    /// Notes what is agreed, and what is about to be. Durable. Blocks.
    pub(super) fn write(&self, agreed: &Agreed, pending: Option<(u64, &Word)>) -> io::Result<()> {
        let text = MemoryText {
            version: VERSION,
            store: self.store.clone(),
            generation: agreed.generation,
            word: agreed.word.as_ref().map(WordText::from),
            newest: agreed.newest.map(|id| id.to_string()),
            pending: pending.map(|(generation, word)| Pending { generation, word: word.into() }),
        };
        self.file.parent().map_or(Ok(()), disk::ensure_dir)?;
        disk::write_atomic(&self.file, &serde_json::to_vec(&text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(id: &str) -> Word {
        Word { id: id.parse().unwrap(), by_hand: None, pinned: Default::default(), mode: None }
    }

    #[test]
    fn what_was_carried_out_before_a_kill_is_agreed() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::new(dir.path(), "shop", "s3://a/b");
        let (old, new) = (word("20261120T011334Z-000042"), word("20261121T011334Z-000043"));
        assert_eq!(memory.read(None).unwrap(), Agreed::default());
        let agreed = Agreed { generation: 3, word: Some(old.clone()), newest: Some(old.id) };
        memory.write(&agreed, None).unwrap();
        assert_eq!(memory.read(Some((new.id, None))).unwrap(), agreed);
        memory.write(&agreed, Some((4, &new))).unwrap();
        assert_eq!(memory.read(Some((old.id, None))).unwrap(), agreed);
        assert_eq!(memory.read(Some((new.id, Some(1)))).unwrap(), agreed);
        let done = Agreed { generation: 4, word: Some(new.clone()), newest: Some(old.id) };
        assert_eq!(memory.read(Some((new.id, None))).unwrap(), done);
    }

    #[test]
    fn what_was_agreed_with_another_store_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let agreed = Agreed { generation: 3, word: None, newest: None };
        Memory::new(dir.path(), "shop", "s3://a/b").write(&agreed, None).unwrap();
        assert_eq!(Memory::new(dir.path(), "shop", "s3://a/c").read(None).unwrap(), Agreed::default());
        assert_eq!(Memory::new(dir.path(), "shop", "s3://a/b").read(None).unwrap(), agreed);
    }

    #[test]
    fn a_damaged_one_is_a_first_meeting() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::new(dir.path(), "shop", "s3://a/b");
        memory.write(&Agreed { generation: 3, word: None, newest: None }, None).unwrap();
        assert_eq!(memory.read(None).unwrap().generation, 3);
        for bad in ["", "{", "{\"version\":9,\"generation\":4}"] {
            disk::write_atomic(&memory.file, bad.as_bytes()).unwrap();
            assert_eq!(memory.read(None).unwrap(), Agreed::default());
        }
    }
}
