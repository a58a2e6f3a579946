//! Content codings (RFC 9110 section 8.4.1): which ones a body is in, which ones we read, and one decoder for everybody
//! who reads: the judging of answers, the crawler, the readers of archives.
//!
//! Read are gzip, deflate, Brotli and zstd, several of them on top of each other, too. Whatever else `Content-Encoding`
//! says is either a coding that nobody here can undo, or no coding at all: some programs write a character set there, or
//! `none`, and browsers show such a body as it is.

mod accept;
mod gzip;
mod layer;
mod plain;

use std::io::{self, BufRead, Read};

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

pub use accept::narrow;
use layer::Layer;
pub use plain::{Plain, plain};

/// Codings on top of each other that are undone.
const LAYERS: usize = 3;
/// Bytes that any body may unpack to.
const FREE: u64 = 8 * 1024 * 1024;
/// Beyond that: how many times as large as what was read it may become. Pages repeat themselves, though rarely more than
/// fifty times; what is made to fill memory and disks goes to a thousand and further.
const RATIO: u64 = 250;
/// Bytes between two layers, and of one piece that is handed on.
const PIECE: usize = 16 * 1024;

/// A content coding that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, or bare RFC 1951 as some servers send it.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878, with windows of up to 8 MiB (RFC 9659).
    Zstd,
}

impl Coding {
    /// The coding of this name, in any case.
    pub fn of_name(name: &str) -> Option<Coding> {
        const NAMES: [(&str, Coding); 5] = [
            ("gzip", Coding::Gzip),
            ("x-gzip", Coding::Gzip),
            ("deflate", Coding::Deflate),
            ("br", Coding::Brotli),
            ("zstd", Coding::Zstd),
        ];
        NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, coding)| *coding)
    }
}

/// Codings that exist and are not read here: those of IANA's registry, and those that were once in use without it.
const FOREIGN: [&str; 14] = [
    "aes128gcm",
    "bzip2",
    "compress",
    "dcb",
    "dcz",
    "exi",
    "lz4",
    "lzma",
    "pack200-gzip",
    "sdch",
    "snappy",
    "x-bzip2",
    "x-compress",
    "xz",
];

/// The body is in a coding that is not read here, or in too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is in a content coding that cannot be read")]
pub struct Foreign;

/// The codings of a body, in the order in which they were applied. None: it can be read as it is.
///
/// # Errors
/// [`Foreign`].
pub fn of(headers: &HeaderMap) -> Result<Vec<Coding>, Foreign> {
    let mut found = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        // what is not even text is the name of no coding
        for name in value.to_str().unwrap_or_default().split(',').map(str::trim) {
            if FOREIGN.iter().any(|foreign| name.eq_ignore_ascii_case(foreign)) {
                return Err(Foreign);
            }
            found.extend(Coding::of_name(name));
        }
    }
    if found.len() > LAYERS { Err(Foreign) } else { Ok(found) }
}

/// Takes the field out of an answer that is in no coding, whatever it says there.
pub fn clean(headers: &mut HeaderMap) {
    if headers.contains_key(CONTENT_ENCODING) && of(headers).is_ok_and(|codings| codings.is_empty()) {
        headers.remove(CONTENT_ENCODING);
    }
}

/// A body could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not what its coding says.
    #[error("the body does not match its content coding, or ends early")]
    Damaged,
    /// It grows beyond measure.
    #[error("the body expands to far more than its size")]
    Bomb,
}

/// One body being decoded, piece by piece and within bounds.
pub struct Decoder {
    /// The first one reads what came, the last one gives what it means.
    stages: Vec<Stage>,
    read: u64,
}

/// A layer, and what it has yet to read of the one before it.
struct Stage {
    layer: Layer,
    waiting: Vec<u8>,
    from: usize,
    made: u64,
}

impl Decoder {
    /// Begins a body in these codings, in the order in which they were applied.
    pub fn new(codings: &[Coding]) -> Decoder {
        let stage =
            |coding: &Coding| Stage { layer: Layer::new(*coding), waiting: Vec::new(), from: 0, made: 0 };
        Decoder { stages: codings.iter().rev().map(stage).collect(), read: 0 }
    }

    /// Decodes the next piece of what `input` holds into `output`, and takes what it has read off `input`. Returns the
    /// piece's length; nothing: more input is needed, or the body has ended.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn pull(&mut self, input: &mut &[u8], output: &mut [u8]) -> Result<usize, DecodeError> {
        let before = input.len();
        let most = FREE.max((self.read + before as u64).saturating_mul(RATIO));
        let made = pull(&mut self.stages, input, output, most);
        self.read += (before - input.len()) as u64;
        made
    }

    /// Decodes all of `input`, and hands on what comes of it.
    ///
    /// # Errors
    /// See [`DecodeError`], and what `sink` says.
    pub fn push<E: From<DecodeError>>(
        &mut self,
        mut input: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut piece = vec![0; PIECE];
        loop {
            match self.pull(&mut input, &mut piece)? {
                0 => return Ok(()),
                made => sink(&piece[..made])?,
            }
        }
    }

    /// Whether all that was packed has come: a body that was pushed to its end is whole. One of which not one byte came is
    /// empty, and not damaged.
    pub fn is_whole(&self) -> bool {
        let has_all = || self.stages.last().is_none_or(|last| last.layer.is_over());
        self.read == 0 || has_all() || self.stages.iter().all(|stage| stage.layer.is_whole())
    }
}

fn pull(stages: &mut [Stage], input: &mut &[u8], output: &mut [u8], most: u64) -> Result<usize, DecodeError> {
    let Some((last, before)) = stages.split_last_mut() else {
        let len = input.len().min(output.len());
        output[..len].copy_from_slice(&input[..len]);
        *input = &input[len..];
        return Ok(len);
    };
    loop {
        if last.layer.is_over() {
            // what follows the end means nothing, however much there is of it
            *input = &[];
            return Ok(0);
        }
        let step = if before.is_empty() {
            let step = last.layer.step(input, output)?;
            *input = &input[step.read..];
            step
        } else {
            if last.from == last.waiting.len() {
                last.waiting.resize(PIECE, 0);
                let len = pull(before, input, &mut last.waiting, most)?;
                last.waiting.truncate(len);
                last.from = 0;
            }
            let step = last.layer.step(&last.waiting[last.from..], output)?;
            last.from += step.read;
            step
        };
        last.made += step.made as u64;
        if last.made > most {
            return Err(DecodeError::Bomb);
        }
        if step.made > 0 || step.read == 0 {
            return Ok(step.made);
        }
    }
}

/// A body that is read decoded.
pub struct Decoded<R> {
    inner: R,
    decoder: Decoder,
}

impl<R: BufRead> Decoded<R> {
    /// Reads `inner`, which is in these codings, in the order in which they were applied.
    pub fn new(inner: R, codings: &[Coding]) -> Decoded<R> {
        Decoded { inner, decoder: Decoder::new(codings) }
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let start = self.inner.fill_buf()?;
            let (mut input, all) = (start, start.len());
            let made = self.decoder.pull(&mut input, out).map_err(io::Error::other)?;
            let read = all - input.len();
            self.inner.consume(read);
            match made {
                0 if read > 0 => {}
                0 if all == 0 && !self.decoder.is_whole() => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                0 if all > 0 => return Err(io::Error::other(DecodeError::Damaged)),
                made => return Ok(made),
            }
        }
    }
}

#[cfg(test)]
mod tests;
