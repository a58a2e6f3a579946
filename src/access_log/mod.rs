//! One line per request, JSON or plain, on standard output or in a file. Never blocks a request: lines are gathered in memory,
//! and a thread of their own writes them every few milliseconds. So a line costs no system call and wakes nobody. What does not
//! fit, because the reader is too slow, is dropped and counted. The file is reopened on request, as log rotation needs it: the old
//! file is renamed first, then a new one is opened under its name.

mod format;
mod sink;

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::Thread;
use std::time::{Duration, SystemTime};

use prometheus::IntCounter;

pub use format::Format;
use format::Stamp;
use sink::{Named, Output, Sink};

use crate::failure::Cause;
use crate::metrics::ServedFrom;

/// Bytes of lines that wait for their reader, at most.
const MOST: usize = 8 << 20;
/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(10);
/// How long the end of the process waits for the last of them.
const LAST: Duration = Duration::from_secs(2);

/// What is said of one request.
#[derive(Debug)]
pub struct Line<'a> {
    /// When it came.
    pub at: SystemTime,
    /// The visitor's address.
    pub client: IpAddr,
    /// The site's name; "-" if none was found.
    pub site: &'a str,
    /// As sent.
    pub method: &'a str,
    /// The host as sent.
    pub host: &'a str,
    /// Path and query as sent.
    pub target: &'a str,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: &'static str,
    /// The answer's status.
    pub status: u16,
    /// The rung it came from.
    pub served_from: ServedFrom,
    /// Why it is not the origin's, if it is not.
    pub cause: Option<Cause>,
    /// The answer's length, where it is known.
    pub bytes: Option<u64>,
    /// From the request's header fields to the answer's.
    pub took: Duration,
    /// For whom it was.
    pub audience: Audience,
}

/// For whom an answer was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// A visitor.
    #[default]
    Visitor,
    /// Somebody who looks at a preview; no count has it.
    Preview,
}

/// The end that requests write to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessLog(Option<Arc<Gathered>>);

/// Lines that wait to be written.
#[derive(Debug)]
struct Gathered {
    lines: Mutex<Lines>,
    format: Format,
    dropped: IntCounter,
    /// Whether the thread knows that there is something to write.
    told: AtomicBool,
    reopen: AtomicBool,
    /// Who waits until all is written.
    waiting: Mutex<Vec<mpsc::Sender<()>>>,
    writer: Mutex<Option<Thread>>,
}

/// Lines as they are written, and the time of the last one.
#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    stamp: Stamp,
}

impl AccessLog {
    /// A log that is written nowhere.
    pub fn off() -> AccessLog {
        AccessLog(None)
    }

    /// A log on standard output. `dropped` counts what did not fit.
    ///
    /// # Errors
    /// The thread that writes cannot be started.
    pub fn to_stdout(format: Format, dropped: IntCounter) -> io::Result<AccessLog> {
        AccessLog::to(io::stdout(), format, dropped)
    }

    /// A log to the end of a file, which is made if there is none.
    ///
    /// # Errors
    /// The file cannot be opened, or the thread that writes cannot be started.
    pub fn to_file(file: &Path, format: Format, dropped: IntCounter) -> io::Result<AccessLog> {
        AccessLog::to(Named::open(file)?, format, dropped)
    }

    fn to(out: impl Sink, format: Format, dropped: IntCounter) -> io::Result<AccessLog> {
        let gathered = Arc::new(Gathered::new(format, dropped));
        let lines = Arc::downgrade(&gathered);
        let work = move || {
            let mut output = Output::to(out);
            // Ends with the last who could write a line.
            while let Some(gathered) = lines.upgrade() {
                if gathered.told.swap(false, Ordering::AcqRel) {
                    gathered.write_to(&mut output);
                }
                drop(gathered);
                std::thread::park();
                std::thread::sleep(GATHER);
            }
        };
        let writer = std::thread::Builder::new().name("access-log".into()).spawn(work)?;
        *lock(&gathered.writer) = Some(writer.thread().clone());
        Ok(AccessLog(Some(gathered)))
    }

    /// Has the file reopened before anything else is written.
    pub fn reopen(&self) {
        let Some(gathered) = &self.0 else { return };
        gathered.reopen.store(true, Ordering::Release);
        gathered.tell();
    }

    /// Whether lines are wanted.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes one line, or drops it.
    pub fn write(&self, line: &Line<'_>) {
        if let Some(gathered) = &self.0 {
            gathered.add(line);
        }
    }

    /// Waits until all lines are written, or for two seconds. Blocks.
    pub fn flush(&self) {
        let Some(gathered) = &self.0 else { return };
        let (sender, written) = mpsc::channel();
        lock(&gathered.waiting).push(sender);
        gathered.tell();
        _ = written.recv_timeout(LAST);
    }
}

