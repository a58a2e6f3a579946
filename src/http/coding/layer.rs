//! One coding, one step at a time.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as Zstd, Operation as _};

use super::gzip::Gzip;
use super::{Coding, DecodeError};

/// The largest window that a zstd frame may ask for, as a power of two: 8 MiB (RFC 9659 section 3).
const WINDOW: u32 = 23;

/// What one step did.
pub(super) struct Step {
    /// Bytes read.
    pub(super) read: usize,
    /// Bytes made of them.
    pub(super) made: usize,
}

impl Step {
    pub(super) fn read(read: usize) -> Step {
        Step { read, made: 0 }
    }
}

/// A body in one coding being read.
pub(super) struct Layer {
    inner: Inner,
    end: End,
}

/// Whether the coded data has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// No.
    NotYet,
    /// Yes; more of its kind may follow.
    Whole,
    /// Yes; what follows means nothing.
    Over,
}

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

enum Inner {
    Gzip(Gzip),
    /// Made with the first byte, which tells zlib's frame from bare data.
    Deflate(Option<Box<Decompress>>),
    /// And whether it has more to give without being given more: else it takes nothing for the end of its input.
    Brotli(Box<Brotli>, bool),
    /// `None`: there was no memory for it.
    Zstd(Option<Zstd<'static>>),
}

impl Layer {
    pub(super) fn new(coding: Coding) -> Layer {
        let inner = match coding {
            Coding::Gzip => Inner::Gzip(Gzip::new()),
            Coding::Deflate => Inner::Deflate(None),
            Coding::Brotli => {
                let alloc = StandardAlloc::default;
                Inner::Brotli(Box::new(BrotliState::new(alloc(), alloc(), alloc())), false)
            }
            Coding::Zstd => Inner::Zstd(zstd_decoder()),
        };
        Layer { inner, end: End::NotYet }
    }

    /// Whether all coded data has come.
    pub(super) fn is_whole(&self) -> bool {
        self.end != End::NotYet
    }

    /// Whether nothing that follows means anything.
    pub(super) fn is_over(&self) -> bool {
        self.end == End::Over
    }

    /// Reads some of `input` into `output`. One that does nothing, though there is room, waits for more input.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, DecodeError> {
        match &mut self.inner {
            Inner::Gzip(gzip) => {
                let step = gzip.step(input, output)?;
                self.end = match (gzip.is_over(), gzip.is_whole()) {
                    (true, _) => End::Over,
                    (false, true) => End::Whole,
                    (false, false) => End::NotYet,
                };
                Ok(step)
            }
            Inner::Deflate(data) => {
                // the low half of zlib's first byte is 8; no bare stream that servers send begins so
                let zlib = input.first().is_some_and(|b| b & 0x0F == 8);
                if data.is_none() && input.is_empty() {
                    return Ok(Step::read(0));
                }
                let data = data.get_or_insert_with(|| Box::new(Decompress::new(zlib)));
                let (step, ended) = inflate(data, input, output)?;
                if ended {
                    self.end = End::Over;
                }
                Ok(step)
            }
            Inner::Brotli(_, false) if input.is_empty() => Ok(Step::read(0)),
            Inner::Brotli(state, has_more) => {
                let (step, result) = brotli(state, input, output);
                *has_more = matches!(result, BrotliResult::NeedsMoreOutput);
                match result {
                    BrotliResult::ResultSuccess => self.end = End::Over,
                    BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
                    BrotliResult::ResultFailure => return Err(DecodeError::Damaged),
                }
                Ok(step)
            }
            Inner::Zstd(decoder) => {
                let between = self.end == End::Whole;
                match input.first() {
                    None if between => return Ok(Step::read(0)),
                    // neither a frame nor one to be skipped (RFC 8878 section 3.1)
                    Some(first) if between && !matches!(first, 0x28 | 0x50..=0x5F) => {
                        self.end = End::Over;
                        return Ok(Step::read(input.len()));
                    }
                    Some(_) | None => {}
                }
                let decoder = decoder.as_mut().ok_or(DecodeError::Damaged)?;
                let status = decoder.run_on_buffers(input, output).map_err(|_| DecodeError::Damaged)?;
                self.end = if status.remaining == 0 { End::Whole } else { End::NotYet };
                Ok(Step { read: status.bytes_read, made: status.bytes_written })
            }
        }
    }
}

fn zstd_decoder() -> Option<Zstd<'static>> {
    let mut decoder = Zstd::new().ok()?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW)).ok()?;
    Some(decoder)
}

/// One step, and whether the data has ended.
pub(super) fn inflate(
    data: &mut Decompress,
    input: &[u8],
    output: &mut [u8],
) -> Result<(Step, bool), DecodeError> {
    let (read, made) = (data.total_in(), data.total_out());
    let status = data.decompress(input, output, FlushDecompress::None).map_err(|_| DecodeError::Damaged)?;
    let step = Step { read: (data.total_in() - read) as usize, made: (data.total_out() - made) as usize };
    Ok((step, status == Status::StreamEnd))
}

fn brotli(state: &mut Brotli, input: &[u8], output: &mut [u8]) -> (Step, BrotliResult) {
    let (mut available_in, mut read) = (input.len(), 0);
    let (mut available_out, mut made, mut total) = (output.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut available_in,
        &mut read,
        input,
        &mut available_out,
        &mut made,
        output,
        &mut total,
        state,
    );
    (Step { read, made }, result)
}
