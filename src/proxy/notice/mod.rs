//! What visitors are told on pages from copies while the site is out: when the copy was taken, and which of its forms can be
//! sent. Put into the copy as it is given; in force together, by `notice.banner`.

mod found;
mod markup;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
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
use crate::content::spots::{self, ButtonSpot, FormSpots, PageSpots};
use crate::failover::State;
use crate::failure::{Cause, Side};
use crate::holding_page::Language;
use crate::http::csp;
use found::Found;
pub(super) use found::FoundSpots;
use markup::Style;
pub(super) use markup::ascii;
pub(super) use words::Words;

/// What is out while a copy is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    /// The page, for all that is known: what is sent goes to the origin.
    Page,
    /// The site: nothing that is sent gets there.
    Site,
}

/// What is out, if a copy is given because something is. The site is, if it is down or held on its copies; one failure is the
/// page's alone, even where there was no connection. A site that is slow today, that nobody has looked at yet, or to which visitors
/// are returning, is not: there forms work.
fn outage(is_down: bool, cause: Cause) -> Option<Outage> {
    let is_up = matches!(cause, Cause::Slow | Cause::Unproven | Cause::Recovering | Cause::Flapping);
    if is_down || matches!(cause, Cause::NoOrigin | Cause::Drained) {
        Some(Outage::Site)
    } else {
        (!is_up && cause.side() == Side::Origin).then_some(Outage::Page)
    }
}

/// What is to be said in answer to this request; `None` if nothing is, whatever the copy.
fn wanted(site: &Site, ask: &Ask, cause: Option<Cause>, now: Now) -> Option<Outage> {
    let is_wanted = site.config.notice.banner != Banner::Off && ask.kind == Kind::Read;
    let cause = cause.filter(|_| is_wanted && is_for_window(&ask.kept_headers))?;
    outage(site.shows_copies() || site.state(now) == State::Down, cause)
}

/// Whether the answer may become a page in a window: it does not where a script, a frame or a picture asks. Browsers say so (W3C
/// Fetch Metadata Request Headers, section 2.1), but not over plain HTTP, nor did older ones: there it is by what scripts say,
/// and by windows alone asking for HTML in particular. What a service worker got it might keep.
pub(super) fn is_for_window(request_headers: &HeaderMap) -> bool {
    let is_of_program = |name: &&str| request_headers.contains_key(*name);
    if ["service-worker", "x-requested-with", "x-pjax", "turbo-frame", "hx-request"].iter().any(is_of_program)
    {
        return false;
    }
    match request_headers.get("sec-fetch-dest") {
        Some(destination) => destination == "document",
        None => request_headers
            .get_all(header::ACCEPT)
            .iter()
            .any(|accept| memchr::memmem::find(accept.as_bytes(), b"text/html").is_some()),
    }
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

/// What is done to an answer of the cache.
pub(super) enum EntryEdits {
    /// Nothing: it is given as it is, packed if it is so.
    None,
    /// These, in the bytes of its page without content codings.
    Some(Bytes, Edits),
    /// That is not known before it was looked at: see [`look_at`].
    Unknown,
}

/// The same for an entry of the cache.
pub(super) fn on_entry(
    site: &Site,
    ask: &Ask,
    entry: &Arc<Entry>,
    cause: Option<Cause>,
    now: Now,
) -> EntryEdits {
    let outage = is_page(entry.status(), entry.headers()).then(|| wanted(site, ask, cause, now)).flatten();
    let Some(outage) = outage else { return EntryEdits::None };
    let found = site.mirror.found_spots().of(entry);
    found.map_or(EntryEdits::Unknown, |found| in_entry(site, ask, (entry, &found), outage))
}

/// The same once it was looked at.
pub(super) async fn look_at(
    site: &Site,
    ask: &Ask,
    entry: &Arc<Entry>,
    cause: Option<Cause>,
    now: Now,
) -> EntryEdits {
    let outage = is_page(entry.status(), entry.headers()).then(|| wanted(site, ask, cause, now)).flatten();
    let Some(outage) = outage else { return EntryEdits::None };
    let found = site.mirror.found_spots().find(entry).await;
    found.map_or(EntryEdits::None, |found| in_entry(site, ask, (entry, &found), outage))
}

fn in_entry(site: &Site, ask: &Ask, (entry, found): (&Entry, &Found), outage: Outage) -> EntryEdits {
    let Some((spots, unpacked)) = &found.page else { return EntryEdits::None };
    let taken_at = entry.received().wall;
    let edits = Shown { site, ask, spots, headers: entry.headers(), taken_at }.edits(outage);
    EntryEdits::Some(unpacked.clone().unwrap_or_else(|| entry.body()), edits)
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
    /// It is refused, unless a script sends it elsewhere: the form does not say where to.
    Doubtful,
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
        let mut edits = vec![insert(self.spots.banner, markup::banner(&words, &text, style))];
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
            Outage::Site if keeps && self.spots.is_taken_over => words::Forms::Untold,
            Outage::Site if keeps => words::Forms::SomeKept,
            Outage::Site => words::Forms::Refused,
        }
    }

    /// The word at a form, and what is done to its buttons.
    fn at_form(&self, words: &Words, n: usize, form: &FormSpots, edits: &mut Vec<Edit>) {
        let by_button = |button: &ButtonSpot| {
            let action = button.action.as_deref().unwrap_or(&form.action);
            self.fate(form, button.method.unwrap_or(form.method), action)
        };
        let mut fates: Vec<Fate> = form.buttons.iter().map(by_button).collect();
        if fates.is_empty() {
            fates.push(self.fate(form, form.method, &form.action)); // by the return key, or by a script
        }
        let text =
            match [Fate::Kept, Fate::Doubtful, Fate::Refused].into_iter().find(|fate| fates.contains(fate)) {
                Some(Fate::Kept) => words.kept(),
                Some(Fate::Doubtful) => words.doubtful(),
                Some(Fate::Refused) => words.refused(),
                Some(Fate::Another) | None => return,
            };
        edits.push(insert(form.inside, markup::at_form(words, n, text)));
        edits.extend(form.field.as_ref().map(|field| insert(field.at, markup::described(n, field))));
        for button in form.buttons.iter().filter(|button| by_button(button) == Fate::Refused) {
            edits.push(insert(button.tag.at, markup::disabled(n, &button.tag)));
        }
    }

    /// What becomes of a form that is sent in this way to this action.
    fn fate(&self, form: &FormSpots, method: FormMethod, action: &str) -> Fate {
        let is_bare = action.is_empty() || action.starts_with('#');
        match (method, self.own_path(action)) {
            (FormMethod::Get | FormMethod::Dialog, _) | (FormMethod::Post, None) => Fate::Another,
            (FormMethod::Post, Some(path)) if would_keep(self.site, &path, form) => Fate::Kept,
            (FormMethod::Post, Some(_)) if is_bare => Fate::Doubtful,
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
        // Another program may answer at another port.
        let is_own = is_own && url.port().is_none_or(|port| port == self.ask.port());
        is_own.then(|| key::page_key(url.path(), None, &[]).into_owned())
    }
}

fn insert(at: u64, text: String) -> Edit {
    Edit { range: at..at, text: text.into() }
}
