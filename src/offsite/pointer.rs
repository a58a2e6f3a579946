//! What all instances are to serve of a site: the pointer in the store. And what is said in it: an instance's own word is
//! compared with it ([`super::follow`]).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::signature::{Signed, Signer, Unusable};
use crate::snapshot::SnapshotId;

/// The version of its shape.
const VERSION: u32 = 1;
/// A larger generation is none that was ever counted up to, and would leave no room above it.
pub(super) const MOST_GENERATION: u64 = 1 << 62;
/// Bytes that it may have.
pub(super) const MOST: u64 = 1 << 20;

/// The operator's mode for a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeWord {
    /// `auto`, `hold_origin` or `hold_snapshot`.
    pub mode: String,
    /// Until when, in seconds since 1970; `None`: until it is set again.
    pub until: Option<u64>,
}

/// What is decided about a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Which snapshot is in service.
    pub id: SnapshotId,
    /// Since when an operator has the word and new ones are held, in seconds since 1970.
    pub by_hand: Option<u64>,
    /// Those that are never removed.
    pub pinned: BTreeSet<SnapshotId>,
    /// The mode; `None`: nobody has said anything about it.
    pub mode: Option<ModeWord>,
}

/// What lies in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Grows by one with each write.
    pub generation: u64,
    /// What is decided.
    pub word: Word,
    /// The epoch of the lease that its writer knew.
    pub epoch: u64,
    /// Which instance wrote it.
    pub by: String,
    /// When, by that instance's clock, in seconds since 1970. For people.
    pub at: u64,
    /// If its writer found an older pointer than it knew, or none, and only said again what had been agreed: at which generation
    /// that was. Who has agreed later knows better. It stays until an operator says what is to be in service.
    pub again: Option<u64>,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
struct PointerText {
    version: u32,
    generation: u64,
    #[serde(flatten)]
    word: WordText,
    epoch: u64,
    by: String,
    at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again: Option<u64>,
}

/// What every version of it has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// A [`Word`] in JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WordText {
    id: String,
    by_hand: Option<u64>,
    pinned: Vec<String>,
    mode: Option<ModeWord>,
}

impl From<&Word> for WordText {
    fn from(word: &Word) -> WordText {
        WordText {
            id: word.id.to_string(),
            by_hand: word.by_hand,
            pinned: word.pinned.iter().map(ToString::to_string).collect(),
            mode: word.mode.clone(),
        }
    }
}

impl WordText {
    pub(super) fn read(&self) -> Option<Word> {
        let pinned = self.pinned.iter().map(|id| id.parse().ok()).collect::<Option<_>>()?;
        let mode = self.mode.clone();
        let is_mode = |word: &ModeWord| matches!(&*word.mode, "auto" | "hold_origin" | "hold_snapshot");
        // A later version may have others: then it is as if nobody had said anything.
        Some(Word { id: self.id.parse().ok()?, by_hand: self.by_hand, pinned, mode: mode.filter(is_mode) })
    }
}

impl Pointer {
    /// As it is put into the store.
    ///
    /// # Errors
    /// None that happens.
    pub fn seal(&self, site: &str, signer: &Signer) -> Result<bytes::Bytes, Unusable> {
        let written = PointerText {
            version: VERSION,
            generation: self.generation,
            word: (&self.word).into(),
            epoch: self.epoch,
            by: self.by.clone(),
            at: self.at,
            again: self.again,
        };
        signer.seal(Signed::Pointer(site), &written)
    }

    /// As it is read from the store.
    ///
    /// # Errors
    /// When it is not signed although it must be, or cannot be read.
    pub fn open(site: &str, object: &[u8], signer: &Signer) -> Result<Pointer, Unusable> {
        // Of a later version nothing else is known, not even which fields it has.
        let of: Versioned = signer.open(Signed::Pointer(site), object)?;
        if of.version > VERSION {
            return Err(Unusable::Later);
        }
        let written: PointerText = signer.open(Signed::Pointer(site), object)?;
        if written.version != VERSION || written.generation > MOST_GENERATION {
            return Err(Unusable::Unreadable);
        }
        let word = written.word.read().ok_or(Unusable::Unreadable)?;
        let PointerText { generation, epoch, by, at, again, .. } = written;
        Ok(Pointer { generation, word, epoch, by, at, again })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"version":1,"generation":7,"id":"20261120T011334Z-000042","by_hand":1795000000,"pinned":["20261119T011334Z-000041"],"mode":{"mode":"hold_snapshot","until":null},"epoch":3,"by":"osaka-1","at":1795000001}
"#;

    #[test]
    fn version_1_is_read_for_ever() {
        let pointer = Pointer::open("shop", SAMPLE.as_bytes(), &Signer::default()).unwrap();
        assert_eq!(pointer.generation, 7);
        assert_eq!(pointer.word.id.to_string(), "20261120T011334Z-000042");
        assert_eq!(pointer.word.pinned.len(), 1);
        assert_eq!(pointer.word.mode.as_ref().unwrap().mode, "hold_snapshot");
        assert_eq!(pointer.seal("shop", &Signer::default()).unwrap(), SAMPLE);
        let again = SAMPLE.replace("\"at\":1795000001", "\"at\":1795000001,\"again\":6");
        let pointer = Pointer::open("shop", again.as_bytes(), &Signer::default()).unwrap();
        assert_eq!(pointer.again, Some(6));
        assert_eq!(pointer.seal("shop", &Signer::default()).unwrap(), again);
    }

    #[test]
    fn what_is_no_pointer_is_none() {
        let endless = SAMPLE.replace("\"generation\":7", &format!("\"generation\":{}", u64::MAX));
        let bad =
            ["", "{}", "[]", &SAMPLE.replace(":1,", ":0,"), &SAMPLE.replace("20261120T", "../20T"), &endless];
        for bad in bad {
            let read = Pointer::open("shop", bad.as_bytes(), &Signer::default());
            assert_eq!(read, Err(Unusable::Unreadable), "{bad}");
        }
        for later in [&SAMPLE.replace(":1,", ":2,"), "{\"version\":9}"] {
            let read = Pointer::open("shop", later.as_bytes(), &Signer::default());
            assert_eq!(read, Err(Unusable::Later), "{later}");
        }
        // Fields that are not known are passed over, and so is a mode that is not known here.
        let later = SAMPLE.replace("\"by\":", "\"more\":[1],\"by\":").replace("hold_snapshot", "dream");
        assert_eq!(Pointer::open("shop", later.as_bytes(), &Signer::default()).unwrap().word.mode, None);
    }
}
