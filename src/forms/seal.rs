//! How a form is sealed: AES-256-GCM with a key for each file, so that no nonce is ever used twice.
//!
//! ```text
//! KATAHAIFORM1\n | name of the key, 8 | salt, 32 | sealed: length, 8; content; zeros up to a multiple of 1 KiB | tag, 16
//! ```
//!
//! The file's key is HKDF-SHA256 of the key and the salt. What stands before the sealed part, the site and the form's id are
//! sealed in as associated data: a file that is put in another's place does not open. The zeros hide how much somebody has
//! written, but for its size in KiB.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};

use super::id::FormId;
use super::key::{Key, KeyId, Keys};

const MAGIC: &[u8; 13] = b"KATAHAIFORM1\n";
/// What all versions begin with.
const ANY_MAGIC: usize = 11;
/// What the file's key is derived for.
const INFO: &[u8] = b"katahai form 1";
const SALT: usize = 32;
const TAG: usize = 16;
/// What stands before the sealed part.
const OPEN_PART: usize = MAGIC.len() + 8 + SALT;
/// The length of the content, sealed before it.
const LENGTH: usize = 8;
const STEP: u64 = 1024;
/// The longest file of a form, in bytes.
pub(super) const LONGEST: u64 = 256 << 20;

/// How many bytes the file of so much content has; `None`: more than a file may have.
pub(super) fn sealed_len(content: u64) -> Option<u64> {
    let padded = content.checked_add(LENGTH as u64)?.checked_next_multiple_of(STEP)?;
    let all = padded.checked_add((OPEN_PART + TAG) as u64)?;
    (all <= LONGEST).then_some(all)
}

/// A form could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotSealed {
    /// It is too large for a file.
    #[error("the form is too large")]
    Size,
    /// There is no key, or no random bytes.
    #[error("the form could not be sealed")]
    Key,
}

/// A file does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotOpened {
    /// It was sealed with a key that is not there.
    #[error("it was sealed with the key {0}, which the key file lacks")]
    NoKey(KeyId),
    /// It is not what was written, or not in the place that it was written for.
    #[error("it is damaged")]
    Damaged,
    /// A later Katahai wrote it.
    #[error("it is of a later version")]
    Version,
}

/// The file of a form whose content is these pieces.
pub(super) fn seal(keys: &Keys, site: &str, id: &FormId, pieces: &[&[u8]]) -> Result<Vec<u8>, NotSealed> {
    let mut salt = [0; SALT];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| NotSealed::Key)?;
    seal_with(keys.sealing().ok_or(NotSealed::Key)?, &salt, site, id, pieces)
}

fn seal_with(
    key: &Key,
    salt: &[u8; SALT],
    site: &str,
    id: &FormId,
    pieces: &[&[u8]],
) -> Result<Vec<u8>, NotSealed> {
    let len: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
    let all = sealed_len(len).and_then(|all| usize::try_from(all).ok()).ok_or(NotSealed::Size)?;
    let mut file = Vec::with_capacity(all);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&key.id().0);
    file.extend_from_slice(salt);
    file.extend_from_slice(&len.to_le_bytes());
    pieces.iter().for_each(|piece| file.extend_from_slice(piece));
    file.resize(all - TAG, 0);
    let (open_part, sealed) = file.split_at_mut(OPEN_PART);
    let (key, names) = (derived(key, salt).map_err(|_| NotSealed::Key)?, names(open_part, site, id));
    let tag = key.seal_in_place_separate_tag(nonce(), Aad::from(names), sealed);
    file.extend_from_slice(tag.map_err(|_| NotSealed::Key)?.as_ref());
    Ok(file)
}

/// The content of a form's file.
pub(super) fn open(keys: &Keys, site: &str, id: &FormId, mut file: Vec<u8>) -> Result<Vec<u8>, NotOpened> {
    if !file.starts_with(MAGIC) {
        let is_ours = file.starts_with(&MAGIC[..ANY_MAGIC]) && file.get(MAGIC.len() - 1) == MAGIC.last();
        return Err(if is_ours { NotOpened::Version } else { NotOpened::Damaged });
    }
    let (open_part, sealed) = file.split_at_mut_checked(OPEN_PART).ok_or(NotOpened::Damaged)?;
    let (name, salt) = open_part[MAGIC.len()..].split_first_chunk().ok_or(NotOpened::Damaged)?;
    let key = keys.find(KeyId(*name)).ok_or(NotOpened::NoKey(KeyId(*name)))?;
    let key = derived(key, salt).map_err(|_| NotOpened::Damaged)?;
    let names = names(open_part, site, id);
    let content = key.open_in_place(nonce(), Aad::from(names), sealed).map_err(|_| NotOpened::Damaged)?;
    let (len, rest) = content.split_first_chunk().ok_or(NotOpened::Damaged)?;
    let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| NotOpened::Damaged)?;
    if len > rest.len() {
        return Err(NotOpened::Damaged);
    }
    file.truncate(OPEN_PART + LENGTH + len);
    file.drain(..OPEN_PART + LENGTH);
    Ok(file)
}

/// The key of one file.
fn derived(key: &Key, salt: &[u8]) -> Result<LessSafeKey, Unspecified> {
    let drawn = Salt::new(HKDF_SHA256, salt).extract(key.bytes());
    Ok(LessSafeKey::new(UnboundKey::from(drawn.expand(&[INFO], &AES_256_GCM)?)))
}

