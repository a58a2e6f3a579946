//! Makes large snapshots, for measuring.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderName, HeaderValue};

use super::{BeginError, BlobId, Class, Notes, Page, PublishError, Snapshot, StageError, Store};
use crate::clock::Now;

/// How many different bodies a made snapshot has at most.
const BODIES: u64 = 256;

/// A snapshot could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// At the beginning.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// On the way.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// At the end.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// The key of made page number `n`.
pub fn key(n: u64) -> String {
    format!("/made/{:02}/%E9%A0%81-{n}.html?page={}", n % 100, n / 100)
}

/// Publishes a snapshot of `pages` pages with what a real page has of header fields, and few bodies.
///
/// # Errors
/// As taking any snapshot.
pub fn fill(store: &Store, pages: u64, now: Now) -> Result<Arc<Snapshot>, FillError> {
    let staging = store.begin(now, "bench")?;
    let mut bodies = Vec::new();
    for n in 0..pages.min(BODIES) {
        let mut body = staging.blob();
        body.write(format!("<!doctype html><title>{n}</title>").repeat(200).as_bytes())?;
        bodies.push(body.finish()?);
    }
    for n in 0..pages {
        let body = bodies.get((n % BODIES) as usize).copied();
        staging.add(Page {
            key: key(n),
            status: 200,
            headers: headers(n),
            body,
            len: 0,
            taken_at: now.wall,
            class: Class::Page,
            notes: Notes::default(),
        })?;
    }
    Ok(staging.publish(now, &serde_json::json!({ "made": pages }))?)
}

/// Publishes a snapshot of `pages` pages that each have a body of their own of about 2 KB, as a crawl would that may be
/// interrupted: `edition` says which edition of its page a key has, and a page whose edition the snapshot in service has
/// is carried over, as after an answer 304.
///
/// # Errors
/// As taking any snapshot.
pub fn fill_editions(
    store: &Store,
    pages: u64,
    edition: impl Fn(u64) -> u64,
    now: Now,
) -> Result<Arc<Snapshot>, FillError> {
    let current = store.current();
    let (staging, _) = store.begin_or_resume(now, "bench", "editions", Duration::from_secs(60))?;
    for n in 0..pages {
        let edition = edition(n);
        let body = format!("<!doctype html><title>{n}, edition {edition}</title>").repeat(40);
        let id = BlobId::of(body.as_bytes());
        let known = current.as_ref().and_then(|current| current.find(&key(n)).ok().flatten());
        match known.filter(|page| page.body == Some(id)) {
            Some(page) => staging.add(page)?,
            None => {
                let mut writer = staging.blob();
                writer.write(body.as_bytes())?;
                let (class, notes) = (Class::Page, Notes::default());
                let (body, len) = (Some(writer.finish()?), 0);
                let taken_at = now.wall;
                let page =
                    Page { key: key(n), status: 200, headers: headers(n), body, len, taken_at, class, notes };
                staging.add(page)?;
            }
        }
    }
    Ok(staging.publish(now, &serde_json::json!({ "made": pages }))?)
}

fn headers(n: u64) -> Vec<(HeaderName, HeaderValue)> {
    let etag = HeaderValue::try_from(format!("\"{n:016x}\"")).unwrap_or(HeaderValue::from_static("\"\""));
    vec![
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (LAST_MODIFIED, HeaderValue::from_static("Fri, 20 Nov 2026 01:13:34 GMT")),
        (ETAG, etag),
    ]
}
