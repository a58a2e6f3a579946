//! The last rung of the ladder: the holding page, and the small honest pages for requests that cannot be served.
//! Pure: what is to be said goes in, header fields and bytes come out. Never cacheable, never a success, no text
//! that carries an address or a path of ours.

mod format;
mod kept;
mod language;
mod results;
mod said;
mod words;

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use minijinja::{Environment, context};

pub use format::Format;
pub use kept::{KeptPage, KeptWords};
pub use language::Language;
pub use results::{FoundPage, RESULTS_POLICY, ResultsPage, escaped, shown};
pub use said::SaidPage;
use words::Words;

use crate::content::contact::Contact;
use crate::failure::{Cause, Retry, Side};

/// A site's name is cut at this many characters.
const NAME_CHARS: usize = 80;
/// A line of how to reach somebody is cut at this many.
const CONTACT_CHARS: usize = 200;
/// No more links than this are shown.
const LINKS: usize = 12;
/// Header fields that every holding page has. The style is inline, so that the page needs nothing that may be gone.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// RFC 9110 section 15.5.6: a 405 names what is allowed.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// What the visitor had asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To read something.
    Page,
    /// To send something: a form, an order, any request that is not safe (RFC 9110 section 9.2.1).
    Form(Delivery),
}

/// What is known about something that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was not carried out, and nothing of it was kept.
    NotArrived,
    /// It had begun to travel when the origin fell silent: it may have been carried out.
    Unknown,
}

impl Delivery {
    /// What `cause` says about a request with a body. On the side of doubt: only what surely never reached the
    /// site, or never reached it whole, is called not arrived.
    pub fn of(cause: Cause) -> Delivery {
        match cause.retry() {
            Retry::Safe => Delivery::NotArrived,
            Retry::IfIdempotent => Delivery::Unknown,
            // It was asked, and did not answer in time; or nobody knows.
            Retry::No if matches!(cause, Cause::Slow | Cause::Internal) => Delivery::Unknown,
            Retry::No => Delivery::NotArrived,
        }
    }
}

/// A page of the site that works at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its title, as a reader knows it.
    pub title: String,
    /// Its path on the site, starting with one `/`. Anything else is left out of the page.
    pub href: String,
}

/// Everything that a holding page says.
#[derive(Clone, Copy, Debug)]
pub struct HoldingPage<'a> {
    /// What was asked for.
    pub kind: Kind,
    /// Why it cannot be given.
    pub cause: Cause,
    /// The site's name as its visitors know it; `None` when no site is known.
    pub site: Option<&'a str>,
    /// See [`Language::choose`].
    pub language: Language,
    /// See [`Format::of`].
    pub format: Format,
    /// For how long the site has not been answering, if that is known.
    pub down_for: Option<Duration>,
    /// When to come again, in whole seconds and at least one. Only said with a 503.
    pub retry_after: Duration,
    /// Pages that do work.
    pub links: &'a [Link],
    /// How to reach the people behind the site, if that is known.
    pub contact: Option<&'a Contact>,
}

impl HoldingPage<'_> {
    /// The status to send it with. Never a success.
    pub fn status(&self) -> StatusCode {
        self.cause.status()
    }

    /// The whole answer.
    pub fn response(&self) -> http::Response<crate::http::Body> {
        let (headers, body) = render(self);
        let mut response = http::Response::new(crate::http::Body::whole(body));
        *response.status_mut() = self.status();
        *response.headers_mut() = headers;
        response
    }

    fn retry_seconds(&self) -> Option<u64> {
        matches!(self.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
            .then(|| self.retry_after.as_secs().max(1))
    }

    /// Whether something else than what was asked for is of use.
    fn offers(&self) -> bool {
        match self.cause.side() {
            Side::Origin => true,
            Side::Us => self.status() == StatusCode::SERVICE_UNAVAILABLE,
            Side::Visitor => false,
        }
    }

    fn contact(&self) -> Option<&Contact> {
        self.contact.filter(|contact| self.offers() && !contact.is_empty())
    }

    fn links(&self) -> Vec<Link> {
        let shown = self.offers();
        let usable = |link: &&Link| is_path(&link.href) && !plain(&link.title, NAME_CHARS).is_empty();
        let links = self.links.iter().filter(usable).take(if shown { LINKS } else { 0 });
        let site = self.site.unwrap_or_default();
        links
            .map(|l| Link { title: own_title(&plain(&l.title, NAME_CHARS), site), href: l.href.clone() })
            .collect()
    }
}

/// Writes a holding page out. The caller adds what belongs to the connection and drops the bytes for HEAD.
pub fn render(holding: &HoldingPage<'_>) -> (HeaderMap, Bytes) {
    let words = Words::of(holding);
    let body = match holding.format {
        Format::Html => html(holding, &words),
        Format::Text => text(holding, &words),
        Format::Json => json(holding, &words),
    };
    (headers(holding), Bytes::from(body))
}

fn headers(holding: &HoldingPage<'_>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(holding.format.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(holding.language.tag()));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    if holding.format == Format::Html {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    }
    if let Some(seconds) = holding.retry_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if holding.status() == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static(METHODS));
    }
    headers
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    let all = [
        ("style.css", include_str!("style.css")),
        ("page.html", include_str!("page.html")),
        ("results.html", include_str!("results.html")),
        ("results_page.html", include_str!("results_page.html")),
    ];
    for (name, template) in all {
        if let Err(error) = templates.add_template(name, template) {
            tracing::error!(%error, name, "a template of ours is broken");
        }
    }
    templates
});

