//! Every coding, in pieces of every size: whole, cut, with tails, and as a bomb.

use std::io::{self, Read, Write as _};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;

const TEXT: &[u8] = b"a page, a page, a page, a page, and another page";

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut e = GzEncoder::new(Vec::new(), Compression::default());
    e.write_all(plain).unwrap();
    e.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut e = ZlibEncoder::new(Vec::new(), Compression::default());
    e.write_all(plain).unwrap();
    e.finish().unwrap()
}

fn bare(plain: &[u8]) -> Vec<u8> {
    let mut e = DeflateEncoder::new(Vec::new(), Compression::default());
    e.write_all(plain).unwrap();
    e.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).unwrap()
}

/// Stored blocks of at most 65,536 bytes, with a window of 16 bits.
fn brotli(plain: &[u8]) -> Vec<u8> {
    let mut bits: Vec<bool> = vec![false]; // WBITS
    let mut out = Vec::new();
    for block in plain.chunks(65_536) {
        // ISLAST 0, MNIBBLES 00, MLEN-1 in 16 bits, ISUNCOMPRESSED 1, then to the next byte
        let length = block.len() - 1;
        bits.extend([false, false, false]);
        bits.extend((0..16).map(|bit| length >> bit & 1 == 1));
        bits.push(true);
        out.extend(bytes(&bits));
        bits.clear();
        out.extend_from_slice(block);
    }
    bits.extend([true, true]);
    out.extend(bytes(&bits));
    out
}

fn bytes(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).map(byte).collect()
}

fn headers(coding: &str) -> HeaderMap {
    [(CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap())].into_iter().collect()
}

fn pushed(codings: &[Coding], body: &[u8], chunk: usize) -> Result<Vec<u8>, DecodeError> {
    let (mut decoder, mut out) = (Decoder::new(codings), Vec::new());
    for part in body.chunks(chunk) {
        decoder.push(part, |piece| {
            out.extend_from_slice(piece);
            Ok::<_, DecodeError>(())
        })?;
    }
    if decoder.is_whole() { Ok(out) } else { Err(DecodeError::Damaged) }
}

#[test]
fn codings_are_told_from_what_is_none() {
    use Coding as C;
    for (field, codings) in [
        ("gzip", Ok(vec![C::Gzip])),
        ("X-GZIP", Ok(vec![C::Gzip])),
        ("deflate, br", Ok(vec![C::Deflate, C::Brotli])),
        ("zstd", Ok(vec![C::Zstd])),
        ("gzip, identity", Ok(vec![C::Gzip])),
        ("identity", Ok(vec![])),
        ("", Ok(vec![])),
        ("none", Ok(vec![])),
        ("UTF-8", Ok(vec![])),
        ("binary", Ok(vec![])),
        ("8bit", Ok(vec![])),
        ("text/html", Ok(vec![])),
        ("compress", Err(Foreign)),
        ("gzip, dcb", Err(Foreign)),
        ("gzip, gzip, gzip, gzip", Err(Foreign)),
    ] {
        assert_eq!(of(&headers(field)), codings, "{field}");
    }
    assert_eq!(of(&HeaderMap::new()), Ok(vec![]));
    let mut named = headers("none");
    clean(&mut named);
    assert!(named.is_empty());
    for kept in ["gzip", "none, br", "compress"] {
        let mut named = headers(kept);
        clean(&mut named);
        assert_eq!(named[CONTENT_ENCODING], kept);
    }
}

