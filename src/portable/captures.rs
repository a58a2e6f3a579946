//! WARC and WACZ files: what a crawler saw, perhaps many times.
//!
//! They are read twice: first the fields of everything, to choose which captures make up the site, then the bodies of
//! those. Of an address the newest good answer counts, a page before a redirect; a revisit stands for the body that it
//! refers to. Which host is the site's is known only after the first reading, so addresses are kept whole until then.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::time::SystemTime;

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue};
use url::Url;

use super::base::{authority, foreign};
use super::bounds::{Counted, ENTRIES, NAME, Unfit, Unpacked};
use super::digest::short;
use super::error::{ImportError, shown};
use super::hosts::{Hosts, bare};
use super::intake::{Answer, Good, Intake, Reason, judge};
use super::lines::{class_of, notes_from, time_of};
use super::ours::is_key;
use super::warc::http::{Head, head};
use super::warc::read::{self, Record, Records};
use super::warc::{CLASS, KEY, NOTES};
use crate::snapshot::{Class, Notes};

/// A capture that may become a page. What is compared comes first: pages before redirects, then the newest.
#[derive(Clone, Debug)]
struct Capture {
    good: Good,
    date: SystemTime,
    /// The number of its record over all files.
    record: u64,
    /// The record that has its body.
    body: u64,
    /// Of a revisit: its own fields, which the record with the body does not have.
    head: Option<Box<Head>>,
    /// As an export of ours says them.
    class: Option<Class>,
    notes: Notes,
}

impl Capture {
    fn beats(&self, other: &Capture) -> bool {
        let rank = |capture: &Capture| (capture.good == Good::Body, capture.date, capture.record);
        rank(self) > rank(other)
    }
}

/// What the first reading finds.
#[derive(Default)]
struct Survey {
    /// By host and key (`//host/key`); a key of another host's file as an export of ours has it is kept as it is.
    best: HashMap<String, Capture>,
    /// Revisits, the best for each address; their body is known at the end.
    revisits: HashMap<String, (Capture, [u128; 2])>,
    /// Where bodies are, by their digest, and by address and time.
    bodies: HashMap<u128, u64>,
}

/// Takes in what is in a file; returns the host.
pub(super) fn import(
    path: &Path,
    kind: &'static str,
    at: Option<SystemTime>,
    hosts: &Hosts,
    intake: &mut Intake<'_>,
) -> Result<String, ImportError> {
    let mut survey = Survey::default();
    let mut found = hosts.count();
    each_record(path, kind, &mut |number, record, records| {
        survey.record(number, record, records, at, &mut |host| found.add(host), hosts, intake)
    })?;
    let host = found.choose()?;
    let chosen = survey.choose(hosts, &host, intake);
    intake.expect(chosen.values().map(|uses| uses.len() as u64).sum());
    each_record(path, kind, &mut |number, record, records| match chosen.get(&number) {
        Some(uses) => take(record, records, uses, path, intake),
        None => Ok(()),
    })?;
    Ok(host)
}

type Each<'a> = dyn FnMut(u64, &Record, &mut Records<Box<dyn BufRead + '_>>) -> Result<(), ImportError> + 'a;

/// Hands all records of a WARC file, or of all those in a WACZ file, to `each`, numbered over all.
fn each_record(path: &Path, kind: &'static str, each: &mut Each<'_>) -> Result<(), ImportError> {
    let unreadable = |source| ImportError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut number = 0;
    if kind != "wacz" {
        return run(read::open(file), "", path, &mut number, each);
    }
    let of_zip = |source| ImportError::of_entry(&path.display().to_string(), path, source);
    let mut zip = super::wacz::opened(BufReader::new(file)).map_err(of_zip)?;
    let mut none = true;
    for at in 0..zip.len() {
        let entry = zip.by_index(at).map_err(|e| of_zip(super::wacz::broken(e)))?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let lower = name.to_ascii_lowercase();
        if entry.is_file() && (lower.ends_with(".warc.gz") || lower.ends_with(".warc")) {
            none = false;
            let (_, count) = Counted::new(io::empty());
            count.set(entry.compressed_size());
            run(read::open(Unpacked::new(entry, count)), &name, path, &mut number, each)?;
        }
    }
    if none { Err(ImportError::Unknown(path.to_owned())) } else { Ok(()) }
}

