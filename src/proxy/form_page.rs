//! The page of the site on which a form stands: with the word that it was kept in the form's place, so that its visitor stays
//! on the site; and as the site gives it now, with fresh tokens.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::mirror::{Mirror, Nearness, Ready};
use super::page_head;
use crate::ask::key;
use crate::content::document::Document;
use crate::content::forms::{self, FieldType, FormField, FormMethod, PageForm};
use crate::content::tags::{Comments, HtmlToken, Tag, Tags, place};
use crate::forms::fields::Field;
use crate::holding_page::{Delivery, KeptWords, Language};
use crate::http::Body;

/// How a copy is written once it has been read.
const UTF8: Option<&str> = Some("text/html; charset=utf-8");

/// The copy of the page that has the form which is sent to `target`: the page that the operator names, the one that the visitor
/// came from, or the one at the target itself.
pub(super) async fn find(
    mirror: &Mirror,
    (named, came_from): (Option<&str>, Option<&str>),
    target: &str,
) -> Option<Copied> {
    let path = key::path_of(target);
    for page in [came_from, named, Some(path)].into_iter().flatten() {
        let Some((ready, Nearness::Exact)) = mirror.find(page).filter(|(ready, _)| ready.is_page()) else {
            continue;
        };
        let Some(bytes) = ready.bytes().await else { continue };
        let content_type = ready.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let document = Document::new(&bytes, content_type);
        let is_named = named == Some(ready.key());
        let Some(range) =
            of_target(&forms::read(&document), ready.key(), target, is_named).map(|form| form.range.clone())
        else {
            continue;
        };
        return Some(Copied { html: document.html().to_owned(), range, ready });
    }
    None
}

/// The form of a page at `page` that is sent to `target`. Where a script sends it, its action does not say so: the only form of
/// the page that the operator has named is taken for it.
pub(super) fn of_target<'f, 'p>(
    forms: &'f [PageForm<'p>],
    page: &str,
    target: &str,
    is_named: bool,
) -> Option<&'f PageForm<'p>> {
    let posted = || forms.iter().filter(|form| form.method == FormMethod::Post);
    let path = key::path_of(target);
    let leads_there = |form: &&PageForm<'_>| leads_to(page, &form.action).is_some_and(|to| to == path);
    posted().find(leads_there).or_else(|| {
        let mut all = posted();
        all.next().filter(|_| is_named && all.next().is_none())
    })
}

/// The path that an action on this page leads to.
pub(super) fn leads_to(page: &str, action: &str) -> Option<String> {
    let base = url::Url::parse("http://site.invalid").and_then(|base| base.join(page)).ok()?;
    let to = base.join(action.trim()).ok()?;
    Some(key::page_key(to.path(), None, &[]).into_owned())
}

/// Whether one of a page's forms asks for a password.
pub(super) fn shows_login_box(forms: &[PageForm<'_>]) -> bool {
    forms.iter().any(|form| form.fields.iter().any(|field| field.kind == FieldType::Password))
}

/// What of the form's hidden fields is to be taken over from how it is `now`: tokens, and what was sent as it stood in the copy,
/// if there is one. What a script has filled in was the visitor's choice; of several fields of one name nobody knows which is which.
pub(super) fn outdated(now: &PageForm<'_>, sent: &[Field], copied: Option<&Copied>) -> Vec<(String, String)> {
    let is_outdated = |field: &&FormField<'_>| {
        let mut of_name = sent.iter().filter(|sent| sent.name == *field.name);
        let (Some(sent), None) = (of_name.next(), of_name.next()) else { return false };
        let is_as_it_stood =
            || copied.and_then(|copied| copied.value(&field.name)).is_some_and(|stood| stood == sent.value);
        field.kind == FieldType::Hidden && (field.is_token || is_as_it_stood())
    };
    let hidden = now.fields.iter().filter(is_outdated);
    hidden.map(|field| (field.name.to_string(), field.value.to_string())).collect()
}

/// A copy of a page with a form.
pub(super) struct Copied {
    html: String,
    range: Range<usize>,
    ready: Arc<Ready>,
}

impl Copied {
    /// Its own language, by which the word is written, too.
    pub(super) fn language(&self) -> Option<String> {
        page_head::language(self.html.as_bytes())
    }

    /// Its key.
    pub(super) fn key(&self) -> &str {
        self.ready.key()
    }

    /// Whether the form has a token that expires.
    pub(super) fn has_token(&self) -> bool {
        self.with_form(|form| form.fields.iter().any(|field| field.is_token)).unwrap_or_default()
    }

    /// Whether another form of the page asks for a password.
    pub(super) fn shows_login_box(&self) -> bool {
        shows_login_box(&forms::read(&Document::new(self.html.as_bytes(), UTF8)))
    }

