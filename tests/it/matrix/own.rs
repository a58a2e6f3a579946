//! Katahai itself: killed, started cold, without room, with damaged files, with a broken configuration, at another time.

use std::path::{Path, PathBuf};

use super::check::{lasts, ready, shop};
use super::sheet::{Column, IN_TIME, Sheet, right};
use super::{Row, row};
use crate::support::certs::Authority;
use crate::support::faults::{Refuse, Silent};
use crate::support::fixture::{self, FOUR, MIRRORED, SEEN, SIGNUP};
use crate::support::{Config, Edge, Page, eventually, ms, secs};

pub fn rows() -> Vec<Row> {
    vec![
        row("killed (-9) in the outage and started again", killed),
        row("started cold while the origin hangs", cold),
        row("killed while a snapshot is being published", killed_publishing),
        row(
            "killed between a form's arrival and its delivery (not kept: visibly broken)",
            killed_with_a_form,
        ),
        row("disk full", full),
        row("a damaged blob", damaged),
        row("a broken configuration reloaded", broken_configuration),
        row("a certificate file gone at reload", certificate_gone),
        row("a configuration with the keys of another version", another_version),
        row("the clock set back", clock),
    ]
}

async fn killed(sheet: Sheet) {
    let (origin, mut edge) = shop().await;
    sheet.begin(&edge).await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    edge.restart().await;
    sheet.restarted();
    lasts(&sheet, &edge, &["down"], &["unclean-stop"]).await;
    sheet.cause(&edge, &["refused"]).await;
    sheet.incident(&edge, Some(&["refused"])).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn cold(sheet: Sheet) {
    let (origin, mut edge) = shop().await;
    sheet.begin(&edge).await;
    edge.sigterm();
    edge.exit_code(secs(30)).await;
    origin.fail(Silent).await;
    edge.restart().await;
    sheet.restarted();
    let began = edge.began();
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    sheet.good(Column::Further, format!("served {} ms after its start", began.elapsed().as_millis()));
    lasts(&sheet, &edge, &["down"], &["silent"]).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

/// Killed at several moments around the publication of a new snapshot; each time one whole version is served.
async fn killed_publishing(sheet: Sheet) {
    let (origin, mut edge) = shop().await;
    sheet.begin(&edge).await;
    const LAST: u32 = 7;
    let mut newer = 0;
    for version in 2..=LAST {
        eventually("the end of the last crawl", secs(30), async || {
            edge.crawl().await["running"].is_null().then_some(())
        })
        .await;
        fixture::stock(&origin, version);
        let before = edge.snapshot_id().await;
        let ended = edge.crawl().await["ended"].clone();
        origin.forget();
        edge.admin().post("/api/v1/sites/shop/snapshots", "").await;
        // one that goes on where the last one was killed does not ask for all of them
        eventually("the last page of the crawl, or its end", secs(30), async || {
            let asked = origin.asked();
            let all = MIRRORED.iter().all(|path| asked.iter().any(|asked| asked.target == *path));
            (all || edge.crawl().await["ended"] != ended).then_some(())
        })
        .await;
        // the moment of the kill; the last is after the publication
        if version == LAST {
            eventually("the crawl's end", secs(30), async || {
                (edge.crawl().await["ended"] != ended).then_some(())
            })
            .await;
        } else {
            tokio::time::sleep(ms(u64::from(version - 2) * 80)).await;
        }
        let crawl = edge.crawl().await;
        let published = crawl["ended"] != ended && crawl["last"]["outcome"] == "published";
        edge.kill();
        origin.fail(Refuse).await;
        edge.restart().await;
        sheet.restarted();
        let is_newer = edge.snapshot_id().await != before;
        newer += u32::from(is_newer);
        if published && !is_newer {
            sheet.bad(Column::Further, format!("version {version} was published, and is gone"));
        }
        let all: Vec<u32> = (1..=version).collect();
        sheet.four(&edge, &right(&all), IN_TIME).await;
        let verify = edge.cli(&["snapshot", "verify"]).await;
        sheet.must(Column::Further, verify.code == 0, "whole each time", format!("verify: {}", verify.out));
        origin.heal().await;
        edge.until("up").await;
    }
    let text = format!("newer {newer} of 6 times");
    sheet.must(Column::Further, newer > 0, &text, &*text);
    sheet.cause(&edge, &["unclean-stop"]).await;
    fixture::stock(&origin, 9);
    sheet.back(&edge, 9).await;
}

/// Forms are not kept: what is under way when Katahai dies breaks off visibly, and is never sent a second time.
async fn killed_with_a_form(sheet: Sheet) {
    let (origin, mut edge) = shop().await;
    sheet.begin(&edge).await;
    let lever = origin.hold("/order");
    let client = edge.client();
    let post = tokio::spawn(async move {
        let request =
            client.ask("POST", "/order").header("content-type", "application/x-www-form-urlencoded");
        client.send(request.body("cups=2".into()).unwrap()).await
    });
    lever.wait_for(1, secs(5)).await;
    edge.kill();
    let answer = post.await.unwrap();
    lever.release();
    edge.restart().await;
    sheet.restarted();
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    sheet.cause(&edge, &["unclean-stop"]).await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
    let posts = origin.asked_for("/order").len();
    sheet.must(Column::Further, answer.is_err(), "visibly broken", "the visitor got an answer");
    sheet.must(Column::Further, posts == 1, "sent once", format!("sent {posts} times"));
}

async fn full(sheet: Sheet) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).on_disk_of("66200k")).await;
    ready(&edge).await;
    eventually("the end of the first crawl", secs(20), async || {
        edge.crawl().await["running"].is_null().then_some(())
    })
    .await;
    let first = edge.snapshot_id().await;
    sheet.begin(&edge).await;
    // every file is another one: a second copy of the shop does not fit
    fixture::stock(&origin, 2);
    edge.admin().post("/api/v1/sites/shop/snapshots", "").await;
    eventually("the crawl's failure", secs(20), async || {
        (edge.crawl().await["last"]["outcome"] == "failed").then_some(())
    })
    .await;
    sheet.four(&edge, &right(&[1, 2]), IN_TIME).await;
    sheet.cause(&edge, &["disk-full"]).await;
    sheet.must(Column::Further, edge.snapshot_id().await == first, "the old copy stays", "another snapshot");
    origin.fail(Refuse).await;
    edge.until("down").await;
    // what visitors saw last may be newer than the snapshot
    sheet.four(&edge, &right(&[1, 2]), IN_TIME).await;
    origin.heal().await;
    fixture::stock(&origin, 3);
    sheet.back(&edge, 3).await;
}