fn run(
    records: io::Result<Records<Box<dyn BufRead + '_>>>,
    name: &str,
    path: &Path,
    number: &mut u64,
    each: &mut Each<'_>,
) -> Result<(), ImportError> {
    let prefix = if name.is_empty() { String::new() } else { format!("{name}: ") };
    let entry = |number: u64, target: &str| format!("{prefix}record {number} {target}");
    let mut records = records.map_err(|e| ImportError::of_entry(&entry(1, ""), path, e))?;
    let mut last = String::new();
    loop {
        let next = records.next();
        let next = next.map_err(|e| ImportError::of_entry(&entry(records.number(), &last), path, e))?;
        let Some(record) = next else { return Ok(()) };
        *number += 1;
        last = record.target().map(|target| format!("({target})")).unwrap_or_default();
        each(*number, &record, &mut records).map_err(|error| {
            if let ImportError::Io { source, .. } = error {
                ImportError::of_entry(&entry(record.number, &last), path, source)
            } else {
                error
            }
        })?;
    }
}

impl Survey {
    /// Records one record.
    #[expect(clippy::too_many_arguments, reason = "one record, and all who have a say in it")]
    fn record(
        &mut self,
        number: u64,
        record: &Record,
        records: &mut Records<Box<dyn BufRead + '_>>,
        at: Option<SystemTime>,
        page_of: &mut dyn FnMut(&str),
        hosts: &Hosts,
        intake: &mut Intake<'_>,
    ) -> Result<(), ImportError> {
        let kind = record.kind();
        if !matches!(&*kind, "response" | "revisit" | "resource") {
            return Ok(());
        }
        let target = record.target().unwrap_or_default().to_owned();
        let url = Url::parse(&target).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some((url, host)) =
            url.and_then(|url| Some((authority(&url)?, url))).map(|(host, url)| (url, host))
        else {
            intake.leave(Reason::NotHttp, &target);
            return Ok(());
        };
        let Some(date) = record.field("WARC-Date").and_then(date) else {
            intake.leave(Reason::Broken, &target);
            return Ok(());
        };
        let digest = record.field("WARC-Payload-Digest").map(|digest| short(&digest.to_ascii_lowercase()));
        let places = |url: &str, date: SystemTime| short(&format!("{url} {date:?}"));
        let answer = if kind == "resource" {
            Some(resource(record))
        } else {
            let head =
                head(&mut records.block()).map_err(|source| ImportError::Io { path: "".into(), source })?;
            head.filter(|_| record.field("WARC-Truncated").is_none())
        };
        let revisit = (kind == "revisit").then(|| {
            let to = record.field("WARC-Refers-To-Target-URI").unwrap_or(&target);
            let when = record.field("WARC-Refers-To-Date").and_then(self::date);
            [digest.unwrap_or_default(), when.map(|when| places(to, when)).unwrap_or_default()]
        });
        let Some(answer) = answer else {
            intake.leave(if revisit.is_some() { Reason::NoBody } else { Reason::Broken }, &target);
            return Ok(());
        };
        if revisit.is_none() && self.bodies.len() as u64 <= ENTRIES * 2 {
            self.bodies.extend(digest.map(|digest| (digest, number)));
            self.bodies.insert(places(&target, date), number);
        }
        if at.is_some_and(|at| date > at) {
            intake.leave(Reason::Later, &target);
            return Ok(());
        }
        let good = match judge(answer.status, &answer.headers) {
            Ok(Good::Redirect) if leads_to_itself(&url, &answer.headers, hosts) => return Ok(()),
            Ok(good) => good,
            Err(reason) => {
                intake.leave(reason, &target);
                return Ok(());
            }
        };
        if good == Good::Body && is_html(&answer.headers) {
            page_of(&host);
        }
        let Some(key) = address(record, &url, &host, hosts) else {
            intake.leave(Reason::BadAddress, &target);
            return Ok(());
        };
        let noted = record.field(NOTES).and_then(|notes| serde_json::from_str(notes).ok());
        let capture = Capture {
            good,
            date,
            record: number,
            body: number,
            head: revisit.map(|_| Box::new(answer)),
            class: record.field(CLASS).and_then(class_of),
            notes: noted.map(|noted| notes_from(&noted)).unwrap_or_default(),
        };
        self.keep(key, capture, revisit, intake)
    }

