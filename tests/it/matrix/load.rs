//! Load: many who want the same, many more than ever, visitors who are slow or silent, and everybody waiting for the
//! return. In between the origin fails as in any other row, so that the same cells can be filled.

use std::sync::Arc;
use std::time::Duration;

use super::check::{lasts, ready, shop};
use super::sheet::{Column, IN_TIME, Sheet, right};
use super::{Row, row};
use crate::support::faults::{Late, Refuse};
use crate::support::fixture::{self, FOUR, SEEN};
use crate::support::load::{Judge, Load};
use crate::support::raw::Raw;
use crate::support::{Config, Edge, Origin, Page, eventually, ms, secs};

pub fn rows() -> Vec<Row> {
    vec![
        row("400 equal requests on a cold page", equal),
        row("a surge of 50 times the record", surge),
        row("slow headers, slow bodies, slow readers", slow),
        row("connections without requests", silent),
        row("recovery with everybody waiting", herd),
    ]
}

/// What all rows have in common: the failure, its cause, the return.
async fn fails_and_returns(sheet: &Sheet, origin: &Origin, edge: &Edge) {
    origin.fail(Refuse).await;
    lasts(sheet, edge, &["down"], &["refused"]).await;
    origin.heal().await;
    fixture::stock(origin, 2);
    sheet.back(edge, 2).await;
}

async fn equal(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    origin.page("/cold", Page::html("cold").header("cache-control", "max-age=600"));
    let lever = origin.hold("/cold");
    let running: Vec<_> = (0..400)
        .map(|_| {
            let client = edge.client();
            tokio::spawn(async move { super::sheet::ask(&client, "/cold").await })
        })
        .collect();
    lever.wait_for(1, secs(5)).await;
    tokio::time::sleep(ms(500)).await; // nothing to wait for: a second fetch must not come
    lever.release();
    let mut good = 0;
    for one in running {
        good += usize::from(one.await.unwrap().is_ok_and(|answer| answer.text() == "cold"));
    }
    let fetches = origin.count("/cold");
    sheet.must(Column::Further, good == 400, "400 answered", format!("{good} of 400 answered"));
    sheet.must(Column::Further, fetches == 1, "one fetch", format!("{fetches} fetches"));
    fails_and_returns(&sheet, &origin, &edge).await;
}

/// Every answer is a page of these versions.
pub fn judge(versions: &[u32]) -> Judge {
    let versions: Vec<_> = versions.iter().map(|version| fixture::pages(*version)).collect();
    Arc::new(move |target, answer| {
        let right = versions.iter().any(|pages| pages[target].body == answer.body);
        match (answer.status, right) {
            (200, true) => Ok(()),
            (200, false) => Err(format!("a wrong page: {}", answer.cache_status())),
            (status, _) => Err(format!("status {status}: {}", answer.cache_status())),
        }
    })
}

async fn surge(sheet: Sheet) {
    const RECORD: u32 = 6;
    let origin = fixture::shop().await;
    // one address plays all visitors
    let edge = Edge::start(Config::before(&origin.url()).set("limits.connections_per_client", 4096)).await;
    ready(&edge).await;
    sheet.begin(&edge).await;
    let targets = FOUR.map(str::to_owned).to_vec();
    let usual = Load::start(edge.client(), RECORD, targets.clone(), judge(&[1]));
    eventually("the usual load", secs(20), async || (usual.done() > 10).then_some(())).await;
    let load = Load::start(edge.client(), RECORD * 50, targets, judge(&[1]));
    eventually("some of the surge", secs(20), async || (load.done() > 300).then_some(())).await;
    origin.fail(Refuse).await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    eventually("more of the surge", secs(20), async || (load.done() > 900).then_some(())).await;
    for report in [usual.stop().await, load.stop().await] {
        let failed = report.failures();
        let text = format!("{} of {} failed: {:?}", failed.len(), report.shots.len(), failed.first());
        sheet.must(Column::Further, failed.is_empty(), "none failed", text);
    }
    fails_and_returns(&sheet, &origin, &edge).await;
}

async fn slow(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    let mut slow = Vec::new();
    for n in 0..150 {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(match n % 3 {
            0 => "GET /about HTTP/1.1\r\nHost: www.exa",
            1 => "POST /signup HTTP/1.1\r\nHost: www.example.test\r\nContent-Length: 1000\r\n\r\nhalf",
            // never read
            _ => "GET /long HTTP/1.1\r\nHost: www.example.test\r\n\r\n",
        })
        .await;
        slow.push(raw);
    }
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    fails_and_returns(&sheet, &origin, &edge).await;
    sheet.good(Column::Further, format!("{} of them all the while", slow.len()));
}

async fn silent(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    let mut silent = Vec::new();
    for _ in 0..400 {
        silent.push(Raw::connect(edge.http()).await);
    }
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    fails_and_returns(&sheet, &origin, &edge).await;
    sheet.good(Column::Further, format!("{} of them all the while", silent.len()));
}

/// Everybody waits for the site. When it is back it is slow, as sites are that have just been started: what it gets
/// at once grows little by little, and never passes its share.
async fn herd(sheet: Sheet) {
    const SHARE: u32 = 24;
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url())
        .set("limits.in_flight_per_origin", SHARE)
        .set("limits.connections_per_client", 4096)
        .site("failover.recovery_ramp", "5s");
    let edge = Edge::start(config).await;
    ready(&edge).await;
    sheet.begin(&edge).await;
    origin.fail(Refuse).await;
    lasts(&sheet, &edge, &["down"], &["refused"]).await;
    let load = Load::start(edge.client(), 200, FOUR.map(str::to_owned).to_vec(), judge(&[1, 2]));
    eventually("visitors", secs(20), async || (load.done() > 200).then_some(())).await;
    origin.forget();
    fixture::stock(&origin, 2);
    origin.fail(Late(ms(100))).await;
    sheet.until(&edge, &["recovering", "up"], Column::Recovery).await;
    tokio::time::sleep(Duration::from_secs(1)).await; // the first second of the return, which is looked at
    let early = (origin.most_at_once(), origin.total());
    sheet.back(&edge, 2).await;
    let report = load.stop().await;
    let (failed, most) = (report.failures(), origin.most_at_once());
    let text = format!("{} of {} failed: {:?}", failed.len(), report.shots.len(), failed.first());
    sheet.must(Column::Further, failed.is_empty(), "none failed", text);
    // eight for the ramp's first steps, and the check's own pages
    let text = format!("at once {} in the first second, later {most}", early.0);
    sheet.must(Column::Further, early.0 <= 12 && most <= SHARE as usize + 8, &text, &*text);
    let visits = origin.asked().iter().filter(|asked| asked.path() == SEEN).count();
    sheet.good(Column::Further, format!("{visits} visits"));
}
