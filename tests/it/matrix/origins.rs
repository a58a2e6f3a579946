//! Several origins: one may die, or all of a tier, or be slow, or come and go; or nobody is left by the operator's word.

use super::check::ready;
use super::sheet::{BACK, Column, IN_TIME, Sheet, right};
use super::{Row, row};
use crate::support::faults::{Fault, Late, Refuse};
use crate::support::fixture::{self, SEEN};
use crate::support::{Config, Edge, Origin, Site, eventually, ms, secs};

pub fn rows() -> Vec<Row> {
    vec![
        row("one of two dead", |sheet| one_of_two(sheet, Refuse, &["refused"])),
        row("a tier dead", tier),
        row("one slow", |sheet| one_of_two(sheet, Late(secs(5)), &["silent", "slow"])),
        row("flapping twice a second", flapping),
        row("all drained by the operator", drained),
        row("an empty list", emptied_list),
    ]
}

/// Two origins, the second with these lines.
async fn two(lines: &str) -> ([Origin; 2], Edge) {
    let origins = [fixture::shop().await, fixture::shop().await];
    let site = Site::new().origin(&origins[0].url()).origin_with(&origins[1].url(), lines);
    let edge = Edge::start(Config::new(site)).await;
    ready(&edge).await;
    (origins, edge)
}

/// Waits until the status says that of an origin.
async fn origin_is(sheet: &Sheet, edge: &Edge, n: usize, state: &str) {
    let end = std::time::Instant::now() + BACK;
    while edge.site().await["origins"][n]["state"] != state {
        if std::time::Instant::now() > end {
            return sheet.bad(Column::Recovery, format!("origin {n} is not {state}"));
        }
        tokio::time::sleep(ms(20)).await;
    }
}

async fn one_of_two(sheet: Sheet, fault: impl Fault, causes: &'static [&'static str]) {
    let (origins, edge) = two("").await;
    sheet.begin(&edge).await;
    origins[0].fail(fault).await;
    for _ in 0..3 {
        sheet.four(&edge, &right(&[1]), IN_TIME).await;
    }
    sheet.cause(&edge, causes).await;
    origin_is(&sheet, &edge, 0, "down").await;
    // who asked the slow one last still waits for it, and with him who came to want the same
    eventually("all live, by the other", secs(5), async || {
        let sources = sheet.four(&edge, &right(&[1]), IN_TIME).await;
        sources.iter().all(|source| *source == "live").then_some(())
    })
    .await;
    sheet.good(Column::Further, "live, by the other");
    sheet.until(&edge, &["up"], Column::Further).await;
    origins[0].heal().await;
    origins.iter().for_each(|origin| fixture::stock(origin, 2));
    origin_is(&sheet, &edge, 0, "up").await;
    sheet.back(&edge, 2).await;
}

async fn tier(sheet: Sheet) {
    let (origins, edge) = two("tier = 1").await;
    sheet.begin(&edge).await;
    origins[0].fail(Refuse).await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    sheet.cause(&edge, &["refused"]).await;
    fixture::stock(&origins[1], 2);
    eventually("answers of the second tier", secs(5), async || {
        (edge.get(SEEN).await.body == origins[1].content(SEEN).body).then_some(())
    })
    .await;
    sheet.four(&edge, &right(&[2]), IN_TIME).await;
    sheet.good(Column::Further, "live, by the next tier");
    origins[0].heal().await;
    fixture::stock(&origins[0], 3);
    sheet.back(&edge, 3).await;
}

async fn flapping(sheet: Sheet) {
    let (origin, edge) = super::check::shop().await;
    sheet.begin(&edge).await;
    for _ in 0..8 {
        origin.fail(Refuse).await;
        sheet.four(&edge, &right(&[1]), IN_TIME).await;
        tokio::time::sleep(ms(200)).await; // the pace of the fault, not a wait
        origin.heal().await;
        sheet.four(&edge, &right(&[1]), IN_TIME).await;
        sheet.listen(&edge).await;
        tokio::time::sleep(ms(200)).await;
    }
    sheet.cause(&edge, &["refused", "flapping", "reset"]).await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn drained(sheet: Sheet) {
    let (origin, mut edge) = super::check::shop().await;
    sheet.begin(&edge).await;
    edge.write(Config::new(Site::new().origin_with(&origin.url(), "mode = \"drain\"")));
    assert_eq!(edge.reload().await.status / 100, 2);
    origin.forget();
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    sheet.until(&edge, &["down"], Column::Cause).await;
    sheet.cause(&edge, &["drained"]).await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    let visits = origin.asked().iter().filter(|asked| fixture::FOUR.contains(&&*asked.target)).count();
    // checks may ask the key page among them
    sheet.must(
        Column::Further,
        visits <= origin.count("/signup"),
        "nobody asks it",
        format!("{visits} visits"),
    );
    fixture::stock(&origin, 2);
    edge.write(Config::before(&origin.url()));
    assert_eq!(edge.reload().await.status / 100, 2);
    sheet.back(&edge, 2).await;
}

async fn emptied_list(sheet: Sheet) {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let listed = format!("[[origin]]\nurl = \"{}\"\n", origin.url());
    std::fs::write(dir.path().join("origins.toml"), &listed).unwrap();
    let edge = Edge::start_in(dir, Config::new(Site::new().set("origins_file", "origins.toml"))).await;
    ready(&edge).await;
    let write = |text: &str| {
        let new = edge.dir().join("origins.toml.new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, edge.dir().join("origins.toml")).unwrap();
    };
    sheet.begin(&edge).await;
    write("# nobody at the moment\n");
    sheet.until(&edge, &["down"], Column::Cause).await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    sheet.cause(&edge, &["no-origin"]).await;
    fixture::stock(&origin, 2);
    write(&listed);
    sheet.back(&edge, 2).await;
}
