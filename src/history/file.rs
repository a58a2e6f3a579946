//! The history on the disk: a line that names the version, one of JSON, and a check.
//!
//! ```text
//! katahai history 1
//! {"record":{"peak":17,"at":1764550000},"minutes":[…],"days":[…],…}
//! check 0123456789abcdef0123456789abcdef
//! ```
//!
//! `check` is the BLAKE3 hash, cut, of what stands before it.

use super::Kept;

const FIRST_LINE: &str = "katahai history 1\n";
const CHECK: &str = "check ";
/// Nothing longer is read.
pub(super) const LONGEST: u64 = 2 * 1024 * 1024;

/// Why it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// It is not what was written.
    #[error("it is damaged")]
    Damaged,
    /// A later Katahai wrote it.
    #[error("it is of a later version")]
    Version,
}

/// As it is written.
pub(super) fn encode(kept: &Kept) -> String {
    let json = serde_json::to_string(kept).unwrap_or_default();
    let text = format!("{FIRST_LINE}{json}\n");
    let check = check_of(&text);
    format!("{text}{CHECK}{check}\n")
}

/// Reads it back.
///
/// # Errors
/// When it is not exactly what was written.
pub(super) fn decode(bytes: &[u8]) -> Result<Kept, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::Damaged)?;
    if text.starts_with("katahai history ") && !text.starts_with(FIRST_LINE) {
        return Err(Unreadable::Version);
    }
    let last = text.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
    let (lines, check) = text.split_at(last);
    if check != format!("{CHECK}{}\n", check_of(lines)) {
        return Err(Unreadable::Damaged);
    }
    let json = lines.strip_prefix(FIRST_LINE).ok_or(Unreadable::Damaged)?;
    let kept: Kept = serde_json::from_str(json).map_err(|_| Unreadable::Damaged)?;
    if kept.is_sound() { Ok(kept) } else { Err(Unreadable::Damaged) }
}

fn check_of(lines: &str) -> String {
    blake3::hash(lines.as_bytes()).to_hex()[..32].to_owned()
}
