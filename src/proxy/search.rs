//! The site's search while the site is out of order: answered by the snapshot's own index, on a page of the site.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use encoding_rs::Encoding;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};

use super::Outcome;
use super::form_page;
use super::keep::referring_page;
use super::mirror::{MEMENTO_DATETIME, Nearness, Ready};
use super::page_head;
use super::render::Source;
use super::search_page::compose;
use super::site::Site;
use crate::ask::{Ask, Kind};
use crate::content::document::Document;
use crate::content::media::content_type;
use crate::content::search::{Searchable, excerpt, marked};
use crate::failure::{Cause, Side};
use crate::holding_page::{Format, FoundPage, Language, RESULTS_POLICY, ResultsPage, own_title, shown};
use crate::http::Body;
use crate::http::cache_status::CacheStatus;
use crate::http::control::date_field;
use crate::metrics::ServedFrom;
use crate::page_health::{Mark, PageHealth};
use crate::snapshot::{Page, Query, ReadError, SiteForms, Snapshot, Stored};
use crate::tasks;

/// How many pages are shown.
const MOST: usize = 50;
/// Bytes of a page that is found in which the words are looked for.
const READ: usize = 1 << 20;

/// What a search finds in the snapshot, if the request is one that a form of the site sends, and the snapshot has an index.
pub(super) async fn answer(site: &Site, ask: &Ask, cause: Cause) -> Option<Outcome> {
    if cause.side() == Side::Visitor {
        return None;
    }
    let forms = forms(site, ask).await?;
    let snapshot = site.mirror.current()?;
    let (page, fields) = match page(site, ask, &forms).await {
        Some((ready, bytes)) => {
            let content_type = content_type(&ready.headers).map(str::to_owned);
            (Some((ready.key().to_owned(), bytes, content_type)), form_page::fields(&ready))
        }
        None => (None, plain_fields()),
    };
    let about = site.mirror.about(&site.config).await;
    let accept = ask.kept_headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let accept = accept.map(str::to_owned);
    let (asked, id, taken_at) = (ask.key().to_owned(), snapshot.id(), snapshot.summary().taken_at);
    let health = Arc::clone(&site.page_health);
    let most = if ask.method == Method::HEAD { 0 } else { MOST };
    let turn = site.mirror.turn_to_search().await?;
    let made = tasks::blocking(move || {
        let _turn = turn;
        let search = forms.search_of(&asked)?;
        let document = page.as_ref().map(|(_, bytes, of)| Document::new(bytes, of.as_deref()));
        let encoding = document.as_ref().map_or(encoding_rs::UTF_8, Document::encoding);
        let own = page.as_ref().and_then(|(_, bytes, _)| page_head::language(bytes));
        let about = about.as_deref();
        let own = own.as_deref().or_else(|| about.and_then(|about| about.language.as_deref()));
        let typed = text(&search.typed, encoding);
        let title = about.and_then(|about| about.title.as_deref());
        let is_gone = |page: &Page| is_gone(&health, &page.key, page.taken_at);
        let own_page = page.as_ref().and_then(|(_, bytes, _)| page_head::title(bytes));
        let sites = (title.unwrap_or_default(), own_page.as_deref().unwrap_or_default());
        let found = match find(&snapshot, (&typed, most), sites, is_gone) {
            Ok(found) => found?,
            Err(error) => return Some(Err(error)),
        };
        let results = ResultsPage {
            site: title,
            language: Language::choose(own, accept.as_deref()),
            typed: &typed,
            form: (&search.form.path, search.field),
            taken_at,
            pages: &found.pages,
            total: found.total,
            is_whole: found.is_whole,
        };
        let composed = match (&page, &document) {
            (Some((key, ..)), Some(document)) => compose(document.html(), key, &asked, &results),
            (_, _) => None,
        };
        Some(Ok(match composed {
            Some(html) => (fields, html),
            None => (plain_fields(), results.page()),
        }))
    });
    match made.await?? {
        Ok((fields, html)) => Some(outcome(ask, fields, html, taken_at, cause)),
        Err(error) => {
            if site.mirror.is_first_unsearchable(id) {
                tracing::error!(site = %site.config.name, snapshot = %id, %error, "the snapshot's search index cannot be read, no search is answered");
            }
            None
        }
    }
}

/// Whether a search would be answered.
pub(super) async fn is_answered(site: &Site, ask: &Ask) -> bool {
    let (Some(_), Some(snapshot)) = (forms(site, ask).await, site.mirror.current()) else { return false };
    let opens = tasks::blocking(move || matches!(snapshot.search(), Ok(Some(_))));
    opens.await.unwrap_or_default()
}

