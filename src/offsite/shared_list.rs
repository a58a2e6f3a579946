//! A list of origins in the store: TOML as in a file, and below it, where the deployment has a key, a comment with its generation
//! and one with the signature of all that. So it is one object, which is replaced in one step, and people can still read it. An old
//! one that somebody puts back is told by its generation.

use super::fault::{FaultKind, StoreFault};
use super::signature::{Signed, Signer};

/// What begins the last line.
const MARK: &str = "# signature ";
/// What begins the line before it.
const GENERATION: &str = "# generation ";
/// What a list may be.
pub const MOST: u64 = 1 << 20;

/// Signs and verifies for the deployment.
pub trait Seal: Send + Sync {
    /// The signature of a text under a name; `None`: the deployment has no key.
    fn sign(&self, name: &str, text: &[u8]) -> Option<String>;

    /// Whether this is the signature of a text under a name.
    fn is_right(&self, name: &str, text: &[u8], signature: &str) -> bool;

    /// Whether what is not signed is refused.
    fn is_needed(&self) -> bool;
}

impl Seal for Signer {
    fn sign(&self, name: &str, text: &[u8]) -> Option<String> {
        Signer::sign(self, Signed::List(name), text)
    }

    fn is_right(&self, name: &str, text: &[u8], signature: &str) -> bool {
        self.verifies(Signed::List(name), text, signature)
    }

    fn is_needed(&self) -> bool {
        self.signs()
    }
}

/// A list as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListText<'a> {
    /// TOML.
    pub text: &'a [u8],
    /// It grows with each list that is put there; 0: that is not said.
    pub generation: u64,
}

/// The object for a list. Its generation is said where it is signed.
pub fn write(name: &str, text: &str, generation: u64, seal: &dyn Seal) -> Vec<u8> {
    // an old signature is not part of what is signed anew
    let mut text = parts(text.as_bytes()).list.text.to_vec();
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    if !seal.is_needed() {
        return text;
    }
    text.extend_from_slice(format!("{GENERATION}{generation}\n").as_bytes());
    if let Some(signature) = seal.sign(name, &text) {
        text.extend_from_slice(format!("{MARK}{signature}\n").as_bytes());
    }
    text
}

/// The list in an object.
///
/// # Errors
/// When it is not signed and must be, or its signature is wrong.
pub fn read<'a>(name: &str, object: &'a [u8], seal: &dyn Seal) -> Result<ListText<'a>, StoreFault> {
    let Parts { list, signed, signature } = parts(object);
    if !seal.is_needed() {
        return Ok(list);
    }
    let refused = |why: &str| Err(StoreFault::new(FaultKind::Damaged, format!("{name} {why}")));
    match signature {
        None => refused("is not signed"),
        Some(signature) if seal.is_right(name, signed, signature) => Ok(list),
        Some(_) => refused("has a wrong signature"),
    }
}

/// An object, taken apart.
struct Parts<'a> {
    list: ListText<'a>,
    /// All but the signature.
    signed: &'a [u8],
    signature: Option<&'a str>,
}

fn parts(object: &[u8]) -> Parts<'_> {
    let (signed, signature) = without_last(object, MARK);
    let generation = |text: &str| text.parse::<u64>().ok();
    let list = match without_last(signed, GENERATION) {
        (text, Some(told)) if signature.is_some() && generation(told).is_some() => {
            ListText { text, generation: generation(told).unwrap_or_default() }
        }
        _ => ListText { text: signed, generation: 0 },
    };
    Parts { list, signed, signature }
}

/// A text without its last line, if that begins so, and the rest of that line.
fn without_last<'a>(text: &'a [u8], mark: &str) -> (&'a [u8], Option<&'a str>) {
    let trimmed = text.trim_ascii_end();
    let begin = trimmed.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    match std::str::from_utf8(&trimmed[begin..]).ok().and_then(|line| line.strip_prefix(mark)) {
        Some(rest) => (&text[..begin], Some(rest.trim())),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length and the name: enough to see what is signed.
    struct Counting;

    impl Seal for Counting {
        fn sign(&self, name: &str, text: &[u8]) -> Option<String> {
            Some(format!("{name}-{}", blake3::hash(text).to_hex()))
        }

        fn is_right(&self, name: &str, text: &[u8], signature: &str) -> bool {
            self.sign(name, text).as_deref() == Some(signature)
        }

        fn is_needed(&self) -> bool {
            true
        }
    }

    const LIST: &str = "[[origin]]\nurl = \"http://203.0.113.10\"\n";

    #[test]
    fn what_was_signed_is_read_and_nothing_else() {
        let object = write("shop.toml", LIST, 7, &Counting);
        let expected = ListText { text: LIST.as_bytes(), generation: 7 };
        assert_eq!(read("shop.toml", &object, &Counting), Ok(expected));
        assert_eq!(read("shop.toml", &object, &Signer::default()), Ok(expected));
        let text = String::from_utf8(object.clone()).unwrap();
        assert!(text.starts_with(LIST) && text.lines().last().unwrap().starts_with("# signature "));
        let other = text.replace("203.0.113.10", "203.0.113.66");
        let newer = text.replace("# generation 7", "# generation 8");
        let appended = format!("{text}[[origin]]\nurl = \"http://203.0.113.66\"\n");
        assert_ne!(newer, text);
        for (name, object) in [
            ("shop.toml", other.as_bytes()),
            ("shop.toml", newer.as_bytes()),
            ("shop.toml", appended.as_bytes()),
            ("shop.toml", LIST.as_bytes()),
            ("shop.toml", b"".as_slice()),
            ("blog.toml", object.as_slice()),
        ] {
            let fault = read(name, object, &Counting).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Damaged, "{fault}");
        }
        // one that was signed before generations were said
        let signature = Counting.sign("shop.toml", LIST.as_bytes()).unwrap();
        let old = format!("{LIST}# signature {signature}\n");
        let expected = ListText { text: LIST.as_bytes(), generation: 0 };
        assert_eq!(read("shop.toml", old.as_bytes(), &Counting), Ok(expected));
    }

    #[test]
    fn a_list_that_is_written_again_has_one_signature() {
        let once = String::from_utf8(write("a.toml", LIST, 1, &Counting)).unwrap();
        assert_eq!(write("a.toml", &once, 1, &Counting), once.as_bytes());
        assert_eq!(write("a.toml", &once, 2, &Counting), write("a.toml", LIST, 2, &Counting));
        assert_eq!(write("a.toml", &once, 1, &Signer::default()), LIST.as_bytes());
        assert_eq!(write("a.toml", LIST.trim_end(), 1, &Signer::default()), LIST.as_bytes());
        assert_eq!(write("a.toml", "", 1, &Signer::default()), b"");
        let empty = write("a.toml", "", 3, &Counting);
        assert_eq!(read("a.toml", &empty, &Counting), Ok(ListText { text: b"", generation: 3 }));
        // a comment of the operator's own is part of the list
        let own = format!("{LIST}# generation 9\n");
        let kept = write("a.toml", &own, 1, &Counting);
        assert_eq!(read("a.toml", &kept, &Counting), Ok(ListText { text: own.as_bytes(), generation: 1 }));
    }
}
