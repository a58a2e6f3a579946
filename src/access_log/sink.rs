//! Where lines go.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::disk;

/// Bytes of memory that are kept from one time to the next.
const KEPT: usize = 1 << 20;

/// Where lines go.
pub(super) trait Sink: Write + Send + 'static {
    /// Reopens it, where that means something.
    fn reopen(&mut self) {}

    /// Whether there may be somebody to write for after an error.
    fn outlives_errors(&self) -> bool {
        false
    }
}

impl Sink for std::io::Stdout {}

/// A log file, by its name.
pub(super) struct Named {
    path: PathBuf,
    file: File,
}

impl Named {
    pub(super) fn open(path: &Path) -> std::io::Result<Named> {
        Ok(Named { path: path.to_owned(), file: disk::append(path)? })
    }
}

impl Write for Named {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Sink for Named {
    fn reopen(&mut self) {
        match disk::append(&self.path) {
            Ok(file) => {
                self.file = file;
                tracing::info!(file = %self.path.display(), "access log reopened");
            }
            Err(error) => {
                tracing::error!(file = %self.path.display(), %error, "access log could not be reopened, still writing to the old file");
            }
        }
    }

    /// A disk that is full today has room tomorrow.
    fn outlives_errors(&self) -> bool {
        true
    }
}

/// What writes the lines out, whole.
pub(super) struct Output<S> {
    /// `None` once nobody reads any more.
    out: Option<S>,
    /// What is to be written.
    pub(super) text: Vec<u8>,
    /// Whether the last line that was written has no end.
    torn: bool,
}

impl<S: Sink> Output<S> {
    pub(super) fn to(out: S) -> Output<S> {
        Output { out: Some(out), text: Vec::new(), torn: false }
    }

    pub(super) fn reopen(&mut self) {
        if let Some(out) = &mut self.out {
            out.reopen();
            self.torn = false;
        }
    }

    /// Writes the text, and forgets it. Returns how many of its lines are lost: a disk that is full has no room for them later
    /// either, and they would come out torn.
    pub(super) fn write(&mut self) -> u64 {
        let lost = match self.try_write() {
            Ok(()) => 0,
            Err(written) => {
                if !self.out.as_ref().is_some_and(Sink::outlives_errors) {
                    self.out = None;
                }
                let ends = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count() as u64;
                ends(&self.text[written..])
            }
        };
        self.text.clear();
        self.text.shrink_to(KEPT);
        lost
    }

    /// # Errors
    /// How many bytes have been written.
    fn try_write(&mut self) -> Result<(), usize> {
        if self.text.is_empty() {
            return Ok(());
        }
        let out = self.out.as_mut().ok_or(0_usize)?;
        if self.torn {
            out.write_all(b"\n").map_err(|_| 0_usize)?;
            self.torn = false;
        }
        let mut written = 0;
        while written < self.text.len() {
            match out.write(&self.text[written..]) {
                Ok(count) if count > 0 => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    self.torn = written > 0 && self.text[written - 1] != b'\n';
                    return Err(written);
                }
            }
        }
        out.flush().map_err(|_| written)
    }
}

#[cfg(test)]
impl<S> Output<S> {
    pub(super) fn without_reader(self) -> Output<S> {
        Output { out: None, ..self }
    }
}

#[cfg(test)]
impl Output<Named> {
    pub(super) fn is_now_at(&mut self, path: &Path) {
        if let Some(out) = &mut self.out {
            path.clone_into(&mut out.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with so much room.
    struct Disk(usize, Vec<u8>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let count = bytes.len().min(self.0);
            self.0 -= count;
            self.1.extend_from_slice(&bytes[..count]);
            if count == 0 { Err(ErrorKind::StorageFull.into()) } else { Ok(count) }
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Disk {
        fn outlives_errors(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_line_that_a_full_disk_cut_is_not_joined_with_the_next() {
        let mut output = Output::to(Disk(8, Vec::new()));
        output.text = b"one\ntwo, cut\nthree\n".to_vec();
        assert_eq!(output.write(), 2);
        output.text = b"four\n".to_vec();
        assert_eq!(output.write(), 1, "still full");
        output.out.as_mut().unwrap().0 = 100;
        output.text = b"five\n".to_vec();
        assert_eq!(output.write(), 0);
        assert_eq!(output.out.unwrap().1, b"one\ntwo,\nfive\n");
    }
}
