//! One line per request, JSON or plain, on standard output. Never blocks a request: lines go through a bounded queue to
//! a thread of its own; what does not fit is dropped and counted.

use std::io::Write;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, SystemTime};

use prometheus::IntCounter;

use crate::failure::Cause;
use crate::metrics::Answer;

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
    pub answer: Answer,
    /// Why it is not the origin's, if it is not.
    pub cause: Option<Cause>,
    /// The answer's length, where it is known.
    pub bytes: Option<u64>,
    /// From the request's header fields to the answer's.
    pub took: Duration,
}

/// The writing end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessLog(Option<(SyncSender<String>, Format, IntCounter)>);

impl AccessLog {
    /// A log that is written nowhere.
    pub fn off() -> AccessLog {
        AccessLog(None)
    }

    /// A log to `out`, written by a thread of its own. `dropped` counts what did not fit.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn to(
        out: impl Write + Send + 'static,
        format: Format,
        dropped: IntCounter,
    ) -> std::io::Result<AccessLog> {
        let (sender, lines) = sync_channel(QUEUE);
        std::thread::Builder::new().name("access-log".into()).spawn(move || write_all(&lines, out))?;
        Ok(AccessLog(Some((sender, format, dropped))))
    }

    /// Whether lines are wanted.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes one line, or drops it.
    pub fn write(&self, line: &Line<'_>) {
        let Some((sender, format, dropped)) = &self.0 else { return };
        let text = match format {
            Format::Plain => plain(line),
            Format::Json => json(line),
        };
        match sender.try_send(text) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => dropped.inc(),
        }
    }
}

/// Ends when all senders are gone, or when nobody reads any more.
fn write_all(lines: &Receiver<String>, out: impl Write) {
    let mut out = std::io::BufWriter::with_capacity(64 * 1024, out);
    while let Ok(line) = lines.recv() {
        let mut written = out.write_all(line.as_bytes());
        for line in lines.try_iter().take(1024) {
            written = written.and_then(|()| out.write_all(line.as_bytes()));
        }
        if written.and_then(|()| out.flush()).is_err() {
            return;
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
        line.answer.as_str(),
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
        answer: line.answer.as_str(),
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
            answer: Answer::Snapshot,
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
        let log = AccessLog(Some((sender, Format::Plain, dropped.clone())));
        log.write(&line("/a"));
        log.write(&line("/b"));
        assert_eq!(dropped.get(), 1);
        assert!(lines.recv().unwrap().contains("/a"));
    }
}
