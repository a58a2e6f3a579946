//! One line per request, JSON or plain, on standard output or in a file. Never blocks a request: lines go through a bounded
//! queue to a thread of their own; what does not fit is dropped and counted. The file is reopened on request, as log rotation
//! needs it: the old file is renamed first, then a new one is opened under its name.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, SystemTime};

use prometheus::IntCounter;

use crate::disk;
use crate::failure::Cause;
use crate::metrics::ServedFrom;

/// Lines that wait for their reader, at most.
const QUEUE: usize = 16 * 1024;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Plain,
    /// For programs: one object a line.
    Json,
}

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
}

/// Where lines go.
trait Sink: Write + Send + 'static {
    /// Reopens it, where that means something.
    fn reopen(&mut self) {}

    /// Whether there may be somebody to write for after an error.
    fn outlives_errors(&self) -> bool {
        false
    }
}

impl Sink for std::io::Stdout {}

/// A log file, by its name.
struct Named {
    path: PathBuf,
    file: File,
}

impl Named {
    fn open(path: &Path) -> std::io::Result<Named> {
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

/// The writing end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessLog(Option<Writer>);

#[derive(Clone, Debug)]
struct Writer {
    sender: SyncSender<String>,
    format: Format,
    dropped: IntCounter,
    reopen: Arc<AtomicBool>,
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
    pub fn to_stdout(format: Format, dropped: IntCounter) -> std::io::Result<AccessLog> {
        AccessLog::to(std::io::stdout(), format, dropped)
    }

    /// A log to the end of a file, which is made if there is none.
    ///
    /// # Errors
    /// The file cannot be opened, or the thread that writes cannot be started.
    pub fn to_file(file: &Path, format: Format, dropped: IntCounter) -> std::io::Result<AccessLog> {
        AccessLog::to(Named::open(file)?, format, dropped)
    }

    fn to(out: impl Sink, format: Format, dropped: IntCounter) -> std::io::Result<AccessLog> {
        let (sender, lines) = sync_channel(QUEUE);
        let reopen = Arc::new(AtomicBool::new(false));
        let (told, lost) = (reopen.clone(), dropped.clone());
        let writing = move || write_all(&lines, out, &told, &lost);
        std::thread::Builder::new().name("access-log".into()).spawn(writing)?;
        Ok(AccessLog(Some(Writer { sender, format, dropped, reopen })))
    }

    /// Reopens the file before anything else is written.
    pub fn reopen(&self) {
        let Some(writer) = &self.0 else { return };
        writer.reopen.store(true, Ordering::Release);
        // An empty line wakes the thread; if there is no room for it, the thread is awake.
        _ = writer.sender.try_send(String::new());
    }

    /// Whether lines are wanted.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes one line, or drops it.
    pub fn write(&self, line: &Line<'_>) {
        let Some(writer) = &self.0 else { return };
        let text = match writer.format {
            Format::Plain => plain(line),
            Format::Json => json(line),
        };
        match writer.sender.try_send(text) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => writer.dropped.inc(),
        }
    }
}

/// Ends when all senders are gone, or when nobody reads any more. Lines that a full disk has no room for are `lost`.
fn write_all(lines: &Receiver<String>, out: impl Sink, reopen: &AtomicBool, lost: &IntCounter) {
    let mut out = BufWriter::with_capacity(64 * 1024, out);
    while let Ok(line) = lines.recv() {
        if reopen.swap(false, Ordering::AcqRel) {
            out.get_mut().reopen();
        }
        let mut count = u64::from(!line.is_empty());
        let mut written = out.write_all(line.as_bytes());
        for line in lines.try_iter().take(1024) {
            count += u64::from(!line.is_empty());
            written = written.and_then(|()| out.write_all(line.as_bytes()));
        }
        if written.and_then(|()| out.flush()).is_err() {
            if !out.get_ref().outlives_errors() {
                return;
            }
            lost.inc_by(count);
            // What could not be written is forgotten: it would grow, and come out torn.
            let (sink, _) = out.into_parts();
            out = BufWriter::with_capacity(64 * 1024, sink);
        }
    }
}

fn plain(line: &Line<'_>) -> String {
    format!(
        "{} {} {} \"{} {}{} {}\" {} {} {:.1}ms {} {}\n",
        humantime::format_rfc3339_millis(line.at),
        line.client,
        line.site,
        line.method.escape_debug(),
        line.host.escape_debug(),
        line.target.escape_debug(),
        line.version,
        line.status,
        line.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string()),
        line.took.as_secs_f64() * 1e3,
        line.served_from.as_str(),
        line.cause.map_or("-", Cause::code),
    )
}

