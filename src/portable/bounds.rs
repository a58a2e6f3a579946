//! The limits of an archive, and why one is refused: every count, size and name in it comes from somebody else.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use crate::http::coding::DecodeError;

/// Files, or captures, that an archive may hold.
pub(super) const ENTRIES: u64 = 5_000_000;
/// Bytes of a name.
pub(super) const NAME: usize = 4096;
/// Bytes of one body, unpacked.
pub(super) const BODY: u64 = 1 << 40;
/// Folders within folders.
pub(super) const DEPTH: usize = 128;

/// Bytes that anything may unpack to.
const FREE: u64 = 16 << 20;
/// Beyond that: how many times as large as what was read it may become. Pages repeat themselves, though rarely more
/// than fifty times; what is made to fill disks goes to the format's limit of about a thousand.
const RATIO: u64 = 250;

/// Why something in an archive was not accepted. Each says what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It grows beyond measure.
    #[error(
        "unpacks to more than 250 times its size; if it is no trap, unpack it yourself and import the result"
    )]
    Bomb,
    /// The file is cut.
    #[error("ends early; get the whole file again")]
    Short,
    /// It is not what it says.
    #[error("is damaged; get the file again")]
    Damaged,
    /// Its name leads elsewhere.
    #[error("has a name that leads out of the archive; take it out of the archive, and import again")]
    Escapes,
    /// A link or a device.
    #[error("is a link or a device; unpack the archive yourself and import the folder")]
    Special,
    /// The name is longer than a real one.
    #[error("has a name that is longer than any real one; take it out of the archive, and import again")]
    LongName,
    /// The size is larger than one file may be.
    #[error(
        "says that it is larger than a file may be (1 TiB); take it out of the archive, and import again"
    )]
    Huge,
    /// Two files of one name.
    #[error("is in the archive twice; unpack the archive yourself and import the folder")]
    Twice,
    /// More files than a site has.
    #[error("is beyond the limit of five million files; import the archive in parts")]
    TooMany,
    /// The archive is packed more than once.
    #[error("is an archive within an archive; unpack the outer one yourself and import what comes out")]
    Nested,
    /// No WARC record begins where one should: a wrong Content-Length before it, or another kind of file.
    #[error(
        "does not begin as a WARC record does: the one before it has a wrong length, or this is no WARC file"
    )]
    NotARecord,
    /// The fields before a record are not what they should be.
    #[error("has header fields that cannot be read; get the file again")]
    Fields,
    /// Its content is not what its digest says.
    #[error("does not match its digest; export it again")]
    Digest,
}

impl Unfit {
    /// As an error of a reader.
    pub(super) fn io(self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, self)
    }

    /// What an error of a reader says about what was read; `None` when it is about the disk.
    pub(super) fn of(error: &io::Error) -> Option<Unfit> {
        let ours = error.get_ref().and_then(|inner| inner.downcast_ref::<Unfit>()).copied();
        let is = |kinds: &[io::ErrorKind]| kinds.contains(&error.kind());
        let damaged = [io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput, io::ErrorKind::Other];
        let bomb = error.get_ref().and_then(|inner| inner.downcast_ref::<DecodeError>());
        let bomb = bomb.filter(|error| **error == DecodeError::Bomb).map(|_| Unfit::Bomb);
        ours.or(bomb)
            .or(is(&[io::ErrorKind::UnexpectedEof]).then_some(Unfit::Short))
            .or(is(&damaged).then_some(Unfit::Damaged))
    }
}

/// Counts what is read through it.
pub(super) struct Counted<R> {
    inner: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Counted<R> {
    pub(super) fn new(inner: R) -> (Counted<R>, Rc<Cell<u64>>) {
        let read = Rc::new(Cell::new(0));
        (Counted { inner, read: Rc::clone(&read) }, read)
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.read.set(self.read.get() + read as u64);
        Ok(read)
    }
}

/// What is being unpacked, as long as it stays in proportion to what it is made of.
pub(super) struct Unpacked<R> {
    inner: R,
    packed: Rc<Cell<u64>>,
    made: u64,
}

impl<R: Read> Unpacked<R> {
    /// `packed` counts what `inner` reads.
    pub(super) fn new(inner: R, packed: Rc<Cell<u64>>) -> Unpacked<R> {
        Unpacked { inner, packed, made: 0 }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.made += read as u64;
        let most = FREE.max(self.packed.get().saturating_mul(RATIO));
        if self.made > most { Err(Unfit::Bomb.io()) } else { Ok(read) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::read::MultiGzDecoder;
    use flate2::write::GzEncoder;

    use super::*;

    fn unpacked(plain: &mut dyn Read) -> io::Result<u64> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        io::copy(plain, &mut packed).unwrap();
        let (counted, count) = Counted::new(io::Cursor::new(packed.finish().unwrap()));
        io::copy(&mut Unpacked::new(MultiGzDecoder::new(counted), count), &mut io::sink())
    }

    #[test]
    fn what_grows_beyond_measure_is_put_down() {
        let bomb = unpacked(&mut io::repeat(0).take(FREE + (1 << 20))).unwrap_err();
        assert_eq!(Unfit::of(&bomb), Some(Unfit::Bomb));
        assert_eq!(unpacked(&mut io::repeat(0).take(1 << 20)).unwrap(), 1 << 20);
        let mut page = Vec::new();
        for i in 0..550_000u32 {
            write!(page, "<li><a href=\"/page/{i}\">a page</a>").unwrap();
        }
        assert!(page.len() as u64 > FREE, "an honest page of {}", page.len());
        assert_eq!(unpacked(&mut &page[..]).unwrap(), page.len() as u64);
    }
}