impl Gathered {
    fn new(format: Format, dropped: IntCounter) -> Gathered {
        Gathered {
            lines: Mutex::default(),
            format,
            dropped,
            told: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            waiting: Mutex::default(),
            writer: Mutex::new(None),
        }
    }

    fn add(&self, line: &Line<'_>) {
        let mut lines = lock(&self.lines);
        if lines.text.len() >= MOST {
            drop(lines);
            self.dropped.inc();
            return;
        }
        let Lines { text, stamp } = &mut *lines;
        self.format.write(line, stamp, text);
        drop(lines);
        if !self.told.load(Ordering::Acquire) {
            self.tell();
        }
    }

    fn tell(&self) {
        if !self.told.swap(true, Ordering::AcqRel)
            && let Some(writer) = &*lock(&self.writer)
        {
            writer.unpark();
        }
    }

    /// Writes all that has been gathered.
    fn write_to<S: Sink>(&self, output: &mut Output<S>) {
        // Dropped at the end: that tells them.
        let _waiting = std::mem::take(&mut *lock(&self.waiting));
        if self.reopen.swap(false, Ordering::AcqRel) {
            output.reopen();
        }
        std::mem::swap(&mut lock(&self.lines).text, &mut output.text);
        self.dropped.inc_by(output.write());
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        if let Some(writer) = &*lock(&self.writer) {
            writer.unpark();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn line(target: &str) -> Line<'_> {
        Line {
            at: SystemTime::UNIX_EPOCH,
            client: "203.0.113.7".parse().unwrap(),
            site: "shop",
            method: "GET",
            host: "www.example.jp",
            target,
            version: "HTTP/1.1",
            status: 200,
            served_from: ServedFrom::Snapshot,
            cause: Some(Cause::KnownDown),
            bytes: Some(12),
            took: Duration::from_micros(1500),
            audience: Audience::Visitor,
        }
    }

    fn counter() -> IntCounter {
        IntCounter::new("dropped", "x").unwrap()
    }

    /// Targets of the lines in a file.
    fn targets(file: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(file).unwrap();
        text.lines()
            .map(|line| line.split(['"', ' ']).nth(5).unwrap().replace("www.example.jp", ""))
            .collect()
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let dropped = counter();
        let gathered = Gathered::new(Format::Plain, dropped.clone());
        let long = "/a".repeat(MOST / 4);
        for _ in 0..4 {
            gathered.add(&line(&long));
        }
        assert_eq!(dropped.get(), 2, "two fit");
        gathered.write_to(&mut Output::to(io::stdout()).without_reader());
        assert_eq!(dropped.get(), 4, "nobody reads");
        gathered.add(&line("/b"));
        assert_eq!(dropped.get(), 4, "there is room again");
    }

    #[test]
    fn lines_are_there_in_order_once_they_are_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("access.log");
        let log = AccessLog::to_file(&file, Format::Plain, counter()).unwrap();
        let paths: Vec<String> = (0..500).map(|n| format!("/{n}")).collect();
        for (n, path) in paths.iter().enumerate() {
            log.write(&line(path));
            if n == 250 {
                log.flush();
                assert_eq!(targets(&file), paths[..=250]);
            }
        }
        log.flush();
        assert_eq!(targets(&file), paths);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "as a log is rotated")]
    fn a_file_that_was_renamed_is_begun_anew_under_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let (name, old) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
        let log = AccessLog::to_file(&name, Format::Plain, counter()).unwrap();
        log.write(&line("/one"));
        log.flush();
        std::fs::rename(&name, &old).unwrap();
        log.write(&line("/two"));
        log.flush();
        log.reopen();
        log.write(&line("/three"));
        log.flush();
        assert_eq!(
            (targets(&old), targets(&name)),
            (vec!["/one".into(), "/two".into()], vec!["/three".into()])
        );
    }

    #[test]
    fn a_full_disk_costs_lines_and_is_outlived() {
        let dir = tempfile::tempdir().unwrap();
        let (name, full) = (dir.path().join("access.log"), dir.path().join("full.log"));
        std::os::unix::fs::symlink("/dev/full", &full).unwrap();
        let dropped = counter();
        let gathered = Gathered::new(Format::Plain, dropped.clone());
        let mut output = Output::to(Named::open(&full).unwrap());
        gathered.add(&line("/two"));
        gathered.write_to(&mut output);
        assert_eq!(dropped.get(), 1);
        output.is_now_at(&name);
        gathered.reopen.store(true, Ordering::Relaxed);
        gathered.add(&line("/three"));
        gathered.write_to(&mut output);
        assert_eq!((targets(&name), dropped.get()), (vec!["/three".to_owned()], 1));
    }
}
