//! What is put in comes out, in the order in which it was taken, and nothing else does.

use std::os::unix::fs::MetadataExt as _;

use super::*;

#[test]
fn a_site_comes_back_as_it_was_also_after_a_restart() {
    let place = Place::new();
    assert!(place.store.current().is_none());
    let staging = stage(&place.store, 100, &[("/", "home"), ("/a?b=c", "ac")]);
    let long = format!("/{}", "x".repeat(20_000));
    let odd = Page {
        key: long.clone(),
        status: 404,
        headers: vec![
            (HeaderName::from_static("x-odd"), HeaderValue::from_bytes(b"\xe3\x81\x82").unwrap()),
            (HeaderName::from_static("x-odd"), HeaderValue::from_static("")),
        ],
        class: Class::Asset,
        ..page("", None)
    };
    staging.add(odd.clone()).unwrap();
    staging.add(Page { class: Class::Redirect, ..page("/%E3%81%82/日本", None) }).unwrap();
    staging.publish(at(160), &serde_json::json!({ "fetched": 4 })).unwrap();
    for store in [&place.store, &place.reopened()] {
        let current = store.current().unwrap();
        assert_eq!(body_of(&current, "/"), "home");
        assert_eq!(body_of(&current, "/a?b=c"), "ac");
        assert_eq!(body_of(&current, "/%E3%81%82/日本"), "");
        assert_eq!(current.find(&long).unwrap(), Some(odd.clone()));
        assert_eq!(current.find("/a").unwrap(), None);
        assert_eq!(current.keys().count(), 4);
        let summary = current.summary();
        assert_eq!((summary.pages, summary.files, summary.redirects, summary.bytes), (2, 1, 1, 6));
        assert_eq!((summary.started_at, summary.taken_at), (at(100).wall, at(160).wall));
        assert_eq!((summary.site.as_str(), summary.kind.as_str(), summary.current), ("shop", "crawl", true));
        assert_eq!(store.list(), [summary]);
        assert_eq!(store.report(&current.id()), Some(serde_json::json!({ "fetched": 4 })));
        assert!(store.verify(&current.id()).unwrap().is_whole());
    }
    assert_eq!(names(&place.site_dir()), ["19700101T000140Z-000001", "current", "lock", "marks.lock"]);
    assert_eq!(names(&place.site_dir().join("19700101T000140Z-000001")), ["manifest", "report.json"]);
}

#[test]
fn a_summary_says_its_times_as_people_write_them() {
    let place = Place::new();
    let json = serde_json::to_value(take(&place.store, 100, &[("/", "x")]).summary()).unwrap();
    assert_eq!(json["id"], "19700101T000140Z-000001");
    assert_eq!(json["taken_at"], "1970-01-01T00:01:41Z");
}

#[test]
fn what_was_added_after_a_mark_can_be_left_out() {
    let place = Place::new();
    let staging = stage(&place.store, 1, &[("/", "first"), ("/a", "a")]);
    let mark = staging.mark();
    for (key, body) in [("/", "second"), ("/b", "b")] {
        let body = put(&staging, body.as_bytes());
        staging.add(page(key, Some(body))).unwrap();
    }
    staging.rewind(mark);
    let body = put(&staging, b"c");
    staging.add(page("/c", Some(body))).unwrap();
    let snapshot = staging.publish(at(2), &serde_json::Value::Null).unwrap();
    let pages = ["/", "/a", "/b", "/c"].map(|key| snapshot.find(key).unwrap().is_some());
    assert_eq!((body_of(&snapshot, "/").as_str(), pages), ("first", [true, true, false, true]));
    assert_eq!((body_of(&snapshot, "/c").as_str(), snapshot.summary().pages), ("c", 3));
    assert!(place.store.verify(&snapshot.id()).unwrap().is_whole());
}

