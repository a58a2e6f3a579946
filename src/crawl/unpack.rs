//! Unpacks a body that came packed though it was asked for plain, chunk by chunk and within bounds.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};

use super::admission::Coding;

/// What a body may grow to, as a multiple of what has come, once it is beyond [`FREE`].
const RATIO: u64 = 300;
/// Bytes that any body may unpack to.
const FREE: u64 = 8 * 1024 * 1024;
/// Packed bytes that are looked at in one step: at most 4 MiB come out of them.
const STEP: usize = 4096;

/// A body could not be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnpackError {
    /// It is damaged or ends short.
    #[error("the body is packed wrongly or ends short")]
    Damaged,
    /// It grows beyond measure.
    #[error("the body unpacks to far more than it is")]
    Bomb,
}

enum Inner {
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Deflate { inflate: Option<Box<Decompress>>, ended: bool },
}

/// One body being unpacked.
pub(super) struct Unpack {
    inner: Inner,
    read: u64,
    made: u64,
}

impl Unpack {
    /// Begins a body.
    pub(super) fn new(coding: Coding) -> Unpack {
        let inner = match coding {
            Coding::Identity => Inner::Plain,
            Coding::Gzip => Inner::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Coding::Deflate => Inner::Deflate { inflate: None, ended: false },
        };
        Unpack { inner, read: 0, made: 0 }
    }

    /// Unpacks `chunk` and hands what comes out to `out`, piece by piece.
    ///
    /// # Errors
    /// See [`UnpackError`].
    pub(super) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), UnpackError> {
        if matches!(self.inner, Inner::Plain) {
            out.extend_from_slice(chunk);
            return Ok(());
        }
        for step in chunk.chunks(STEP) {
            let before = out.len();
            self.step(step, out)?;
            self.read += step.len() as u64;
            self.made += (out.len() - before) as u64;
            if self.made > FREE && self.made > self.read.saturating_mul(RATIO) {
                return Err(UnpackError::Bomb);
            }
        }
        Ok(())
    }

    /// Ends the body: what is left, if it has come whole.
    ///
    /// # Errors
    /// [`UnpackError::Damaged`].
    pub(super) fn finish(self, out: &mut Vec<u8>) -> Result<(), UnpackError> {
        match self.inner {
            Inner::Plain => Ok(()),
            // An empty body, as some answer to HEAD or with a wrong field, is empty and not damaged.
            Inner::Gzip(_) | Inner::Deflate { .. } if self.read == 0 => Ok(()),
            Inner::Gzip(gzip) => {
                out.extend_from_slice(&gzip.finish().map_err(|_| UnpackError::Damaged)?);
                Ok(())
            }
            Inner::Deflate { ended: true, .. } => Ok(()),
            Inner::Deflate { ended: false, .. } => Err(UnpackError::Damaged),
        }
    }

    fn step(&mut self, step: &[u8], out: &mut Vec<u8>) -> Result<(), UnpackError> {
        match &mut self.inner {
            Inner::Plain => out.extend_from_slice(step),
            Inner::Gzip(gzip) => {
                gzip.write_all(step).and_then(|()| gzip.flush()).map_err(|_| UnpackError::Damaged)?;
                out.append(gzip.get_mut());
            }
            Inner::Deflate { ended: true, .. } => {}
            Inner::Deflate { inflate, ended } => {
                // The low half of zlib's first byte is 8; no bare stream that servers send begins so.
                let zlib = step.first().is_some_and(|b| b & 0x0F == 8);
                let inflate = inflate.get_or_insert_with(|| Box::new(Decompress::new(zlib)));
                *ended = deflate(inflate, step, out)?;
            }
        }
        Ok(())
    }
}