pub fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

async fn damaged(sheet: Sheet) {
    let (origin, mut edge) = shop().await;
    fixture::stock(&origin, 2);
    edge.take_snapshot().await;
    edge.kill();
    origin.fail(Refuse).await;
    let body = origin.content(SEEN).body;
    let blob =
        files(&edge.state_dir().join("blobs")).into_iter().find(|file| std::fs::read(file).unwrap() == body);
    let mut bytes = body.to_vec();
    bytes[body.len() / 2] ^= 1;
    std::fs::write(blob.expect("the blob of a page"), bytes).unwrap();
    edge.restart().await;
    sheet.begin(&edge).await;
    sheet.restarted();
    sheet.four(&edge, &right(&[1, 2]), IN_TIME).await;
    sheet.until(&edge, &["down"], Column::Cause).await;
    sheet.cause(&edge, &["copy-damaged"]).await;
    let older = edge.get(SEEN).await.body == fixture::pages(1)[SEEN].body;
    sheet.must(Column::Further, older, "the older whole copy", "not the older whole copy");
    origin.heal().await;
    fixture::stock(&origin, 3);
    sheet.back(&edge, 3).await;
}

async fn broken_configuration(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    let good = edge.config().toml();
    edge.write_text(&edge.config().site("failover.pateince", "1s").toml());
    refused(&sheet, &edge, "pateince").await;
    edge.write_text(&good);
    assert_eq!(edge.reload().await.status / 100, 2);
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

/// A reload is refused, what runs goes on, and both are said.
async fn refused(sheet: &Sheet, edge: &Edge, because: &str) {
    let answer = edge.reload().await;
    let said = answer.status == 422 && answer.text().contains(because);
    sheet.must(
        Column::Further,
        said,
        "refused, with the reason",
        format!("{} {}", answer.status, answer.text()),
    );
    sheet.four(edge, &right(&[1]), IN_TIME).await;
    sheet.until(edge, &["up"], Column::Further).await;
    sheet.cause(edge, &["configuration-refused"]).await;
}

async fn another_version(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    let good = edge.config().toml();
    edge.write_text(&edge.config().set("telemetry.endpoint", "x").toml());
    refused(&sheet, &edge, "unknown key").await;
    edge.write_text(&good);
    assert_eq!(edge.reload().await.status / 100, 2);
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn certificate_gone(sheet: Sheet) {
    let authority = Authority::new();
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = authority.leaf("www.example.test").write(dir.path(), "www");
    let config = Config::before(&origin.url())
        .set("listen.https", ["127.0.0.1:0"])
        .site("tls.cert", cert.display().to_string())
        .site("tls.key", key.display().to_string());
    let edge = Edge::start_in(dir, config).await;
    ready(&edge).await;
    sheet.begin(&edge).await;
    let kept = std::fs::read(&cert).unwrap();
    std::fs::remove_file(&cert).unwrap();
    edge.reload().await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    let tls = edge.tls(authority.roots());
    for path in FOUR {
        match super::sheet::ask(&tls, path).await {
            Ok(answer) => drop(sheet.judge(path, &answer, &right(&[1]), IN_TIME)),
            Err(why) => sheet.bad(Column::Further, format!("{path} by TLS: {why}")),
        }
    }
    sheet.good(Column::Further, "the old certificate serves");
    sheet.cause(&edge, &["certificate-unreadable"]).await;
    std::fs::write(&cert, kept).unwrap();
    edge.reload().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

/// Two hours back while it runs, in an outage; and a copy that is younger than the time of day.
async fn clock(sheet: Sheet) {
    let origin = fixture::shop().await;
    let kept = Page::html(fixture::pages(1)[SIGNUP].body.clone()).header("cache-control", "max-age=2");
    origin.page(SIGNUP, kept);
    let dir = tempfile::tempdir().unwrap();
    let calendar = dir.path().join("calendar");
    std::fs::write(&calendar, "+0").unwrap();
    let edge = Edge::start_in(dir, Config::before(&origin.url()).clock_in(&calendar)).await;
    ready(&edge).await;
    edge.get(SIGNUP).await;
    sheet.begin(&edge).await;
    std::fs::write(&calendar, "-2h").unwrap();
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    sheet.cause(&edge, &["clock-moved"]).await;
    origin.fail(Refuse).await;
    lasts(&sheet, &edge, &["down"], &["refused"]).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
    // the entry's two seconds are over, whatever the calendar says
    eventually("the new sign-up page", secs(10), async || {
        (edge.get(SIGNUP).await.body == origin.content(SIGNUP).body).then_some(())
    })
    .await;
    sheet.good(Column::Further, "no entry lives for ever");
}
