//! The frame of gzip (RFC 1952) around deflate, read as browsers read it: what stands behind the compressed data, its
//! check sum included, is passed over, and may be missing.

use flate2::Decompress;

use super::DecodeError;
use super::layer::{Step, inflate};

/// Bytes of a member's header: names are short, and the extra field has at most 65,535.
const HEADER: usize = 128 * 1024;
/// CRC32 and length.
const TRAILER: usize = 8;

enum At {
    /// In a member's header, with how much of it has come.
    Header(Vec<u8>),
    /// In its data.
    Data(Box<Decompress>),
    /// In its trailer, of which so many bytes have come.
    Trailer(usize),
    /// Behind everything.
    Over,
}

/// A gzip body being read.
pub(super) struct Gzip {
    at: At,
    /// Whether a member has ended.
    is_whole: bool,
}

impl Gzip {
    pub(super) fn new() -> Gzip {
        Gzip { at: At::Header(Vec::new()), is_whole: false }
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, DecodeError> {
        match &mut self.at {
            At::Header(header) => {
                let had = header.len();
                header.extend_from_slice(&input[..input.len().min(HEADER)]);
                match length(header) {
                    Length::Short if header.len() > HEADER => Err(DecodeError::Damaged),
                    Length::Short => Ok(Step::read(header.len() - had)),
                    Length::Known(length) => {
                        self.at = At::Data(Box::new(Decompress::new(false)));
                        self.is_whole = false;
                        Ok(Step::read(length - had))
                    }
                    // another member may follow, or anything
                    Length::None if self.is_whole => {
                        self.at = At::Over;
                        Ok(Step::read(input.len()))
                    }
                    Length::None => Err(DecodeError::Damaged),
                }
            }
            At::Data(data) => {
                let (step, ended) = inflate(data, input, output)?;
                if ended {
                    (self.at, self.is_whole) = (At::Trailer(0), true);
                }
                Ok(step)
            }
            At::Trailer(had) => {
                let read = input.len().min(TRAILER - *had);
                *had += read;
                if *had == TRAILER {
                    self.at = At::Header(Vec::new());
                }
                Ok(Step::read(read))
            }
            At::Over => Ok(Step::read(input.len())),
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.at, At::Over)
    }
}

/// How long a header is.
enum Length {
    Known(usize),
    /// Not all of it has come.
    Short,
    /// It is none.
    None,
}

/// Section 2.3: two bytes of magic, method, flags, six that say nothing; then an extra field, a name, a comment, a check
/// sum, as the flags say.
fn length(header: &[u8]) -> Length {
    const MAGIC: [u8; 3] = [0x1F, 0x8B, 8];
    if header.iter().zip(MAGIC).any(|(came, wanted)| *came != wanted) {
        return Length::None;
    }
    let Some(&flags) = header.get(3) else { return Length::Short };
    let mut length = 10;
    if flags & 4 != 0 {
        let Some(extra) = header.get(length..length + 2) else { return Length::Short };
        length += 2 + usize::from(u16::from_le_bytes([extra[0], extra[1]]));
    }
    for text in [8, 16] {
        if flags & text != 0 {
            let rest = header.get(length..).unwrap_or_default();
            let Some(end) = rest.iter().position(|b| *b == 0) else { return Length::Short };
            length += end + 1;
        }
    }
    if flags & 2 != 0 {
        length += 2;
    }
    if header.len() < length { Length::Short } else { Length::Known(length) }
}
