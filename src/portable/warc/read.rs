//! Reads records, one after the other, from a file that nobody vouches for.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::super::bounds::{BODY, Counted, Unfit, Unpacked};
use super::super::coded::line;

/// Bytes of a record's fields together.
const BYTES: usize = 256 << 10;
/// Line breaks between two records: two, or none, or a few more.
const BREAKS: usize = 16;

/// One record, without its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Record {
    /// The first is 1.
    pub(in super::super) number: u64,
    fields: Vec<(String, String)>,
    /// The length of its block in bytes, as it says.
    pub(in super::super) len: u64,
}

impl Record {
    /// The value of its first field of this name.
    pub(in super::super) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// What it is, in lower case.
    pub(in super::super) fn kind(&self) -> String {
        self.field("WARC-Type").unwrap_or_default().to_ascii_lowercase()
    }

    /// The address that it is about; some writers put it in angle brackets.
    pub(in super::super) fn target(&self) -> Option<&str> {
        let target = self.field("WARC-Target-URI")?;
        Some(target.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(target))
    }
}

/// The records of a file.
pub(in super::super) struct Records<R> {
    inner: R,
    /// Of the block that is being read.
    left: u64,
    number: u64,
}

/// Opens a file of records, packed or not.
pub(in super::super) fn open<'a>(file: impl Read + 'a) -> io::Result<Records<Box<dyn BufRead + 'a>>> {
    let mut file = BufReader::with_capacity(64 << 10, file);
    let packed = file.fill_buf()?.starts_with(b"\x1f\x8b");
    let reader: Box<dyn BufRead + 'a> = if packed {
        let (counted, count) = Counted::new(file);
        let unpacked = MultiGzDecoder::new(BufReader::with_capacity(64 << 10, counted));
        Box::new(BufReader::with_capacity(64 << 10, Unpacked::new(unpacked, count)))
    } else {
        Box::new(file)
    };
    Ok(Records { inner: reader, left: 0, number: 0 })
}

impl<R: BufRead> Records<R> {
    /// Which record is being read; for messages.
    pub(in super::super) fn number(&self) -> u64 {
        self.number
    }

    /// The next record; what was not read of the block before it is passed over.
    pub(in super::super) fn next(&mut self) -> io::Result<Option<Record>> {
        io::copy(&mut self.block(), &mut io::sink())?;
        for _ in 0..BREAKS {
            let start = self.inner.fill_buf()?;
            let breaks = start.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            if breaks == 0 {
                break;
            }
            self.inner.consume(breaks.min(BREAKS));
        }
        let start = self.inner.fill_buf()?;
        if start.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        if start.starts_with(b"\x1f\x8b") {
            return Err(Unfit::Nested.io());
        }
        if !start.starts_with(b"W") {
            return Err(Unfit::NotARecord.io());
        }
        let version = line(&mut self.inner, BYTES)?.unwrap_or_default();
        if !version.starts_with(b"WARC/") {
            return Err(Unfit::NotARecord.io());
        }
        let fields = self.fields()?;
        let len = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Length"));
        let len: Option<u64> = len.and_then(|(_, len)| len.parse().ok());
        let len = len.ok_or_else(|| Unfit::Fields.io())?;
        if len > BODY {
            return Err(Unfit::Huge.io());
        }
        self.left = len;
        Ok(Some(Record { number: self.number, fields, len }))
    }

    fn fields(&mut self) -> io::Result<Vec<(String, String)>> {
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut room = BYTES;
        loop {
            let line = line(&mut self.inner, room)?.ok_or_else(|| Unfit::Short.io())?;
            if line.is_empty() {
                return Ok(fields);
            }
            room = room.checked_sub(line.len() + 2).ok_or_else(|| Unfit::Fields.io())?;
            let line = String::from_utf8_lossy(&line);
            if line.starts_with([' ', '\t']) {
                let (_, value) = fields.last_mut().ok_or_else(|| Unfit::Fields.io())?;
                value.push(' ');
                value.push_str(line.trim());
                continue;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| Unfit::Fields.io())?;
            fields.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }

    /// The block of the record that was read last, as far as it has not been read.
    pub(in super::super) fn block(&mut self) -> Block<'_, R> {
        Block { inner: &mut self.inner, left: &mut self.left }
    }
}