#[test]
fn a_page_added_twice_is_there_once_as_it_was_last() {
    let place = Place::new();
    let snapshot = take(&place.store, 1, &[("/", "first"), ("/b", "b"), ("/", "second")]);
    assert_eq!(body_of(&snapshot, "/"), "second");
    assert_eq!((snapshot.pages().count(), snapshot.summary().pages), (2, 2));
    assert!(place.store.verify(&snapshot.id()).unwrap().is_whole());
}

#[test]
fn large_bodies_come_as_files_and_stay_readable_when_all_is_removed() {
    let place = Place::new();
    let large: Vec<u8> = (0..3_000_000u32).map(|i| (i / 7) as u8).collect();
    let edge = vec![7; WHOLE as usize];
    let staging = place.store.begin(at(1), "crawl").unwrap();
    for (key, body) in [("/large", &large), ("/edge", &edge)] {
        let body = put(&staging, body);
        staging.add(page(key, Some(body))).unwrap();
    }
    let snapshot = staging.publish(at(2), &serde_json::Value::Null).unwrap();
    let find = |key| snapshot.find(key).unwrap().unwrap();
    assert!(matches!(snapshot.load(&find("/edge")).unwrap(), Stored::Whole(bytes) if bytes == edge));
    let stored = snapshot.load(&find("/large")).unwrap();
    assert!(matches!(stored, Stored::File { len: 3_000_000, .. }));
    std::fs::remove_dir_all(place.dir.path()).unwrap();
    assert_eq!(bytes_of(stored), large);
}

#[test]
fn the_newest_is_in_service_and_all_can_be_had() {
    let place = Place::new();
    let one = take(&place.store, 1, &[("/", "one")]);
    let two = take(&place.store, 2, &[("/", "two")]);
    for store in [&place.store, &place.reopened()] {
        assert_eq!(store.current().unwrap().id(), two.id());
        let listed: Vec<_> = store.list().into_iter().map(|s| (s.id, s.current)).collect();
        assert_eq!(listed, [(two.id(), true), (one.id(), false)]);
        assert_eq!(body_of(&store.get(&one.id()).unwrap(), "/"), "one");
        assert!(store.get(&SnapshotId::new(at(9).wall, 9)).is_none());
    }
    assert_eq!((one.summary().current, two.summary().current), (false, true));
}

#[test]
fn a_clock_set_back_changes_neither_order_nor_names() {
    let place = Place::new();
    let before = take(&place.store, 2_000_000, &[("/", "before")]);
    let after = take(&place.store, 1_000, &[("/", "after")]);
    assert!(after.id() > before.id());
    std::fs::remove_file(place.site_dir().join("current")).unwrap();
    let store = place.reopened();
    assert_eq!(body_of(&store.current().unwrap(), "/"), "after");
    let third = take(&store, 1_000, &[("/", "third")]);
    assert_ne!(third.id(), after.id());
    assert_eq!(store.list().iter().map(|s| s.id.sequence()).collect::<Vec<_>>(), [3, 2, 1]);
}

#[test]
fn a_number_is_not_used_again_when_its_snapshot_is_gone() {
    let place = Place::new();
    take(&place.store, 1, &[("/", "one")]);
    let two = take(&place.store, 2, &[("/", "two")]).id();
    std::fs::remove_dir_all(place.site_dir().join(two.to_string())).unwrap();
    let store = place.reopened();
    assert_eq!(body_of(&store.current().unwrap(), "/"), "one");
    assert_eq!(take(&store, 2, &[("/", "three")]).id().sequence(), 3);
}

#[test]
fn one_is_taken_at_a_time() {
    let place = Place::new();
    let other = place.reopened();
    let staging = place.store.begin(at(1), "crawl").unwrap();
    assert!(matches!(other.begin(at(1), "crawl"), Err(BeginError::AlreadyRunning)));
    // Another site's is its own affair; and opening the store does not disturb the one that is being taken.
    Store::open(place.dir.path(), "other").unwrap().begin(at(1), "crawl").unwrap();
    place.reopened();
    let body = put(&staging, b"x");
    staging.add(page("/", Some(body))).unwrap();
    staging.publish(at(2), &serde_json::Value::Null).unwrap();
    other.begin(at(3), "crawl").unwrap();
}

