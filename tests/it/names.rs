//! The origin's name: it may vanish, its servers may fail or fall silent. The last good address stays in use; where
//! there never was one, copies are served.

use std::net::Ipv4Addr;

use crate::support::dns::{Dns, Says};
use crate::support::fixture::{self, FOUR, SEEN};
use crate::support::{Config, Edge, Origin, eventually, ms, secs};

const HERE: Says = Says::Address(Ipv4Addr::LOCALHOST);

async fn named() -> (Origin, Dns, Edge) {
    let origin = fixture::shop().await;
    let dns = Dns::start(HERE).await;
    let url = format!("http://origin.example.test:{}", origin.addr().port());
    let edge = Edge::start(Config::before(&url).set("dns.nameservers", [&*dns.addr()])).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    (origin, dns, edge)
}

#[tokio::test]
async fn a_name_is_looked_up_where_the_configuration_says() {
    let (origin, dns, edge) = named().await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    assert!(dns.questions() > 0);
    assert_eq!(origin.last(SEEN).await.header("host").as_deref(), Some("www.example.test"));
}

#[tokio::test]
async fn a_name_that_dies_leaves_the_site_alive() {
    let (origin, dns, edge) = named().await;
    fixture::stock(&origin, 2);
    for says in [Says::NxDomain, Says::ServFail, Says::Silence] {
        dns.say(says);
        let before = dns.questions();
        // its connections too, so that the address is really needed again
        origin.fail(crate::support::faults::ResetOnAccept).await;
        origin.heal().await;
        eventually("another question", secs(10), async || {
            edge.get(SEEN).await;
            (dns.questions() > before).then_some(())
        })
        .await;
        edge.until("up").await;
        for path in FOUR {
            let answer = edge.get(path).await;
            answer.must_be(&origin.content(path).body);
            assert!(!answer.is_from_snapshot(), "{says:?}, {path}: the last good address still works");
            assert!(answer.took < ms(1800), "{says:?}, {path}: {:?}", answer.took);
        }
    }
}

#[tokio::test]
async fn a_start_without_any_name_serves_copies() {
    let (origin, dns, mut edge) = named().await;
    for says in [Says::NxDomain, Says::ServFail, Says::Silence] {
        dns.say(says);
        edge.restart().await;
        for path in FOUR {
            let answer = edge.get(path).await;
            answer.must_be(&origin.content(path).body);
            assert!(answer.took < ms(1800), "{says:?}, {path}: {:?}", answer.took);
        }
        edge.until("down").await;
        edge.get("/nowhere").await.must_be_holding_page();
    }
    dns.say(HERE);
    edge.until("up").await;
    assert!(!edge.get(SEEN).await.is_from_snapshot());
}

#[tokio::test]
async fn a_name_that_moves_is_followed() {
    let (origin, dns, edge) = named().await;
    // the same port at another loopback address: nobody is there
    dns.say(Says::Address(Ipv4Addr::new(127, 0, 0, 99)));
    origin.fail(crate::support::faults::ResetOnAccept).await;
    origin.heal().await;
    edge.until("down").await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    dns.say(HERE);
    edge.until("up").await;
}
