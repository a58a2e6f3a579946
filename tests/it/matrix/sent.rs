//! Requests by which one visitor tries to change what the others get.

use super::check::{lasts, ready};
use super::sheet::{Column, IN_TIME, Sheet, right};
use super::{Row, row};
use crate::support::faults::Refuse;
use crate::support::fixture::{self, FOUR};
use crate::support::raw::Raw;
use crate::support::{Config, Edge, Origin, Page, secs};

pub fn rows() -> Vec<Row> {
    vec![
        sent("a GET with a body", |target, _| {
            format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 9\r\n\r\nfrom=evil")
        }),
        sent("Host with a foreign port", |target, _| get(target, &format!("Host: {HOST}:31337"))),
        sent("Host in capitals and with a dot at its end", |target, _| {
            get(target, "Host: WWW.EXAMPLE.TEST.")
        }),
        sent("a foreign name in X-Forwarded-Host and Forwarded", |target, _| {
            get(target, &format!("Host: {HOST}\r\nX-Forwarded-Host: evil.test\r\nForwarded: host=evil.test"))
        }),
        sent("the same with underscores", |target, _| {
            get(target, &format!("Host: {HOST}\r\nX_Forwarded_Host: evil.test"))
        }),
        sent("ignored parameters reflected", |target, n| {
            let sign = if target.contains('?') { '&' } else { '?' };
            get(&format!("{target}{sign}utm_source=<script>{n}"), &format!("Host: {HOST}"))
        }),
        sent("dot segments", |target, n| {
            let dots = if n % 2 == 0 { "/./%2e" } else { "/x/%2e%2e" };
            get(&format!("{dots}{target}"), &format!("Host: {HOST}"))
        }),
    ]
}

const HOST: &str = "www.example.test";

fn get(target: &str, fields: &str) -> String {
    format!("GET {} HTTP/1.1\r\n{fields}\r\n\r\n", target.replace('<', "%3C").replace('>', "%3E"))
}

/// An origin that writes into its pages how it was asked; its addresses are the shop's. What is right there, is what it gives to
/// a visitor who asks as everybody does.
async fn parrot() -> (Origin, Edge) {
    let origin = Origin::start().await;
    stock(&origin, 1);
    let edge = Edge::start(Config::before(&origin.url())).await;
    ready(&edge).await;
    (origin, edge)
}

/// The right pages, to whoever asks rightly; to anybody else with what he sent in it, for everybody to have.
fn stock(origin: &Origin, version: u32) {
    let pages = fixture::pages(version);
    fixture::stock(origin, version);
    for target in FOUR {
        origin.hide(target);
    }
    origin.make(move |asked| {
        let fields = ["host", "x-forwarded-host", "forwarded", "x_forwarded_host"];
        let mut said: Vec<String> = fields.iter().filter_map(|name| asked.header(name)).collect();
        said.push(asked.target.clone());
        said.push(String::from_utf8_lossy(&asked.body).into_owned());
        let said = said.join(" ").to_ascii_lowercase();
        let strange =
            ["evil", "31337", "utm_", "%2e", "/./", "test. "].iter().any(|text| said.contains(text));
        let page = FOUR
            .iter()
            .find(|target| asked.target.contains(**target))
            .map(|target| pages[*target].clone())?;
        let page = page.header("cache-control", "public, max-age=2");
        Some(if strange {
            Page { body: [&page.body, said.as_bytes()].concat().into(), ..page }
        } else {
            page
        })
    });
}

/// Somebody asks like this for each of the four, again and again; after that all others get what is right, while the site
/// lives and when it is dead.
fn sent(name: &'static str, request: fn(&str, usize) -> String) -> Row {
    row(name, move |sheet| attack(sheet, request))
}

async fn attack(sheet: Sheet, request: fn(&str, usize) -> String) {
    let (origin, edge) = parrot().await;
    for n in 0..4 {
        for target in FOUR {
            let mut raw = Raw::connect(edge.http()).await;
            raw.send(request(target, n)).await;
            raw.head(secs(10)).await;
        }
    }
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    let state = edge.state().await;
    sheet.must(Column::Further, state == "up", "up all the time", format!("the site was {state}"));
    sheet.begin(&edge).await;
    origin.fail(Refuse).await;
    lasts(&sheet, &edge, &["down"], &["refused"]).await;
    origin.heal().await;
    stock(&origin, 2);
    sheet.back(&edge, 2).await;
}