#[test]
fn what_is_dropped_leaves_nothing() {
    let place = Place::new();
    let late = {
        let staging = stage(&place.store, 1, &[("/", "x")]);
        let mut large = staging.blob();
        large.write(&[1; 700_000]).unwrap();
        large
    };
    assert!(late.finish().is_err());
    assert_eq!(names(&place.site_dir()), ["lock", "marks.lock"]);
    assert_eq!(place.blob_files(), 0);
    assert!(place.store.current().is_none());
}

#[test]
fn nothing_is_never_published() {
    let place = Place::new();
    take(&place.store, 1, &[("/", "x")]);
    let empty = place.store.begin(at(2), "crawl").unwrap();
    put(&empty, b"a body without a page");
    assert!(matches!(empty.publish(at(3), &serde_json::Value::Null), Err(PublishError::Empty)));
    assert_eq!(place.store.list().len(), 1);
    assert_eq!(names(&place.site_dir()), ["19700101T000001Z-000001", "current", "lock", "marks.lock"]);
}

#[test]
fn what_did_not_change_is_not_written_again() {
    let place = Place::new();
    let one = take(&place.store, 1, &[("/", "same"), ("/b", "same"), ("/c", "other")]);
    assert_eq!(place.blob_files(), 2);
    let same = place.blob_path(&BlobId::of(b"same"));
    let inode = std::fs::metadata(&same).unwrap().ino();
    let staging = stage(&place.store, 2, &[("/", "same"), ("/d", "same")]);
    assert_eq!(names(&staging_dir(&place).join("new")), [""; 0]);
    // An answer 304, or a page that this crawl did not reach: the old page is added as it is.
    let carried = one.find("/c").unwrap().unwrap();
    staging.add(carried.clone()).unwrap();
    let two = staging.publish(at(3), &serde_json::Value::Null).unwrap();
    assert_eq!(two.find("/c").unwrap(), Some(carried));
    assert_eq!((body_of(&two, "/c"), body_of(&two, "/d")), ("other".to_owned(), "same".to_owned()));
    assert_eq!(std::fs::metadata(&same).unwrap().ino(), inode);
    assert_eq!(place.blob_files(), 2);
}

/// The files of a staging's folder, except its records and journals.
fn staged_files(place: &Place) -> Vec<String> {
    let dir = staging_dir(place);
    let mut files = names(&dir);
    files.extend(names(&dir.join("new")));
    files.retain(|name| !matches!(&**name, "new" | "uses" | "records" | "pages" | "course"));
    files
}

#[test]
fn a_large_body_that_comes_again_is_not_written_and_one_that_differs_late_is() {
    let place = Place::new();
    let large = "large, ".repeat(300_000);
    take(&place.store, 1, &[("/", &large)]);
    let known = place.store.current().unwrap().find("/").unwrap().unwrap();
    let day = Duration::from_secs(86_400);
    let mut other = large.clone();
    other.replace_range(1_500_000..1_500_001, "X");
    let variants = [large.clone(), format!("{large}and more"), large[..2_000_000].to_owned(), other];
    for (i, body) in variants.iter().enumerate() {
        let (staging, _) = place.store.begin_or_resume(at(i as u64), "crawl", "", day).unwrap();
        let mut writer = staging.blob_like(&known);
        for chunk in body.as_bytes().chunks(300_001) {
            writer.write(chunk).unwrap();
            assert!(i > 0 || staged_files(&place).is_empty(), "{:?}", staged_files(&place));
        }
        let id = writer.finish().unwrap();
        assert_eq!((id, staged_files(&place).len()), (BlobId::of(body.as_bytes()), usize::from(i > 0)));
        staging.add(page("/", Some(id))).unwrap();
        let snapshot = staging.publish(at(10), &serde_json::Value::Null).unwrap();
        assert_eq!(body_of(&snapshot, "/"), *body, "{i}");
    }
    // The stored one turns out to be damaged behind what was compared.
    let path = place.blob_path(&known.body.unwrap());
    let staging = place.store.begin(at(20), "crawl").unwrap();
    let mut writer = staging.blob_like(&known);
    writer.write(&large.as_bytes()[..1_000_000]).unwrap();
    truncate(&path, 1_000_000);
    writer.write(&large.as_bytes()[1_000_000..]).unwrap();
    assert_eq!(writer.finish().unwrap(), known.body.unwrap());
    assert_eq!(len_of(&path), large.len() as u64, "and is mended");
}

