//! A list of origins in the store: TOML as in a file, and below it, where the deployment has a key, a comment with its signature.
//! So it is one object, which is replaced in one step, and people can still read it.

use super::fault::{FaultKind, StoreFault};
use super::signature::{Signed, Signer};

/// What begins the last line.
const MARK: &str = "# signature ";
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

/// The object for a list.
pub fn write(name: &str, text: &str, seal: &dyn Seal) -> Vec<u8> {
    // an old signature is not part of what is signed anew
    let mut text = bare(text.as_bytes()).0.to_vec();
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    if let Some(signature) = seal.sign(name, &text) {
        text.extend_from_slice(format!("{MARK}{signature}\n").as_bytes());
    }
    text
}

/// The list in an object.
///
/// # Errors
/// When it is not signed and must be, or its signature is wrong.
pub fn read<'a>(name: &str, object: &'a [u8], seal: &dyn Seal) -> Result<&'a [u8], StoreFault> {
    let (text, signature) = bare(object);
    if !seal.is_needed() {
        return Ok(text);
    }
    let refused = |why: &str| Err(StoreFault::new(FaultKind::Damaged, format!("{name} {why}")));
    match signature {
        None => refused("is not signed"),
        Some(signature) if seal.is_right(name, text, signature) => Ok(text),
        Some(_) => refused("has a wrong signature"),
    }
}

/// The text without its last line, if that is a signature.
fn bare(object: &[u8]) -> (&[u8], Option<&str>) {
    let trimmed = object.trim_ascii_end();
    let begin = trimmed.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    match std::str::from_utf8(&trimmed[begin..]).ok().and_then(|line| line.strip_prefix(MARK)) {
        Some(signature) => (&object[..begin], Some(signature.trim())),
        None => (object, None),
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
        let object = write("shop.toml", LIST, &Counting);
        assert_eq!(read("shop.toml", &object, &Counting), Ok(LIST.as_bytes()));
        assert_eq!(read("shop.toml", &object, &Signer::default()), Ok(LIST.as_bytes()));
        let text = String::from_utf8(object.clone()).unwrap();
        assert!(text.starts_with(LIST) && text.lines().last().unwrap().starts_with("# "));
        let other = text.replace("203.0.113.10", "203.0.113.66");
        let appended = format!("{text}[[origin]]\nurl = \"http://203.0.113.66\"\n");
        for (name, object) in [
            ("shop.toml", other.as_bytes()),
            ("shop.toml", appended.as_bytes()),
            ("shop.toml", LIST.as_bytes()),
            ("shop.toml", b"".as_slice()),
            ("blog.toml", object.as_slice()),
        ] {
            let fault = read(name, object, &Counting).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Damaged, "{fault}");
        }
    }

    #[test]
    fn a_list_that_is_written_again_has_one_signature() {
        let once = String::from_utf8(write("a.toml", LIST, &Counting)).unwrap();
        assert_eq!(write("a.toml", &once, &Counting), once.as_bytes());
        assert_eq!(write("a.toml", &once, &Signer::default()), LIST.as_bytes());
        assert_eq!(write("a.toml", LIST.trim_end(), &Signer::default()), LIST.as_bytes());
        assert_eq!(write("a.toml", "", &Signer::default()), b"");
        assert_eq!(read("a.toml", &write("a.toml", "", &Counting), &Counting), Ok(&b""[..]));
    }
}
