//! What is not an outage: one address that breaks, a scanner, dead links, long polls, a site that is slow.

use super::check::{healthy, ready, shop};
use super::sheet::{Column, IN_TIME, Sheet, right};
use super::{Row, row, row_alone};
use crate::support::faults::{HalfBodyThenClose, Late, ResetInHeaders};
use crate::support::fixture::{self, MIRRORED, SEEN};
use crate::support::raw::Raw;
use crate::support::{Config, Edge, Page, eventually, ms, secs};

pub fn rows() -> Vec<Row> {
    vec![
        row("one address of a healthy site breaks again and again", broken_address),
        row("a scanner meets closed connections", scanner),
        row("dead links that only the crawl asks for", dead_links),
        row("long polls", polls),
        row("every answer right but late", late),
        row_alone("answers become slow (brown-out)", brown_out),
        row("our own queue is full", queue),
        row("our own file descriptors run out", descriptors),
    ]
}

/// Somebody's slow requests hold all seats, and longer than anybody has patience: what others wait is our own queue's.
async fn queue(sheet: Sheet) {
    let origin = fixture::shop().await;
    let config =
        Config::before(&origin.url()).set("limits.in_flight_per_origin", 4).site("failover.timeout", "30s");
    let edge = Edge::start(config).await;
    ready(&edge).await;
    sheet.begin(&edge).await;
    let lever = origin.hold("/slow");
    let mut waiting = Vec::new();
    for n in 0..24 {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(format!("GET /slow?n={n} HTTP/1.1\r\nHost: www.example.test\r\n\r\n")).await;
        waiting.push(raw);
    }
    lever.wait_for(4, secs(5)).await;
    healthy(&sheet, &edge).await;
    lever.release();
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn descriptors(sheet: Sheet) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    let open = std::fs::read_dir(format!("/proc/{}/fd", edge.pid())).unwrap().count() as u64;
    let most = Some(open + 60);
    let limit = Rlimit { current: most, maximum: most };
    prlimit(Pid::from_raw(edge.pid() as i32), Resource::Nofile, limit).unwrap();
    let mut held = Vec::new();
    for _ in 0..150 {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send("GET / HTTP/1.1\r\nHost: www").await;
        held.push(raw);
    }
    sheet.cause(&edge, &["descriptors-out"]).await;
    drop(held);
    eventually("room for visitors", secs(10), async || {
        let request = edge.client().ask("GET", SEEN).body(Default::default()).unwrap();
        edge.client().send(request).await.is_ok().then_some(())
    })
    .await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    let fell = edge.log().iter().any(|line| line.contains("to=\"down\"") || line.contains("damaged"));
    sheet.must(
        Column::Further,
        !fell,
        "never down, nothing damaged",
        "it was called down, or a copy damaged",
    );
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn broken_address(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    origin.fail_under("/broken", HalfBodyThenClose).await;
    origin.page("/broken", Page::html("half of this"));
    for n in 0..12 {
        edge.get(&format!("/broken?n={n}")).await;
    }
    healthy(&sheet, &edge).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn scanner(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    origin.fail_under("/.", ResetInHeaders).await;
    for path in ["/.env", "/.git/config", "/.aws/credentials", "/.vscode/sftp.json", "/.DS_Store"] {
        edge.get(path).await;
        edge.get(&format!("{path}?again")).await;
    }
    healthy(&sheet, &edge).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn dead_links(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    origin.fail_under("/dead", ResetInHeaders).await;
    let links: String = (0..3).map(|n| format!("<a href=\"/dead/{n}\">{n}</a>")).collect();
    origin.page("/links", Page::html(format!("<title>Links</title>{links}")));
    let home = origin.content("/").body;
    origin.page("/", Page::html([&home[..], b"<a href=\"/links\">links</a>"].concat()));
    edge.take_snapshot().await;
    let asked: usize = (0..3).map(|n| origin.count(&format!("/dead/{n}"))).sum();
    sheet.must(Column::Further, asked >= 3, "asked for", format!("{asked} of them asked for"));
    origin.page("/", Page::html(home));
    healthy(&sheet, &edge).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn polls(sheet: Sheet) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).site("failover.timeout", "1s")).await;
    ready(&edge).await;
    sheet.begin(&edge).await;
    origin.fail_under("/poll", Late(secs(3))).await;
    origin.page("/poll", Page::new("application/json", "{\"news\":1}"));
    let asked: Vec<_> = (0..5)
        .map(|_| {
            let client = edge.client();
            tokio::spawn(async move { client.get("/poll").await })
        })
        .collect();
    healthy(&sheet, &edge).await;
    for answer in asked {
        let answer = answer.await.expect("a visitor");
        sheet.must(Column::Further, answer.status == 200, "answered", format!("{}", answer.status));
    }
    healthy(&sheet, &edge).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

/// Slower than a check may take at first, for every page, with nobody but checks to find out.
async fn late(sheet: Sheet) {
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url()).site("health.timeout", "200ms").site("failover.timeout", "6s");
    let edge = Edge::start(config).await;
    ready(&edge).await;
    sheet.begin(&edge).await;
    origin.fail(Late(ms(700))).await;
    checks(&edge, &origin, 6).await;
    healthy(&sheet, &edge).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

/// Waits for so many more checks.
async fn checks(_: &Edge, origin: &crate::support::Origin, more: usize) {
    let before = origin.count("/health");
    eventually("checks", secs(30), async || (origin.count("/health") >= before + more).then_some(())).await;
}

async fn brown_out(sheet: Sheet) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).site("failover.timeout", "8s")).await;
    ready(&edge).await;
    sheet.begin(&edge).await;
    origin.fail(Late(secs(2))).await;
    let first = edge.get(SEEN).await;
    sheet.must(Column::Time, first.took < IN_TIME, "the first in time", format!("{:?}", first.took));
    let asked: Vec<_> = MIRRORED
        .iter()
        .filter(|path| !path.contains("events"))
        .map(|path| {
            let client = edge.client();
            tokio::spawn(async move { client.get(path).await })
        })
        .collect();
    for answer in asked {
        let answer = answer.await.expect("a visitor");
        sheet.must(Column::Time, answer.took < IN_TIME, "all in time", format!("{:?}", answer.took));
    }
    let another = edge.get("/events?page=2&sort=date").await;
    sheet.must(
        Column::Further,
        another.took < ms(250) && another.is_copy(),
        "another page at once",
        format!("another page after {:?}", another.took),
    );
    healthy(&sheet, &edge).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}
