//! One application before the product, through every failure, one after another, with visitors who never stop.

use std::time::{Duration, Instant};

use super::browser::Browser;
use super::visitors::{Right, Visitors, Wanted, fault, is_live};
use super::{Application, Failure, Told};
use crate::support::certs::Authority;
use crate::support::{Client, Config, Edge, Site, ms, secs};

/// `patience_max`, and the second that a promise allows on top.
const IN_TIME: Duration = ms(2000 + 1000);
/// Within which the live site is back after a failure's end.
const BACK: Duration = secs(60);
/// For how long the application is slow: some checks' time limits, and more.
const SLOW: Duration = secs(12);

/// Before the application, with checks in quick succession: the product's own settings otherwise.
fn site(origin: &str, form: &str) -> Site {
    Site::bare("harbour", "www.example.test")
        .set("key_pages", ["/", form])
        .set("health.interval", "500ms")
        .set("health.timeout", "1s")
        .set("failover.patience", "500ms")
        .set("failover.patience_max", "2s")
        // who is silent is down within two waits of a check, each up to two thirds of this
        .set("failover.timeout", "8s")
        .set("failover.recovery_ramp", "0s")
        .set("mirror.rate", "off")
        .origin(origin)
}

async fn ask(client: &Client, target: &str) -> Result<crate::support::Answer, String> {
    client.send(client.ask("GET", target).body(Default::default()).unwrap()).await
}

/// Runs the whole; fails with all that was not well, at once.
pub async fn outlives<A: Application>(mut application: A) {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = authority.leaf("www.example.test").write(dir.path(), "site");
    let pages = application.pages();
    let form = pages.iter().find(|page| page.is_form).expect("a page with a form").target.clone();
    let config = Config::new(site(&application.url(), &form))
        .set("listen.https", ["127.0.0.1:0"])
        .site("tls.cert", cert.display().to_string())
        .site("tls.key", key.display().to_string());
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let client = edge.tls(authority.roots()).h2();
    application.session(&mut Browser::new(client.clone())).await;

    // what visitors have opened while all was well; files are known by their octets
    let mut wanted = Vec::new();
    for page in &pages {
        let right = match &page.says {
            Some(says) => Right::Page(says.clone()),
            None => {
                let file = ask(&client, &page.target).await.expect("a file");
                assert_eq!(file.status, 200, "{}", page.target);
                Right::File(file.body)
            }
        };
        if page.is_opened {
            let answer = ask(&client, &page.target).await.expect("a page");
            assert_eq!(fault(&answer, &right, IN_TIME), None, "{}", page.target);
        }
        wanted.push(Wanted { target: page.target.clone(), right });
    }
    let mut faults = Vec::new();
    for failure in Failure::ALL {
        let only = std::env::var("FAILURE").unwrap_or_default();
        if failure.name().contains(&only) {
            through(&mut application, &edge, (&client, &wanted), failure, &mut faults).await;
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// One failure, from its first moment to the recovery.
#[expect(clippy::print_stdout, reason = "the runner shows it only when the test fails")]
async fn through<A: Application>(
    application: &mut A,
    edge: &Edge,
    (client, wanted): (&Client, &[Wanted]),
    failure: Failure,
    faults: &mut Vec<String>,
) {
    let name = failure.name();
    let told = application.told(failure);
    let visitors = Visitors::start(client, wanted, IN_TIME);
    let began = Instant::now();
    application.fail(failure);
    if failure == Failure::Slow {
        never_down(edge, name, &told, faults).await;
    } else {
        said(edge, name, &told, faults).await;
    }
    while visitors.fewest() < 3 && began.elapsed() < secs(60) {
        tokio::time::sleep(ms(20)).await;
    }
    let told_after = began.elapsed();
    application.mend(failure);
    let mended = Instant::now();
    loop {
        let answer = ask(client, &wanted[0].target).await;
        if answer.as_ref().is_ok_and(is_live) {
            break;
        }
        if mended.elapsed() > BACK {
            faults.push(format!(
                "{name}: not back: {:?}",
                answer.map(|answer| answer.cache_status().to_owned())
            ));
            break;
        }
        tokio::time::sleep(ms(50)).await;
    }
    let back = mended.elapsed();
    while edge.state().await != "up" {
        if mended.elapsed() > BACK {
            faults.push(format!("{name}: not up again: {}", edge.site().await["cause"]));
            break;
        }
        tokio::time::sleep(ms(50)).await;
    }
    println!(
        "{name}: {told_after:?} until it was told, live after {back:?}, up after {:?}",
        mended.elapsed()
    );
    faults.extend(visitors.stop().await.into_iter().map(|fault| format!("{name}: {fault}")));
}

/// Who is slow is not down, and nothing else is told of it.
async fn never_down(edge: &Edge, name: &str, told: &Told, faults: &mut Vec<String>) {
    let end = Instant::now() + SLOW;
    while Instant::now() < end {
        let site = edge.site().await;
        let cause = site["cause"]["code"].as_str();
        if site["state"] == "down" || cause.is_some_and(|cause| !told.causes.contains(&cause)) {
            faults.push(format!("{name}: called {}, {cause:?}", site["state"]));
            break;
        }
        tokio::time::sleep(ms(100)).await;
    }
}

/// Waits until the status says what has happened.
async fn said(edge: &Edge, name: &str, told: &Told, faults: &mut Vec<String>) {
    let end = Instant::now() + secs(60);
    loop {
        let site = edge.site().await;
        let (state, cause) = (site["state"].as_str().unwrap(), site["cause"]["code"].as_str());
        if told.states.contains(&state) && cause.is_some_and(|cause| told.causes.contains(&cause)) {
            return;
        }
        if Instant::now() > end {
            let origins: Vec<String> =
                site["origins"].as_array().unwrap().iter().map(|o| o["cause"].to_string()).collect();
            faults.push(format!(
                "{name}: told as {state}, {cause:?} (branches {}, origins {origins:?}), not {:?}, {:?}",
                site["branches"], told.states, told.causes
            ));
            return;
        }
        tokio::time::sleep(ms(50)).await;
    }
}
