//! Makes the index of what is staged.

use std::collections::{HashMap, HashSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use http::HeaderMap;

use super::super::SiteForms;
use super::super::page::{BlobId, Class, Page};
use super::super::publish::Staging;
use super::super::staging::RESERVE;
use super::SEARCH;
use super::build::{Builder, MOST_PAGES};
use crate::ask::key;
use crate::content::document::Document;
use crate::content::media::{Media, content_type};
use crate::content::search::Searchable;
use crate::disk::{self, StagedFile};

/// Bytes of a page that are read. More is no text that anybody has written.
const READ: usize = 4 << 20;

impl Staging {
    /// Makes the index of the pages that are staged, those carried over included; what asks not to be shown, what a search of the
    /// site has found, and what says that it is another page, is left out. It is worth less than the snapshot is: where it
    /// cannot be made, there is none, not even if that is our own mistake (a panic). `false` ends it before its end. Blocks.
    pub fn index(&self, forms: &SiteForms, goes_on: impl Fn() -> bool) {
        let path = self.dir().join(SEARCH);
        // Of an earlier merging of the same crawl.
        let write = || disk::remove_file(&path).and_then(|()| self.write_index(forms, goes_on));
        let written = catch_unwind(AssertUnwindSafe(write));
        match written.unwrap_or_else(|_| Err(io::Error::other("the indexer has panicked"))) {
            Ok(Some((pages, left_out, bytes))) => {
                tracing::debug!(
                    site = self.site(),
                    pages,
                    left_out,
                    bytes,
                    "indexed the snapshot for search"
                );
                if left_out > 0 {
                    tracing::warn!(
                        site = self.site(),
                        pages,
                        left_out,
                        "not all pages of the snapshot can be searched"
                    );
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(site = self.site(), %error, "could not index the snapshot, its search is out of order in an outage");
                drop(disk::remove_file(&path));
            }
        }
    }

    fn write_index(
        &self,
        forms: &SiteForms,
        goes_on: impl Fn() -> bool,
    ) -> io::Result<Option<(usize, u64, u64)>> {
        let (chosen, left_out) = self.chosen(forms)?;
        let (bodies, mut builder) = (self.bodies(), Builder::new(left_out));
        for (key, number) in &chosen {
            if !goes_on() {
                return Ok(None);
            }
            let Some(page) = self.page(*number) else { continue };
            let bytes = match bodies.beginning(&page, READ) {
                Ok(bytes) => bytes,
                Err(error) => {
                    tracing::warn!(site = self.site(), key, %error, "could not read a page to index it");
                    builder.leave_out();
                    continue;
                }
            };
            let headers: HeaderMap = page.headers.iter().cloned().collect();
            if !Media::of(key, &headers, &bytes).is_page() {
                continue;
            }
            let robots_tags = headers.get_all("x-robots-tag").iter().filter_map(|value| value.to_str().ok());
            let document = Document::new(&bytes, content_type(&headers));
            let read = Searchable::read(document.html()).with_robots_tags(robots_tags);
            let other = read.canonical.as_deref().and_then(|written| canonical(key, written));
            let is_other = other.is_some_and(|other| {
                other != *key && chosen.binary_search_by(|(known, _)| known.as_str().cmp(&other)).is_ok()
            });
            if !read.is_hidden && !is_other {
                builder.add(key, &read);
            }
        }
        let (pages, left_out) = (builder.pages(), builder.left_out());
        if disk::free_bytes(self.dir())? < RESERVE.saturating_add(builder.bytes()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut file = StagedFile::create(self.dir())?;
        let mut bytes = super::super::format::BLOCK as u64;
        file.write_all(&[0; super::super::format::BLOCK])?;
        let head = builder.finish(|part| {
            bytes += part.len() as u64;
            file.write_all(part)
        })?;
        file.write_all_at(&head, 0)?;
        file.commit(&self.dir().join(SEARCH))?;
        Ok(Some((pages, left_out, bytes)))
    }

    /// The keys of the pages that may be searched, in their order, with their places in the staging; and of how many there are more
    /// than can be. Where pages have the same body, it is the one with the shortest key.
    fn chosen(&self, forms: &SiteForms) -> io::Result<(Vec<(String, usize)>, u64)> {
        let may = |page: &Page| {
            page.class == Class::Page
                && page.status == 200
                && !page.key.starts_with("//")
                && forms.search_of(&page.key).is_none()
        };
        // Of pages with one key the last counts.
        let mut known: HashMap<String, (usize, BlobId)> = HashMap::new();
        for (number, page) in self.numbered()? {
            match page.body.filter(|_| may(&page)) {
                Some(body) => _ = known.insert(page.key, (number, body)),
                None => _ = known.remove(&page.key),
            }
        }
        let mut chosen: Vec<(String, usize, BlobId)> =
            known.into_iter().map(|(key, (number, body))| (key, number, body)).collect();
        chosen.sort_unstable_by(|(a, ..), (b, ..)| (a.len(), a).cmp(&(b.len(), b)));
        let mut bodies = HashSet::new();
        chosen.retain(|(_, _, body)| bodies.insert(*body));
        // What has no room is what lies deepest.
        let left_out = chosen.len().saturating_sub(MOST_PAGES) as u64;
        chosen.truncate(MOST_PAGES);
        chosen.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
        Ok((chosen.into_iter().map(|(key, number, _)| (key, number)).collect(), left_out))
    }
}

/// The key of the page that a page says it is (RFC 6596). Its host does not matter: it is this site's, or nobody has that page.
fn canonical(key: &str, written: &str) -> Option<String> {
    let base = url::Url::parse("http://site.invalid").and_then(|base| base.join(key)).ok()?;
    let url = base.join(written).ok()?;
    Some(key::page_key(url.path(), url.query(), &[]).into_owned())
}