/// Each key seals one file, so that the nonce may be the same for all.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// What a file is bound to. The site comes with its length, so that no two places have the same text.
fn names(open_part: &[u8], site: &str, id: &FormId) -> Vec<u8> {
    let id = id.to_string();
    [open_part, &(site.len() as u64).to_le_bytes(), site.as_bytes(), id.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id() -> FormId {
        "20261130T115251Z-k7f3x9q2".parse().unwrap()
    }

    fn old() -> Keys {
        Keys::of([[7; 32]])
    }

    #[test]
    fn what_is_sealed_opens_and_says_little_by_its_length() {
        for (len, steps) in [(0, 1), (1, 1), (1016, 1), (1017, 2), (2040, 2), (5000, 5)] {
            let content: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let (a, b) = content.split_at(len / 3);
            let file = seal(&old(), "shop", &id(), &[a, b]).unwrap();
            assert_eq!(file.len(), 53 + steps * 1024 + 16, "{len}");
            assert_eq!(sealed_len(len as u64), Some(file.len() as u64));
            assert_eq!(open(&old(), "shop", &id(), file).unwrap(), content);
        }
        assert_eq!(sealed_len(LONGEST), None);
        assert_eq!(sealed_len(u64::MAX), None);
        assert!(sealed_len(LONGEST - 2048).is_some());
    }

    #[test]
    fn the_same_form_is_never_sealed_alike() {
        let seal = || seal(&old(), "shop", &id(), &[b"the same"]).unwrap();
        let (one, other) = (seal(), seal());
        assert_ne!(one[21..53], other[21..53]);
        assert_ne!(one[53..], other[53..]);
    }

    #[test]
    fn another_key_does_not_open_and_an_old_one_below_a_new_one_does() {
        let file = seal(&old(), "shop", &id(), &[b"secret"]).unwrap();
        let new = Keys::of([[8; 32]]);
        let refused = NotOpened::NoKey(old().ids().next().unwrap());
        assert_eq!(open(&new, "shop", &id(), file.clone()), Err(refused));
        let both = Keys::of([[8; 32], [7; 32]]);
        assert_eq!(open(&both, "shop", &id(), file).unwrap(), b"secret");
        let file = seal(&both, "shop", &id(), &[b"secret"]).unwrap();
        assert!(open(&old(), "shop", &id(), file.clone()).is_err());
        assert!(open(&new, "shop", &id(), file).is_ok());
        // A key that claims another's name does not open what that has sealed.
        let mut file = seal(&old(), "shop", &id(), &[b"secret"]).unwrap();
        file[13..21].copy_from_slice(&new.ids().next().unwrap().0);
        assert_eq!(open(&both, "shop", &id(), file), Err(NotOpened::Damaged));
    }

    #[test]
    fn a_file_in_anothers_place_does_not_open() {
        let file = seal(&old(), "shop", &id(), &[b"secret"]).unwrap();
        let other = "20261130T115251Z-k7f3x9q3".parse().unwrap();
        assert_eq!(open(&old(), "shop2", &id(), file.clone()), Err(NotOpened::Damaged));
        assert_eq!(open(&old(), "", &id(), file.clone()), Err(NotOpened::Damaged));
        assert_eq!(open(&old(), "shop", &other, file), Err(NotOpened::Damaged));
    }

    #[test]
    fn a_byte_that_is_damaged_anywhere_is_found() {
        let file = seal(&old(), "shop", &id(), &[b"secret"]).unwrap();
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(open(&old(), "shop", &id(), damaged).is_err(), "{at}");
            assert!(open(&old(), "shop", &id(), file[..at].to_vec()).is_err(), "cut at {at}");
        }
        assert!(open(&old(), "shop", &id(), [&file[..], &[0]].concat()).is_err());
        let mut later = file;
        later[11] = b'2';
        assert_eq!(open(&old(), "shop", &id(), later), Err(NotOpened::Version));
    }

    #[test]
    fn version_1_is_read_for_ever() {
        let key = Keys::of([std::array::from_fn(|n| n as u8)]);
        let sample = include_bytes!("samples/form-1.sealed");
        let content = open(&key, "shop", &id(), sample.to_vec()).unwrap();
        assert_eq!(content, include_bytes!("samples/form-1.record"));
        // And written in the same way, as long as it is the version that is written.
        let again = seal_with(key.sealing().unwrap(), &[9; SALT], "shop", &id(), &[&content]).unwrap();
        assert_eq!(again, sample);
    }

    proptest! {
        #[test]
        fn whatever_is_in_a_file_nothing_but_what_was_sealed_opens(
            content in proptest::collection::vec(any::<u8>(), 0..3000),
            noise in proptest::collection::vec(any::<u8>(), 0..300),
            at in any::<proptest::sample::Index>(),
        ) {
            let file = seal(&old(), "shop", &id(), &[&content]).unwrap();
            let at = at.index(file.len());
            let mut other = file.clone();
            other.splice(at..(at + noise.len()).min(file.len()), noise.iter().copied());
            let opened = open(&old(), "shop", &id(), other.clone());
            prop_assert_eq!(opened.is_ok(), other == file);
            prop_assert_eq!(open(&old(), "shop", &id(), file).unwrap(), content);
            prop_assert!(open(&old(), "shop", &id(), noise).is_err());
        }
    }
}