#[derive(serde::Serialize)]
struct Json<'a> {
    time: String,
    client: IpAddr,
    site: &'a str,
    method: &'a str,
    host: &'a str,
    target: &'a str,
    version: &'a str,
    status: u16,
    bytes: Option<u64>,
    duration_ms: f64,
    answer: &'a str,
    cause: Option<&'a str>,
}

fn json(line: &Line<'_>) -> String {
    let json = Json {
        time: humantime::format_rfc3339_millis(line.at).to_string(),
        client: line.client,
        site: line.site,
        method: line.method,
        host: line.host,
        target: line.target,
        version: line.version,
        status: line.status,
        bytes: line.bytes,
        duration_ms: (line.took.as_secs_f64() * 1e6).round() / 1e3,
        answer: line.served_from.as_str(),
        cause: line.cause.map(Cause::code),
    };
    let mut text = serde_json::to_string(&json).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(target: &str) -> Line<'_> {
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
        }
    }

    #[test]
    fn a_plain_line_reads_well() {
        let expected = "1970-01-01T00:00:00.000Z 203.0.113.7 shop \"GET www.example.jp/a HTTP/1.1\" 200 12 1.5ms snapshot known-down\n";
        assert_eq!(plain(&line("/a")), expected);
    }

    #[test]
    fn no_request_can_forge_a_line() {
        for text in [plain(&line("/a\"\n1970 b")), json(&line("/a\"\n1970 b"))] {
            assert_eq!(text.matches('\n').count(), 1, "{text}");
        }
        let read: serde_json::Value = serde_json::from_str(&json(&line("/a\"\n"))).unwrap();
        assert_eq!(read["target"], "/a\"\n");
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let dropped = IntCounter::new("dropped", "x").unwrap();
        let (sender, lines) = sync_channel(1);
        let reopen = Arc::default();
        let log = AccessLog(Some(Writer { sender, format: Format::Plain, dropped: dropped.clone(), reopen }));
        log.write(&line("/a"));
        log.write(&line("/b"));
        assert_eq!(dropped.get(), 1);
        assert!(lines.recv().unwrap().contains("/a"));
    }

    #[test]
    fn a_file_that_was_renamed_is_begun_anew_under_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let (name, old) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
        let lost = IntCounter::new("dropped", "x").unwrap();
        let (sender, lines) = sync_channel(QUEUE);
        let reopen = AtomicBool::new(false);
        sender.send("one\n".to_owned()).unwrap();
        drop(sender);
        write_all(&lines, Named::open(&name).unwrap(), &reopen, &lost);
        std::os::unix::fs::symlink("/dev/full", &old).unwrap();
        let (sender, lines) = sync_channel(QUEUE);
        sender.send("two\n".to_owned()).unwrap();
        drop(sender);
        write_all(&lines, Named::open(&old).unwrap(), &reopen, &lost);
        assert_eq!(lost.get(), 1, "a full disk is counted");
        let (sender, lines) = sync_channel(QUEUE);
        let mut named = Named::open(&old).unwrap();
        named.path = name.clone();
        reopen.store(true, Ordering::Relaxed);
        sender.send("three\n".to_owned()).unwrap();
        drop(sender);
        write_all(&lines, named, &reopen, &lost);
        assert_eq!((std::fs::read_to_string(&name).unwrap().as_str(), lost.get()), ("one\nthree\n", 1));
    }
}
