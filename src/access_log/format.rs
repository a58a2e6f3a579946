//! One request as one line.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::{Audience, Line};
use crate::clock;
use crate::failure::Cause;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Plain,
    /// For programs: one object a line.
    Json,
}

impl Format {
    /// Appends the line to `out`, with its end.
    pub(super) fn write(self, line: &Line<'_>, stamp: &mut Stamp, out: &mut Vec<u8>) {
        let time = stamp.at(line.at);
        match self {
            Format::Plain => plain(line, time, out),
            Format::Json => json(line, time, out),
        }
        out.push(b'\n');
    }
}

/// A time as text, RFC 3339 to the millisecond. Its seconds are worked out once for all lines of that second.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    second: Option<u64>,
    text: String,
    /// Bytes of `text` up to the milliseconds.
    fixed: usize,
}

impl Stamp {
    fn at(&mut self, time: SystemTime) -> &str {
        let second = clock::unix(time);
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        if self.second != Some(second) {
            self.second = Some(second);
            self.text = humantime::format_rfc3339_seconds(start).to_string();
            self.fixed = self.text.len() - "Z".len();
        }
        let millis = time.duration_since(start).map_or(0, |part| part.subsec_millis());
        self.text.truncate(self.fixed);
        self.text.push('.');
        self.text.extend([100, 10, 1].map(|unit| char::from(b'0' + (millis / unit % 10) as u8)));
        self.text.push('Z');
        &self.text
    }
}

fn plain(line: &Line<'_>, time: &str, out: &mut Vec<u8>) {
    // Writing into memory does not fail.
    _ = write!(out, "{time} {} {} \"", line.client, line.site);
    escaped(line.method, out);
    out.push(b' ');
    escaped(line.host, out);
    escaped(line.target, out);
    _ = write!(out, " {}\" {} ", line.version, line.status);
    match line.bytes {
        Some(bytes) => _ = write!(out, "{bytes}"),
        None => out.push(b'-'),
    }
    let tenths = (line.took.as_micros() + 50) / 100;
    let cause = line.cause.map_or("-", Cause::code);
    _ = write!(out, " {}.{}ms {} {cause}", tenths / 10, tenths % 10, line.served_from.as_str());
    match line.audience {
        Audience::Visitor => {}
        Audience::Preview => out.extend_from_slice(b" preview"),
    }
}

/// A text from outside. What could end the field or the line, or is not seen on a terminal, is escaped.
fn escaped(text: &str, out: &mut Vec<u8>) {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if text.as_bytes().iter().all(is_plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        _ = write!(out, "{}", text.escape_debug());
    }
}

#[derive(serde::Serialize)]
struct Json<'a> {
    time: &'a str,
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    preview: bool,
}

fn json(line: &Line<'_>, time: &str, out: &mut Vec<u8>) {
    let json = Json {
        time,
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
        preview: line.audience == Audience::Preview,
    };
    _ = serde_json::to_writer(out, &json);
}

#[cfg(test)]
mod tests {
    use super::super::tests::line;
    use super::*;

    fn written(format: Format, line: &Line<'_>) -> String {
        let mut out = Vec::new();
        format.write(line, &mut Stamp::default(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_plain_line_reads_well() {
        let expected = "1970-01-01T00:00:00.000Z 203.0.113.7 shop \"GET www.example.jp/a HTTP/1.1\" 200 12 1.5ms snapshot known-down\n";
        assert_eq!(written(Format::Plain, &line("/a")), expected);
    }

    #[test]
    fn a_preview_says_so() {
        let preview = Line { audience: Audience::Preview, ..line("/a") };
        assert!(written(Format::Plain, &preview).ends_with(" snapshot known-down preview\n"));
        assert!(written(Format::Json, &preview).ends_with(",\"preview\":true}\n"));
        assert!(!written(Format::Json, &line("/a")).contains("preview"));
    }

    #[test]
    fn no_request_can_forge_a_line() {
        for format in [Format::Plain, Format::Json] {
            let text = written(format, &line("/a\"\n1970 b\u{1b}"));
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            assert!(!text.contains('\u{1b}'), "{text}");
        }
        let read: serde_json::Value = serde_json::from_str(&written(Format::Json, &line("/a\"\n"))).unwrap();
        assert_eq!(read["target"], "/a\"\n");
    }

    #[test]
    fn times_are_to_the_millisecond_whatever_came_before() {
        let mut stamp = Stamp::default();
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (7, "1970-01-01T00:00:00.007Z"),
            (1_999, "1970-01-01T00:00:01.999Z"),
            (1_796_000_000_042, "2026-11-30T00:53:20.042Z"),
            (1_796_000_000_999, "2026-11-30T00:53:20.999Z"),
            (999, "1970-01-01T00:00:00.999Z"),
        ] {
            assert_eq!(stamp.at(SystemTime::UNIX_EPOCH + Duration::from_millis(millis)), text);
        }
        assert_eq!(stamp.at(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn durations_are_rounded_to_tenths_of_a_millisecond() {
        for (micros, text) in [(0, " 0.0ms "), (49, " 0.0ms "), (50, " 0.1ms "), (1_234_567, " 1234.6ms ")] {
            let line = Line { took: Duration::from_micros(micros), ..line("/") };
            let text_of = written(Format::Plain, &line);
            assert!(text_of.contains(text), "{text_of}");
        }
    }
}