    fn keep(
        &mut self,
        key: String,
        capture: Capture,
        revisit: Option<[u128; 2]>,
        intake: &mut Intake<'_>,
    ) -> Result<(), ImportError> {
        if (self.best.len() + self.revisits.len()) as u64 >= ENTRIES {
            return Err(ImportError::Entry { entry: shown(&key), why: Unfit::TooMany });
        }
        // A redirect has no body that would have to be found.
        if let (Some(refers), Good::Body) = (revisit, capture.good) {
            match self.revisits.get(&key) {
                Some((best, _)) if best.beats(&capture) => intake.leave(Reason::Older, &key),
                Some(_) | None => {
                    if let Some((_, _)) = self.revisits.insert(key.clone(), (capture, refers)) {
                        intake.leave(Reason::Older, &key);
                    }
                }
            }
            return Ok(());
        }
        match self.best.get(&key) {
            Some(best) if best.beats(&capture) => intake.leave(Reason::Older, &key),
            Some(_) | None => {
                if self.best.insert(key.clone(), capture).is_some() {
                    intake.leave(Reason::Older, &key);
                }
            }
        }
        Ok(())
    }

    /// What makes up the site, by the records that have the bodies.
    fn choose(
        self,
        hosts: &Hosts,
        host: &str,
        intake: &mut Intake<'_>,
    ) -> HashMap<u64, Vec<(String, Capture)>> {
        let Survey { mut best, revisits, bodies } = self;
        for (key, (mut capture, refers)) in revisits {
            match refers.iter().find_map(|to| bodies.get(to)) {
                Some(body) if best.get(&key).is_none_or(|other| capture.beats(other)) => {
                    capture.body = *body;
                    best.insert(key, capture);
                }
                Some(_) => intake.leave(Reason::Older, &key),
                None => intake.leave(Reason::NoBody, &key),
            }
        }
        let mut site: HashMap<String, Capture> = HashMap::with_capacity(best.len());
        for (address, capture) in best {
            let key = match address.strip_prefix("//").and_then(|rest| Some((rest, rest.find('/')?))) {
                Some((rest, end)) if hosts.holds(&rest[..end], host) => rest[end..].to_owned(),
                // What a page of ours needs of another host.
                Some(_) if capture.class == Some(Class::Asset) && foreign(&address).is_some() => address,
                _ => {
                    intake.leave(Reason::OtherHost, &address);
                    continue;
                }
            };
            match site.get(&key) {
                Some(other) if other.beats(&capture) => intake.leave(Reason::Older, &key),
                Some(_) | None => {
                    if site.insert(key.clone(), capture).is_some() {
                        intake.leave(Reason::Older, &key);
                    }
                }
            }
        }
        let mut chosen: HashMap<u64, Vec<(String, Capture)>> = HashMap::new();
        for (key, capture) in site {
            let record = if capture.good == Good::Redirect { capture.record } else { capture.body };
            chosen.entry(record).or_default().push((key, capture));
        }
        chosen
    }
}

