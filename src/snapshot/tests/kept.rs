//! Snapshots that earlier versions wrote are read for ever. The samples are never written again: a change of shape is
//! a new version with a sample of its own.

use super::*;

const SAMPLE_V1: &[u8] = include_bytes!("sample-v1.manifest");

#[test]
fn a_snapshot_of_version_1_is_read() {
    let place = Place::new();
    let id: SnapshotId = "20261120T011334Z-000042".parse().unwrap();
    std::fs::create_dir(place.site_dir().join(id.to_string())).unwrap();
    std::fs::write(place.manifest_of(id), SAMPLE_V1).unwrap();
    let current = place.reopened().current().unwrap();
    let summary = current.summary();
    assert_eq!((summary.id, summary.kind.as_str(), summary.pages, summary.redirects), (id, "crawl", 1, 1));
    assert_eq!((summary.files, summary.bytes), (1, 13));
    assert_eq!(rfc3339(summary.started_at), "2026-11-20T01:13:34Z");
    assert_eq!(rfc3339(summary.taken_at), "2026-11-20T01:14:34Z");
    let home = current.find("/").unwrap().unwrap();
    assert_eq!(
        (home.status, home.class, home.body, home.len),
        (200, Class::Page, Some(BlobId::of(b"<p>home")), 7)
    );
    assert_eq!(home.taken_at, UNIX_EPOCH + Duration::new(1_795_137_215, 5));
    let fields: Vec<(&str, &[u8])> = home.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    assert_eq!(fields, [("content-type", &b"text/html"[..]), ("x-odd", &b"\xe3\x81\x82"[..])]);
    let old = current.find("/old?%E3%81%82").unwrap().unwrap();
    assert_eq!((old.status, old.class, old.body, old.len), (301, Class::Redirect, None, 0));
    assert_eq!(current.find("/a.css").unwrap().unwrap().class, Class::Asset);
    let blobs: Result<Vec<_>, _> = current.blobs().collect();
    assert_eq!(blobs.unwrap().len(), 2);
}
