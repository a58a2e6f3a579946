//! Snapshots: what they hold, how they are seen and taken from the command line, and that neither a kill nor damage
//! nor a hanging origin takes the last good one away.

use serde_json::Value;

use crate::support::faults::{Refuse, Silent};
use crate::support::fixture::{self, MIRRORED};
use crate::support::{Config, Edge, Origin, Page, eventually, ms, secs};

async fn shop() -> (Origin, Edge, String) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let id = edge.until_snapshot().await;
    (origin, edge, id)
}

/// Every page of the shop is served whole, and all are of one of these versions; tells which.
async fn serves_whole(edge: &Edge, versions: &[u32]) -> u32 {
    let mut possible: Vec<_> = versions.iter().map(|version| (*version, fixture::pages(*version))).collect();
    for path in MIRRORED {
        let answer = edge.get(path).await;
        assert_eq!((answer.status, &answer.broken), (200, &None), "{path}: {:?}", answer.headers);
        possible.retain(|(_, pages)| pages[path].body == answer.body);
        assert!(!possible.is_empty(), "{path} is not of the same one of {versions:?} as those before it");
    }
    possible[0].0
}

/// A list in JSON, bare or as the only list of an object.
fn rows(value: &Value) -> Vec<Value> {
    let inside = value.as_object().and_then(|object| object.values().find(|value| value.is_array()));
    inside.unwrap_or(value).as_array().cloned().unwrap_or_else(|| panic!("no list: {value}"))
}

#[tokio::test]
async fn a_snapshot_holds_the_whole_site() {
    let (origin, edge, _) = shop().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    for path in MIRRORED {
        let answer = edge.get(path).await;
        answer.must_be(&origin.content(path).body);
        assert!(answer.is_from_snapshot(), "{path}: {}", answer.cache_status());
        assert_eq!(answer.header("content-type"), Some(&*origin.content(path).headers[0].1), "{path}");
        assert!(answer.header("set-cookie").is_none());
    }
    let moved = edge.get("/old").await;
    assert_eq!((moved.status, moved.header("location")), (301, Some("/about")));
    let kept = edge.site().await["snapshot"].clone();
    assert!(kept["pages"].as_u64().unwrap() >= 9, "{kept}");
    let number = |name: &str| kept[name].as_u64().unwrap();
    assert!(number("pages") + number("files") >= MIRRORED.len() as u64, "{kept}");
    let bytes: usize = MIRRORED.iter().map(|path| origin.content(path).body.len()).sum();
    assert!(kept["bytes"].as_u64().unwrap() >= bytes as u64, "{kept}");
}

#[tokio::test]
async fn copies_say_when_they_were_taken() {
    let (origin, edge, _) = shop().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let answer = edge.get("/about").await;
    let taken = httpdate::parse_http_date(answer.header("memento-datetime").unwrap()).unwrap();
    let age = taken.elapsed().unwrap_or_default();
    assert!(age < secs(120), "{age:?}");
    assert!(answer.cache_status().starts_with("katahai; hit; detail=snapshot"), "{}", answer.cache_status());
}

#[tokio::test]
async fn copies_serve_conditions_and_ranges() {
    let (origin, edge, _) = shop().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let client = edge.client();
    for path in ["/long", "/files/menu.pdf"] {
        let body = origin.content(path).body;
        for (range, expected) in [
            ("bytes=100-199", &body[100..200]),
            ("bytes=-50", &body[body.len() - 50..]),
            ("bytes=1000-", &body[1000..]),
        ] {
            let part = client.get_with(path, &[("range", range)]).await;
            assert_eq!((part.status, &part.body[..]), (206, expected), "{path} {range}");
        }
        let outside = client.get_with(path, &[("range", "bytes=9999999-")]).await;
        assert_eq!(outside.header("content-range"), Some(&*format!("bytes */{}", body.len())));
        assert_eq!(outside.status, 416);
        let tag = client.get(path).await.header("etag").expect("a validator of a copy").to_owned();
        let same = client.get_with(path, &[("if-none-match", &tag)]).await;
        assert_eq!((same.status, same.body.len()), (304, 0), "{path}");
        let head = client.send(client.ask("HEAD", path).body(Default::default()).unwrap()).await.unwrap();
        let length = head.header("content-length").map(str::to_owned);
        assert_eq!((head.status, head.body.len(), length), (200, 0, Some(body.len().to_string())));
    }
}

