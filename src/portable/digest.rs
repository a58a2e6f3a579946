//! The digests that archives name bodies by, and readers and writers that count and digest what passes.

use std::io::{self, Read, Write};

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

/// What archives of the web call a body: SHA-1 in Base32, which no one relies on against forgery.
pub(super) struct Sha1(Context);

impl Sha1 {
    pub(super) fn new() -> Sha1 {
        Sha1(Context::new(&SHA1_FOR_LEGACY_USE_ONLY))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// As WARC fields have it.
    pub(super) fn field(self) -> String {
        format!("sha1:{}", base32(self.0.finish().as_ref()))
    }
}

/// Base32 of RFC 4648 section 6, without padding: 20 bytes need none.
fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for group in bytes.chunks(5) {
        let number = (0..5).fold(0u64, |n, i| n << 8 | u64::from(group.get(i).copied().unwrap_or(0)));
        for digit in 0..(group.len() * 8).div_ceil(5) {
            text.push(char::from(DIGITS[(number >> (35 - 5 * digit)) as usize & 31]));
        }
    }
    text
}

/// Counts and digests (SHA-256) what is written through it.
pub(super) struct Tally<W> {
    inner: W,
    context: Context,
    written: u64,
}

impl<W: Write> Tally<W> {
    pub(super) fn new(inner: W) -> Tally<W> {
        Tally { inner, context: Context::new(&SHA256), written: 0 }
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// How many bytes, and their digest in hexadecimal.
    pub(super) fn finish(self) -> (u64, String) {
        (self.written, hex(self.context.finish().as_ref()))
    }
}

impl<W: Write> Write for Tally<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.context.update(&bytes[..written]);
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&SHA256, bytes).as_ref())
}

/// Lower case, two digits a byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A short name for a text: enough to tell any two apart, too long to be made on purpose.
pub(super) fn short(text: &str) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    u128::from_be_bytes(half)
}

/// Reads all of `from`, handing each chunk to `each`. Returns how much there was.
pub(super) fn each_chunk(from: &mut dyn Read, mut each: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut chunk = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(total),
            Ok(read) => {
                each(&chunk[..read]);
                total += read as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_spelled_as_archives_spell_them() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), expected, "RFC 4648 section 10: {bytes}");
        }
        assert_eq!(Sha1::new().field(), "sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ");
        let mut tally = Tally::new(Vec::new());
        tally.write_all(b"abc").unwrap();
        assert_eq!(tally.finish(), (3, sha256(b"abc")));
        assert!(sha256(b"abc").starts_with("ba7816bf8f01cfea"));
    }
}
