//! The origin's certificate: it may end, belong to somebody else, or not be shown at all.

use super::check::{lasts, ready};
use super::sheet::{Column, IN_TIME, Sheet, right};
use super::{Row, row};
use crate::support::certs::{Authority, Leaf};
use crate::support::{Config, Edge, Origin, Site, eventually, fixture, secs};

const HOST: &str = "www.example.test";

pub fn rows() -> Vec<Row> {
    vec![
        row("expired", |sheet| {
            untrusted(sheet, &["certificate-expired"], |authority| Some(authority.expired(HOST)))
        }),
        row("another host's", |sheet| {
            untrusted(sheet, &["certificate-of-another"], |authority| {
                Some(authority.leaf("other.example.test"))
            })
        }),
        row("self-signed", |sheet| {
            untrusted(sheet, &["certificate-untrusted"], |_| Some(Leaf::self_signed(HOST)))
        }),
        row("handshake refused", |sheet| untrusted(sheet, &["tls-refused"], |_| None)),
        row("expired with the key unchanged (pinned: goes on)", pinned),
        row("about to expire", about_to_expire),
    ]
}

/// The shop behind TLS, with more lines for its origin.
async fn secured(good: &Leaf, authority: &Authority, more: &str) -> (Origin, Edge) {
    let origin = Origin::start_tls(good).await;
    fixture::stock(&origin, 1);
    let dir = tempfile::tempdir().unwrap();
    let ca = authority.write(dir.path());
    let lines = format!("ca = \"{}\"\nhost = \"{HOST}\"\n{more}", ca.display());
    let edge = Edge::start_in(dir, Config::new(Site::new().origin_with(&origin.url(), &lines))).await;
    ready(&edge).await;
    (origin, edge)
}

async fn untrusted(
    sheet: Sheet,
    causes: &'static [&'static str],
    bad: impl FnOnce(&Authority) -> Option<Leaf>,
) {
    let authority = Authority::new();
    let good = authority.leaf(HOST);
    let (origin, edge) = secured(&good, &authority, "").await;
    sheet.begin(&edge).await;
    origin.present(bad(&authority).as_ref()).await;
    origin.forget();
    lasts(&sheet, &edge, &["down"], causes).await;
    let sent = origin.total();
    sheet.must(
        Column::Further,
        sent == 0,
        "nothing sent",
        format!("{sent} requests over an untrusted connection"),
    );
    origin.present(Some(&good)).await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn about_to_expire(sheet: Sheet) {
    let authority = Authority::new();
    let (origin, edge) = secured(&authority.ending_in(HOST, 5), &authority, "").await;
    sheet.begin(&edge).await;
    sheet.cause(&edge, &["certificate-expiring"]).await;
    let metrics = edge.admin().get("/metrics").await.text();
    let dated = metrics.contains("katahai_origin_certificate_not_after_seconds{origin=");
    sheet.must(Column::Further, dated, "its end is in the metrics", metrics);
    origin.present(Some(&authority.leaf(HOST))).await;
    eventually("the end of the condition", secs(20), async || {
        edge.site().await["conditions"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn pinned(sheet: Sheet) {
    let authority = Authority::new();
    let good = authority.leaf(HOST);
    let (origin, edge) = secured(&good, &authority, &format!("pin = \"{}\"", good.pin())).await;
    sheet.begin(&edge).await;
    origin.present(Some(&authority.expired_with(HOST, &good))).await;
    lasts(&sheet, &edge, &["up"], &["certificate-pinned"]).await;
    let mut sources = sheet.four(&edge, &right(&[1]), IN_TIME).await;
    sources.dedup();
    sheet.must(Column::Further, sources == ["live"], "live by the pin", format!("{sources:?}, not live"));
    origin.present(Some(&good)).await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}
