//! Real stores, real archives: out, in, and compared; and archives that were made to do harm.

mod hostile;
mod round;
mod web;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};

use super::{Base, Export, ExportError, Exported, Format, Import, ImportError, Imported, export, import};
use crate::clock::{self, Now};
use crate::snapshot::{Class, Notes, Page, Snapshot, Store, Stored};

fn now() -> Now {
    Now { mono: clock::instant(), wall: at(1_795_137_214, 5) }
}

fn at(seconds: u64, nanos: u32) -> SystemTime {
    UNIX_EPOCH + Duration::new(seconds, nanos)
}

/// A page before it has a body in a store.
struct Draft {
    page: Page,
    body: Option<Vec<u8>>,
}

fn draft(key: &str, status: u16, kind: &str, body: Option<&[u8]>) -> Draft {
    let class = match status {
        300..400 => Class::Redirect,
        _ if kind.starts_with("text/html") => Class::Page,
        _ => Class::Asset,
    };
    let mut page = Page {
        key: key.to_owned(),
        status,
        headers: Vec::new(),
        body: None,
        len: 0,
        taken_at: at(1_795_000_000 + key.len() as u64, 0),
        class,
        notes: Notes::default(),
    };
    if class == Class::Redirect {
        page = with(page, "location", kind.as_bytes());
    } else if !kind.is_empty() {
        page = with(page, "content-type", kind.as_bytes());
    }
    Draft { page, body: body.map(<[u8]>::to_vec) }
}

fn with(mut page: Page, name: &'static str, value: &[u8]) -> Page {
    page.headers.push((HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap()));
    page
}

/// Publishes these pages as a snapshot.
fn published(store: &Store, drafts: Vec<Draft>) -> Arc<Snapshot> {
    let staging = store.begin(now(), "crawl").unwrap();
    for Draft { mut page, body } in drafts {
        page.body = body.map(|body| {
            let mut writer = staging.blob();
            writer.write(&body).unwrap();
            writer.finish().unwrap()
        });
        staging.add(page).unwrap();
    }
    staging.publish(now(), &serde_json::Value::Null).unwrap()
}

/// Everything that a snapshot holds.
fn content(snapshot: &Snapshot) -> BTreeMap<String, (Page, Vec<u8>)> {
    let body = |page: &Page| match snapshot.load(page).unwrap() {
        Stored::Whole(bytes) => bytes.to_vec(),
        Stored::File { mut file, .. } => {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
            bytes
        }
    };
    snapshot
        .pages()
        .map(|page| page.unwrap())
        .map(|page| (page.key.clone(), (page.clone(), body(&page))))
        .collect()
}

fn exported(store: &Store, to: &Path, force: bool) -> Result<Exported, ExportError> {
    let base = Base::parse("https://www.example.com").unwrap();
    let (snapshot, format) = (store.current().unwrap(), Format::of(to));
    export(Export { store, snapshot, base, to, format, force }, now(), &|_| {})
}

/// Imports into a store of its own.
fn imported(
    state: &Path,
    path: &Path,
    change: impl FnOnce(&mut Import<'_>),
) -> Result<(Imported, Arc<Snapshot>), ImportError> {
    let store = Store::open(state, "shop").unwrap();
    let mut ask = Import {
        store: &store,
        path,
        scratch: state,
        hosts: vec![],
        ignore_query: vec![],
        at: None,
        publish: false,
    };
    change(&mut ask);
    let done = import(&ask, now(), &|_| {})?;
    let snapshot = store.get(&done.snapshot).unwrap();
    Ok((done, snapshot))
}

fn write(path: &Path, bytes: &[u8]) {
    crate::disk::make_dirs(path.parent().unwrap()).unwrap();
    crate::disk::write_atomic(path, bytes).unwrap();
}

/// Nothing is left of an attempt: no snapshot, no staging, no file beside.
fn assert_untouched(state: &Path) {
    let site = state.join("snapshots/shop");
    let names = |dir: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|e| e.file_name().into_string().unwrap()).filter(|n| !n.ends_with("lock")).collect()
    };
    assert_eq!(names(&site), [""; 0]);
    assert_eq!(names(&state.join("blobs")), [""; 0]);
    let mut top = names(state);
    top.sort();
    assert_eq!(top, ["blobs", "snapshots"]);
}
