//! One visitor against the others: what somebody sends does not change what anybody else gets.

use super::check::{healthy, ready};
use super::sheet::{Column, Sheet};
use super::{Row, row};
use crate::protocol::visitor_against_visitor::{ask, without_a_window};
use crate::support::fixture::{self, SIGNUP};
use crate::support::raw::Raw;
use crate::support::{Config, Edge, Origin, Page};

pub fn rows() -> Vec<Row> {
    let mut rows = vec![
        row("slow POSTs of one address", slow_posts),
        row("windows that never open", closed_windows),
        row("readers who do not read", idle_readers),
    ];
    rows.extend(super::sent::rows());
    rows
}

/// Seats at the origin.
const SEATS: u32 = 8;

/// The shop, before an origin that takes few requests at once.
async fn narrow() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(
        Config::before(&origin.url())
            .set("limits.in_flight_per_origin", SEATS)
            .set("listen.trusted_proxies", ["127.0.0.1/32"]),
    )
    .await;
    ready(&edge).await;
    (origin, edge)
}

async fn others_go_on(sheet: &Sheet, origin: &Origin, edge: &Edge) {
    healthy(sheet, edge).await;
    let fresh = edge.get("/nobody-has-seen-this").await;
    sheet.must(
        Column::Further,
        fresh.status == 404,
        "new pages live",
        format!("{} {}", fresh.status, fresh.cache_status()),
    );
    let form = edge.client().post(SIGNUP, "name=value").await;
    sheet.must(Column::Further, form.status == 200, "forms arrive", format!("a form: {}", form.status));
    fixture::stock(origin, 2);
    sheet.back(edge, 2).await;
}

async fn slow_posts(sheet: Sheet) {
    let (origin, edge) = narrow().await;
    sheet.begin(&edge).await;
    let mut slow = Vec::new();
    for n in 0..4 * SEATS {
        let length = if n % 2 == 0 { "Content-Length: 8192" } else { "Transfer-Encoding: chunked" };
        let mut raw = Raw::connect(edge.http()).await;
        raw.send(format!("POST {SIGNUP} HTTP/1.1\r\nHost: www.example.test\r\n{length}\r\n\r\n1")).await;
        slow.push(raw);
    }
    others_go_on(&sheet, &origin, &edge).await;
}

async fn closed_windows(sheet: Sheet) {
    let (origin, edge) = narrow().await;
    origin.page("/cart.json", Page::new("application/json", vec![b'1'; 50 << 10]));
    sheet.begin(&edge).await;
    let mut unread = Vec::new();
    for connection in 0..5 {
        let mut client = without_a_window(&edge).await;
        for n in 0..SEATS {
            let target = format!("/cart.json?n={connection}.{n}");
            unread.push(client.send_request(ask(&target)).await.unwrap());
        }
    }
    others_go_on(&sheet, &origin, &edge).await;
}

async fn idle_readers(sheet: Sheet) {
    let (origin, edge) = narrow().await;
    origin.page("/film", Page::streamed(64 << 20).header("cache-control", "no-store"));
    sheet.begin(&edge).await;
    let mut unread = Vec::new();
    // his share: half, as long as nobody else wants the seats
    for _ in 0..4 * SEATS {
        let mut raw = Raw::connect(edge.http()).await;
        raw.send("GET /film HTTP/1.1\r\nHost: www.example.test\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n").await;
        unread.push(raw);
    }
    others_go_on(&sheet, &origin, &edge).await;
}
