//! An instance with an empty disk joins while the site is dead: it serves, key pages first, and has all of it soon.

use katahai::offsite::layout;
use katahai::snapshot::BlobId;

use super::deployment::DEAD;
use super::in_bucket::Bucket;
use crate::support::Edge;
use crate::support::join::{for_large, join, large_site, page, until_taken};

/// How many pages the site has.
const PAGES: &str = "KATAHAI_JOIN_PAGES";
const DEFAULT: usize = 300;
/// Bodies that come at once, and the few that a visitor of this test asks for.
const FIRST: usize = 16 + 4;

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_instance_serves_at_once_and_key_pages_come_first() {
    let pages = std::env::var(PAGES).ok().map_or(DEFAULT, |pages| pages.parse().expect("a number"));
    let (bucket, origin) = (Bucket::new().await, large_site(pages).await);
    let first = Edge::start(for_large(bucket.config(&origin.url(), "first"), pages)).await;
    let id = until_taken(&first, pages).await;
    bucket.until_names(&id).await;
    drop(first);
    bucket.s3.gate().forget();
    let config = for_large(bucket.config(DEAD, "other").set("store.crawl", "never"), pages);
    let (edge, joined) = join(config, &origin, pages).await;
    assert!(joined.on_demand.is_some(), "nothing was to be fetched on demand: {joined:?}");
    assert!(joined.first < joined.whole, "{joined:?}");
    let fetched: Vec<String> = bucket.s3.gate().passed().into_iter().map(|passed| passed.target).collect();
    let bodies: Vec<&String> = fetched.iter().filter(|target| target.contains("/blobs/")).collect();
    assert!(bodies.len() >= pages, "{} of {pages}", bodies.len());
    for key in ["/", "/signup", "/style.css", "/logo.png"] {
        let name = layout::blob(&BlobId::of(&origin.content(key).body));
        let place = bodies.iter().position(|target| target.ends_with(&name)).expect("it was fetched");
        assert!(place < FIRST, "{key} came as number {place}");
    }
    // without the store and without the site
    bucket.s3.door(crate::support::door::Door::Shut).await;
    for n in (0..pages).step_by(pages / 50) {
        edge.get(&format!("/{n}.html")).await.must_be(page(n).as_bytes());
    }
}
