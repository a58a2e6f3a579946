//! What the snapshot in service tells of the site, for holding pages: its language, its name, pages that work, and how to reach
//! the people behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, header};
use url::Url;

use super::mirror::{Mirror, Nearness, Ready};
use super::page_head;
use crate::ask::key;
use crate::config::ready::Site;
use crate::content::contact::{self, Contact};
use crate::content::document::Document;
use crate::content::media::content_type;
use crate::holding_page::{Language, Link};
use crate::tasks;

/// What the current snapshot tells of the site.
pub struct About {
    of: String,
    /// The language of the home page.
    pub language: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Pages that work from the snapshot.
    pub links: Vec<Link>,
    /// How to reach the people behind it.
    pub contact: Contact,
}

impl Mirror {
    /// What the current snapshot tells of the site; found once for each.
    pub async fn about(&self, site: &Site) -> Option<Arc<About>> {
        let snapshot = self.current()?;
        let of = snapshot.id().to_string();
        if let Some(about) = self.about.load_full().filter(|about| about.of == of) {
            return Some(about);
        }
        let mut about =
            About { of, language: None, title: None, links: Vec::new(), contact: Contact::default() };
        let lacks = AtomicBool::new(false);
        let (mut others, mut contacts) = (Vec::new(), Vec::new());
        if let Some((page, bytes)) = self.page("/", &lacks).await {
            about.language = page_head::language(&bytes);
            about.title = page_head::title(&bytes);
            let document = Document::new(&bytes, content_type(&page.headers));
            others = contact::links(&document).iter().filter_map(|link| own_key(site, link)).collect();
            contacts.push(contact_on(page, bytes.clone()).await);
        }
        for key_page in &site.key_pages {
            let Some((page, bytes)) = self.page(key_page, &lacks).await else { continue };
            if let Some(title) = page_head::title(&bytes) {
                about.links.push(Link { title, href: key_page.clone() });
            }
            contacts.push(contact_on(page, bytes).await);
        }
        others.retain(|key| key != "/" && !site.key_pages.contains(key));
        for key in others {
            let Some((page, bytes)) = self.page(&key, &lacks).await else { continue };
            contacts.push(contact_on(page, bytes).await);
        }
        about.contact = Contact::of_site(contacts, site.hosts.iter().map(String::as_str));
        let about = Arc::new(about);
        // What has not arrived yet may be there the next time.
        if !(lacks.into_inner() && snapshot.is_arriving()) {
            self.about.store(Some(about.clone()));
        }
        Some(about)
    }

    /// A page with its bytes, unless it is too large to be looked at. `lacks` then says that these are not to be had.
    async fn page(&self, key: &str, lacks: &AtomicBool) -> Option<(Arc<Ready>, bytes::Bytes)> {
        let (page, Nearness::Exact) = self.find(key).filter(|(page, _)| page.is_page())? else { return None };
        let bytes = page.bytes().await;
        lacks.fetch_or(bytes.is_none(), Ordering::Relaxed);
        Some((page, bytes?))
    }
}

/// The contact details on a page. A long list of shops takes a while to read.
async fn contact_on(page: Arc<Ready>, bytes: bytes::Bytes) -> Contact {
    let read = tasks::blocking(move || Contact::read(&Document::new(&bytes, content_type(&page.headers))));
    read.await.unwrap_or_default()
}

/// The key of the page that a link on the home page leads to, if that is the site's.
fn own_key(site: &Site, link: &str) -> Option<String> {
    let home = Url::parse("http://site.invalid/").ok()?;
    let url = home.join(link).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let host = url.host_str()?;
    let is_own = host == "site.invalid" || site.hosts.iter().any(|own| own == host);
    is_own.then(|| key::page_key(url.path(), url.query(), &[]).into_owned())
}

/// The language of holding pages: the site's, else the visitor's.
pub(super) fn language(about: Option<&About>, request_headers: &HeaderMap) -> Language {
    let accept = request_headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Language::choose(about.and_then(|about| about.language.as_deref()), accept)
}