    /// The value of a field of the form.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let value = |form: &PageForm<'_>| {
            form.fields.iter().find(|field| field.name == name).map(|field| field.value.to_string())
        };
        self.with_form(value).flatten()
    }

    fn with_form<T>(&self, look: impl FnOnce(&PageForm<'_>) -> T) -> Option<T> {
        let part = Document::new(self.html[self.range.clone()].as_bytes(), UTF8);
        forms::read(&part).first().map(look)
    }

    /// The page's markup, which finds its files wherever it is shown.
    fn based(&self) -> Option<usize> {
        let head = self.html.get(..self.range.start)?.to_ascii_lowercase();
        let at = head.find("<head>")? + "<head>".len();
        (!head.contains("<base") && !self.key().starts_with("//")).then_some(at)
    }

    /// The page with the word in place of the form, in UTF-8 whatever it was written in.
    pub(super) fn acknowledging(
        &self,
        language: Language,
        delivery: Delivery,
        number: &str,
    ) -> Response<Body> {
        let KeptWords { title, lead, number } = KeptWords::of(language, delivery, number);
        // The key is of characters that mean nothing in markup but for `&`.
        let base = format!("<base href=\"{}\">", self.key().replace('&', "&amp;"));
        let base = self.based().map(|at| (at..at, &*base));
        let lang = language.tag();
        let word = format!(
            "<div class=\"katahai-kept\" role=\"status\" lang=\"{lang}\"><h2>{title}</h2><p>{lead}</p><p><strong>{number}</strong></p></div>"
        );
        let page = with_word(&self.html, &self.range, base, &word);
        let mut response = Response::new(Body::whole(Bytes::from(page)));
        *response.status_mut() = StatusCode::ACCEPTED;
        *response.headers_mut() = fields(&self.ready);
        response
    }
}