#[test]
fn each_coding_is_taken_off_and_several_are() {
    for (coding, coded) in [
        ("gzip", gzip(TEXT)),
        ("deflate", zlib(TEXT)),
        ("deflate", bare(TEXT)),
        ("br", brotli(TEXT)),
        ("zstd", zstd(TEXT)),
        ("gzip, zstd", zstd(&gzip(TEXT))),
        ("br, gzip", gzip(&brotli(TEXT))),
        ("gzip, gzip, gzip", gzip(&gzip(&gzip(TEXT)))),
        ("none", TEXT.to_vec()),
    ] {
        let plain = plain(&headers(coding), &coded, 1000).unwrap();
        assert_eq!((&*plain.bytes, plain.all, plain.broken), (TEXT, true, false), "{coding}");
        let codings = of(&headers(coding)).unwrap();
        for chunk in [1, 7, 1000] {
            assert_eq!(pushed(&codings, &coded, chunk).as_deref(), Ok(TEXT), "{coding} by {chunk}");
        }
        let mut read = Vec::new();
        Decoded::new(&coded[..], &codings).read_to_end(&mut read).unwrap();
        assert_eq!(read, TEXT, "{coding}");
    }
    assert_eq!(plain(&headers("compress"), TEXT, 1000), None);
    let empty = plain(&headers("gzip"), b"", 9).unwrap();
    assert_eq!((&*empty.bytes, empty.broken), (&b""[..], false), "as answers without a body say it");
}

#[test]
fn what_stands_behind_the_data_is_passed_over() {
    let gz = gzip(TEXT);
    for (name, codings, coded) in [
        ("gzip with a tail", &[Coding::Gzip][..], [&gz[..], b"<!-- cached -->"].concat()),
        ("gzip with zeros", &[Coding::Gzip], [&gz[..], &[0; 700]].concat()),
        ("gzip without a trailer", &[Coding::Gzip], gz[..gz.len() - 8].to_vec()),
        ("gzip with half a trailer", &[Coding::Gzip], gz[..gz.len() - 3].to_vec()),
        ("deflate with a tail", &[Coding::Deflate], [&zlib(TEXT)[..], b"tail"].concat()),
        ("Brotli with a tail", &[Coding::Brotli], [&brotli(TEXT)[..], b"tail"].concat()),
        ("zstd with a tail", &[Coding::Zstd], [&zstd(TEXT)[..], b"tail"].concat()),
    ] {
        for chunk in [1, 11, 10_000] {
            assert_eq!(pushed(codings, &coded, chunk).as_deref(), Ok(TEXT), "{name}, by {chunk}");
        }
    }
    let two = [gzip(b"one "), gzip(b"two")].concat();
    assert_eq!(pushed(&[Coding::Gzip], &two, 7).unwrap(), b"one two");
    let two = [zstd(b"one "), zstd(b"two")].concat();
    assert_eq!(pushed(&[Coding::Zstd], &two, 7).unwrap(), b"one two");
}

#[test]
fn headers_of_gzip_may_have_everything() {
    let data = bare(TEXT);
    let full = [b"\x1f\x8b\x08\x1e\0\0\0\0\0\xff\x03\0abcname\0comment\0cs", &data[..]].concat();
    assert_eq!(pushed(&[Coding::Gzip], &full, 2).as_deref(), Ok(TEXT));
}

