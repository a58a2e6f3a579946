//! Out and in again: the same site, whatever the way.

use super::*;

const HTML: &str = "text/html; charset=utf-8";

/// One page of every kind that gave somebody trouble.
fn drafts() -> Vec<Draft> {
    let big: Vec<u8> = (0..1_300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut drafts = vec![
        draft("/", 200, HTML, Some(b"<title>Home &amp; more</title>")),
        draft("/index.html", 200, HTML, Some(b"<title>Home &amp; more</title>")),
        draft("/a", 200, HTML, Some(b"a")),
        draft("/a/", 200, HTML, Some(b"a folder")),
        draft("/a/b", 200, HTML, Some(b"a b")),
        draft("/a.html", 200, "text/html", Some(b"a.html")),
        draft("/a?b=1&c=%E3%81%82", 200, HTML, Some(b"a?b=1")),
        draft("/a%2Fb", 200, HTML, Some(b"a%2Fb")),
        draft("/s.css", 200, "text/css", Some(b"b{}")),
        draft("/s.css?v=2", 200, "text/css", Some(b"b{}")),
        draft("/page.css", 200, HTML, Some(b"html by another name")),
        draft("/img/Logo.png", 200, "image/png", Some(b"\x89PNG upper")),
        draft("/img/logo.png", 200, "image/png", Some(b"\x89PNG lower")),
        draft("/%E3%81%82/%E3%81%84.txt", 200, "text/plain; charset=shift_jis", Some(b"\x82\xa0")),
        draft("/con", 200, HTML, Some(b"device")),
        draft("/%FF", 200, HTML, Some(b"octet")),
        draft("/x//y", 200, HTML, Some(b"double")),
        draft("/empty", 200, "text/plain", Some(b"")),
        draft("/untyped", 200, "", Some(b"<p>who knows")),
        draft("/none", 203, "text/plain", Some(b"not the origin's")),
        draft("/.katahai/manifest.jsonl", 200, "text/plain", Some(b"not ours")),
        draft("/_redirects", 200, "text/plain", Some(b"not ours either")),
        draft("/film.mp4", 200, "video/mp4", Some(&big)),
        draft("/film-again.mp4", 200, "video/mp4", Some(&big)),
        draft("//cdn.example.net/lib/x.js?v=1", 200, "text/javascript", Some(b"x()")),
        draft("/old", 301, "https://www.example.com/a", None),
        draft("/old?x=$1", 302, "/a \"q\"; $uri", None),
    ];
    let long = format!("/{}", "long/".repeat(300));
    drafts.push(draft(&long, 200, HTML, Some(b"deep")));
    for (number, draft) in (0..).zip(&mut drafts) {
        draft.page.taken_at = at(1_700_000_000 + number, 1_000_000 * (number as u32 % 3));
        draft.page.notes =
            Notes { text: Some(number as u32), missed: (number % 2) as u8, carried: (number % 4) as u16 };
        draft.page = with(
            std::mem::replace(&mut draft.page, super::draft("/", 200, "", None).page),
            "cache-control",
            b"max-age=60",
        );
    }
    drafts[0].page = with(drafts[0].page.clone(), "link", b"</s.css>; rel=preload; x=\xE9");
    drafts[0].page = with(drafts[0].page.clone(), "link", b"</b.css>");
    drafts
}

#[test]
fn every_format_brings_back_the_same_site() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("state"), "shop").unwrap();
    let before = content(&published(&store, drafts()));
    std::fs::create_dir(dir.path().join("out")).unwrap();
    for name in ["site", "site.tar", "site.tar.gz", "site.warc", "site.warc.gz", "site.wacz"] {
        let to = dir.path().join("out").join(name);
        let done = exported(&store, &to, false).unwrap();
        assert_eq!((done.pages as usize, done.damaged.lost), (before.len(), 0), "{name}");
        let state = dir.path().join(format!("state-{name}"));
        let (done, snapshot) = imported(&state, &to, |_| {}).unwrap();
        assert!(done.in_service && done.left_out.is_empty(), "{name}: {done:?}");
        let after = content(&snapshot);
        assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{name}");
        for (key, (page, body)) in &before {
            assert_eq!(&after[key].0, page, "{name} {key}");
            assert!(after[key].1 == *body, "{name} {key}: another body");
        }
        assert_eq!(snapshot.summary().kind, "import");
    }
    let left: Vec<_> =
        std::fs::read_dir(dir.path().join("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 6, "{left:?}");
}

#[test]
fn an_export_made_twice_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("state"), "shop").unwrap();
    published(&store, drafts());
    for name in ["a.tar", "a.warc.gz", "a.wacz"] {
        let to = dir.path().join(name);
        exported(&store, &to, false).unwrap();
        let first = std::fs::read(&to).unwrap();
        exported(&store, &to, true).unwrap();
        assert!(first == std::fs::read(&to).unwrap(), "{name}");
    }
}

