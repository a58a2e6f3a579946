//! `katahai snapshot list|show|verify`: what is in a state directory, whether or not anything runs.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use crate::snapshot::{
    self, Checked, ManifestError, OpenError, Page, ReadError, SnapshotId, Store, Summary, VerifyReport,
};

/// What a command works on.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Where the snapshots are.
    pub state_dir: &'a Path,
    /// One site; `None`: all that have snapshots there.
    pub site: Option<&'a str>,
    /// For programs rather than people.
    pub json: bool,
}

/// A command could not be done.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The state directory has nothing of that site, or of any.
    #[error("there are no snapshots in {}", .0.display())]
    Nothing(PathBuf),
    /// The text is not an id.
    #[error("{text:?} names no snapshot")]
    Name {
        /// As given.
        text: String,
        /// What an id looks like.
        #[source]
        source: snapshot::NotAnId,
    },
    /// No site has a snapshot of that name.
    #[error("there is no snapshot {0}")]
    Unknown(String),
    /// More than one site has.
    #[error("several sites have a snapshot {id}: {}; name one", sites.join(", "))]
    Ambiguous {
        /// As given.
        id: String,
        /// The sites.
        sites: Vec<String>,
    },
    /// What was looked at is not whole; what exactly has been printed.
    #[error("{0} of the snapshots that were verified are damaged")]
    Damaged(usize),
    /// The store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The snapshot.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A part of the snapshot.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The state directory.
    #[error("could not read {}", path.display())]
    StateDir {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The output.
    #[error("could not write the output")]
    Output(#[from] io::Error),
}

impl From<serde_json::Error> for CommandError {
    fn from(error: serde_json::Error) -> CommandError {
        CommandError::Output(error.into())
    }
}

/// `list`: all snapshots, newest first, those that cannot be read among them.
///
/// # Errors
/// When the state directory cannot be read.
pub fn list(scope: Scope<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let stores = scope.stores()?;
    if scope.json {
        let rows = stores.iter().flat_map(|store| {
            let bad = store.unreadable().into_iter();
            let bad = bad.map(|(id, why)| json!({ "id": id, "site": store.site(), "unreadable": why }));
            store.list().into_iter().map(|summary| json!(summary)).chain(bad).collect::<Vec<_>>()
        });
        return print_json(&rows.collect::<Vec<_>>(), out);
    }
    let mut table = table(&["SITE", "SNAPSHOT", "TAKEN", "PAGES", "FILES", "SIZE", ""], &[3, 4, 5]);
    for store in &stores {
        for s in store.list() {
            let state = if s.current { "current" } else { "" };
            let (id, taken, size) = (s.id.to_string(), time(s.taken_at), size(s.bytes));
            table.add_row([
                s.site,
                id,
                taken,
                s.pages.to_string(),
                s.files.to_string(),
                size,
                state.to_owned(),
            ]);
        }
        for (id, why) in store.unreadable() {
            let dash = || "-".to_owned();
            table.add_row([store.site().to_owned(), id.to_string(), dash(), dash(), dash(), dash(), why]);
        }
    }
    print_table(&table, out)
}

/// `show ID`: one snapshot, with its crawl's record; with `pages`, also every address in it. `id` may be `current`.
///
/// # Errors
/// When there is no such snapshot, or it cannot be read.
pub fn show(scope: Scope<'_>, id: &str, pages: bool, out: &mut dyn Write) -> Result<(), CommandError> {
    let (store, id) = scope.one(id)?;
    let snapshot = store.get(&id).ok_or_else(|| CommandError::Unknown(id.to_string()))?;
    let (summary, report) = (snapshot.summary(), store.report(&id));
    if scope.json {
        let mut shown = json!(summary);
        shown["report"] = json!(report);
        if pages {
            let entries: Result<Vec<_>, ReadError> =
                snapshot.pages().map(|page| page.map(page_json)).collect();
            shown["entries"] = json!(entries?);
        }
        return print_json(&shown, out);
    }
    print_table(&summary_table(&summary), out)?;
    if let Some(report) = report.filter(|report| !report.is_null()) {
        writeln!(out, "\nRecord of the crawl:\n{}", serde_json::to_string_pretty(&report)?)?;
    }
    if pages {
        writeln!(out, "\nSTATUS  CLASS     SIZE        TAKEN                 ADDRESS")?;
        for page in snapshot.pages() {
            let page = page?;
            let (class, size, time) = (page.class.as_str(), size(page.len), time(page.taken_at));
            writeln!(out, "{:<6}  {class:<8}  {size:<10}  {time}  {}", page.status, printable(&page.key))?;
        }
    }
    Ok(())
}

/// `verify [ID]`: every hash and every reference of one snapshot, or of all. A bar on a terminal shows how far it is.
///
/// # Errors
/// [`CommandError::Damaged`] after everything was printed, when anything is wrong.
pub fn verify(scope: Scope<'_>, id: Option<&str>, out: &mut dyn Write) -> Result<(), CommandError> {
    let targets: Vec<(Store, SnapshotId)> = match id {
        Some(id) => vec![scope.one(id)?],
        None => scope.stores()?.into_iter().flat_map(all_of).collect(),
    };
    let (mut checked, mut shown, mut damaged) = (Checked::default(), Vec::new(), 0);
    for (store, id) in targets {
        let report = verify_one(&store, id, &mut checked);
        damaged += usize::from(!report.is_whole());
        if scope.json {
            shown.push(Verified { site: store.site().to_owned(), report });
            continue;
        }
        if report.is_whole() {
            let size = size(report.bytes);
            let (entries, blobs) = (report.entries, report.blobs);
            writeln!(out, "{} {id}: whole ({entries} addresses, {blobs} bodies, {size})", store.site())?;
        } else {
            writeln!(out, "{} {id}: DAMAGED in {} places", store.site(), report.damaged)?;
            for finding in &report.findings {
                writeln!(out, "  {}", finding.problem)?;
                if !finding.keys.is_empty() {
                    writeln!(out, "    needed by {}", finding.keys.join(" "))?;
                }
            }
        }
    }
    if scope.json {
        print_json(&shown, out)?;
    }
    if damaged == 0 { Ok(()) } else { Err(CommandError::Damaged(damaged)) }
}

#[derive(Serialize)]
struct Verified {
    site: String,
    #[serde(flatten)]
    report: VerifyReport,
}

fn all_of(store: Store) -> Vec<(Store, SnapshotId)> {
    let good = store.list().into_iter().map(|summary| summary.id);
    let ids = good.chain(store.unreadable().into_iter().map(|(id, _)| id)).collect::<Vec<_>>();
    ids.into_iter().map(|id| (store.clone(), id)).collect()
}

/// One that cannot even be opened is one finding.
fn verify_one(store: &Store, id: SnapshotId, checked: &mut Checked) -> VerifyReport {
    let bar = ProgressBar::new(0).with_style(bar_style()).with_prefix(format!("{} {id}", store.site()));
    let report = store.verify_with(&id, checked, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    report.unwrap_or_else(|error| {
        let mut report = VerifyReport::new(id);
        report.note(chain(&error), None);
        report
    })
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} {wide_bar} {bytes}/{total_bytes} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Scope<'_> {
    /// The sites that are meant; nothing is written.
    fn stores(&self) -> Result<Vec<Store>, CommandError> {
        let unreadable = |source| CommandError::StateDir { path: self.state_dir.to_owned(), source };
        let mut sites = snapshot::sites(self.state_dir).map_err(unreadable)?;
        sites.retain(|site| self.site.is_none_or(|wanted| wanted == site));
        if sites.is_empty() {
            return Err(CommandError::Nothing(self.state_dir.to_owned()));
        }
        sites.iter().map(|site| Ok(Store::look(self.state_dir, site)?)).collect()
    }

    /// The one snapshot that `text` names: an id, or `current`.
    fn one(&self, text: &str) -> Result<(Store, SnapshotId), CommandError> {
        let id = match text {
            "current" => None,
            text => {
                let name = |source| CommandError::Name { text: text.to_owned(), source };
                Some(text.parse::<SnapshotId>().map_err(name)?)
            }
        };
        let holders = self.stores()?.into_iter().filter_map(|store| match id {
            None => store.current().map(|current| (store, current.id())),
            Some(id) => all_of(store).into_iter().find(|(_, held)| *held == id),
        });
        let mut holders: Vec<_> = holders.collect();
        match (holders.pop(), holders.as_slice()) {
            (None, _) => Err(CommandError::Unknown(text.to_owned())),
            (Some(only), []) => Ok(only),
            (Some(last), others) => {
                let sites = others.iter().chain([&last]).map(|(store, _)| store.site().to_owned()).collect();
                Err(CommandError::Ambiguous { id: text.to_owned(), sites })
            }
        }
    }
}

fn page_json(page: Page) -> serde_json::Value {
    json!({
        "key": page.key,
        "status": page.status,
        "class": page.class,
        "size": page.len,
        "blob": page.body,
        "taken_at": time(page.taken_at),
    })
}

fn summary_table(s: &Summary) -> Table {
    let mut table = table(&[], &[]);
    let current = if s.current { " (current)" } else { "" };
    let rows = [
        ("Snapshot", format!("{}{current}", s.id)),
        ("Site", s.site.clone()),
        ("Kind", printable(&s.kind)),
        ("Started", time(s.started_at)),
        ("Taken", time(s.taken_at)),
        ("Pages", s.pages.to_string()),
        ("Files", s.files.to_string()),
        ("Redirects", s.redirects.to_string()),
        ("Size", size(s.bytes)),
    ];
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    table
}

fn table(header: &[&str], numeric: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if !header.is_empty() {
        table.set_header(header.iter().copied());
    }
    for column in numeric {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn print_table(table: &Table, out: &mut dyn Write) -> Result<(), CommandError> {
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn print_json(value: &impl Serialize, out: &mut dyn Write) -> Result<(), CommandError> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    Ok(writeln!(out)?)
}

fn size(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

fn time(time: std::time::SystemTime) -> String {
    snapshot::rfc3339(time)
}

/// Text from the network, without what would steer a terminal.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::clock::Now;
    use crate::snapshot::{Class, bench};

    fn at(seconds: u64) -> Now {
        Now { mono: crate::clock::instant(), wall: UNIX_EPOCH + Duration::from_secs(seconds) }
    }

    /// A state directory with a snapshot of each of these sites.
    fn place(sites: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for site in sites {
            bench::fill(&Store::open(dir.path(), site).unwrap(), 3, at(1_795_137_214)).unwrap();
        }
        dir
    }

    fn said(command: impl FnOnce(&mut Vec<u8>) -> Result<(), CommandError>) -> String {
        let mut out = Vec::new();
        command(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn scope(dir: &tempfile::TempDir, json: bool) -> Scope<'_> {
        Scope { state_dir: dir.path(), site: None, json }
    }

    const ID: &str = "20261120T011334Z-000001";

    #[test]
    fn a_list_says_what_is_there() {
        let dir = place(&["blog", "shop"]);
        let text = said(|out| list(scope(&dir, false), out));
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["SITE", "SNAPSHOT", "TAKEN", "PAGES", "FILES", "SIZE"]);
        assert_eq!(rows[1][..5], ["blog", ID, "2026-11-20T01:13:34Z", "3", "0"]);
        assert_eq!((rows[2][0], *rows[2].last().unwrap()), ("shop", "current"));
        let json: serde_json::Value =
            serde_json::from_str(&said(|out| list(scope(&dir, true), out))).unwrap();
        assert_eq!(
            (&json[1]["site"], &json[1]["id"], &json[1]["current"]),
            (&json!("shop"), &json!(ID), &json!(true))
        );
    }

    #[test]
    fn one_snapshot_is_shown_with_its_record_and_pages() {
        let dir = place(&["shop"]);
        let text = said(|out| show(scope(&dir, false), "current", true, out));
        assert!(text.contains(&format!("{ID} (current)")) && text.contains("\"made\": 3"), "{text}");
        assert_eq!(text.lines().filter(|line| line.contains("/made/")).count(), 3);
        let json = said(|out| show(scope(&dir, true), ID, true, out));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["pages"], &json["report"]["made"]), (&json!(3), &json!(3)));
        assert_eq!(json["entries"][0]["class"], json!(Class::Page));
    }

    #[test]
    fn verification_tells_what_is_damaged() {
        let dir = place(&["shop"]);
        let text = said(|out| verify(scope(&dir, false), None, out));
        assert!(text.starts_with(&format!("shop {ID}: whole (3 addresses, 3 bodies")), "{text}");
        let page = Store::look(dir.path(), "shop").unwrap().current().unwrap().find(&bench::key(0)).unwrap();
        let blob = page.unwrap().body.unwrap().to_string();
        crate::disk::remove_file(&dir.path().join("blobs").join(&blob[..2]).join(&blob)).unwrap();
        for json in [false, true] {
            let mut out = Vec::new();
            assert!(matches!(verify(scope(&dir, json), Some(ID), &mut out), Err(CommandError::Damaged(1))));
            let text = String::from_utf8(out).unwrap();
            assert!(text.contains(&format!("blob {blob} is missing")), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_said_so() {
        let dir = place(&["blog", "shop"]);
        let asked = |site, id: &str| show(Scope { site, ..scope(&dir, false) }, id, false, &mut Vec::new());
        assert!(
            matches!(asked(None, "current"), Err(CommandError::Ambiguous { sites, .. }) if sites == ["blog", "shop"])
        );
        assert!(matches!(asked(Some("shop"), ID), Ok(())));
        assert!(matches!(asked(Some("shop"), "20261120T011334Z-000002"), Err(CommandError::Unknown(_))));
        assert!(matches!(asked(Some("shop"), "../../etc"), Err(CommandError::Name { .. })));
        assert!(matches!(asked(Some("other"), ID), Err(CommandError::Nothing(_))));
    }

    #[test]
    fn text_from_the_network_does_not_steer_the_terminal() {
        assert_eq!(printable("/a\u{1b}[2Jé\u{9b}"), "/a\\u{1b}[2Jé\\u{9b}");
    }
}
