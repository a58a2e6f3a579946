//! The origin's name: it may vanish, its servers may fail or fall silent, or it may point at somebody else.

use std::net::{Ipv4Addr, SocketAddr};

use super::check::{healthy, lasts, ready};
use super::sheet::{Column, IN_TIME, Sheet, right};
use super::wrong::sample;
use super::{Row, row};
use crate::support::dns::{Dns, Says};
use crate::support::faults::{Instead, Refuse, ResetOnAccept};
use crate::support::{Config, Edge, Origin, fixture};

const HERE: Says = Says::Address(Ipv4Addr::LOCALHOST);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

pub fn rows() -> Vec<Row> {
    vec![
        row("NXDOMAIN", |sheet| unresolved(sheet, Says::NxDomain, &["name-not-found"])),
        row("SERVFAIL", |sheet| unresolved(sheet, Says::ServFail, &["name-servers-fail"])),
        row("no answer", |sheet| unresolved(sheet, Says::Silence, &["name-servers-silent"])),
        row("servers that never answer AAAA", quiet),
        row("the record points at a parking host", |sheet| parked(sheet, After::OldDies)),
        row("the same while the old server lives on", |sheet| parked(sheet, After::OldLives)),
    ]
}

async fn named() -> (Origin, Dns, Edge) {
    let origin = fixture::shop().await;
    let dns = Dns::start(HERE).await;
    let url = format!("http://origin.example.test:{}", origin.addr().port());
    let edge = Edge::start(Config::before(&url).set("dns.nameservers", [&*dns.addr()])).await;
    ready(&edge).await;
    (origin, dns, edge)
}

/// Whoever has an IPv4 address needs no word about IPv6 ones: nothing is late, and nothing is reported.
async fn quiet(sheet: Sheet) {
    let (origin, dns, mut edge) = named().await;
    sheet.begin(&edge).await;
    dns.say(Says::OnlyA(Ipv4Addr::LOCALHOST));
    edge.restart().await;
    sheet.restarted();
    healthy(&sheet, &edge).await;
    dns.say(HERE);
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

/// While it runs, the last good address is enough; a start without any name gives copies.
async fn unresolved(sheet: Sheet, says: Says, causes: &'static [&'static str]) {
    let (origin, dns, mut edge) = named().await;
    sheet.begin(&edge).await;
    dns.say(says);
    // what is open is cut, so that the address is really needed again
    origin.fail(ResetOnAccept).await;
    origin.heal().await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    sheet.until(&edge, &["up"], Column::Further).await;
    let mut sources = sheet.four(&edge, &right(&[1]), IN_TIME).await;
    sources.dedup();
    sheet.must(
        Column::Further,
        sources == ["live"],
        "live by the last address",
        format!("{sources:?}, not live"),
    );
    edge.restart().await;
    sheet.restarted();
    lasts(&sheet, &edge, &["down", "up", "recovering"], causes).await;
    dns.say(HERE);
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    OldDies,
    OldLives,
}

/// The name is somebody else's now, who has a page for everything.
async fn parked(sheet: Sheet, after: After) {
    let (origin, dns, edge) = named().await;
    let parking = Origin::start_at(SocketAddr::new(ELSEWHERE.into(), origin.addr().port())).await;
    parking.fail(Instead(sample("parking/sedo.html"))).await;
    sheet.begin(&edge).await;
    dns.say(Says::Address(ELSEWHERE));
    match after {
        After::OldDies => origin.fail(Refuse).await,
        After::OldLives => {
            // what is open is cut, so that the address is really needed again
            origin.fail(ResetOnAccept).await;
            origin.heal().await;
        }
    }
    let states: &[&str] = if after == After::OldDies { &["down"] } else { &["up"] };
    lasts(&sheet, &edge, states, &["name-moved"]).await;
    if after == After::OldLives {
        let mut sources = sheet.four(&edge, &right(&[1]), IN_TIME).await;
        sources.dedup();
        sheet.must(
            Column::Further,
            sources == ["live"],
            "live by the old address",
            format!("{sources:?}, not live"),
        );
    }
    let visits = ["/about", "/events", "/style.css"].iter().map(|path| parking.count(path)).sum::<usize>();
    sheet.must(
        Column::Further,
        visits == 0,
        "nobody sent there",
        format!("{visits} visitors sent to the parking host"),
    );
    dns.say(HERE);
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}
