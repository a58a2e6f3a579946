//! Decodes a body as it was on the wire: the chunks of HTTP/1.1, and content codings.
//!
//! Tools that make archives often note the fields as they came and the body as they had it, unpacked. So a coding is only
//! undone where the body begins as one in that coding does.

use std::io::{self, BufRead, BufReader, Read};

use http::HeaderMap;
use http::header::TRANSFER_ENCODING;

use super::bounds::Unfit;
use crate::http::coding::{self, Coding, Decoded, Foreign};

/// Bytes of the line before a chunk.
const LINE: usize = 4096;

/// A body as a visitor has it, and whether a content coding was taken off.
type Plain<'a> = (Box<dyn Read + 'a>, bool);

/// The body as a visitor has it, and whether a content coding was taken off.
pub(super) fn plain<'a>(
    headers: &HeaderMap,
    body: impl BufRead + 'a,
) -> io::Result<Result<Plain<'a>, Foreign>> {
    let codings = match coding::of(headers) {
        Ok(codings) => codings,
        Err(foreign) => return Ok(Err(foreign)),
    };
    let mut body: Box<dyn BufRead + 'a> = Box::new(body);
    let chunked = headers
        .get_all(TRANSFER_ENCODING)
        .iter()
        .any(|value| value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains("chunked")));
    if chunked && is_chunked(body.fill_buf()?) {
        body = Box::new(BufReader::new(Chunks { inner: body, left: 0, begun: false, ended: false }));
    }
    let mut unpacked = false;
    for coding in codings.into_iter().rev() {
        let start = body.fill_buf()?;
        let zlib = start.len() > 1
            && start[0] & 0x0F == 8
            && u16::from_be_bytes([start[0], start[1]]).is_multiple_of(31);
        let is_coded = match coding {
            Coding::Gzip => start.starts_with(b"\x1f\x8b"),
            Coding::Zstd => start.starts_with(b"\x28\xB5\x2F\xFD"),
            // Bare deflate and Brotli have no mark; text that was unpacked already has: it is text.
            Coding::Deflate => zlib || !is_text(start),
            Coding::Brotli => !is_text(start),
        };
        if !is_coded || start.is_empty() {
            continue;
        }
        unpacked = true;
        body = Box::new(BufReader::new(Decoded::new(body, &[coding])));
    }
    Ok(Ok((Box::new(body), unpacked)))
}

/// Whether it begins as pages, styles and scripts do.
fn is_text(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
    let head = &start[..start.len().min(64)];
    !head.is_empty() && head.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
}

fn is_chunked(start: &[u8]) -> bool {
    let digits = start.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    (1..=16).contains(&digits) && start.get(digits).is_some_and(|b| matches!(b, b'\r' | b'\n' | b';' | b' '))
}

/// The content of chunks (RFC 9112 section 7.1).
struct Chunks<R> {
    inner: R,
    left: u64,
    begun: bool,
    ended: bool,
}

impl<R: BufRead> Chunks<R> {
    fn next(&mut self) -> io::Result<()> {
        if self.begun && !self.line()?.is_empty() {
            return Err(Unfit::Damaged.io());
        }
        self.begun = true;
        let line = self.line()?;
        let size = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        let size = std::str::from_utf8(size).ok().and_then(|size| u64::from_str_radix(size, 16).ok());
        self.left = size.ok_or_else(|| Unfit::Damaged.io())?;
        self.ended = self.left == 0;
        Ok(())
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        line(&mut self.inner, LINE)?.ok_or_else(|| Unfit::Short.io())
    }
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.ended {
            self.next()?;
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        if self.ended || most == 0 {
            return Ok(0);
        }
        let read = self.inner.read(&mut out[..most])?;
        self.left -= read as u64;
        if read == 0 { Err(Unfit::Short.io()) } else { Ok(read) }
    }
}

