//! Makes large snapshots, for measuring.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderName, HeaderValue};

use super::{BeginError, Class, Notes, Page, PublishError, Snapshot, StageError, Store};
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

fn headers(n: u64) -> Vec<(HeaderName, HeaderValue)> {
    let etag = HeaderValue::try_from(format!("\"{n:016x}\"")).unwrap_or(HeaderValue::from_static("\"\""));
    vec![
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (LAST_MODIFIED, HeaderValue::from_static("Fri, 20 Nov 2026 01:13:34 GMT")),
        (ETAG, etag),
    ]
}