fn html(holding: &HoldingPage<'_>, words: &Words) -> String {
    let links: Vec<_> =
        holding.links().into_iter().map(|l| context! { title => l.title, href => l.href }).collect();
    let page = context! {
        lang => holding.language.tag(),
        site => holding.site.map(|site| plain(site, NAME_CHARS)).unwrap_or_default(),
        title => words.title,
        lead => words.lead,
        advice => words.advice,
        since => &words.since,
        reason => words.reason,
        again => words.again,
        links_title => words.links_title,
        links => links,
        contact_title => words.contact_title,
        contact => holding.contact().map(contact),
        status => holding.status().as_u16(),
        tone => words.tone,
    };
    // A template that fails must not cost the visitor the page: the plain words always work.
    TEMPLATES.get_template("page.html").and_then(|t| t.render(page)).unwrap_or_else(|error| {
        tracing::error!(%error, "the holding page could not be rendered");
        format!(
            "<!doctype html><meta charset=\"utf-8\"><title>{0}</title><h1>{0}</h1><p>{1}</p>",
            words.title, words.lead
        )
    })
}

/// What the page says of how to reach somebody: lines with where they lead, if anywhere.
fn contact(contact: &Contact) -> Vec<minijinja::Value> {
    let line = |href: String, text: &str| context! { href => href, text => plain(text, CONTACT_CHARS) };
    let telephones = contact.telephones.iter().map(|tel| line(format!("tel:{}", tel.dialled), &tel.shown));
    let mails = contact.mails.iter().map(|mail| line(format!("mailto:{mail}"), mail));
    let places = contact.places.iter().map(|place| line(String::new(), place));
    telephones.chain(mails).chain(places).collect()
}

fn text(holding: &HoldingPage<'_>, words: &Words) -> String {
    let mut out = String::new();
    if let Some(site) = holding.site {
        out.push_str(&plain(site, NAME_CHARS));
        out.push_str("\n\n");
    }
    out.push_str(words.title);
    out.push_str("\n\n");
    for part in [words.lead, words.advice, &words.since].into_iter().filter(|part| !part.is_empty()) {
        out.push_str(part);
        out.push('\n');
    }
    if let Some(contact) = holding.contact() {
        out.push_str(&format!("\n{}\n", words.contact_title));
        let telephones = contact.telephones.iter().map(|tel| &tel.shown);
        for line in telephones.chain(&contact.mails).chain(&contact.places) {
            out.push_str(&format!("- {}\n", plain(line, CONTACT_CHARS)));
        }
    }
    let links = holding.links();
    if !links.is_empty() {
        out.push_str(&format!("\n{}\n", words.links_title));
    }
    for link in links {
        out.push_str(&format!("- {}  {}\n", link.title, link.href));
    }
    out
}

fn json(holding: &HoldingPage<'_>, words: &Words) -> String {
    let mut error = serde_json::json!({
        "code": holding.cause.code(),
        "message": format!("{}{}{}", words.title, words.stop, words.lead),
    });
    if let Some(seconds) = holding.retry_seconds() {
        error["retry_after_s"] = seconds.into();
    }
    match holding.kind {
        Kind::Page => {}
        Kind::Form(Delivery::NotArrived) => error["arrived"] = false.into(),
        Kind::Form(Delivery::Unknown) => error["arrived"] = serde_json::Value::Null,
    }
    if let Some(contact) = holding.contact() {
        let telephones: Vec<_> = contact.telephones.iter().map(|tel| &tel.dialled).collect();
        let Contact { mails, places, .. } = contact;
        error["contact"] = serde_json::json!({ "telephone": telephones, "email": mails, "address": places });
    }
    let mut out = serde_json::json!({ "error": error }).to_string();
    out.push('\n');
    out
}

/// A path on the same host and nothing else: no scheme, no other host, nothing that a browser repairs into one.
fn is_path(href: &str) -> bool {
    href.starts_with('/')
        && !href.starts_with("//")
        && href.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'`'))
}

/// A page's title without the site's name behind or before it: `Sign up | Shop` is `Sign up` where `Shop` is known.
pub fn own_title(title: &str, site: &str) -> String {
    let marks: &[char] = &['|', '｜', '-', '–', '—', ':', '：', '·', '・', '»', '«'];
    let site = site.trim();
    let behind = title.strip_suffix(site).map(str::trim_end).and_then(|rest| rest.strip_suffix(marks));
    let before = title.strip_prefix(site).map(str::trim_start).and_then(|rest| rest.strip_prefix(marks));
    let rest = behind.or(before).filter(|_| !site.is_empty()).map(str::trim);
    rest.filter(|rest| !rest.is_empty()).unwrap_or(title).to_owned()
}

/// `text` on one line without control characters and without marks that turn the direction of what follows.
fn plain(text: &str, chars: usize) -> String {
    let seen = |c: &char| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let spaced: String = text.chars().filter(seen).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(chars) {
        None => line,
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
    }
}

#[cfg(test)]
mod tests;