/// Runs one step; whether the stream has ended.
fn deflate(inflate: &mut Decompress, mut step: &[u8], out: &mut Vec<u8>) -> Result<bool, UnpackError> {
    loop {
        out.reserve(64 * 1024);
        let (read, made) = (inflate.total_in(), inflate.total_out());
        let status =
            inflate.decompress_vec(step, out, FlushDecompress::None).map_err(|_| UnpackError::Damaged)?;
        let used = (inflate.total_in() - read) as usize;
        step = &step[used.min(step.len())..];
        match status {
            Status::StreamEnd => return Ok(true),
            Status::Ok | Status::BufError => {
                let idle = used == 0 && inflate.total_out() == made;
                if idle || step.is_empty() && out.len() < out.capacity() {
                    return Ok(false);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    fn packed(coding: &str, plain: &[u8]) -> Vec<u8> {
        let level = Compression::default();
        match coding {
            "gzip" => {
                let mut e = GzEncoder::new(Vec::new(), level);
                e.write_all(plain).unwrap();
                e.finish().unwrap()
            }
            "zlib" => {
                let mut e = ZlibEncoder::new(Vec::new(), level);
                e.write_all(plain).unwrap();
                e.finish().unwrap()
            }
            _ => {
                let mut e = DeflateEncoder::new(Vec::new(), level);
                e.write_all(plain).unwrap();
                e.finish().unwrap()
            }
        }
    }

    fn unpacked(coding: Coding, body: &[u8], chunk: usize) -> Result<Vec<u8>, UnpackError> {
        let mut unpack = Unpack::new(coding);
        let mut out = Vec::new();
        for part in body.chunks(chunk) {
            unpack.push(part, &mut out)?;
        }
        unpack.finish(&mut out)?;
        Ok(out)
    }

    const KINDS: [(&str, Coding); 3] =
        [("gzip", Coding::Gzip), ("zlib", Coding::Deflate), ("bare", Coding::Deflate)];

    #[test]
    fn a_short_body_is_damaged_wherever_it_was_cut() {
        let plain: Vec<u8> = (0..3000u32).flat_map(|i| (i * i).to_le_bytes()).collect();
        for (kind, coding) in KINDS {
            let body = packed(kind, &plain);
            assert_eq!(unpacked(coding, &body, 100).as_deref(), Ok(&plain[..]), "{kind}");
            for cut in [1, 2, 11, body.len() / 2, body.len() - 1] {
                assert_eq!(
                    unpacked(coding, &body[..cut], 64),
                    Err(UnpackError::Damaged),
                    "{kind} cut at {cut}"
                );
            }
            assert_eq!(unpacked(coding, b"", 1), Ok(Vec::new()), "{kind} empty");
        }
        assert_eq!(unpacked(Coding::Gzip, b"<html>not packed at all", 8), Err(UnpackError::Damaged));
    }

    #[test]
    fn gzip_of_several_members_is_one_body() {
        let body = [packed("gzip", b"one "), packed("gzip", b"two")].concat();
        assert_eq!(unpacked(Coding::Gzip, &body, 7).unwrap(), b"one two");
    }

    #[test]
    fn bombs_are_put_out_early() {
        let plain = vec![0u8; FREE as usize + 2 * 1024 * 1024];
        for (kind, coding) in KINDS {
            let body = packed(kind, &plain);
            let mut unpack = Unpack::new(coding);
            let mut out = Vec::new();
            let ended = body.chunks(1000).try_for_each(|part| unpack.push(part, &mut out));
            assert_eq!(ended, Err(UnpackError::Bomb), "{kind}");
            assert!(out.len() < plain.len(), "{kind}: {}", out.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_packed_comes_back(plain in proptest::collection::vec(any::<u8>(), 0..5000), chunk in 1usize..200, kind in 0usize..2) {
            let (kind, coding) = KINDS[kind];
            prop_assert_eq!(unpacked(coding, &packed(kind, &plain), chunk), Ok(plain));
        }

        #[test]
        fn garbage_is_refused_or_unpacked_within_bounds(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            for coding in [Coding::Gzip, Coding::Deflate] {
                let _ = unpacked(coding, &body, 50);
            }
        }
    }
}
