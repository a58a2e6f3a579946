//! Comparing an answer with those of other addresses: if several have come to show the same, none of them is the site's until
//! its key pages are proven.

use http::response::Parts;
use http::{HeaderMap, StatusCode, header};

use super::reference::{ReadCopy, shape};
use super::review::Review;
use super::site::Site;
use crate::cache::Resemblance;
use crate::clock;
use crate::content::document::Document;
use crate::failure::Cause;
use crate::page_health::Weight;
use crate::verdict::{ENOUGH, Finding, Look, Shape, Verdict};

impl Review<'_> {
    /// The verdict on a page that is good by itself, and how it looks beside its copy.
    pub(super) fn beside_others(
        &self,
        parts: &Parts,
        page: &Document<'_>,
        copy: &ReadCopy,
    ) -> (Verdict, Resemblance) {
        let Some(copy) =
            copy.look.as_ref().filter(|_| self.is_representative() && parts.status == StatusCode::OK)
        else {
            return (Verdict::Good, self.by_kind(parts));
        };
        let look = Look::of(page);
        let url = self.ask.url();
        let resemblance = if look.is_edition_of(copy) { Resemblance::Edition } else { Resemblance::Other };
        let mut uniform = self.site.mirror.uniform();
        let same = uniform.note((self.ask.key(), url), &look, copy, clock::instant());
        if same < ENOUGH {
            return (Verdict::Good, resemblance);
        }
        let why = format!("{same} addresses with different copies show the same: {}", look.title);
        (Verdict::Doubtful(Finding::new(Cause::Uniform, why)), Resemblance::Other)
    }

    /// How a good answer without comparable text relates to its copy: a file is still a file, a redirect still leads to the same
    /// place.
    pub(super) fn by_kind(&self, parts: &Parts) -> Resemblance {
        let Some((status, headers)) = self.reference.head() else { return Resemblance::Other };
        let (was, is) = (shape(status, headers), shape(parts.status, &parts.headers));
        let to = |headers: &HeaderMap| headers.get(header::LOCATION).cloned();
        let is_same = match was {
            Shape::Page => false,
            Shape::Redirect => to(headers) == to(&parts.headers),
            Shape::Document | Shape::Asset => true,
        };
        if was == is && is_same { Resemblance::Edition } else { Resemblance::Other }
    }

    /// Records what that means for the pages that have passed before.
    pub(super) fn record_uniform(&self) {
        self.site.mirror.uniform().condemn(self.ask.key());
        drop_condemned(self.site);
    }
}

/// Records that pages which have passed are not the site's, and drops what was kept of them.
pub(super) fn drop_condemned(site: &Site) {
    let condemned = site.mirror.uniform().take_condemned();
    if condemned.is_empty() {
        return;
    }
    let now = clock::now();
    for (key, url) in condemned {
        site.page_health.mark_bad((&key, &url), Weight::Page, Cause::Uniform, now, fastrand::f64());
        drop_kept(site, &key, &url);
    }
    site.known_good.forget();
}

/// Drops what the cache has of a page that was asked for at this address.
pub(super) fn drop_kept(site: &Site, key: &str, url: &str) {
    let Ok(url) = url::Url::parse(url) else { return };
    // with the port, as visitors' requests are kept
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    site.cache.invalidate(&site.cache.key(url.scheme() == "https", authority, key));
}
