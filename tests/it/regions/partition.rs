//! The network between a region and all others fails, while each of them still has its visitors and the site.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::deployment::until_serves;
use super::in_bucket::{Bucket, must_serve, shelf, until_holds, until_stands, until_whole};
use crate::support::faults::Refuse;
use crate::support::s3::{PORT, S3};
use crate::support::wires::Machine;
use crate::support::{Edge, Site, eventually, fixture, ms, secs};

/// Looks at the pointer all the time: its generation never becomes less.
pub struct Watch {
    ends: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Vec<u64>>,
}

impl Watch {
    pub fn begin(bucket: Arc<Bucket>) -> Watch {
        let ends = Arc::new(AtomicBool::new(false));
        let over = ends.clone();
        let task = tokio::spawn(async move {
            let mut seen = Vec::new();
            while !over.load(Ordering::SeqCst) {
                let pointer = bucket.pointer().await;
                seen.extend(pointer.and_then(|pointer| pointer["generation"].as_u64()));
                tokio::time::sleep(ms(100)).await;
            }
            seen
        });
        Watch { ends, task }
    }

    pub async fn end(self) {
        self.ends.store(true, Ordering::SeqCst);
        let seen = self.task.await.unwrap();
        assert!(!seen.is_empty() && seen.is_sorted(), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_cut_off_serves_and_takes_nothing_back_when_the_network_is_whole() {
    let Some(machine) = Machine::with(3) else { return };
    let bucket = Arc::new(Bucket::of(S3::start_on(&machine).await).await);
    let origin = fixture::shop().await;
    let start = |wire: u8, name: &str| {
        let at = SocketAddr::new(machine.by(wire), PORT);
        Edge::start(bucket.config_at(at, Site::new().origin(&origin.url()), name))
    };
    let osaka = start(1, "osaka").await;
    let old = osaka.until_snapshot().await;
    bucket.until_names(&old).await;
    let tokyo = start(2, "tokyo").await;
    until_serves(&tokyo, &old).await;
    until_whole(&tokyo).await;
    until_stands(&tokyo, "follows").await;
    let watch = Watch::begin(bucket.clone());
    // who crawls for all is cut off: it goes on, and so does the other one, which takes the lease
    machine.pull(1);
    fixture::stock(&origin, 2);
    let alone = osaka.take_snapshot().await;
    until_stands(&osaka, "alone").await;
    until_holds(&tokyo).await;
    assert_eq!(tokyo.snapshot_id().await.as_ref(), Some(&old), "nothing of the other one's has come");
    fixture::stock(&origin, 3);
    let newer = tokyo.take_snapshot().await;
    bucket.until_names(&newer).await;
    origin.fail(Refuse).await;
    must_serve(&osaka, &[2]).await;
    must_serve(&tokyo, &[3]).await;
    origin.heal().await;
    // whole again: what was agreed meanwhile holds, and what was taken alone is not published
    machine.mend(1);
    until_serves(&osaka, &newer).await;
    until_stands(&osaka, "follows").await;
    eventually("what was taken alone, on its shelf", secs(10), async || {
        shelf(&osaka).await.contains(&alone).then_some(())
    })
    .await;
    let pointer = bucket.pointer().await.unwrap();
    assert_eq!((&pointer["id"], &pointer["generation"]), (&newer.as_str().into(), &2.into()));
    origin.fail(Refuse).await;
    for edge in [&osaka, &tokyo] {
        must_serve(edge, &[3]).await;
    }
    watch.end().await;
}