/// The header fields of a page that was made of a copy: what the site wants of browsers for the page. What says which version it is,
/// and how long that is fresh, it is not.
pub(super) fn fields(copy: &Ready) -> HeaderMap {
    let mut headers = copy.headers.clone();
    for name in [
        header::ETAG,
        header::LAST_MODIFIED,
        header::ACCEPT_RANGES,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::CONTENT_LOCATION,
        header::VARY,
        header::LINK,
        header::VIA,
        super::mirror::MEMENTO_DATETIME,
    ] {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers
}

/// Elements without an end tag.
const VOID: [&str; 13] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
/// Elements in which markup is text, or is not shown.
const RAW: [&str; 6] = ["script", "style", "title", "textarea", "template", "noscript"];
/// Parts of the classes of what is shown only once somebody opens it.
const OPENED: [&str; 6] = ["modal", "popup", "offcanvas", "drawer", "collapse", "dropdown"];

/// A page with a word in place of one of its forms, and with something more before that.
fn with_word(html: &str, form: &Range<usize>, more: Option<(Range<usize>, &str)>, word: &str) -> String {
    let at = word_place(html, form);
    let mut edits: Vec<_> = more.into_iter().chain([(at..at, word), (form.clone(), "")]).collect();
    edits.sort_by_key(|(range, _)| range.start);
    let (mut page, mut done) = (String::with_capacity(html.len() + word.len()), 0);
    for (range, text) in edits {
        page.push_str(&html[done..range.start]);
        page.push_str(text);
        done = range.end;
    }
    page + &html[done..]
}

/// Where in a page the word goes that its form was kept: in the form's place, if that is seen when the page is opened; else where
/// its main part begins, or its body. What is hidden by a style sheet alone is known by its classes, if at all.
fn word_place(html: &str, form: &Range<usize>) -> usize {
    // Elements that are open, each with whether it or one around it is out of sight.
    let mut open: Vec<(&str, bool)> = Vec::new();
    let (mut tags, mut is_hidden) = (Tags::of(html, Comments::Html), None);
    let (mut body, mut main) = (None, None);
    while let Some(token) = tags.next() {
        let HtmlToken::Tag(tag) = token else { continue };
        let range = tags.range_of(&tag);
        let mut room = [0; 16];
        let name = tag.lower(&mut room);
        if tag.is_end {
            let begin = open.iter().rposition(|(name, _)| name.eq_ignore_ascii_case(tag.name));
            open.truncate(begin.unwrap_or(open.len()));
            continue;
        }
        let around = open.last().is_some_and(|(_, is_hidden)| *is_hidden);
        let is_out_of_sight = around || hides(name, &tag);
        match name {
            "body" if body.is_none() => body = Some(range.end),
            "main" if main.is_none() && !is_out_of_sight && !form.contains(&range.start) => {
                main = Some(range.end)
            }
            _ if range.start == form.start => is_hidden = Some(is_out_of_sight),
            _ => {}
        }
        match is_hidden {
            Some(false) => return form.start,
            Some(true) if main.is_some() => break,
            Some(true) | None => {}
        }
        if place(&RAW, name).is_some() && !tag.closes_itself() {
            tags.raw_text(name);
        } else if place(&VOID, name).is_none() && !tag.closes_itself() {
            open.push((tag.name, is_out_of_sight));
        }
    }
    main.or(body).filter(|_| is_hidden == Some(true)).unwrap_or(form.start)
}

/// Whether an element is out of sight when its page is opened, with all that is in it.
fn hides(name: &str, tag: &Tag<'_>) -> bool {
    let says = |attribute: &str, part: &str| {
        tag.attribute(attribute).is_some_and(|value| value.to_ascii_lowercase().contains(part))
    };
    // Those say what the page as a whole can do.
    let is_all = matches!(name, "html" | "body");
    let is_closed = matches!(name, "dialog" | "details") && tag.attribute("open").is_none();
    let is_hidden = tag.attribute("hidden").is_some() || says("aria-hidden", "true");
    !is_all && (is_closed || is_hidden || OPENED.iter().any(|part| says("class", part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_stands_where_it_is_seen() {
        for (html, expected) in [
            ("<body><main><p>a<FORM></main>", "<body><main><p>a|<FORM></main>"),
            ("<body class=has-modal><FORM>", "<body class=has-modal>|<FORM>"),
            ("<body><dialog><FORM></dialog><main>a</main>", "<body><dialog><FORM></dialog><main>|a</main>"),
            ("<body><dialog open><FORM></dialog><main>", "<body><dialog open>|<FORM></dialog><main>"),
            ("<body><main>a<dialog><p><FORM></dialog>", "<body><main>|a<dialog><p><FORM></dialog>"),
            ("<body class=a><div hidden><FORM></div>", "<body class=a>|<div hidden><FORM></div>"),
            ("<body><div aria-hidden='true'><br><FORM>", "<body>|<div aria-hidden='true'><br><FORM>"),
            ("<body><div aria-hidden=false><FORM>", "<body><div aria-hidden=false>|<FORM>"),
            ("<body><div class='a Modal-dialog'><FORM>", "<body>|<div class='a Modal-dialog'><FORM>"),
            ("<body><nav class=navbar-collapse><FORM>", "<body>|<nav class=navbar-collapse><FORM>"),
            ("<body><details><FORM></details>", "<body>|<details><FORM></details>"),
            ("<body><li class=dropdown>a</li><FORM>", "<body><li class=dropdown>a</li>|<FORM>"),
            ("<body><input class=drawer><FORM>", "<body><input class=drawer>|<FORM>"),
            ("<body><ul><li class=dropdown>a</ul><FORM>", "<body><ul><li class=dropdown>a</ul>|<FORM>"),
            (
                "<body><script>'<div hidden><main>'</script><div class=popup><FORM></div>",
                "<body>|<script>'<div hidden><main>'</script><div class=popup><FORM></div>",
            ),
            ("<div class=drawer><FORM></div>", "<div class=drawer>|<FORM></div>"),
            (
                "<body><div class=modal><main></main><FORM></div>",
                "<body>|<div class=modal><main></main><FORM></div>",
            ),
        ] {
            let form = "<form method=post><input name=a></form>";
            let page = html.replace("<FORM>", form);
            let begin = page.find(form).unwrap();
            let at = word_place(&page, &(begin..begin + form.len()));
            let shown = format!("{}|{}", &page[..at], &page[at..]).replace(form, "<FORM>");
            assert_eq!(shown, expected, "{html}");
            let told = with_word(&page, &(begin..begin + form.len()), Some((0..0, "^")), "|");
            assert_eq!(told, format!("^{}", expected.replace("<FORM>", "")), "{html}");
        }
        let own = "<body><form class=collapse method=post></form>";
        assert_eq!(word_place(own, &(6..own.len())), 6, "behind the body's tag");
        let own = "<body>a<form hidden method=post></form>";
        assert_eq!(word_place(own, &(7..own.len())), 6);
    }

    #[test]
    fn the_form_is_the_one_that_is_sent_there() {
        let page = "<form action=/search><input name=q></form>\
            <form method=post action=\"../signup?x=1\"><input name=a></form>\
            <form method=post action=/other><input name=b></form>";
        let document = Document::new(page.as_bytes(), Some("text/html"));
        let forms = forms::read(&document);
        let first = |target: &str| {
            of_target(&forms, "/de/join", target, true).map(|form| form.fields[0].name.to_string())
        };
        assert_eq!(first("/signup"), Some("a".to_owned()));
        assert_eq!(first("/signup?y=2"), Some("a".to_owned()));
        assert_eq!(first("/other"), Some("b".to_owned()));
        assert_eq!(first("/search"), None, "it is not sent in a body");
        assert_eq!(first("/de/join"), None);
    }

    #[test]
    fn a_forms_page_is_its_own_action_unless_it_says_otherwise() {
        let of = |page: &str, target: &str, is_named: bool| {
            let document = Document::new(page.as_bytes(), Some("text/html"));
            of_target(&forms::read(&document), "/contact/", target, is_named).is_some()
        };
        let form = "<form method=post><input name=a></form>";
        assert!(of(form, "/contact/", false));
        assert!(of(form, "/api/contact", true), "a script sends it");
        assert!(!of(form, "/api/contact", false), "it may be another one");
        assert!(!of(&[form, form].concat(), "/api/contact", true));
    }
}
