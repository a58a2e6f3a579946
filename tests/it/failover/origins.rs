//! Origins at the edge of trust: certificates that are pinned, second tries that are bounded, hedges.

use std::net::{SocketAddr, TcpStream};

use crate::support::certs::{Authority, Leaf};
use crate::support::faults::{Late, ResetInHeaders};
use crate::support::fixture::{self, FOUR, SEEN};
use crate::support::{Config, Edge, Origin, Page, Site, eventually, ms, secs};

const HOST: &str = "www.example.test";

/// The shop behind TLS, with this pin.
async fn pinned(leaf: &Leaf, authority: &Authority, pin: &Leaf) -> (Origin, Edge) {
    let origin = Origin::start_tls(leaf).await;
    fixture::stock(&origin, 1);
    let dir = tempfile::tempdir().unwrap();
    let ca = authority.write(dir.path());
    let lines = format!("ca = \"{}\"\nhost = \"{HOST}\"\npin = \"{}\"", ca.display(), pin.pin());
    let edge = Edge::start_in(dir, Config::new(Site::new().origin_with(&origin.url(), &lines))).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    (origin, edge)
}

/// Shows another certificate; whoever is connected has to connect anew.
async fn change(origin: &Origin, leaf: &Leaf) {
    fixture::stock(origin, 2);
    origin.present(Some(leaf)).await;
}

/// Waits until the status has these conditions of the site, and no others.
async fn holds(edge: &Edge, codes: &[&str]) {
    eventually(&format!("{codes:?}"), secs(5), async || {
        let site = edge.site().await;
        let found: Vec<_> =
            site["conditions"].as_array()?.iter().map(|c| c["cause"]["code"].clone()).collect();
        (found == codes).then_some(())
    })
    .await;
}

async fn is_live(edge: &Edge, origin: &Origin, what: &str) {
    eventually(what, secs(10), async || {
        (edge.get(SEEN).await.body == origin.content(SEEN).body).then_some(())
    })
    .await;
    for path in FOUR {
        let answer = edge.get(path).await;
        answer.must_be(&origin.content(path).body);
        assert!(!answer.is_from_snapshot(), "{what}: {path}");
    }
    assert_eq!(edge.state().await, "up", "{what}");
}

#[tokio::test]
async fn a_pinned_key_is_believed_in_whatever_certificate() {
    let authority = Authority::new();
    let good = authority.leaf(HOST);
    let (origin, edge) = pinned(&good, &authority, &good).await;
    change(&origin, &authority.expired_with(HOST, &good)).await;
    is_live(&edge, &origin, "expired, the key is pinned").await;
    holds(&edge, &["certificate-pinned"]).await;
    change(&origin, &authority.leaf(HOST)).await;
    is_live(&edge, &origin, "a good certificate with another key").await;
    holds(&edge, &["certificate-key-changed"]).await;
    change(&origin, &good).await;
    holds(&edge, &[]).await;
}

#[tokio::test]
async fn a_key_that_is_not_pinned_needs_a_good_certificate() {
    let authority = Authority::new();
    let good = authority.leaf(HOST);
    let (origin, edge) = pinned(&good, &authority, &good).await;
    for (bad, cause) in [
        (authority.expired(HOST), "certificate-expired"),
        (authority.not_yet_valid(HOST), "certificate-not-yet-valid"),
        (authority.leaf("other.example.test"), "certificate-of-another"),
        (Leaf::self_signed(HOST), "certificate-untrusted"),
    ] {
        origin.present(Some(&bad)).await;
        origin.forget();
        edge.until("down").await;
        eventually(cause, secs(5), async || {
            (edge.site().await["origins"][0]["cause"] == cause).then_some(())
        })
        .await;
        for path in FOUR {
            edge.get(path).await.must_be(&origin.content(path).body);
        }
        assert_eq!(origin.total(), 0, "{cause}: nothing is sent");
    }
    origin.present(Some(&good)).await;
    edge.until("up").await;
}

/// A port that has no room for one more connection: the system drops what asks for one, as a firewall does.
fn full_port() -> (socket2::Socket, Vec<TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let at = socket.local_addr().unwrap().as_socket().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&at, ms(200)) {
        held.push(stream);
        assert!(held.len() < 10, "the port does not fill up");
    }
    (socket, held)
}

#[tokio::test]
async fn who_takes_no_connection_is_not_called_silent() {
    let (socket, _held) = full_port();
    let at = socket.local_addr().unwrap().as_socket().unwrap();
    let site = Site::new().set("health.timeout", "300ms").set("health.interval", "100ms");
    let edge = Edge::start(Config::new(site.origin(&format!("http://{at}")))).await;
    edge.until("down").await;
    assert_eq!(edge.site().await["origins"][0]["cause"], "connect-timeout");
}

#[tokio::test]
async fn second_tries_are_bounded() {
    const REQUESTS: usize = 600;
    let origins = [fixture::shop().await, fixture::shop().await];
    let site = Site::new().set("health.fall", 1000).origin(&origins[0].url());
    let edge = Edge::start(Config::new(site.origin(&origins[1].url()))).await;
    edge.until("up").await;
    for n in 0..REQUESTS {
        for origin in &origins {
            origin.page(&format!("/n/{n}"), Page::html("fine").header("cache-control", "no-store"));
        }
    }
    origins[0].fail_under("/n/", ResetInHeaders).await;
    let begun = std::time::Instant::now();
    let mut failed = 0;
    for n in 0..REQUESTS {
        failed += usize::from(edge.get(&format!("/n/{n}")).await.status != 200);
    }
    // the crawler's requests count, too
    let most = 50 + (REQUESTS + 50) / 5 + 5 * (begun.elapsed().as_secs() as usize + 1);
    // each page is asked for once: those of which the failing origin has heard went to it first
    let asked =
        origins[0].asked().into_iter().map(|asked| asked.target).filter(|path| path.starts_with("/n/"));
    let firsts = asked.collect::<std::collections::HashSet<_>>().len();
    let seconds = firsts - failed;
    assert!(seconds <= most, "{seconds} second tries for {firsts} failures: more than {most}");
    assert!(seconds > 0, "{failed} of {firsts} failed: no second try at all");
}

#[tokio::test]
async fn a_hedge_asks_the_other_origin_when_one_takes_long() {
    let origins = [fixture::shop().await, fixture::shop().await];
    let site = Site::new().origin(&origins[0].url()).origin(&origins[1].url());
    let edge = Edge::start(Config::new(site).site("failover.hedge", "100ms")).await;
    eventually("both to be up", secs(10), async || {
        let origins = edge.site().await["origins"].clone();
        origins.as_array()?.iter().all(|origin| origin["state"] == "up").then_some(())
    })
    .await;
    for origin in &origins {
        for n in 0..4 {
            origin.page(&format!("/n/{n}"), Page::html("fine").header("cache-control", "no-store"));
        }
    }
    origins[0].fail_under("/n/", Late(secs(1))).await;
    for n in 0..4 {
        let answer = edge.get(&format!("/n/{n}")).await;
        answer.must_be(b"fine");
        assert!(answer.took < ms(900), "/n/{n}: {:?}", answer.took);
    }
}
