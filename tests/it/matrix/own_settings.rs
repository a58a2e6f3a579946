//! With the settings that a configuration has of which nothing is said but hosts and origins: slower checks, longer
//! patience, and the ramp. The promises are the same.

use super::check::{lasts, ready};
use super::sheet::{Column, IN_TIME, Sheet, right};
use super::wrong::sample;
use super::{Row, row};
use crate::support::faults::{Fault, Instead, Refuse, Silent};
use crate::support::{Config, Edge, Origin, Site, fixture};

pub fn rows() -> Vec<Row> {
    vec![
        row("refused", |sheet| fails(sheet, Refuse, &["refused"])),
        row("silent", |sheet| fails(sheet, Silent, &["silent"])),
        row("another page everywhere", |sheet| {
            fails(sheet, Instead(sample("suspended/cpanel-suspended.html")), &["suspended"])
        }),
        row("falls again and again", relapses),
    ]
}

async fn shop() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    // a crawl at its usual pace would be all that is waited for; and pages are compared byte for byte
    let site = Site::bare("shop", "www.example.test").set("mirror.rate", "off").set("notice.banner", "off");
    let site = site.origin(&origin.url());
    let edge = Edge::start(Config::new(site)).await;
    ready(&edge).await;
    (origin, edge)
}

async fn fails(sheet: Sheet, fault: impl Fault, causes: &'static [&'static str]) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    origin.fail(fault).await;
    lasts(&sheet, &edge, &["down"], causes).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

/// Each fall makes the proof longer; it stays within what is promised.
async fn relapses(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    for version in 2..6 {
        origin.fail(Refuse).await;
        sheet.until(&edge, &["down"], Column::Further).await;
        let all: Vec<u32> = (1..version).collect();
        sheet.four(&edge, &right(&all), IN_TIME).await;
        sheet.cause(&edge, &["refused"]).await;
        origin.heal().await;
        fixture::stock(&origin, version);
        sheet.back(&edge, version).await;
    }
}
