//! Folders that others have made: a site as it lies on a server's disk, or a mirror by wget.
//!
//! What a file's address was is not always to be told from its name: `a.html` may be `/a.html` or, with wget -E, `/a`, and
//! `index.html` may be linked to as such or by its folder. The links in the pages decide: they are read first.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::time::SystemTime;

use encoding_rs::UTF_8;
use http::header::{CONTENT_TYPE, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};
use url::Url;

use super::base::authority;
use super::digest::short;
use super::error::ImportError;
use super::files::{Entry, Files};
use super::hosts::{Hosts, bare};
use super::intake::{Answer, Intake, Reason};
use crate::content::charset;
use crate::content::endings;
use crate::content::links::html;
use crate::content::links::resolve::resolve;
use crate::content::media::Media;
use crate::snapshot::Notes;

/// Bytes of a page that are read for links.
const HOLD: u64 = 8 << 20;
/// What HTTrack leaves beside the files.
const OF_HTTRACK: [&str; 6] =
    ["hts-log.txt", "index.html", "backblue.gif", "fade.gif", "cookies.txt", "hts-cache"];

/// Takes in all files; whether it was a mirror, and the host.
pub(super) fn import(
    mut files: Files,
    archive: &Path,
    now: SystemTime,
    hosts: &Hosts,
    intake: &mut Intake<'_>,
) -> Result<(bool, String), ImportError> {
    for name in std::mem::take(&mut files.special) {
        intake.leave(Reason::Special, &name);
    }
    if files.has("hts-log.txt") {
        let is_tools = |name: &str| OF_HTTRACK.contains(&name.split('/').next().unwrap_or(name));
        let (tools, kept) = files.entries.into_iter().partition(|(name, _)| is_tools(name));
        files.entries = kept;
        let tools: BTreeMap<String, Entry> = tools;
        tools.keys().for_each(|name| intake.leave(Reason::OfTheTool, name));
    }
    let folder = host_folder(&files, hosts)?;
    if let Some(folder) = &folder {
        let others: Vec<String> =
            files.entries.keys().filter(|name| !name.starts_with(&format!("{folder}/"))).cloned().collect();
        others.iter().for_each(|name| intake.leave(Reason::OtherHost, name));
        files.within(folder);
    }
    let mirrored = folder.is_some() || files.entries.keys().any(|name| name.contains('?'));
    let host = folder.unwrap_or_else(|| "localhost".to_owned());
    let tree = Tree { files, archive, now, mirrored, hosts, host: &host };
    tree.take(intake)?;
    Ok((mirrored, host))
}

/// The folder of the site in a mirror that has one for each host.
fn host_folder(files: &Files, hosts: &Hosts) -> Result<Option<String>, ImportError> {
    let is_host = |name: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'_' | b'+');
        let (first, last) = (name.as_bytes().first(), name.as_bytes().last());
        let ends = [first, last].into_iter().all(|b| b.is_some_and(u8::is_ascii_alphanumeric));
        ends && name.contains(['.', ':']) && name.bytes().all(plain) || name == "localhost"
    };
    let mut found = hosts.count();
    for name in files.entries.keys() {
        let Some((first, _)) = name.split_once('/').filter(|(first, _)| is_host(first)) else {
            return Ok(None);
        };
        if endings::ending_of(name).is_none_or(|ending| ending.starts_with("htm") || ending.contains('?')) {
            found.add(&spelled(first));
        }
    }
    let host = found.choose()?;
    let folders = files.entries.keys().filter_map(|name| name.split('/').next());
    let mut folders: Vec<&str> = folders.filter(|folder| spelled(folder) == host).collect();
    folders.dedup();
    Ok(folders.first().map(|folder| (*folder).to_owned()))
}

/// The host of a folder: on some systems `host+8080` or `host_8080` for the port.
fn spelled(folder: &str) -> String {
    let cut = folder.rsplit_once(['+', '_']).filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    cut.map_or_else(
        || folder.to_ascii_lowercase(),
        |(host, port)| format!("{}:{port}", host.to_ascii_lowercase()),
    )
}