/// The block of a record. One that ends before it should is an error.
pub(in super::super) struct Block<'a, R> {
    inner: &'a mut R,
    left: &'a mut u64,
}

impl<R: BufRead> Read for Block<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Block<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if *self.left == 0 {
            return Ok(&[]);
        }
        let buffer = self.inner.fill_buf()?;
        if buffer.is_empty() {
            return Err(Unfit::Short.io());
        }
        Ok(&buffer[..usize::try_from(*self.left).unwrap_or(usize::MAX).min(buffer.len())])
    }

    fn consume(&mut self, read: usize) {
        self.inner.consume(read);
        *self.left -= read as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Option<Unfit>> {
        let mut records = open(bytes).map_err(|e| Unfit::of(&e))?;
        let mut found = Vec::new();
        while let Some(record) = records.next().map_err(|e| Unfit::of(&e))? {
            let mut block = Vec::new();
            records.block().read_to_end(&mut block).map_err(|e| Unfit::of(&e))?;
            found.push((record.kind(), block));
        }
        Ok(found)
    }

    fn record(kind: &str, len: &str, block: &str) -> String {
        format!("WARC/1.0\r\nwarc-type: {kind}\r\nX: a\r\n b\r\nCONTENT-LENGTH:{len}\r\n\r\n{block}")
    }

    #[test]
    fn records_are_read_and_lies_are_found() {
        let good = format!("{}\r\n\r\n{}\r\n\r\n", record("a", "3", "abc"), record("B", "0", ""));
        assert_eq!(
            all(good.as_bytes()),
            Ok(vec![("a".to_owned(), b"abc".to_vec()), ("b".to_owned(), vec![])])
        );
        assert_eq!(all(b""), Ok(vec![]));
        for (text, expected) in [
            (record("a", "9", "abc"), Unfit::Short),
            (format!("{}\r\n\r\n", record("a", "1", "abc")), Unfit::NotARecord),
            (record("a", "-1", "abc"), Unfit::Fields),
            (record("a", "99999999999999999999999", ""), Unfit::Fields),
            (record("a", "9999999999999", ""), Unfit::Huge),
            ("WARC/1.0\r\nno field\r\n\r\n".to_owned(), Unfit::Fields),
            ("WARC/1.0\r\nWARC-Type: x\r\n".to_owned(), Unfit::Short),
            ("WARC/1.0\r\n\r\n".to_owned(), Unfit::Fields),
            ("<html>".to_owned(), Unfit::NotARecord),
            (format!("WARC/1.0\r\n{}", "a: b\r\n".repeat(100_000)), Unfit::Fields),
        ] {
            assert_eq!(all(text.as_bytes()), Err(Some(expected)), "{}", &text[..text.len().min(60)]);
        }
    }

    #[test]
    fn what_is_packed_twice_is_refused() {
        use std::io::Write as _;
        let pack = |plain: &[u8]| {
            let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            e.write_all(plain).unwrap();
            e.finish().unwrap()
        };
        let once = pack(record("a", "3", "abc").as_bytes());
        assert_eq!(all(&[&once[..], &once[..]].concat()).map(|found| found.len()), Ok(2), "a member each");
        assert_eq!(all(&pack(&once)), Err(Some(Unfit::Nested)));
        assert_eq!(all(&once[..once.len() - 9]), Err(Some(Unfit::Short)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_records_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..120) {
            let _ = all(&bytes);
            let text = record("response", "20", "HTTP/1.1 200 OK\r\n\r\n ");
            let _ = all(&[&text.as_bytes()[..cut.min(text.len())], &bytes[..]].concat());
        }
    }
}
