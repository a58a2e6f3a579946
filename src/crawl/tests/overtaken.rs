//! Another snapshot comes into service while a crawl is merged with the one before.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::crawl::gate::{self, Evidence};
use crate::crawl::run::{Merged, begin, merge_beside_current, walk};
use crate::crawl::testing::{html, site, status};
use crate::snapshot::SnapshotId;

/// Pages by number beside the front page, which links to them.
fn pages(numbers: std::ops::Range<usize>) -> MemorySite {
    let links: String = numbers.clone().map(|i| format!("<a href=/{i}>{i}</a>")).collect();
    MemorySite::new(move |ask| match ask.target.trim_start_matches('/') {
        "" => html(&links),
        number if number.parse().is_ok_and(|number| numbers.contains(&number)) => {
            html(&format!("page number {number}"))
        }
        _ => status(404),
    })
}

/// Two snapshots, the small one in service, then a crawl of the small site; when what is in service has been looked up so
/// often, it is the large one.
async fn overtaken(times: usize) -> (Crawled, Evidence, Option<SnapshotId>, [SnapshotId; 2]) {
    let site = site(&["/"]);
    let mut crawled = crawl(&site, &pages(0..4)).await;
    let small = crawled.snapshot().id();
    let grown = take(&site, &pages(0..40), &crawled.store, None, &Progress::new(), clock::now()).await;
    assert!(grown.expect("it ends").is_published());
    let large = crawled.snapshot().id();
    crawled.store.put_in_service(&small, None).expect("the operator's word");
    crawled.progress = Progress::new();
    let now = clock::now();
    let started = begin(&site, &crawled.store, now).await.expect("it begins");
    let fetch = pages(0..4);
    let (staging, done) =
        walk(started, &site, &fetch, (&crawled.store, None), &crawled.progress).await.expect("it ends");
    let asked = AtomicUsize::new(0);
    let store = &crawled.store;
    let in_service = || async {
        assert_eq!(staging.unsynced(), 0, "the long part of publishing is behind it");
        if asked.fetch_add(1, Ordering::Relaxed) == times {
            store.put_in_service(&large, None).expect("the operator's word");
        }
        store.current()
    };
    let merged = merge_beside_current(done, &staging, store, (&crawled.progress, 1000), in_service).await;
    let Merged { evidence, beside, .. } = merged.expect("it is merged");
    (crawled, evidence, beside, [large, small])
}

#[tokio::test(start_paused = true)]
async fn a_crawl_is_judged_beside_what_is_in_service_when_it_is_published() {
    let (crawled, evidence, beside, [_, small]) = overtaken(usize::MAX).await;
    assert_eq!((beside, gate::judge(&evidence)), (Some(small), Vec::new()));
    assert_eq!(crawled.progress.read().carried, 0);
    let (crawled, evidence, beside, [large, _]) = overtaken(1).await;
    let broken: Vec<_> = gate::judge(&evidence).iter().map(|broken| broken.rule.code()).collect();
    assert_eq!((beside, broken), (Some(large), vec!["shrunk"]));
    assert_eq!(crawled.progress.read().carried, 36, "of the one that it is compared with");
}