/// A line of at most `most` bytes, without its end; `None` at the end of all.
pub(super) fn line(from: &mut dyn BufRead, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = from.take(most as u64 + 2).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(if read > most { Unfit::Fields.io() } else { Unfit::Short.io() });
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PAGE: &[u8] = b"<!doctype html><title>a page of some length, a page of some length</title>";
    /// `PAGE` in Brotli: one stored block.
    fn brotli() -> Vec<u8> {
        // window of 16 bits; a block of 74 bytes, not the last one, not packed; then an empty last block
        let mut out = vec![];
        let len = PAGE.len() as u32 - 1;
        // bits: WBITS 0 | ISLAST 0 | MNIBBLES 00 | MLEN-1 in 16 bits | ISUNCOMPRESSED 1
        let bits: u32 = len << 4 | 1 << 20;
        out.extend_from_slice(&bits.to_le_bytes()[..3]);
        out.extend_from_slice(PAGE);
        out.push(3);
        out
    }

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect()
    }

    fn read(lines: &[(&'static str, &'static str)], body: &[u8]) -> Result<(Vec<u8>, bool), Option<Unfit>> {
        let (mut reader, unpacked) =
            plain(&fields(lines), body).map_err(|e| Unfit::of(&e))?.map_err(|_| None)?;
        let mut out = Vec::new();
        reader.read_to_end(&mut out).map_err(|e| Unfit::of(&e))?;
        Ok((out, unpacked))
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut e = GzEncoder::new(Vec::new(), Compression::default());
        e.write_all(plain).unwrap();
        e.finish().unwrap()
    }

    fn chunked(body: &[u8], size: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for chunk in body.chunks(size) {
            write!(out, "{:x};ext=1\r\n", chunk.len()).unwrap();
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
        out
    }

    #[test]
    fn codings_are_taken_off() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(PAGE).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::default());
        bare.write_all(PAGE).unwrap();
        const CHUNKED: (&str, &str) = ("transfer-encoding", "Chunked");
        for (lines, body, unpacked) in [
            (&[][..], PAGE.to_vec(), false),
            (&[CHUNKED], chunked(PAGE, 7), false),
            (&[("content-encoding", "gzip")], gzip(PAGE), true),
            (&[("content-encoding", "X-Gzip"), CHUNKED], chunked(&gzip(PAGE), 5), true),
            (&[("content-encoding", "gzip, gzip")], gzip(&gzip(PAGE)), true),
            (&[("content-encoding", "deflate")], zlib.finish().unwrap(), true),
            (&[("content-encoding", "deflate")], bare.finish().unwrap(), true),
            (&[("content-encoding", "br")], brotli(), true),
            (&[("content-encoding", "zstd")], zstd::encode_all(PAGE, 3).unwrap(), true),
            (&[("content-encoding", "gzip, zstd")], zstd::encode_all(&gzip(PAGE)[..], 3).unwrap(), true),
            // unpacked before they were stored
            (&[("content-encoding", "gzip"), CHUNKED], PAGE.to_vec(), false),
            (&[("content-encoding", "br")], PAGE.to_vec(), false),
        ] {
            assert_eq!(read(lines, &body), Ok((PAGE.to_vec(), unpacked)), "{lines:?}");
        }
        assert_eq!(read(&[("content-encoding", "compress")], PAGE), Err(None));
        assert_eq!(read(&[CHUNKED], &chunked(PAGE, 7)[..40]), Err(Some(Unfit::Short)));
        assert_eq!(read(&[("content-encoding", "gzip")], &gzip(PAGE)[..30]), Err(Some(Unfit::Short)));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200), coding in 0usize..4) {
            let lines = [("content-encoding", ["gzip", "deflate", "br", "zstd"][coding]), ("transfer-encoding", "chunked")];
            let _ = read(&lines, &body);
        }

        #[test]
        fn chunks_come_together(body in proptest::collection::vec(any::<u8>(), 1..300), size in 1usize..50) {
            prop_assert_eq!(read(&[("transfer-encoding", "chunked")], &chunked(&body, size)), Ok((body, false)));
        }
    }
}
