//! The usual shape of a row: the shop with its copies, one origin that fails and is mended.

use std::sync::Arc;

use super::sheet::{Column, IN_TIME, Sheet, right};
use super::{Row, row};
use crate::support::faults::Fault;
use crate::support::fixture::{self, SEEN};
use crate::support::{Config, Edge, Origin};

/// The shop with a snapshot, and one page that was opened.
pub async fn shop() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    ready(&edge).await;
    (origin, edge)
}

/// Waits for the snapshot and for a site that is up, and opens one page.
pub async fn ready(edge: &Edge) {
    edge.until_snapshot().await;
    edge.until("up").await;
    edge.get(SEEN).await.must_be(&fixture::pages(1)[SEEN].body);
}

/// How one origin fails.
pub struct Failing {
    /// Paths that begin like this.
    pub under: &'static str,
    pub fault: Arc<dyn Fault>,
    /// What the site's state is to become.
    pub states: &'static [&'static str],
    /// One of these is to be reported.
    pub causes: &'static [&'static str],
}

/// A row: everything fails, and the site is down.
pub fn everything(name: &'static str, causes: &'static [&'static str], fault: impl Fault) -> Row {
    failing(name, Failing { under: "/", fault: Arc::new(fault), states: &["down"], causes })
}

/// A row of the usual shape.
pub fn failing(name: &'static str, how: Failing) -> Row {
    row(name, |sheet| survives(sheet, how))
}

/// One fault from its first moment to the recovery.
async fn survives(sheet: Sheet, how: Failing) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    origin.switch(how.under, how.fault).await;
    lasts(&sheet, &edge, how.states, how.causes).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

/// What holds while something is wrong that is not the site: it is up, its pages are right and in time, and no cause is told.
pub async fn healthy(sheet: &Sheet, edge: &Edge) {
    sheet.until(edge, &["up"], Column::Further).await;
    for _ in 0..2 {
        sheet.four(edge, &right(&[1]), IN_TIME).await;
    }
    let site = edge.site().await;
    let well = site["state"] == "up" && site["cause"].is_null() && site["origins"][0]["state"] == "up";
    sheet.must(Column::Cause, well, "none, it is well", format!("{site}"));
    let fell = edge.log().iter().any(|line| line.contains("changed state") && line.contains("to=\"down\""));
    sheet.must(Column::Further, !fell, "never down", "it was called down");
    sheet.incident(edge, None).await;
}

/// What holds during every failure: at its first moment, and once the site's state shows it; and its cause is told.
pub async fn lasts(sheet: &Sheet, edge: &Edge, states: &[&str], causes: &[&str]) {
    let copies = right(&[1]);
    sheet.four(edge, &copies, IN_TIME).await;
    sheet.until(edge, states, Column::Cause).await;
    sheet.four(edge, &copies, IN_TIME).await;
    sheet.cause(edge, causes).await;
    // what Katahai says of itself is no incident of the site
    if causes != ["unclean-stop"] && ["down", "degraded"].contains(&&*edge.state().await) {
        sheet.incident(edge, Some(causes)).await;
    }
    sheet.four(edge, &copies, IN_TIME).await;
}