struct Tree<'a> {
    files: Files,
    archive: &'a Path,
    now: SystemTime,
    mirrored: bool,
    hosts: &'a Hosts,
    host: &'a str,
}

/// The addresses that a file may have had. The first is the likeliest.
struct Keys {
    usual: String,
    other: Option<String>,
    /// Whether the file is found by both: the page of a folder.
    both: bool,
}

impl Tree<'_> {
    fn take(&self, intake: &mut Intake<'_>) -> Result<(), ImportError> {
        let (mut usual, mut linked) = (HashSet::new(), HashSet::new());
        for (name, entry) in &self.files.entries {
            let keys = self.keys(name);
            usual.insert(short(&keys.usual));
            if may_be_html(name) {
                self.links(&keys.usual, name, entry, &mut linked)?;
            }
        }
        intake.expect(self.files.entries.len() as u64);
        for (name, entry) in &self.files.entries {
            // wget -K: the page as it came, beside the one with converted links.
            let of_this = name.strip_suffix(".orig").filter(|_| self.mirrored);
            if of_this.is_some_and(|name| self.files.has(name) || self.files.has(&format!("{name}.html"))) {
                continue;
            }
            let original = self.original(name);
            let Keys { usual: first, other, both } = self.keys(name);
            let other =
                other.filter(|other| linked.contains(&short(other)) && !usual.contains(&short(other)));
            let keeps_first = both || other.is_none() || linked.contains(&short(&first));
            let keys = [keeps_first.then_some(first), other];
            self.file(name, original.unwrap_or(entry), entry.modified, keys, intake)?;
        }
        Ok(())
    }

    /// What wget -K kept of a page; with -E under the name that the page had before.
    fn original(&self, name: &str) -> Option<&Entry> {
        let stem = name.strip_suffix(".html").unwrap_or(name);
        let kept = [format!("{name}.orig"), format!("{stem}.orig")];
        kept.iter().filter(|_| self.mirrored).find_map(|kept| self.files.entries.get(kept))
    }

    fn file(
        &self,
        name: &str,
        entry: &Entry,
        modified: SystemTime,
        keys: [Option<String>; 2],
        intake: &mut Intake<'_>,
    ) -> Result<(), ImportError> {
        let of_file = |error| ImportError::of_entry(name, self.archive, error);
        let mut body = self.files.open(entry).map_err(of_file)?;
        let arrived = intake.body(name, self.archive, &mut body)?;
        let mut headers = HeaderMap::new();
        let kind = content_type(name, &arrived.start, self.mirrored);
        headers.extend(HeaderValue::from_str(&kind).ok().map(|kind| (CONTENT_TYPE, kind)));
        let changed = HeaderValue::from_str(&httpdate::fmt_http_date(modified.max(SystemTime::UNIX_EPOCH)));
        headers.extend(changed.ok().map(|changed| (LAST_MODIFIED, changed)));
        for key in keys.into_iter().flatten() {
            let answer = Answer {
                key,
                status: 200,
                headers: headers.clone(),
                taken_at: modified.min(self.now),
                class: None,
                notes: Notes::default(),
            };
            intake.page(answer, Some(arrived.clone()))?;
        }
        Ok(())
    }

    /// Notes where a page leads to.
    fn links(
        &self,
        key: &str,
        name: &str,
        entry: &Entry,
        linked: &mut HashSet<u128>,
    ) -> Result<(), ImportError> {
        let of_file = |error| ImportError::of_entry(name, self.archive, error);
        let mut text = Vec::new();
        let reader = self.files.open(entry).map_err(of_file)?;
        BufReader::new(reader).take(HOLD).read_to_end(&mut text).map_err(of_file)?;
        if !Media::of("", &HeaderMap::new(), &text).is_page()
            && endings::ending_of(name).is_none_or(|e| !e.starts_with("htm"))
        {
            return Ok(());
        }
        let (text, encoding) = charset::html(&text, None);
        let page = html::read(&text);
        let Ok(url) = Url::parse(&format!("http://{}{key}", self.host)) else { return Ok(()) };
        let base = page.base.and_then(|base| url.join(&base).ok()).unwrap_or(url);
        for link in page.links {
            let Some(to) = resolve(&base, &link.url, encoding) else { continue };
            if authority(&to)
                .is_some_and(|host| bare(&host) == bare(self.host) || self.hosts.holds(&host, self.host))
            {
                linked.insert(short(&self.hosts.key_of(to.path(), to.query())));
            }
        }
        Ok(())
    }

    fn keys(&self, name: &str) -> Keys {
        let (path, query) = match name.split_once('?').filter(|_| self.mirrored) {
            Some((path, query)) => (path, Some(query)),
            None => (name, None),
        };
        let key = |path: &str, query: Option<&str>| {
            self.hosts.key_of(&self.escaped(path), query.map(|q| self.escaped(q)).as_deref().map(|q| &q[1..]))
        };
        // -E puts its ending behind everything.
        let bare_query = query.and_then(|query| query.strip_suffix(".html"));
        let (query, other_query) = match bare_query {
            Some(bare) => (Some(bare), query),
            None => (query, None),
        };
        let folder = path.strip_suffix("index.html").or_else(|| path.strip_suffix("index.htm"));
        if let Some(folder) = folder.filter(|folder| folder.is_empty() || folder.ends_with('/')) {
            return Keys { usual: key(folder, query), other: Some(key(path, query)), both: true };
        }
        if query.is_some() {
            let other = other_query.map(|query| key(path, Some(query)));
            return Keys { usual: key(path, query), other, both: false };
        }
        let Some(stem) = path.strip_suffix(".html") else {
            return Keys { usual: key(path, None), other: None, both: false };
        };
        let scripted = [".php", ".asp", ".aspx", ".jsp", ".cgi", ".cfm", ".pl"]
            .iter()
            .any(|e| stem.to_ascii_lowercase().ends_with(e));
        let (with, without) = (key(path, None), key(stem, None));
        if scripted && self.mirrored {
            Keys { usual: without, other: Some(with), both: false }
        } else {
            Keys { usual: with, other: Some(without), both: false }
        }
    }

    /// A name as the path of an address. In a mirror, octets are escaped already; elsewhere `%` and `?` stand for themselves.
    fn escaped(&self, name: &str) -> String {
        let mut out = String::with_capacity(name.len() + 1);
        out.push('/');
        for c in name.chars() {
            match c {
                '%' if !self.mirrored => out.push_str("%25"),
                '?' if !self.mirrored => out.push_str("%3F"),
                c => out.push(c),
            }
        }
        out
    }
}

