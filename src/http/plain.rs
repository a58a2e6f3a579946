//! A body as its reader sees it: the content coding taken off (RFC 9110 section 8.4.1), no further than is looked at.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// A body, or the beginning of one, without its coding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain<'a> {
    /// The bytes.
    pub bytes: Cow<'a, [u8]>,
    /// Whether that is all that what came holds.
    pub all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

/// The body in `coded`, cut at `most` bytes if it is in a coding. What is damaged or ends short gives what can be read of it,
/// as it does in a browser. `None` if it is in a coding that is not known here, or in several.
pub fn plain<'a>(headers: &HeaderMap, coded: &'a [u8], most: usize) -> Option<Plain<'a>> {
    let Some(coding) = coding(headers)? else {
        return Some(Plain { bytes: Cow::Borrowed(coded), all: true });
    };
    // The low half of zlib's first byte is 8; no bare stream that servers send begins so.
    let zlib = coded.first().is_some_and(|b| b & 0x0F == 8);
    let mut decoder: Box<dyn Read + 'a> = match coding {
        Coding::Gzip => Box::new(MultiGzDecoder::new(coded)),
        Coding::Deflate if zlib => Box::new(ZlibDecoder::new(coded)),
        Coding::Deflate => Box::new(DeflateDecoder::new(coded)),
        Coding::Brotli => Box::new(brotli_decompressor::Decompressor::new(coded, 4096)),
    };
    let mut bytes = Vec::new();
    let mut chunk = [0; 8 * 1024];
    while bytes.len() <= most {
        match decoder.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
    let all = bytes.len() <= most;
    bytes.truncate(most);
    Some(Plain { bytes: Cow::Owned(bytes), all })
}

/// The one coding; `None` if it is not known or not the only one.
fn coding(headers: &HeaderMap) -> Option<Option<Coding>> {
    let mut found = None;
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.to_str().ok()?.split(',') {
            let next = match name.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "deflate" => Coding::Deflate,
                "br" => Coding::Brotli,
                _ => return None,
            };
            if found.replace(next).is_some() {
                return None;
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;

    const TEXT: &[u8] = b"a page, a page, a page, a page, and another page";

    fn read(mut from: impl Read) -> Vec<u8> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn headers(coding: &'static str) -> HeaderMap {
        [(CONTENT_ENCODING, HeaderValue::from_static(coding))].into_iter().collect()
    }

    #[test]
    fn each_coding_is_taken_off() {
        let level = Compression::default();
        // window of 16 bits; a block of 48 bytes, not the last one, not packed; then an empty last block
        let bits = (TEXT.len() as u32 - 1) << 4 | 1 << 20;
        let brotli = [&bits.to_le_bytes()[..3], TEXT, &[3]].concat();
        for (coding, coded, plain_text) in [
            ("gzip", read(GzEncoder::new(TEXT, level)), TEXT),
            ("X-GZip", read(GzEncoder::new(TEXT, level)), TEXT),
            ("deflate", read(ZlibEncoder::new(TEXT, level)), TEXT),
            ("deflate", read(DeflateEncoder::new(TEXT, level)), TEXT),
            ("br", brotli, TEXT),
            ("identity", TEXT.to_vec(), TEXT),
            ("", TEXT.to_vec(), TEXT),
        ] {
            let plain = plain(&headers(coding), &coded, 1000).unwrap();
            assert_eq!((&*plain.bytes, plain.all), (plain_text, true), "{coding}");
        }
        for coding in ["zstd", "gzip, br", "gzip, gzip"] {
            assert_eq!(plain(&headers(coding), TEXT, 1000), None, "{coding}");
        }
    }

    #[test]
    fn a_part_gives_a_part_and_much_is_cut() {
        let coded = read(GzEncoder::new(TEXT, Compression::none()));
        let part = plain(&headers("gzip"), &coded[..coded.len() / 2], 1000).unwrap();
        assert!(TEXT.starts_with(&part.bytes) && !part.bytes.is_empty(), "{part:?}");
        assert_eq!(plain(&headers("gzip"), b"not packed at all", 9).unwrap().bytes, &b""[..]);
        let bomb = read(GzEncoder::new(std::io::repeat(b'x').take(64 << 20), Compression::fast()));
        let cut = plain(&headers("gzip"), &bomb, 100_000).unwrap();
        assert_eq!((cut.bytes.len(), cut.all), (100_000, false));
    }
}