#[test]
fn what_ends_short_is_damaged_and_gives_what_it_has() {
    let long: Vec<u8> = (0..3000u32).flat_map(|i| (i * i).to_le_bytes()).collect();
    for (name, coding, coded, trailer) in [
        ("gzip", Coding::Gzip, gzip(&long), 8),
        ("zlib", Coding::Deflate, zlib(&long), 4),
        ("bare", Coding::Deflate, bare(&long), 0),
        ("br", Coding::Brotli, brotli(&long), 0),
        ("zstd", Coding::Zstd, zstd(&long), 0),
    ] {
        assert_eq!(pushed(&[coding], &coded, 100).as_deref(), Ok(&long[..]), "{name}");
        let end = coded.len() - trailer;
        for cut in [1, 2, 11, end / 2, end - 1] {
            assert_eq!(
                pushed(&[coding], &coded[..cut], 64),
                Err(DecodeError::Damaged),
                "{name} cut at {cut}"
            );
        }
        assert_eq!(pushed(&[coding], b"", 1), Ok(Vec::new()), "{name} empty");
    }
    assert_eq!(pushed(&[Coding::Gzip], b"<html>not packed at all", 8), Err(DecodeError::Damaged));
    let coded = gzip(&long);
    let part = plain(&headers("gzip"), &coded[..4000], 100_000).unwrap();
    assert!(long.starts_with(&part.bytes) && part.bytes.len() > 1000 && part.broken);
    let none = plain(&headers("gzip"), b"not packed at all", 9).unwrap();
    assert_eq!((&*none.bytes, none.broken), (&b""[..], true));
    let mut read = Vec::new();
    let error = Decoded::new(&coded[..4000], &[Coding::Gzip]).read_to_end(&mut read).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn bombs_are_put_out_early_wherever_they_are() {
    let zeros = vec![0; FREE as usize * 2];
    let skipped = [&b"\x50\x2A\x4D\x18\xFF\xFF\xFF\xFF"[..], &zeros].concat();
    for (name, codings, body) in [
        ("gzip", &[Coding::Gzip][..], gzip(&zeros)),
        ("zlib", &[Coding::Deflate], zlib(&zeros)),
        ("zstd", &[Coding::Zstd], zstd(&zeros)),
        ("zstd in gzip", &[Coding::Zstd, Coding::Gzip], gzip(&zstd(&zeros))),
        ("one that the next layer passes over", &[Coding::Zstd, Coding::Gzip], gzip(&skipped)),
    ] {
        let (mut decoder, mut made) = (Decoder::new(codings), 0);
        let result = body.chunks(1000).try_for_each(|part| {
            decoder.push(part, |piece| {
                made += piece.len();
                Ok::<_, DecodeError>(())
            })
        });
        assert_eq!(result, Err(DecodeError::Bomb), "{name}");
        assert!(made <= FREE as usize + PIECE, "{name}: {made}");
    }
    let bomb = gzip(&zeros);
    let cut = plain(&headers("gzip"), &bomb, 100_000).unwrap();
    assert_eq!((cut.bytes.len(), cut.all, cut.broken), (100_000, false, false));
}

#[test]
fn windows_beyond_eight_mebibytes_are_refused() {
    // RFC 8878 section 3.1.1.1.2: a frame without a size, and a window of 8 MiB or 16
    let frame = |window: u8| [b"\x28\xB5\x2F\xFD\x00", &[window << 3][..], b"\x21\0\0page"].concat();
    assert_eq!(pushed(&[Coding::Zstd], &frame(13), 99).as_deref(), Ok(&b"page"[..]));
    assert_eq!(pushed(&[Coding::Zstd], &frame(14), 99), Err(DecodeError::Damaged));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_packed_comes_back(plain in proptest::collection::vec(any::<u8>(), 0..5000), chunk in 1usize..200, kind in 0usize..5) {
        use Coding as C;
        let (coded, codings) = match kind {
            0 => (gzip(&plain), vec![C::Gzip]),
            1 => (bare(&plain), vec![C::Deflate]),
            2 => (zstd(&plain), vec![C::Zstd]),
            3 => (brotli(&plain), vec![C::Brotli]),
            _ => (gzip(&zstd(&plain)), vec![C::Zstd, C::Gzip]),
        };
        // a bare stream may begin as zlib's frame does; no server's does
        prop_assume!(kind != 1 || coded[0] & 0x0F != 8);
        prop_assert_eq!(pushed(&codings, &coded, chunk), Ok(plain));
    }

    #[test]
    fn garbage_is_refused_or_decoded_within_bounds(body in proptest::collection::vec(any::<u8>(), 0..300), magic in 0usize..3) {
        let magic = [&b""[..], b"\x1f\x8b\x08", b"\x28\xB5\x2F\xFD"][magic];
        let body = [magic, &body[..]].concat();
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd] {
            let _ = pushed(&[coding], &body, 50);
            let _ = pushed(&[Coding::Gzip, coding], &body, 50);
        }
    }
}
