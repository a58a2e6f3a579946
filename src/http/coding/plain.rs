//! A body as its reader sees it: the content codings taken off, no further than is looked at.

use std::borrow::Cow;

use http::HeaderMap;

use super::{Decoder, of};

/// A body, or the beginning of one, without its codings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain<'a> {
    /// The bytes.
    pub bytes: Cow<'a, [u8]>,
    /// Whether that is all that what came holds.
    pub all: bool,
    /// Whether what came is damaged, or ends before its coding says that it does.
    pub broken: bool,
}

/// The body in `coded`, cut at `most` bytes if it is in a coding. What is damaged or ends short gives what can be read of it,
/// as it does in a browser. `None` if it is in a coding that is not read here.
pub fn plain<'a>(headers: &HeaderMap, coded: &'a [u8], most: usize) -> Option<Plain<'a>> {
    let codings = of(headers).ok()?;
    if codings.is_empty() {
        return Some(Plain { bytes: Cow::Borrowed(coded), all: true, broken: false });
    }
    let mut decoder = Decoder::new(&codings);
    let (mut input, mut bytes, mut piece) = (coded, Vec::new(), [0; 8 * 1024]);
    let mut is_damaged = false;
    while bytes.len() <= most {
        match decoder.pull(&mut input, &mut piece) {
            Ok(0) => break,
            Ok(made) => bytes.extend_from_slice(&piece[..made]),
            Err(_) => {
                is_damaged = true;
                break;
            }
        }
    }
    let all = bytes.len() <= most;
    bytes.truncate(most);
    let broken = is_damaged || (all && !decoder.is_whole());
    Some(Plain { bytes: Cow::Owned(bytes), all, broken })
}
