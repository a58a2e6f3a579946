//! The origin's name: it may vanish, its servers may fail or fall silent, or it may lead to somebody else. The last good
//! address stays in use; where there never was one, copies are served.

use std::net::{Ipv4Addr, SocketAddr};

use crate::support::dns::{Dns, Says};
use crate::support::faults::{Instead, Refuse, ResetOnAccept};
use crate::support::fixture::{self, FOUR, SEEN};
use crate::support::{Config, Edge, Origin, Page, eventually, ms, secs};

const HERE: Says = Says::Address(Ipv4Addr::LOCALHOST);

async fn named() -> (Origin, Dns, Edge) {
    let origin = fixture::shop().await;
    let dns = Dns::start(HERE).await;
    let url = format!("http://origin.example.test:{}", origin.addr().port());
    // what is asked here is where an answer comes from, and not how soon
    let config = Config::before(&url).set("dns.nameservers", [&*dns.addr()]);
    let patient = config.site("failover.patience", "5s").site("failover.patience_max", "5s");
    let edge = Edge::start(patient).await;
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
        origin.fail(ResetOnAccept).await;
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
async fn a_start_without_any_name_serves_copies_and_says_why() {
    let (origin, dns, mut edge) = named().await;
    for (says, cause) in [
        (Says::NxDomain, "name-not-found"),
        (Says::ServFail, "name-servers-fail"),
        (Says::Silence, "name-servers-silent"),
    ] {
        dns.say(says);
        edge.restart().await;
        for path in FOUR {
            let answer = edge.get(path).await;
            answer.must_be(&origin.content(path).body);
            assert!(answer.took < ms(1800), "{says:?}, {path}: {:?}", answer.took);
        }
        edge.until("down").await;
        edge.get("/nowhere").await.must_be_holding_page();
        eventually(cause, secs(10), async || {
            (edge.site().await["origins"][0]["cause"] == cause).then_some(())
        })
        .await;
    }
    dns.say(HERE);
    edge.until("up").await;
    assert!(!edge.get(SEEN).await.is_from_snapshot());
}

#[tokio::test]
async fn many_who_come_while_the_name_is_looked_up_are_one_question() {
    let (_origin, dns, mut edge) = named().await;
    dns.say(Says::Silence);
    edge.restart().await;
    let before = dns.questions();
    let running: Vec<_> = (0..50)
        .map(|n| {
            let client = edge.client();
            tokio::spawn(async move { client.get(&format!("/unknown/{n}")).await })
        })
        .collect();
    for one in running {
        one.await.unwrap().must_be_holding_page();
    }
    let asked = dns.questions() - before;
    assert!(asked < 50, "{asked} questions");
}

/// The same port at another loopback address.
fn elsewhere(origin: &Origin, last: u8) -> (Says, SocketAddr) {
    let address = Ipv4Addr::new(127, 0, 0, last);
    (Says::Address(address), SocketAddr::from((address, origin.addr().port())))
}

/// Cuts the connections that are open, so that an address is needed again.
async fn cut(origin: &Origin) {
    origin.fail(ResetOnAccept).await;
    origin.heal().await;
}

/// Cuts connections until the name's address is asked for. One that was opened just before the name led elsewhere would be kept.
async fn until_asked(dns: &Dns, origin: &Origin, edge: &Edge) {
    let before = dns.questions();
    eventually("a question", secs(10), async || {
        cut(origin).await;
        edge.get(SEEN).await;
        (dns.questions() > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_name_that_moves_with_its_site_is_followed() {
    let (origin, dns, edge) = named().await;
    let (there, addr) = elsewhere(&origin, 2);
    let new = Origin::start_at(addr).await;
    fixture::stock(&new, 2);
    dns.say(there);
    until_asked(&dns, &origin, &edge).await;
    eventually("the site at its new address", secs(15), async || {
        (edge.get(SEEN).await.body == new.content(SEEN).body).then_some(())
    })
    .await;
    origin.fail(Refuse).await;
    for path in FOUR {
        let answer = edge.get(path).await;
        answer.must_be(&new.content(path).body);
        assert!(!answer.is_from_snapshot(), "{path}");
    }
}

#[tokio::test]
async fn a_name_that_moves_to_a_parking_host_is_not_followed() {
    let (origin, dns, edge) = named().await;
    let (there, addr) = elsewhere(&origin, 3);
    let parking = Origin::start_at(addr).await;
    parking
        .fail(Instead(Page::html(include_str!("../../../src/fingerprint/samples/parking/sedo.html"))))
        .await;
    dns.say(there);
    fixture::stock(&origin, 2);
    cut(&origin).await;
    eventually("a look at the new address", secs(15), async || (parking.total() > 0).then_some(())).await;
    for path in FOUR {
        let answer = edge.get(path).await;
        answer.must_be(&origin.content(path).body);
        assert!(!answer.is_from_snapshot(), "{path}: the last good address still works");
    }
    // The server behind the old address goes as well: copies, and never the parking page.
    origin.fail(Refuse).await;
    edge.until("down").await;
    for path in FOUR {
        // what the crawl has accepted, or, if the key pages were found good since it came, what came later
        let copies = [fixture::pages(1)[path].body.clone(), origin.content(path).body];
        let answer = edge.get(path).await;
        assert!(answer.status == 200 && copies.contains(&answer.body), "{path}: {}", answer.text());
    }
    let cause = edge.site().await["origins"][0]["cause"].clone();
    assert_eq!(cause, "name-moved");
    let visits = ["/about", "/style.css"].map(|path| parking.count(path));
    assert_eq!(visits, [0, 0], "nobody is sent there");
}
