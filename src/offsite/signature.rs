//! Signed objects: JSON in the first line, its signature in the second. Who can write to the store but has no key cannot put a
//! page on a site with it. What is signed is said with it, so that no object passes for another one.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::forms::Keys;

/// What the keys are drawn for; see [`Keys::drawn`].
const PURPOSE: &[u8] = b"katahai 2026-11-30 signing what lies in the store";
/// What every signed message begins with.
const DOMAIN: &str = "katahai store 1";
/// What the second line begins with.
const MARK: &[u8] = b"signature ";

/// What an object is: part of what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed<'a> {
    /// A site's pointer.
    Pointer(&'a str),
    /// What makes a snapshot whole: site and id.
    Index(&'a str, &'a str),
    /// Which bodies are removed.
    Garbage,
    /// A list of origins: its name.
    List(&'a str),
    /// Who crawls.
    Lease,
    /// That an instance lives: the object's name.
    Instance(&'a str),
}

impl Signed<'_> {
    fn parts(&self) -> [&str; 3] {
        match self {
            Signed::Pointer(site) => ["pointer", site, ""],
            Signed::Index(site, id) => ["index", site, id],
            Signed::Garbage => ["garbage", "", ""],
            Signed::List(name) => ["list", name, ""],
            Signed::Lease => ["lease", "", ""],
            Signed::Instance(name) => ["instance", name, ""],
        }
    }
}

/// Why an object is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Somebody wrote it who has no key.
    #[error("it is not signed")]
    Unsigned,
    /// Somebody changed it, or signed it with another key.
    #[error("its signature is wrong, or made with a key that is not in key_file")]
    WrongSignature,
    /// It is not what it should be.
    #[error("it cannot be read")]
    Unreadable,
    /// It has a shape that this version does not know.
    #[error("a later version of Katahai wrote it; update this instance")]
    Later,
}

/// Signs and verifies; without keys it does neither. Clones are the same, also when the keys are read anew.
#[derive(Clone, Default)]
pub struct Signer(Arc<ArcSwap<Vec<hmac::Key>>>);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("keys", &self.0.load().len()).finish()
    }
}

impl Signer {
    /// Signs with the first key and accepts all of them.
    pub fn new(keys: &Keys) -> Signer {
        let drawn = keys.drawn(PURPOSE);
        let keys = drawn.iter().map(|key| hmac::Key::new(hmac::HMAC_SHA256, &**key)).collect();
        Signer(Arc::new(ArcSwap::from_pointee(keys)))
    }

    /// From now on it, with all its clones, has the keys of the other one.
    pub(super) fn become_like(&self, other: &Signer) {
        self.0.store(other.0.load_full());
    }

    /// Whether it signs.
    pub fn signs(&self) -> bool {
        !self.0.load().is_empty()
    }

    /// The object with this content.
    pub fn seal<T: Serialize>(&self, what: Signed<'_>, content: &T) -> Result<Bytes, Unusable> {
        let mut text = serde_json::to_vec(content).map_err(|_| Unusable::Unreadable)?;
        let signature = self.0.load().first().map(|key| hmac::sign(key, &message(what, &text)));
        text.push(b'\n');
        if let Some(signature) = signature {
            text.extend_from_slice(MARK);
            text.extend_from_slice(BASE64URL_NOPAD.encode(signature.as_ref()).as_bytes());
            text.push(b'\n');
        }
        Ok(text.into())
    }

    /// The signature of a text that is not wrapped up; `None` without keys.
    pub fn sign(&self, what: Signed<'_>, text: &[u8]) -> Option<String> {
        let keys = self.0.load();
        Some(BASE64URL_NOPAD.encode(hmac::sign(keys.first()?, &message(what, text)).as_ref()))
    }

    /// Whether this is the signature of such a text, by one of the keys.
    pub fn verifies(&self, what: Signed<'_>, text: &[u8], signature: &str) -> bool {
        let Ok(signature) = BASE64URL_NOPAD.decode(signature.as_bytes()) else { return false };
        let (keys, message) = (self.0.load(), message(what, text));
        keys.iter().filter(|key| hmac::verify(key, &message, &signature).is_ok()).count() > 0
    }

    /// Whether the first key has signed this object: another one may be taken away one day. Without keys, every object will do.
    pub fn is_by_first(&self, what: Signed<'_>, object: &[u8]) -> bool {
        let keys = self.0.load();
        let Some(first) = keys.first() else { return true };
        let (text, signature) = lines(object);
        let signature = signature.and_then(|written| BASE64URL_NOPAD.decode(written).ok());
        signature.is_some_and(|signature| hmac::verify(first, &message(what, text), &signature).is_ok())
    }

