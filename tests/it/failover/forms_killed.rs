//! Forms under kills: visitors send without a pause while the process is killed (-9) again and again. What was acknowledged
//! arrives, once; what arrives beyond that is said to be unconfirmed. `FORMS=10000 KILLS=200` for the whole; with `FILL=1` the disk
//! is filled once in between, for which `TMPDIR` must be a small one (`mount -t tmpfs -o size=300m tmpfs /mnt/small`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::Full;
use serde_json::Value;

use crate::support::faults::Refuse;
use crate::support::fixture::{self, SIGNUP};
use crate::support::{Client, Config, Edge, Origin, eventually, ms, secs};

const VISITORS: usize = 8;

fn from_env(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().map_or(usual, |value| value.parse().unwrap())
}

/// What the visitors share.
struct Count {
    next: AtomicUsize,
    all: usize,
    /// How many were refused while the disk was full; `None`: it never is.
    refused: Option<AtomicUsize>,
}

/// Sends forms of its own until the count is full; those that were acknowledged.
async fn visitor(client: Client, number: usize, count: Arc<Count>) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    loop {
        let form = count.next.fetch_add(1, Ordering::SeqCst);
        if form >= count.all {
            return acknowledged;
        }
        let body = format!("visitor={number}&form={form}");
        let request = client.ask("POST", SIGNUP).header("content-type", "application/x-www-form-urlencoded");
        match client.send(request.body(Full::from(body.clone())).unwrap()).await {
            Ok(answer) if answer.status == 202 => _ = acknowledged.insert(body),
            Ok(answer) if answer.status == 503 && count.refused.is_some() => {
                count.refused.iter().for_each(|refused| _ = refused.fetch_add(1, Ordering::SeqCst));
                tokio::time::sleep(ms(20)).await;
            }
            Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
            // killed meanwhile: not acknowledged, and not sent again
            Err(_) => tokio::time::sleep(ms(20)).await,
        }
    }
}

/// Fills the disk to its last byte, until visitors have been refused.
async fn fill(edge: &Edge, refused: &AtomicUsize) {
    let path = edge.dir().join("filler");
    let mut filler = std::fs::File::create(&path).unwrap();
    let chunk = vec![0; 1 << 16];
    while std::io::Write::write_all(&mut filler, &chunk).is_ok() {}
    let before = refused.load(Ordering::SeqCst);
    eventually("visitors are refused", secs(60), async || {
        (refused.load(Ordering::SeqCst) > before + VISITORS).then_some(())
    })
    .await;
    std::fs::remove_file(path).unwrap();
}

/// The keys under which each form arrived.
fn arrived(origin: &Origin) -> BTreeMap<String, BTreeSet<String>> {
    let mut arrived: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for asked in origin.asked_for(SIGNUP).into_iter().filter(|asked| asked.method == "POST") {
        let key = asked.header("idempotency-key").expect("a key");
        arrived.entry(String::from_utf8_lossy(&asked.body).into_owned()).or_default().insert(key);
    }
    arrived
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_arrives_once_however_often_the_process_is_killed() {
    let (all, kills) = (from_env("FORMS", 400), from_env("KILLS", 8));
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url())
        .set("forms.most", 100_000)
        .form(&format!("path = \"{SIGNUP}\"\nidempotent = true\nmost_per_client = \"off\""));
    let mut edge = Edge::start(config).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let refused = std::env::var_os("FILL").map(|_| AtomicUsize::new(0));
    let count = Arc::new(Count { next: AtomicUsize::new(0), all, refused });
    let visitors: Vec<_> =
        (0..VISITORS).map(|number| tokio::spawn(visitor(edge.client(), number, count.clone()))).collect();
    for kill in 1..=kills {
        eventually("some more were sent", secs(60), async || {
            (count.next.load(Ordering::SeqCst) >= all * kill / (kills + 1)).then_some(())
        })
        .await;
        edge.kill();
        edge.restart().await;
        if let Some(refused) = count.refused.as_ref().filter(|_| kill == kills / 2) {
            fill(&edge, refused).await;
        }
    }
    let mut acknowledged = BTreeSet::new();
    for visitor in visitors {
        acknowledged.extend(visitor.await.unwrap());
    }
    // the last one is killed, too, and what it had told its visitors is still there
    edge.restart().await;
    origin.forget();
    origin.heal().await;
    edge.until("up").await;
    let forms = eventually("all are delivered", secs(300), async || {
        let answer = edge.admin().get("/api/v1/sites/shop/forms").await;
        let list: Value = serde_json::from_slice(&answer.body).unwrap();
        let forms = list["forms"].as_array().unwrap().clone();
        forms.iter().all(|form| form["state"] == "delivered").then_some(forms)
    })
    .await;
    let arrived = arrived(&origin);
    let lost: Vec<_> = acknowledged.iter().filter(|form| !arrived.contains_key(*form)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged forms are lost: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
    let twice: Vec<_> = arrived.iter().filter(|(_, keys)| keys.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let unconfirmed: BTreeSet<String> = forms
        .iter()
        .filter(|form| form["reason"] == "unconfirmed")
        .map(|form| format!("\"{}\"", form["id"].as_str().unwrap()))
        .collect();
    let unsaid: Vec<_> = arrived
        .iter()
        .filter(|(form, keys)| !acknowledged.contains(*form) && keys.is_disjoint(&unconfirmed))
        .collect();
    assert!(unsaid.is_empty(), "arrived, never acknowledged, and not said so: {unsaid:?}");
    assert!(acknowledged.len() * 2 > all, "too few were acknowledged: {} of {all}", acknowledged.len());
}
