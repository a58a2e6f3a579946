//! Writes records, each packed by itself if they are packed at all, so that one can be read without the others.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Where a record is in its file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Span {
    pub(in super::super) offset: u64,
    pub(in super::super) len: u64,
}

/// A file of records.
pub(in super::super) struct Writer<W: Write> {
    out: CountedWriter<W>,
    packed: bool,
}

/// One header field of a record.
pub(super) type Field<'a> = (&'a str, &'a str);

impl<W: Write> Writer<W> {
    pub(in super::super) fn new(out: W, packed: bool) -> Writer<W> {
        Writer { out: CountedWriter { inner: out, written: 0 }, packed }
    }

    /// Adds a record whose block is `head` and then `len` bytes of `body`.
    pub(super) fn record(
        &mut self,
        fields: &[Field<'_>],
        head: &[u8],
        len: u64,
        body: &mut dyn Read,
    ) -> io::Result<Span> {
        let offset = self.out.written;
        if self.packed {
            let mut packed = GzEncoder::new(&mut self.out, Compression::default());
            put(&mut packed, fields, head, len, body)?;
            packed.finish()?;
        } else {
            put(&mut self.out, fields, head, len, body)?;
        }
        Ok(Span { offset, len: self.out.written - offset })
    }

    pub(in super::super) fn finish(self) -> io::Result<W> {
        Ok(self.out.inner)
    }
}

fn put(
    out: &mut dyn Write,
    fields: &[Field<'_>],
    head: &[u8],
    len: u64,
    body: &mut dyn Read,
) -> io::Result<()> {
    out.write_all(b"WARC/1.1\r\n")?;
    for (name, value) in fields {
        write!(out, "{name}: {value}\r\n")?;
    }
    write!(out, "Content-Length: {}\r\n\r\n", head.len() as u64 + len)?;
    out.write_all(head)?;
    let copied = io::copy(&mut body.take(len), out)?;
    if copied != len {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a body has changed its length"));
    }
    out.write_all(b"\r\n\r\n")
}

struct CountedWriter<W> {
    inner: W,
    written: u64,
}

impl<W: Write> Write for CountedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
