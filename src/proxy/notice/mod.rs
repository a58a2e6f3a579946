//! What visitors are told on pages from copies while the site is out: when the copy was taken, and which of its forms can be
//! sent. Put into the copy as it is given; in force together, by `notice.banner`.

mod markup;
mod words;

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use url::Url;

use super::keep::would_keep;
use super::mirror::Ready;
use super::render::Source;
use super::site::Site;
use crate::ask::{Ask, Kind, key};
use crate::cache::Entry;
use crate::clock::Now;
use crate::config::ready::Banner;
use crate::content::document::Document;
use crate::content::edits::{Edit, Edits};
use crate::content::forms::FormMethod;
use crate::content::media;
use crate::content::spots::{self, FormSpots, PageSpots, TagSpot};
use crate::failover::State;
use crate::failure::{Cause, Retry, Side};
use crate::holding_page::Language;
use crate::http::{coding, csp};
use markup::Style;
use words::Words;

/// Bytes of a page without its content coding.
const MOST: usize = 8 << 20;

/// What is out while a copy is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    /// The page, for all that is known: what is sent goes to the origin.
    Page,
    /// The site: nothing that is sent gets there.
    Site,
}

/// What is out, if a copy is given because something is. A site that is slow today, that nobody has looked at yet, or to which
/// visitors are returning, is not: there forms work.
fn outage(site: &Site, cause: Cause, now: Now) -> Option<Outage> {
    if site.shows_copies() || site.state(now) == State::Down {
        return Some(Outage::Site);
    }
    let is_up = matches!(cause, Cause::Slow | Cause::Unproven | Cause::Recovering | Cause::Flapping);
    let is_none = matches!(cause, Cause::NoOrigin | Cause::Drained);
    match cause.retry() {
        _ if is_none => Some(Outage::Site),
        _ if is_up || cause.side() != Side::Origin => None,
        // There was no connection, and would be none for a form.
        Retry::Safe => Some(Outage::Site),
        Retry::IfIdempotent | Retry::No => Some(Outage::Page),
    }
}

/// What is to be said in answer to this request; `None` if nothing is, whatever the copy.
fn wanted(site: &Site, ask: &Ask, cause: Option<Cause>, now: Now) -> Option<Outage> {
    let is_wanted = site.config.notice.banner != Banner::Off && is_for_window(ask);
    cause.filter(|_| is_wanted).and_then(|cause| outage(site, cause, now))
}

/// Whether the answer may become a page in a window: it does not where a script, a frame or a picture asks (W3C Fetch Metadata
/// Request Headers, section 2.1, and what older programs say).
fn is_for_window(ask: &Ask) -> bool {
    let said = |name: &str| ask.kept_headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
    let is_document = matches!(said("sec-fetch-dest"), b"" | b"document");
    ask.kind == Kind::Read && is_document && !said("x-requested-with").eq_ignore_ascii_case(b"xmlhttprequest")
}

fn is_page(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::OK
        && media::content_type(headers)
            .is_some_and(|value| media::essence(value).eq_ignore_ascii_case("text/html"))
}

fn read(body: &[u8], headers: &HeaderMap) -> Option<PageSpots> {
    spots::read(&Document::new(body, media::content_type(headers)))
}

/// What is put into a page of the snapshot. One that is too large to be in memory stays as it is.
pub(super) fn on_page(
    site: &Site,
    ask: &Ask,
    (page, source): (&Ready, &Source),
    cause: Option<Cause>,
    now: Now,
) -> Edits {
    let Source::Whole(body) = source else { return Edits::default() };
    let outage = is_page(page.status, &page.headers).then(|| wanted(site, ask, cause, now)).flatten();
    let Some(outage) = outage else { return Edits::default() };
    let spots = page.spots(|| read(body, &page.headers));
    spots.map_or_else(Edits::default, |spots| {
        Shown { site, ask, spots, headers: &page.headers, taken_at: page.taken_at() }.edits(outage)
    })
}