#[test]
fn what_is_published_writes_only_what_changed() {
    let place = Place::new();
    let made = |n: u64| move |page: u64| if page.is_multiple_of(100) { n } else { 0 };
    bench::fill_editions(&place.store, 2000, made(0), at(1)).unwrap();
    let files = place.blob_files();
    let staged = std::cell::Cell::new(0);
    let edition = |page| {
        staged.set(names(&staging_dir(&place).join("new")).len());
        made(1)(page)
    };
    bench::fill_editions(&place.store, 2000, edition, at(2)).unwrap();
    assert_eq!((staged.get(), place.blob_files() - files), (20, 20));
    let snapshot = place.store.current().unwrap();
    let manifest = len_of(&place.manifest_of(snapshot.id()));
    assert!(manifest < 2000 * 350, "{} bytes a page", manifest / 2000);
}

fn staging_dir(place: &Place) -> PathBuf {
    let name = names(&place.site_dir()).into_iter().find(|name| name.starts_with(STAGING)).unwrap();
    place.site_dir().join(name)
}

#[test]
fn a_page_without_its_body_is_refused() {
    let place = Place::new();
    let staging = place.store.begin(at(1), "crawl").unwrap();
    let absent = BlobId::of(b"nobody wrote this");
    assert!(matches!(staging.add(page("/", Some(absent))), Err(StageError::NoSuchBlob(id)) if id == absent));
    let long = "x".repeat(2 << 20);
    assert!(matches!(staging.add(page(&long, None)), Err(StageError::Oversize(_))));
}

#[test]
fn only_names_that_the_configuration_allows_become_folders() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["", ".", "..", "../x", "a/b", ".hidden", "A", "a\0", "é"] {
        assert!(matches!(Store::open(dir.path(), name), Err(OpenError::Name(_))), "{name:?}");
    }
    assert_eq!(names(dir.path()), [""; 0]);
    for name in ["shop", "www.example.jp", "a_b-c"] {
        Store::open(dir.path(), name).unwrap();
    }
    assert_eq!(sites(dir.path()).unwrap(), ["a_b-c", "shop", "www.example.jp"]);
}

#[test]
fn looking_writes_nothing_and_sees_what_others_did() {
    let place = Place::new();
    let looking = Store::look(place.dir.path(), "shop").unwrap();
    assert!(looking.current().is_none());
    take(&place.store, 1, &[("/", "x")]);
    looking.refresh().unwrap();
    assert_eq!(body_of(&looking.current().unwrap(), "/"), "x");
    let empty = tempfile::tempdir().unwrap();
    assert!(Store::look(empty.path(), "shop").unwrap().list().is_empty());
    assert_eq!(names(empty.path()), [""; 0]);
    assert_eq!(sites(empty.path()).unwrap(), [""; 0]);
}

#[test]
fn a_vanished_state_directory_leaves_what_is_open_and_is_made_again() {
    let place = Place::new();
    let snapshot = take(&place.store, 1, &[("/", "x")]);
    std::fs::remove_dir_all(place.dir.path()).unwrap();
    place.store.refresh().unwrap();
    let current = place.store.current().unwrap();
    assert_eq!(current.id(), snapshot.id());
    let found = current.find("/").unwrap().unwrap();
    assert!(matches!(current.load(&found), Err(ReadError::Damaged(Damage::BlobMissing(_)))));
    assert_eq!(body_of(&take(&place.store, 2, &[("/", "x")]), "/"), "x");
}