#[tokio::test]
async fn snapshots_are_taken_and_seen_from_the_command_line() {
    let (origin, edge, first) = shop().await;
    fixture::stock(&origin, 2);
    let said = edge.cli(&["snapshot", "take"]).await.must_be_ok();
    let second = edge.snapshot_id().await.unwrap();
    assert!(second != first, "{}{}", said.out, said.err);
    let list = rows(&edge.cli(&["snapshot", "list", "--json"]).await.must_be_ok().json());
    let ids: Vec<&str> = list.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&*second, &*first], "newest first");
    for (row, current) in list.iter().zip([true, false]) {
        assert_eq!(row["current"], current);
        assert!(row["pages"].as_u64().unwrap() > 0 && row["bytes"].as_u64().unwrap() > 0);
    }
    let plain = edge.cli(&["snapshot", "list"]).await.must_be_ok().out;
    assert!(plain.contains(&*first) && plain.contains(&*second), "{plain}");
    let show = edge.cli(&["snapshot", "show", &second]).await.must_be_ok().out;
    assert!(show.contains(&*second), "{show}");
    edge.cli(&["snapshot", "verify"]).await.must_be_ok();
    edge.cli(&["snapshot", "verify", &first]).await.must_be_ok();
    let unknown = edge.cli(&["snapshot", "show", "20000101T000000Z"]).await;
    assert_eq!(unknown.code, 1, "{}", unknown.err);
}

#[tokio::test]
async fn what_only_needs_the_disk_works_when_nothing_runs() {
    let (_origin, mut edge, id) = shop().await;
    edge.kill();
    let list = rows(&edge.cli_offline(&["snapshot", "list", "--json"]).await.must_be_ok().json());
    assert_eq!(list[0]["id"].as_str(), Some(&*id));
    edge.cli_offline(&["snapshot", "verify"]).await.must_be_ok();
}