/// The site's forms, if the request is a search of one of them, by somebody who wants a page, and may have what the copy has. Where
/// more was asked than words, an answer to the words alone would be another one.
async fn forms(site: &Site, ask: &Ask) -> Option<Arc<SiteForms>> {
    let wants_page = ask.kind == Kind::Read
        && matches!(ask.method, Method::GET | Method::HEAD)
        && Format::of(&ask.kept_headers) == Format::Html;
    if !wants_page || !ask.mirrorable || site.is_held_live(ask) {
        return None;
    }
    let forms = site.mirror.forms().await;
    forms.search_of(ask.key()).is_some_and(|search| !search.is_narrowed).then_some(forms)
}

/// Whether the site has removed a page, or taken it back, since its copy was taken.
fn is_gone(health: &PageHealth, key: &str, taken_at: SystemTime) -> bool {
    match health.mark(key) {
        Mark::Gone { since, .. } => taken_at <= since.wall,
        Mark::None | Mark::Bad(_) => false,
    }
}

/// The page of the site on which the results are shown: the one that the visitor comes from, if the form stands there, the one that
/// has the form, the front page.
async fn page(site: &Site, ask: &Ask, forms: &SiteForms) -> Option<(Arc<Ready>, Bytes)> {
    let search = forms.search_of(ask.key())?;
    let from = referring_page(ask);
    let field = search.field.as_bytes();
    for (key, must_have_form) in
        [(from.as_deref(), true), (Some(&*search.form.page), false), (Some("/"), false)]
    {
        let Some(key) = key else { continue };
        let Some((ready, Nearness::Exact)) = site.mirror.find(key).filter(|(ready, _)| ready.is_page())
        else {
            continue;
        };
        if is_gone(&site.page_health, ready.key(), ready.taken_at()) {
            continue;
        }
        let Ok((ready, Source::Whole(bytes))) = site.mirror.open(ready).await else { continue };
        if !must_have_form || memchr::memmem::find(&bytes, field).is_some() && bytes_have_form(&bytes) {
            return Some((ready, bytes));
        }
    }
    None
}

fn bytes_have_form(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"<form").is_some()
}

/// What was typed: browsers send it in the encoding of the page.
fn text(typed: &[u8], encoding: &'static Encoding) -> String {
    match std::str::from_utf8(typed) {
        Ok(text) if encoding != encoding_rs::ISO_2022_JP => text.to_owned(),
        Ok(_) | Err(_) => encoding.decode_without_bom_handling(typed).0.into_owned(),
    }
}

/// What was found, to be shown.
struct Answers {
    pages: Vec<FoundPage>,
    total: usize,
    is_whole: bool,
}

/// Looks it up, for so many pages; `None` if the snapshot has no index. What the site has removed or taken back since is not found.
/// Blocks.
fn find(
    snapshot: &Snapshot,
    (typed, most): (&str, usize),
    (front, other): (&str, &str),
    is_gone: impl Fn(&Page) -> bool,
) -> Result<Option<Answers>, ReadError> {
    let Some(index) = snapshot.search()? else { return Ok(None) };
    if most == 0 {
        return Ok(Some(Answers { pages: Vec::new(), total: 0, is_whole: true }));
    }
    let query = Query::read(typed);
    let hits = index.find(&query, most)?;
    let (mut pages, mut scattered): (Vec<FoundPage>, Vec<FoundPage>) = (Vec::new(), Vec::new());
    let mut total = hits.total;
    for key in &hits.keys {
        // What cannot be read is not shown: it could not be given either.
        let page = snapshot.find(key).ok().flatten().filter(|page| !is_gone(page));
        let loaded = page.and_then(|page| Some((beginning(snapshot.load_here(&page).ok()?)?, page)));
        let Some((bytes, page)) = loaded else {
            total -= 1;
            continue;
        };
        let headers: HeaderMap = page.headers.into_iter().collect();
        let document = Document::new(&bytes, content_type(&headers));
        let read = Searchable::read(document.html());
        let title = [&*read.title, &*read.headings, key].into_iter().find(|title| !title.trim().is_empty());
        let title = without_site(title.unwrap_or(key).trim(), front, other);
        // It is the title of the hit already.
        let text = read.text.strip_prefix(&*title).map_or(&*read.text, str::trim_start);
        let found = FoundPage {
            href: key.clone(),
            title: shown(&marked(&title, &hits.sought)),
            excerpt: shown(&excerpt(text, &hits.sought)),
        };
        // The same page under another name, as far as a visitor can tell.
        let is_shown = |known: &FoundPage| known.title == found.title && known.excerpt == found.excerpt;
        if pages.iter().chain(&scattered).any(is_shown) {
            total -= 1;
            continue;
        }
        match query.is_found_as_it_stands(&[&read.title, &read.text]) {
            true => pages.push(found),
            false => scattered.push(found),
        }
    }
    // Pairs that stand nowhere together are not what was looked for.
    let is_whole = hits.is_whole && (scattered.is_empty() || !pages.is_empty());
    pages.append(&mut scattered);
    Ok(Some(Answers { pages, total, is_whole }))
}