/// Takes in the body of a record, for all captures that it is the body of.
fn take(
    record: &Record,
    records: &mut Records<Box<dyn BufRead + '_>>,
    uses: &[(String, Capture)],
    path: &Path,
    intake: &mut Intake<'_>,
) -> Result<(), ImportError> {
    let target = record.target().unwrap_or_default();
    let mut block = records.block();
    let own = if record.kind() == "resource" {
        Some(resource(record))
    } else {
        head(&mut block).map_err(|e| ImportError::of_entry(target, path, e))?
    };
    let Some(own) = own else { return Ok(()) };
    let needed = uses.iter().any(|(_, capture)| capture.good == Good::Body);
    let arrived = if needed {
        intake.answer(target, path, &own.headers, BufReader::new(&mut block as &mut dyn Read))?
    } else {
        None
    };
    for (key, capture) in uses {
        let head = capture.head.as_deref().unwrap_or(&own);
        let answer = Answer {
            key: key.clone(),
            status: head.status,
            headers: head.headers.clone(),
            taken_at: capture.date,
            class: capture.class,
            notes: capture.notes,
        };
        match (&arrived, capture.good) {
            (_, Good::Redirect) => intake.page(answer, None)?,
            (Some(arrived), Good::Body) => intake.page(answer, Some(arrived.clone()))?,
            (None, Good::Body) => intake.leave(Reason::Broken, key),
        }
    }
    Ok(())
}

/// The answer that a file by itself would have been.
fn resource(record: &Record) -> Head {
    let kind = record.field("Content-Type").and_then(|kind| HeaderValue::from_str(kind).ok());
    Head { status: 200, headers: kind.map(|kind| (CONTENT_TYPE, kind)).into_iter().collect() }
}

/// The host and key of a record, as `//host/key`; the key alone where an export of ours says that it is another host's.
fn address(record: &Record, url: &Url, host: &str, hosts: &Hosts) -> Option<String> {
    let said = record.field(KEY).filter(|key| is_key(key));
    let key = match said {
        Some(key) if foreign(key).is_some_and(|(of, _)| of == host) => key.to_owned(),
        Some(key) => format!("//{host}{key}"),
        None => format!("//{host}{}", hosts.key_of(url.path(), url.query())),
    };
    (key.len() <= NAME).then_some(key)
}

/// Whether a redirect only changes the scheme, or to another name of the same site.
fn leads_to_itself(url: &Url, headers: &HeaderMap, hosts: &Hosts) -> bool {
    let to = headers.get(LOCATION).and_then(|to| url.join(to.to_str().ok()?).ok());
    let Some(to) = to else { return false };
    let (Some(from_host), Some(to_host)) = (authority(url), authority(&to)) else { return false };
    bare(&from_host) == bare(&to_host)
        && hosts.key_of(url.path(), url.query()) == hosts.key_of(to.path(), to.query())
}

fn is_html(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("html"))
}

/// A date of WARC, which may leave out what it does not know.
fn date(text: &str) -> Option<SystemTime> {
    const REST: &str = "0000-01-01T00:00:00Z";
    let text = text.trim();
    let whole = match text.len() {
        4 | 7 | 10 => format!("{text}{}", &REST[text.len()..]),
        // without seconds
        17 => format!("{}:00Z", text.strip_suffix('Z')?),
        _ => text.to_owned(),
    };
    time_of(&whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_may_be_short() {
        for (text, whole) in [
            ("2026", "2026-01-01T00:00:00Z"),
            ("2026-11", "2026-11-01T00:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T01:13Z", "2026-11-20T01:13:00Z"),
            ("2026-11-20T01:13:34.5Z", "2026-11-20T01:13:34.5Z"),
        ] {
            assert_eq!(date(text), time_of(whole), "{text}");
            assert!(date(text).is_some(), "{text}");
        }
        assert_eq!(date("yesterday"), None);
    }
}