#[test]
fn nothing_is_replaced_unasked_and_nothing_of_others_ever() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("state"), "shop").unwrap();
    published(&store, drafts());
    let (file, folder) = (dir.path().join("a.warc.gz"), dir.path().join("site"));
    write(&file, b"mine");
    assert!(matches!(exported(&store, &file, false), Err(ExportError::Exists(_))));
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    exported(&store, &file, true).unwrap();
    write(&folder.join("thesis.txt"), b"mine");
    assert!(matches!(exported(&store, &folder, false), Err(ExportError::Exists(_))));
    assert!(matches!(exported(&store, &folder, true), Err(ExportError::NotOurs(_))));
    assert_eq!(std::fs::read(folder.join("thesis.txt")).unwrap(), b"mine");
    let own = dir.path().join("own");
    exported(&store, &own, false).unwrap();
    write(&own.join("left over"), b"x");
    exported(&store, &own, true).unwrap();
    assert!(own.join("index.html").is_file() && !own.join("left over").exists());
    let nowhere = dir.path().join("nosuch");
    for name in ["x.wacz", "site"] {
        let refused = exported(&store, &nowhere.join(name), false);
        assert!(matches!(refused, Err(ExportError::NoFolder(folder)) if folder == nowhere), "{name}");
        assert!(!nowhere.exists(), "{name}");
    }
    write(&dir.path().join("a file"), b"x");
    assert!(exported(&store, &dir.path().join("a file"), true).is_err());
}

#[test]
fn what_is_damaged_comes_from_an_older_snapshot_or_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = Store::open(&state, "shop").unwrap();
    published(&store, vec![draft("/", 200, HTML, Some(b"old"))]);
    let drafts = vec![
        draft("/", 200, HTML, Some(b"new")),
        draft("/b", 200, HTML, Some(b"b")),
        draft("/c", 200, HTML, Some(b"c")),
    ];
    let snapshot = published(&store, drafts);
    for (_, (page, body)) in content(&snapshot) {
        if body != b"c" {
            let name = page.body.unwrap().to_string();
            crate::disk::remove_file(&state.join("blobs").join(&name[..2]).join(&name)).unwrap();
        }
    }
    for name in ["a.tar", "a.warc.gz", "arriving.tar"] {
        if name == "arriving.tar" {
            // Of one that was made elsewhere, it has not come yet: that is no reason to give nothing.
            let mark = state.join("snapshots/shop").join(snapshot.id().to_string()).join("arriving");
            crate::disk::write_atomic(&mark, b"").unwrap();
            store.refresh().unwrap();
            assert!(store.arriving(&snapshot.id()));
        }
        let to = dir.path().join(name);
        let done = exported(&store, &to, false).unwrap();
        assert_eq!(
            (done.damaged.from_older, done.damaged.lost, done.pages),
            (1, 1, 2),
            "{name}: {:?}",
            done.damaged
        );
        let (_, snapshot) = imported(&dir.path().join(format!("in-{name}")), &to, |_| {}).unwrap();
        let after = content(&snapshot);
        assert_eq!((after.len(), &*after["/"].1, &*after["/c"].1), (2, &b"old"[..], &b"c"[..]), "{name}");
    }
}

#[test]
fn an_import_waits_unless_there_is_nothing_or_it_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = Store::open(&state, "shop").unwrap();
    let current = published(&store, vec![draft("/", 200, HTML, Some(b"now"))]).id();
    let path = dir.path().join("old.wacz");
    exported(&store, &path, false).unwrap();
    let (done, _) = imported(&state, &path, |_| {}).unwrap();
    assert!(!done.in_service);
    store.refresh().unwrap();
    assert_eq!(store.current().unwrap().id(), current);
    let held = store.list().into_iter().find(|summary| summary.id == done.snapshot).unwrap();
    assert!(held.held.is_some_and(|reasons| reasons[0].starts_with("imported")));
    let (done, _) = imported(&state, &path, |ask| ask.publish = true).unwrap();
    assert!(done.in_service);
    store.refresh().unwrap();
    assert_eq!(store.current().unwrap().id(), done.snapshot);
}