fn may_be_html(name: &str) -> bool {
    let path = name.split('?').next().unwrap_or(name);
    endings::ending_of(path)
        .and_then(|ending| endings::of_ending(&ending))
        .is_none_or(|kind| kind.contains("html"))
}

/// The type of a file, by its ending, else by how it begins.
fn content_type(name: &str, start: &[u8], mirrored: bool) -> String {
    let path = if mirrored { name.split('?').next().unwrap_or(name) } else { name };
    let by_ending = endings::ending_of(path).and_then(|ending| endings::of_ending(&ending));
    let text = std::str::from_utf8(start).map_or_else(|e| e.valid_up_to() + 4 > start.len(), |_| true);
    let kind = by_ending.unwrap_or_else(|| match start {
        _ if Media::of("", &HeaderMap::new(), start).is_page() => "text/html",
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'%', b'P', b'D', b'F', ..] => "application/pdf",
        [b'<', b'?', b'x', b'm', b'l', ..] => "application/xml",
        _ if text && !start.contains(&0) => "text/plain",
        _ => "application/octet-stream",
    });
    if !matches!(kind, "text/html" | "text/plain" | "text/csv") {
        return kind.to_owned();
    }
    let encoding = charset::html(start, None).1;
    if encoding == UTF_8 && start.is_ascii() {
        kind.to_owned()
    } else {
        format!("{kind}; charset={}", encoding.name().to_ascii_lowercase())
    }
}
