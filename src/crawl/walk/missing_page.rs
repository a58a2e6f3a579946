//! Asking the site for pages that cannot be there: how it says so is a part of its character.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::Crawl;
use super::results::Leads;
use super::shell::SHELL;
use crate::content::charset;
use crate::content::links::Need;
use crate::content::text_size::visible;
use crate::crawl::fetch::Fetcher;
use crate::crawl::fetch::tempo::ResourceKind;
use crate::crawl::item::{Item, Priority};
use crate::crawl::transport::{Fetch, FetchAsk};
use crate::http::{Body, coding};

/// Random paths of one crawl: two, so that what is said of one of them alone is told from what is said of any.
const RANDOM_PATHS: [&str; 2] = ["", ".html"];

/// Key pages that are asked for with a parameter that nobody knows.
const TRIED: usize = 3;

/// The wait for such an answer.
const WAIT: Duration = Duration::from_secs(15);

/// As much of it is read.
const MOST: usize = 256 * 1024;

impl<F: Fetch> Crawl<'_, F> {
    /// Asks for pages that nobody has. What does not come is not missed.
    pub(super) async fn missing_pages(&mut self) {
        for (n, ending) in RANDOM_PATHS.iter().enumerate() {
            let key = format!("/{}{ending}", unlikely(&self.site.name, n));
            let (need, rank) = (Need::Link, Priority::default());
            let item = Item { key: key.as_str().into(), need, depth: 0, hops: 0, found_on: None, rank };
            if self.cut_short.is_none()
                && self.policy.judge(&item).is_ok()
                && let Some(came) = ask(self.fetcher, &key).await
            {
                self.learning.missing_page(came.status, &came.body, came.content_type.as_deref());
                // The other one has an ending, and may be answered as a file is.
                if n == 0 && self.is_shell(&came).await {
                    self.shell = Some(SHELL);
                }
            }
        }
    }
}

impl<F: Fetch> Crawl<'_, F> {
    /// Asks for key pages with a parameter that nobody knows: whether the site heeds such.
    pub(super) async fn unknown_parameters(&mut self, key_pages: &[String]) {
        let name = unlikely(&self.site.name, 2);
        for page in key_pages.iter().take(TRIED).filter(|page| !page.contains('?')) {
            let Leads::To(at, stored) = self.results.follow(page) else { continue };
            let (key, wanted) = (format!("{page}?{name}={name}"), stored.text_hash);
            let (need, rank) = (Need::Link, Priority::default());
            let item = Item { key: key.as_str().into(), need, depth: 0, hops: 0, found_on: None, rank };
            let is_tried = at == page && stored.is_page && wanted != 0;
            if !is_tried || self.cut_short.is_some() || self.policy.judge(&item).is_err() {
                continue;
            }
            let Some(came) = ask(self.fetcher, &key).await else { continue };
            let html = charset::html(&came.body, came.content_type.as_deref()).0;
            // A page that shows its own address, or puts it into its links, is the same page.
            let html = html.replace(&format!("{name}={name}"), "").replace(&name, "");
            self.addresses.tried(came.status == 200 && visible(&html).text_hash == wanted);
        }
    }
}

/// A name that no page has; the same each time, so that whoever reads the site's log meets two such lines and no more.
fn unlikely(site: &str, n: usize) -> String {
    blake3::hash(format!("{site} {n}").as_bytes()).to_hex()[..12].to_owned()
}

/// What came of a page that was asked for.
pub(super) struct ProbeResponse {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) content_type: Option<String>,
}

/// Asks for a page, without more ado if it does not come.
pub(super) async fn ask<F: Fetch>(fetcher: &Fetcher<'_, F>, key: &str) -> Option<ProbeResponse> {
    let (way, target) = fetcher.way_to(key);
    let turn = fetcher.pace.turn(fetcher.progress).await;
    let _under_way = fetcher.progress.request();
    let ask = FetchAsk::new(way.whose, way.tls, &way.host, &target);
    let answer = timeout(WAIT, fetcher.fetch.fetch(ask)).await.ok()?.ok()?;
    turn.good(ResourceKind::Page);
    drop(turn);
    let (head, body) = answer.into_parts();
    let body = timeout(WAIT, beginning(body)).await.ok()??;
    let plain = coding::plain(&head.headers, &body, MOST).filter(|plain| plain.all && !plain.broken)?;
    let body = plain.bytes.to_vec();
    let content_type = head.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Some(ProbeResponse { status: head.status.as_u16(), body, content_type: content_type.map(str::to_owned) })
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
