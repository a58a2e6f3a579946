//! What comes after a snapshot is in service: the rest of its bodies, and older snapshots.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, SystemTime};

use url::Url;

use super::board::Doing;
use super::context::blocking;
use super::here::SiteHere;
use super::layout;
use super::pointer::{self, Pointer};
use super::pull::{self, Extent};
use super::step::Work;
use super::trouble::Trouble;
use crate::ask::key::page_key;
use crate::clock;
use crate::content::document::Document;
use crate::content::links::{Need, html, resolve};
use crate::snapshot::{Class, Page, Snapshot, SnapshotId, Stored};

/// Addresses that are fetched before the others.
const MOST_FIRST: usize = 20_000;

impl Work {
    /// Brings what is missing of the snapshot in service, and then older ones that are kept.
    pub(super) async fn fill(&self, site: &SiteHere) -> Result<(), Trouble> {
        let store = site.store.clone();
        let arriving = blocking(move || {
            let current = store.current().map(|current| current.id());
            Ok::<_, Trouble>(current.filter(|id| store.arriving(id)))
        });
        if let Some(id) = arriving.await? {
            self.board.change(&site.name, |standing| standing.doing = Doing::Arriving);
            let order = site.clone();
            let first = blocking(move || Ok::<_, Trouble>(first(&order))).await?;
            let done = pull::complete(&self.context, &site.store, id, first).await;
            self.board.change(&site.name, |standing| standing.doing = Doing::Nothing);
            done?;
            tracing::info!(site = %site.name, %id, "a snapshot from the store has arrived whole");
        }
        self.older(site).await
    }

    /// Brings older snapshots, newest first, as many as are kept.
    async fn older(&self, site: &SiteHere) -> Result<(), Trouble> {
        let Some(current) = site.store.current().map(|current| current.id()) else { return Ok(()) };
        let names = self.context.remote.folders(&layout::snapshots(&site.name)).await?;
        let mut there: Vec<SnapshotId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        let here: HashSet<SnapshotId> = site.store.list().iter().map(|one| one.id).collect();
        let now = clock::now().wall;
        // What is newer was pushed by somebody who then was not the first: it is on no pointer.
        there.retain(|id| *id < current && !here.contains(id) && is_young(id, site.keep_for, now));
        there.sort_unstable();
        let older_here = here.iter().filter(|id| **id < current).count();
        let mut wanted = site.keep.saturating_sub(1).saturating_sub(older_here);
        let pinned = self.pinned(site).await?;
        let mut refused = None;
        for id in there.into_iter().rev() {
            if wanted == 0 {
                break;
            }
            // One that is half written, or half gone.
            if self.context.remote.head(&layout::index(&site.name, &id)).await?.is_none() {
                continue;
            }
            wanted -= 1;
            match pull::pull(&self.context, &site.store, id, Extent::Whole).await {
                Ok(()) => {
                    if pinned.contains(&id) {
                        let store = site.store.clone();
                        blocking(move || store.pin(&id, true)).await?;
                    }
                    tracing::info!(site = %site.name, %id, "an older snapshot was brought from the store")
                }
                Err(trouble @ Trouble::Refused { .. }) => refused = Some(trouble),
                Err(other) => return Err(other),
            }
        }
        refused.map_or(Ok(()), Err)
    }
}

impl Work {
    /// The pins that the store says. Without a pointer that can be used, none are set; the next look sets them.
    async fn pinned(&self, site: &SiteHere) -> Result<BTreeSet<SnapshotId>, Trouble> {
        let object = self.context.remote.get(&layout::pointer(&site.name), pointer::MOST).await?;
        let pointer =
            object.and_then(|object| Pointer::open(&site.name, &object.bytes, &self.context.signer).ok());
        Ok(pointer.map(|pointer| pointer.word.pinned).unwrap_or_default())
    }
}

/// Whether it is kept though it is not in service: its name says when it was begun.
fn is_young(id: &SnapshotId, keep_for: Option<Duration>, now: SystemTime) -> bool {
    let Some(keep_for) = keep_for else { return true };
    let name = id.to_string();
    let Some((date, time)) = name.split_once('T').filter(|(date, time)| date.len() == 8 && time.len() > 6)
    else {
        return false;
    };
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        &date[4..6],
        &date[6..],
        &time[..2],
        &time[2..4],
        &time[4..6]
    );
    let begun = humantime::parse_rfc3339(&text);
    begun.is_ok_and(|begun| now.duration_since(begun).map_or(true, |age| age <= keep_for))
}

/// The order in which an arriving snapshot comes: the pages that must always work, what they need to be drawn, then styles,
/// scripts and fonts, then images; the rest by itself. Blocks: reads the key pages, and fetches them for that.
fn first(site: &SiteHere) -> Vec<String> {
    let Some(snapshot) = site.store.current() else { return Vec::new() };
    let (mut order, mut known) = (Vec::new(), HashSet::new());
    let mut add = |key: String| {
        if known.len() < MOST_FIRST && known.insert(key.clone()) {
            order.push(key);
        }
    };
    site.key_pages.iter().cloned().for_each(&mut add);
    for key in &site.key_pages {
        let Ok(Some(page)) = snapshot.find(key) else { continue };
        requisites(&snapshot, &page, &site.host).into_iter().for_each(&mut add);
    }
    let (mut code, mut images) = (Vec::new(), Vec::new());
    let assets = snapshot.pages().flatten().filter(|page| page.class == Class::Asset).take(MOST_FIRST);
    for page in assets {
        match content_type(&page) {
            kind if kind.starts_with("image/") => images.push(page.key),
            kind if ["css", "javascript", "font"].iter().any(|word| kind.contains(word)) => {
                code.push(page.key)
            }
            _ => {}
        }
    }
    code.into_iter().chain(images).for_each(&mut add);
    order
}

fn content_type(page: &Page) -> &str {
    let field = page.headers.iter().find(|(name, _)| name == http::header::CONTENT_TYPE);
    field.and_then(|(_, value)| value.to_str().ok()).unwrap_or_default()
}

/// What a page names that it needs to be drawn, as keys of its site.
fn requisites(snapshot: &Snapshot, page: &Page, host: &str) -> Vec<String> {
    let Ok(Stored::Whole(body)) = snapshot.load(page) else { return Vec::new() };
    let Ok(base) = Url::parse(&format!("https://{host}{}", page.key)) else { return Vec::new() };
    let document = Document::new(&body, Some(content_type(page)));
    let found = html::read(document.html());
    let needed = found.links.iter().filter(|link| link.need <= Need::Requisite);
    let urls = needed.filter_map(|link| resolve::resolve(&base, &link.url, document.encoding()));
    let own = urls.filter(|url| url.host_str() == base.host_str());
    own.map(|url| page_key(url.path(), url.query(), &[]).into_owned()).collect()
}