/// The first bytes of a page, however large it is.
fn beginning(stored: Stored) -> Option<Bytes> {
    let file = match stored {
        Stored::Whole(bytes) => return Some(bytes.slice(..bytes.len().min(READ))),
        Stored::File { file, .. } => file,
    };
    let mut bytes = vec![0; READ];
    let mut len = 0;
    while len < READ {
        match file.read_at(&mut bytes[len..], len as u64).ok()? {
            0 => break,
            more => len += more,
        }
    }
    bytes.truncate(len);
    Some(bytes.into())
}

/// A page's title without the site's name: that is the front page's title, a part of it, or the end of another page's title (a site
/// in two languages has two names).
fn without_site(title: &str, front: &str, other: &str) -> String {
    const MARKS: [&str; 9] = [" | ", " - ", " – ", " — ", " · ", ": ", "｜", " « ", " » "];
    if title == front {
        return title.to_owned();
    }
    let first = MARKS.iter().filter_map(|mark| front.split_once(mark)).map(|(name, _)| name);
    let last = |of: &'_ str| {
        MARKS
            .iter()
            .filter_map(|mark| of.rsplit_once(mark))
            .map(|(_, name)| name.to_owned())
            .collect::<Vec<_>>()
    };
    let names =
        [front.to_owned()].into_iter().chain(first.map(str::to_owned)).chain(last(front)).chain(last(other));
    let mut own = names.map(|name| own_title(title, &name));
    own.find(|own| own != title).unwrap_or_else(|| title.to_owned())
}

/// The header fields of a page that is not the site's.
fn plain_fields() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(RESULTS_POLICY));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    headers
}

fn outcome(ask: &Ask, mut headers: HeaderMap, html: String, taken_at: SystemTime, cause: Cause) -> Outcome {
    headers.insert(header::VIA, HeaderValue::from_static("1.1 katahai"));
    headers.insert(MEMENTO_DATETIME, date_field(taken_at));
    headers.insert(super::fallback::ROBOTS_TAG, HeaderValue::from_static("noindex"));
    CacheStatus::HitSearch.add_to(&mut headers);
    let body = if ask.method == Method::HEAD { Body::Empty } else { Body::whole(Bytes::from(html)) };
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    Outcome { response, served_from: ServedFrom::Snapshot, cause: Some(cause), origin: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_shown_without_the_sites_name() {
        for (title, front, expected) in [
            ("Green tea | Shop", "Shop", "Green tea"),
            ("Green tea | Shop", "Welcome | Shop", "Green tea"),
            ("Green tea – Shop", "Shop – Tea by the sea", "Green tea"),
            ("抹茶｜朝凪", "朝凪｜お茶と器", "抹茶"),
            ("Shop", "Shop", "Shop"),
            ("Welcome | Shop", "Welcome | Shop", "Welcome | Shop"),
            ("Green tea", "", "Green tea"),
            ("News | Asanagi Tea", "朝凪", "News"),
            ("Tea and pots | Asanagi Tea", "朝凪", "Tea and pots"),
        ] {
            assert_eq!(without_site(title, front, "Tea and pots | Asanagi Tea"), expected);
        }
    }

    #[test]
    fn what_was_typed_is_read_as_the_page_is_written() {
        let (sjis, _, _) = encoding_rs::SHIFT_JIS.encode("抹茶");
        assert_eq!(text(&sjis, encoding_rs::SHIFT_JIS), "抹茶");
        assert_eq!(text("抹茶".as_bytes(), encoding_rs::SHIFT_JIS), "抹茶");
        assert_eq!(text(b"\xff tea", encoding_rs::UTF_8), "\u{FFFD} tea");
    }
}