#[tokio::test]
async fn only_as_many_as_configured_are_kept() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).site("mirror.keep", 2)).await;
    edge.until_snapshot().await;
    for version in 2..6 {
        fixture::stock(&origin, version);
        edge.take_snapshot().await;
    }
    let list = eventually("two snapshots", secs(5), async || {
        let answer = edge.admin().get("/api/v1/sites/shop/snapshots").await;
        let list = rows(&serde_json::from_slice(&answer.body).unwrap());
        (list.len() == 2).then_some(list)
    })
    .await;
    assert_eq!(list[0]["id"].as_str().map(str::to_owned), edge.snapshot_id().await);
    // what is no longer referred to is removed, what is still needed is not
    origin.fail(Refuse).await;
    edge.until("down").await;
    assert_eq!(serves_whole(&edge, &[5]).await, 5);
    edge.cli(&["snapshot", "verify"]).await.must_be_ok();
    eventually("only the bodies of two snapshots are left", secs(30), async || {
        let blobs = fixture::files(&edge.state_dir().join("blobs"));
        let bytes: u64 = blobs.iter().map(|f| f.metadata().unwrap().len()).sum();
        (bytes < 3 * (700 << 10)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn equal_files_are_stored_once() {
    let (origin, edge, _) = shop().await;
    let blobs = || fixture::files(&edge.state_dir().join("blobs")).len();
    let before = blobs();
    edge.take_snapshot().await;
    assert_eq!(blobs(), before, "nothing has changed on the site");
    assert!(origin.count("/long") >= 2);
}

#[tokio::test]
async fn a_start_while_the_origin_hangs_serves_at_once() {
    let (origin, mut edge, _) = shop().await;
    edge.kill();
    origin.fail(Silent).await;
    edge.restart().await;
    let answer = edge.get("/").await;
    answer.must_be(&origin.content("/").body);
    let since_start = edge.began().elapsed();
    assert!(since_start < ms(2500), "the first answer {since_start:?} after the start");
    assert_eq!(serves_whole(&edge, &[1]).await, 1);
    assert_eq!(edge.admin().get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_restart_empties_nothing() {
    let (origin, mut edge, id) = shop().await;
    origin.fail(Refuse).await;
    for _ in 0..3 {
        edge.restart().await;
        assert_eq!(edge.snapshot_id().await.as_deref(), Some(&*id));
    }
    assert_eq!(serves_whole(&edge, &[1]).await, 1);
}

/// Kills at many points of a crawl; after each, what is served is whole and of one version.
#[tokio::test]
async fn a_kill_at_any_point_of_a_crawl_leaves_the_last_good_one() {
    let (origin, mut edge, _) = shop().await;
    let mut good = 1;
    for round in 0..14_u32 {
        let next = round + 2;
        fixture::stock(&origin, next);
        origin.forget();
        assert_eq!(edge.admin().post("/api/v1/sites/shop/snapshots", "").await.status, 202);
        // early and late points, those at the end (writing, publishing) twice as dense
        let points = [0, 1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 21, 22];
        let point = points[round as usize];
        let what = format!("{point} requests of the crawl");
        let crawled = || origin.total() - origin.count("/health");
        let reached = tokio::time::timeout(secs(3), async {
            while crawled() < point {
                tokio::time::sleep(ms(1)).await;
            }
        });
        let _ = reached.await; // a crawl may need fewer requests than the last points
        if round % 3 == 2 {
            tokio::time::sleep(ms(u64::from(fastrand::u8(0..40)))).await;
        }
        edge.kill();
        origin.fail(Refuse).await;
        edge.restart().await;
        // a crawl that a start went on with may have published what the round before it wanted
        good = serves_whole(&edge, &(good..=next).collect::<Vec<_>>()).await;
        let verify = edge.cli(&["snapshot", "verify"]).await;
        assert_eq!(verify.code, 0, "after {what}: {}{}", verify.out, verify.err);
        fixture::stock(&origin, next);
        origin.heal().await;
        edge.until("up").await;
        // a crawl that the start began, if any, is not the one of the next round
        eventually("no crawl", secs(60), async || {
            edge.site().await["crawl"]["running"].is_null().then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_damaged_page_falls_to_the_older_snapshot() {
    let (origin, mut edge, _) = shop().await;
    let old = origin.content("/about").body;
    fixture::stock(&origin, 2);
    edge.take_snapshot().await;
    let new = origin.content("/about").body;
    edge.kill();
    origin.fail(Refuse).await;
    let blob = fixture::files(&edge.state_dir().join("blobs"))
        .into_iter()
        .find(|file| std::fs::read(file).unwrap() == new)
        .expect("the blob of a page");
    let mut bytes = new.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&blob, &bytes).unwrap();
    edge.restart().await;
    edge.until("down").await;
    edge.get("/about").await.must_be(&old);
    edge.get("/signup").await.must_be(&origin.content("/signup").body);
    let verify = edge.cli(&["snapshot", "verify"]).await;
    assert_eq!(verify.code, 1, "damage must be found: {}", verify.out);
    let name = blob.file_name().unwrap().to_str().unwrap();
    assert!(verify.out.contains(name), "{}{}", verify.out, verify.err);
}

#[tokio::test]
async fn a_damaged_pointer_or_manifest_falls_to_what_is_whole() {
    let (origin, mut edge, first) = shop().await;
    fixture::stock(&origin, 2);
    let second = edge.take_snapshot().await;
    edge.kill();
    origin.fail(Refuse).await;
    let site = edge.state_dir().join("snapshots/shop");
    std::fs::write(site.join("current"), "\0\0\0").unwrap();
    edge.restart().await;
    assert_eq!(edge.snapshot_id().await.as_deref(), Some(&*second), "the newest good one");
    assert_eq!(serves_whole(&edge, &[2]).await, 2);
    edge.kill();
    let manifest = fixture::files(&site.join(&second))
        .into_iter()
        .find(|f| f.file_name().unwrap() == "manifest")
        .unwrap();
    let bytes = std::fs::read(&manifest).unwrap();
    std::fs::write(&manifest, &bytes[..bytes.len() / 2]).unwrap();
    edge.restart().await;
    assert_eq!(edge.snapshot_id().await.as_deref(), Some(&*first));
    assert_eq!(serves_whole(&edge, &[1]).await, 1);
}

#[tokio::test]
async fn a_full_disk_costs_the_new_snapshot_and_nothing_else() {
    let may_mount = std::process::Command::new("unshare").args(["-m", "true"]).status();
    if !may_mount.is_ok_and(|status| status.success()) {
        return; // a disk of its own needs root
    }
    let origin = fixture::shop().await;
    // as much as Katahai leaves free for others, and room for one copy of the shop
    let edge = Edge::start(Config::before(&origin.url()).on_disk_of("66200k")).await;
    let first = edge.until_snapshot().await;
    origin.page("/live", Page::html("the living site"));
    // every file is another one: a second copy of the shop does not fit
    fixture::stock(&origin, 2);
    eventually("the end of the first crawl", secs(20), async || {
        edge.crawl().await["running"].is_null().then_some(())
    })
    .await;
    edge.admin().post("/api/v1/sites/shop/snapshots", "").await;
    eventually("the crawl's failure", secs(20), async || {
        edge.get("/live").await.must_be(b"the living site");
        (edge.crawl().await["last"]["outcome"] == "failed").then_some(())
    })
    .await;
    assert_eq!(edge.snapshot_id().await.as_deref(), Some(&*first));
    origin.fail(Refuse).await;
    edge.until("down").await;
    assert_eq!(serves_whole(&edge, &[1]).await, 1);
}
