//! The store stops for a while, under load.

use std::sync::Arc;

use super::deployment::until_serves;
use super::forms::{forms, posts, send};
use super::in_bucket::{Bucket, until_whole};
use crate::support::faults::Refuse;
use crate::support::fixture::{self, MIRRORED, SIGNUP};
use crate::support::load::{Judge, Load};
use crate::support::s3::Door;
use crate::support::{Answer, Edge, Origin, eventually, secs};

/// Forms that each instance gets before the store stops, meanwhile, and afterwards.
const FORMS: usize = 3;

async fn start(bucket: &Bucket, origin: &Origin, name: &str) -> Edge {
    let config = bucket.config(&origin.url(), name).site("health.interval", "100ms");
    Edge::start(config.form(&format!("path = \"{SIGNUP}\"\nmost_per_client = \"off\"\n"))).await
}

/// Every page as it was before anything failed.
fn right() -> Judge {
    let pages = fixture::pages(1);
    Arc::new(move |path, answer: &Answer| match answer.body == pages[path].body {
        true => Ok(()),
        false => Err(format!("{} {}", answer.status, answer.cache_status())),
    })
}

/// Sends forms to both, all at once; returns what is in them.
async fn send_all(edges: [&Edge; 2], when: &str) -> Vec<String> {
    let bodies = |n: usize| format!("when={when}&n={n}");
    let sent = (0..2 * FORMS).map(|n| async move {
        let body = bodies(n);
        assert_eq!(send(edges[n % 2], &body).await.status, 202, "{body}");
        body
    });
    futures_util::future::join_all(sent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stops_for_a_while_costs_no_visitor_and_no_form_anything() {
    let (bucket, origin) = (Bucket::new().await, fixture::shop().await);
    let first = start(&bucket, &origin, "first").await;
    bucket.until_names(&first.until_snapshot().await).await;
    let second = start(&bucket, &origin, "second").await;
    until_serves(&second, &first.snapshot_id().await.unwrap()).await;
    until_whole(&second).await;
    let edges = [&first, &second];
    let paths: Vec<String> = MIRRORED.iter().map(|path| (*path).to_owned()).collect();
    let loads = edges.map(|edge| Load::start(edge.client(), 25, paths.clone(), right()));
    origin.fail(Refuse).await;
    for edge in edges {
        edge.until("down").await;
    }
    let mut sent = send_all(edges, "before").await;
    bucket.s3.door(Door::Shut).await;
    sent.extend(send_all(edges, "meanwhile").await);
    for edge in edges {
        eventually("a store that is known to be gone", secs(60), async || {
            edge.status().await["store"]["fault"].is_object().then_some(())
        })
        .await;
    }
    bucket.s3.door(Door::Open).await;
    sent.extend(send_all(edges, "afterwards").await);
    origin.forget();
    origin.heal().await;
    for edge in edges {
        edge.until("up").await;
    }
    // within a minute: what a visitor was told does not have to wait for what the store has missed
    eventually("all of them at the site", secs(60), async || {
        (posts(&origin).len() >= sent.len()).then_some(())
    })
    .await;
    for edge in edges {
        eventually("an instance that knows it", secs(60), async || {
            forms(edge).await.iter().all(|form| form["state"] == "delivered").then_some(())
        })
        .await;
    }
    let mut arrived = posts(&origin);
    arrived.sort();
    sent.sort();
    assert_eq!(arrived, sent, "each form once");
    for load in loads {
        load.stop().await.must_be_clean();
    }
}