/// The same for an entry of the cache, with the bytes that it goes into, if something does: those of the page without content
/// codings.
pub(super) fn on_entry(
    site: &Site,
    ask: &Ask,
    entry: &Entry,
    cause: Option<Cause>,
    now: Now,
) -> Option<(Bytes, Edits)> {
    let outage = is_page(entry.status(), entry.headers()).then(|| wanted(site, ask, cause, now)).flatten()?;
    let body = entry.body();
    let body = match coding::of(entry.headers()) {
        Ok(codings) if codings.is_empty() => body,
        Ok(_) => {
            let plain = coding::plain(entry.headers(), &body, MOST)?;
            (plain.all && !plain.broken).then(|| Bytes::from(plain.bytes.into_owned()))?
        }
        Err(coding::Foreign) => return None,
    };
    let spots = entry.spots(|| read(&body, entry.headers()))?;
    let taken_at = entry.received().wall;
    let edits = Shown { site, ask, spots, headers: entry.headers(), taken_at }.edits(outage);
    Some((body, edits))
}

/// A page as it is about to be shown.
struct Shown<'a> {
    site: &'a Site,
    ask: &'a Ask,
    spots: &'a PageSpots,
    headers: &'a HeaderMap,
    taken_at: SystemTime,
}

/// What becomes of what a visitor sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is kept.
    Kept,
    /// It is refused.
    Refused,
    /// It is not for this site, or asks for a page.
    Another,
}

impl Shown<'_> {
    fn edits(&self, outage: Outage) -> Edits {
        let said = self.headers.get(header::CONTENT_LANGUAGE).and_then(|value| value.to_str().ok());
        let page = self.spots.language.as_deref().or(said);
        let accept = self.ask.kept_headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let words = Words { language: Language::choose(page, accept), taken_at: self.taken_at };
        let policies = &self.spots.policies;
        let is_free =
            csp::headers_allow_style(self.headers) && policies.iter().all(|policy| csp::allows_style(policy));
        let style = if is_free { Style::Own } else { Style::Browser };
        let text = match &self.site.config.notice.banner {
            Banner::Auto | Banner::Off => words.banner(self.forms(outage)),
            Banner::Own(texts) => words.own(texts, page),
        };
        let mut edits = vec![insert(self.spots.body, markup::banner(&words, &text, style))];
        match outage {
            Outage::Page => {}
            Outage::Site => {
                for (n, form) in self.spots.forms.iter().enumerate() {
                    self.at_form(&words, n + 1, form, &mut edits);
                }
            }
        }
        Edits::new(edits)
    }

    /// What can be said of the site's forms as a whole.
    fn forms(&self, outage: Outage) -> words::Forms {
        let keeps = self.site.config.forms.iter().any(|form| form.keep);
        match outage {
            Outage::Page => words::Forms::Work,
            Outage::Site if keeps => words::Forms::SomeKept,
            Outage::Site => words::Forms::Refused,
        }
    }

    /// The word at a form, and what is done to its buttons.
    fn at_form(&self, words: &Words, n: usize, form: &FormSpots, edits: &mut Vec<Edit>) {
        let fate = self.fate(form, &form.action);
        let text = match fate {
            Fate::Kept => words.kept(),
            Fate::Refused => words.refused(),
            Fate::Another => return,
        };
        edits.push(insert(form.inside, markup::at_form(words, n, text)));
        edits.extend(form.field.as_ref().map(|field| insert(field.at, markup::described(n, field))));
        let is_refused = |(_, action): &&(TagSpot, Option<String>)| {
            self.fate(form, action.as_deref().unwrap_or(&form.action)) == Fate::Refused
        };
        for (button, _) in form.buttons.iter().filter(is_refused) {
            edits.push(insert(button.at, markup::disabled(n, button)));
        }
    }

    fn fate(&self, form: &FormSpots, action: &str) -> Fate {
        match (form.method, self.own_path(action)) {
            (FormMethod::Get | FormMethod::Dialog, _) | (FormMethod::Post, None) => Fate::Another,
            (FormMethod::Post, Some(path)) if would_keep(self.site, &path, form) => Fate::Kept,
            (FormMethod::Post, Some(_)) => Fate::Refused,
        }
    }

    /// The path on this site that an action leads to.
    fn own_path(&self, action: &str) -> Option<String> {
        // To the page itself, whatever its `<base>` says.
        if action.is_empty() {
            return Some(key::path_of(self.ask.key()).to_owned());
        }
        let page = Url::parse(self.ask.url()).ok()?;
        let base = self.spots.base.as_deref().and_then(|base| page.join(base).ok()).unwrap_or(page);
        let url = base.join(action).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let host = url.host_str()?;
        let is_own = host == self.ask.host() || self.site.config.hosts.iter().any(|own| own == host);
        is_own.then(|| key::page_key(url.path(), None, &[]).into_owned())
    }
}

fn insert(at: u64, text: String) -> Edit {
    Edit { range: at..at, text: text.into() }
}
