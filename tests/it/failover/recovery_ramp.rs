//! Coming back: everybody has waited for the site, and it never gets more of them at once than its share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::faults::{Late, Refuse};
use crate::support::load::{Judge, Load};
use crate::support::{Client, Config, Edge, Origin, Page, ms, secs};

/// Requests at once that the origin takes when it is well.
const SEATS: usize = 48;
/// And at least, when it is only coming back.
const LEAST: usize = 4;
const RAMP: Duration = secs(6);
/// Pages, all of them different and none of them kept fresh: each visit is a request of its own.
const ROOMS: usize = 60;
/// Visitors with a session, who have to have the live site, each asking again and again.
const SESSIONS: usize = 30;

fn room(n: usize) -> String {
    let text: String =
        (0..20).map(|i| format!("<p>Room {n}, window {i}: the harbour and a boat.</p>")).collect();
    format!("<!doctype html><html lang=\"en\"><title>Room {n}</title><h1>Room {n}</h1>{text}</html>")
}

async fn house() -> (Origin, Edge) {
    let origin = Origin::start().await;
    let links: String = (0..ROOMS).map(|n| format!("<a href=\"/rooms/{n}\">Room {n}</a> ")).collect();
    let home =
        format!("<!doctype html><html lang=\"en\"><title>The house</title><h1>The house</h1>{links}</html>");
    origin.page("/", Page::html(home));
    (0..ROOMS).for_each(|n| origin.page(&format!("/rooms/{n}"), Page::html(room(n))));
    let config = Config::before(&origin.url())
        .set("limits.in_flight_per_origin", SEATS as u32)
        .set("limits.connections_per_client", 4096)
        .site("key_pages", ["/"])
        .site("cache.bypass_cookies", ["logged_in"])
        .site("failover.recovery_ramp", format!("{}ms", RAMP.as_millis()));
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    (origin, edge)
}

fn right() -> Judge {
    Arc::new(|target, answer| {
        let n = target.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap();
        match answer.status {
            200 if answer.body == room(n) => Ok(()),
            status => Err(format!("{status}: {}", answer.cache_status())),
        }
    })
}

/// One who is logged in. Returns what went wrong.
async fn session(client: Client, first: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut failed = Vec::new();
    for n in first.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let target = format!("/rooms/{}", n % ROOMS);
        let answer = client.get_with(&target, &[("cookie", "logged_in=x")]).await;
        failed.extend(right()(&target, &answer).err());
        tokio::time::sleep(ms(10)).await; // from one page to the next
    }
    failed
}

/// Looks at the origin's counter all along the ramp. The origin cannot have come back before `healed`: so its share is
/// no larger at any moment than this says, on however slow a machine.
async fn never_more_than_its_share(origin: &Origin, healed: Instant, until: Duration) -> Vec<usize> {
    let mut seen = Vec::new();
    while healed.elapsed() < until {
        tokio::time::sleep(ms(100)).await; // the grain of the looks
        let most = origin.most_at_once();
        let share = 0.05 + 0.95 * healed.elapsed().div_duration_f64(RAMP).min(1.0);
        let seats = ((SEATS as f64 * share) as usize).clamp(LEAST, SEATS);
        assert!(
            most <= seats,
            "{most} at once after {:?}, {seats} are its share; before: {seen:?}",
            healed.elapsed()
        );
        seen.push(most);
        origin.forget();
    }
    seen
}

#[tokio::test]
async fn the_origin_never_gets_more_than_its_share_at_once_and_a_relapse_begins_anew() {
    let (origin, edge) = house().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let stop = Arc::new(AtomicBool::new(false));
    let targets: Vec<String> = (0..ROOMS).map(|n| format!("/rooms/{n}")).collect();
    let load = Load::start(edge.client(), 100, targets, right());
    let sessions: Vec<_> =
        (0..SESSIONS).map(|n| tokio::spawn(session(edge.client(), n * 7, stop.clone()))).collect();
    origin.forget();
    // slow, as sites are that have just been started
    origin.fail(Late(ms(50))).await;
    let first = never_more_than_its_share(&origin, Instant::now(), RAMP / 2).await;
    assert!(first.iter().any(|most| *most > 0), "nobody came back in half of the ramp");
    origin.fail(Refuse).await;
    edge.until("down").await;
    origin.forget();
    origin.fail(Late(ms(50))).await;
    let again = never_more_than_its_share(&origin, Instant::now(), RAMP).await;
    let early = again.iter().find(|most| **most > 0);
    assert!(early.is_some_and(|most| *most <= LEAST * 3), "after the relapse: {again:?}");
    edge.until("up").await;
    origin.forget();
    tokio::time::sleep(ms(500)).await; // the first moments of the whole site
    assert!(origin.most_at_once() > SEATS / 3, "{} at once of a site that is well", origin.most_at_once());
    stop.store(true, Ordering::SeqCst);
    for session in sessions {
        let failed = session.await.unwrap();
        assert!(failed.is_empty(), "{} of a session failed, {:?}", failed.len(), failed.first());
    }
    load.stop().await.must_be_clean();
}