    /// What stands in an object, if it may be used.
    pub fn open<T: DeserializeOwned>(&self, what: Signed<'_>, object: &[u8]) -> Result<T, Unusable> {
        let (keys, (text, signature)) = (self.0.load(), lines(object));
        if !keys.is_empty() {
            let written = signature.ok_or(Unusable::Unsigned)?;
            let signature = BASE64URL_NOPAD.decode(written).map_err(|_| Unusable::WrongSignature)?;
            let message = message(what, text);
            // All of them: the time says nothing about which one it was.
            let fits = keys.iter().filter(|key| hmac::verify(key, &message, &signature).is_ok()).count();
            if fits == 0 {
                return Err(Unusable::WrongSignature);
            }
        }
        serde_json::from_slice(text).map_err(|_| Unusable::Unreadable)
    }
}

/// The text of an object, and its signature, if it has one.
fn lines(object: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut lines = object.splitn(2, |byte| *byte == b'\n');
    let text = lines.next().unwrap_or_default();
    (text, lines.next().unwrap_or_default().trim_ascii_end().strip_prefix(MARK))
}

/// What is signed: each part with its length before it, so that none can be moved into another.
fn message(what: Signed<'_>, text: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(text.len() + 64);
    let parts = std::iter::once(DOMAIN).chain(what.parts()).map(str::as_bytes);
    for part in parts.chain([text]) {
        message.extend_from_slice(&(part.len() as u64).to_be_bytes());
        message.extend_from_slice(part);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: Signed<'_> = Signed::Pointer("shop");

    fn signer(lines: usize) -> (Signer, Vec<String>) {
        let lines: Vec<String> = (0..lines).map(|_| Keys::new_line().unwrap().to_string()).collect();
        (of(&lines), lines)
    }

    fn of(lines: &[String]) -> Signer {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store.key");
        crate::disk::write_new_private(&file, lines.join("\n").as_bytes()).unwrap();
        Signer::new(&Keys::read(&file).unwrap())
    }

    #[test]
    fn what_one_signs_the_other_reads() {
        let (here, lines) = signer(2);
        let object = here.seal(SHOP, &"a\nb").unwrap();
        assert_eq!(of(&lines).open::<String>(SHOP, &object).unwrap(), "a\nb");
        // A new key on top, the old one below; and the other way round while not all have it yet.
        let newer = of(&[vec![Keys::new_line().unwrap().to_string()], lines.clone()].concat());
        assert!(newer.open::<String>(SHOP, &object).is_ok());
        assert_eq!(
            here.open::<String>(SHOP, &newer.seal(SHOP, &"x").unwrap()),
            Err(Unusable::WrongSignature)
        );
        // Which of them it was.
        assert!(here.is_by_first(SHOP, &object) && !newer.is_by_first(SHOP, &object));
        assert!(newer.is_by_first(SHOP, &newer.seal(SHOP, &"x").unwrap()));
        assert!(!here.is_by_first(SHOP, b"\"x\"\n") && Signer::default().is_by_first(SHOP, &object));
        let old_alone = of(&lines[..1]);
        assert!(old_alone.open::<String>(SHOP, &object).is_ok(), "the first signs");
        assert!(of(&lines[1..]).open::<String>(SHOP, &object).is_err());
    }

    #[test]
    fn without_keys_all_is_read_and_nothing_signed() {
        let none = Signer::default();
        let (some, _) = signer(1);
        let bare = none.seal(SHOP, &"x").unwrap();
        assert_eq!(bare, "\"x\"\n");
        assert_eq!(none.open::<String>(SHOP, &bare).unwrap(), "x");
        assert_eq!(none.open::<String>(SHOP, &some.seal(SHOP, &"x").unwrap()).unwrap(), "x");
        assert_eq!(some.open::<String>(SHOP, &bare), Err(Unusable::Unsigned));
        assert_eq!(none.open::<String>(SHOP, b""), Err(Unusable::Unreadable));
    }

    #[test]
    fn no_byte_can_be_changed_and_no_object_passes_for_another() {
        let (signer, _) = signer(1);
        let object = signer.seal(SHOP, &"content").unwrap();
        for at in 0..object.len() - 1 {
            let mut other = object.to_vec();
            other[at] ^= 1;
            assert!(signer.open::<String>(SHOP, &other).is_err(), "byte {at}");
        }
        for what in [
            Signed::Pointer("sho"),
            Signed::Index("shop", ""),
            Signed::Index("pointer", "shop"),
            Signed::Garbage,
            Signed::Lease,
            Signed::Instance("shop"),
        ] {
            assert_eq!(signer.open::<String>(what, &object), Err(Unusable::WrongSignature), "{what:?}");
        }
        assert!(format!("{signer:?}").contains("keys: 1"));
    }
}
