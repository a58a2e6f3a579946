//! Asking the site for pages that cannot be there: how it says so is a part of its character.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::course::Crawl;
use super::fetch::{Fetch, FetchAsk};
use super::frontier::{Item, Priority};
use super::links::Need;
use super::tempo::Kind;
use super::visit::Visitor;
use crate::http::{Body, coding};
use crate::verdict::Learning;

/// Random paths of one crawl: two, so that what is said of one of them alone is told from what is said of any.
const STRAYS: [&str; 2] = ["", ".html"];

/// The wait for such an answer.
const WAIT: Duration = Duration::from_secs(15);

/// As much of it is read.
const MOST: usize = 256 * 1024;

impl<F: Fetch> Crawl<'_, F> {
    /// Asks for pages that nobody has. What does not come is not missed.
    pub(super) async fn strays(&mut self) {
        for (n, ending) in STRAYS.iter().enumerate() {
            let key = format!("/{}{ending}", unlikely(&self.site.name, n));
            let (need, rank) = (Need::Link, Priority::default());
            let item = Item { key: key.as_str().into(), need, depth: 0, hops: 0, found_on: None, rank };
            if self.cut_short.is_none() && self.policy.judge(&item).is_ok() {
                stray(self.visitor, &key, &mut self.learning).await;
            }
        }
    }
}

/// A name that no page has; the same each time, so that whoever reads the site's log meets two such lines and no more.
fn unlikely(site: &str, n: usize) -> String {
    blake3::hash(format!("{site} {n}").as_bytes()).to_hex()[..12].to_owned()
}

async fn stray<F: Fetch>(visitor: &Visitor<'_, F>, key: &str, learning: &mut Learning) {
    let (way, target) = visitor.way_to(key);
    let turn = visitor.pace.turn(visitor.progress).await;
    let _under_way = visitor.progress.request();
    let ask = FetchAsk::new(way.via, way.tls, &way.host, &target);
    let Ok(Ok(answer)) = timeout(WAIT, visitor.fetch.fetch(ask)).await else { return };
    turn.good(Kind::Page);
    drop(turn);
    let (head, body) = answer.into_parts();
    let Ok(Some(body)) = timeout(WAIT, beginning(body)).await else { return };
    let plain = coding::plain(&head.headers, &body, MOST).filter(|plain| plain.all && !plain.broken);
    let Some(plain) = plain else { return };
    let content_type = head.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    learning.stray(head.status.as_u16(), &plain.bytes, content_type);
}

/// The body, if it comes to its end soon enough.
async fn beginning(mut body: Body) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        read.extend_from_slice(&frame.ok()?.into_data().unwrap_or(Bytes::new()));
        if read.len() > MOST {
            return None;
        }
    }
    Some(read)
}
