//! A copy of a page of the site, with what a search has found in the place of its own part. Pure.

use std::ops::Range;

use super::form_page::leads_to;
use crate::ask::key;
use crate::content::document::Document;
use crate::content::forms::{self, FormField, FormMethod, PageForm};
use crate::content::hydrated::is_hydrated;
use crate::content::search::main_part;
use crate::content::tags::{Comments, HtmlToken, Tags};
use crate::holding_page::{ResultsPage, escaped};

/// How a copy is written once it has been read.
const UTF8: Option<&str> = Some("text/html; charset=utf-8");

/// The page `html`, whose key is `page`, with the results in place of its own part, as the answer for `asked`; `None` if there is no
/// telling which part that is, or its program would not leave them there.
pub(super) fn compose(html: &str, page: &str, asked: &str, results: &ResultsPage<'_>) -> Option<String> {
    if is_hydrated(html) {
        return None;
    }
    let part = main_part(html)?;
    let document = Document::new(html.as_bytes(), UTF8);
    let all = forms::read(&document);
    let own = || all.iter().filter(|form| is_sent_like(form, page, results.form));
    let mut edits = head(html, page, asked, &results.title());
    let inside = |range: &Range<usize>| range.start >= part.inner.start && range.end <= part.inner.end;
    // The form that stands in the part goes on standing in it; those around it stay where they are.
    let mut form = own().find(|form| inside(&form.range)).map(|form| filled(html, form, results));
    if own().next().is_none() {
        form = Some(results.form());
    }
    for outside in own().filter(|form| !inside(&form.range)) {
        edits.extend(fields(html, outside, results));
    }
    // What stands between a header and a footer has no such elements of its own.
    let (starts, ends) = if part.is_named { part.frames(html) } else { Default::default() };
    let results = results.part(form.as_deref());
    edits.push((part.inner.clone(), format!("{starts}{results}{ends}")));
    Some(edited(html, 0..html.len(), edits))
}

/// Whether the form looks the same thing up as the one that the results are for.
fn is_sent_like(form: &PageForm<'_>, page: &str, (path, name): (&str, &str)) -> bool {
    let bare = |path: &str| path.trim_end_matches('/').to_owned();
    let to = if form.action.is_empty() {
        Some(key::path_of(page).to_owned())
    } else {
        leads_to(page, &form.action).map(|to| key::path_of(&to).to_owned())
    };
    form.method == FormMethod::Get
        && to.is_some_and(|to| bare(&to) == bare(path))
        && form.fields.iter().any(|field| field.name == name)
}

/// The start tags of the fields with what was typed in them.
fn fields(html: &str, form: &PageForm<'_>, results: &ResultsPage<'_>) -> Vec<(Range<usize>, String)> {
    let is_typed = |field: &&FormField<'_>| field.name == results.form.1 && field.kind.is_written();
    let written = form.fields.iter().filter(is_typed);
    let all = written.filter_map(|field| {
        let tag = with_value(html.get(field.range.clone())?, &results.typed())?;
        Some((field.range.clone(), tag))
    });
    all.collect()
}

/// A form with what was typed in it.
fn filled(html: &str, form: &PageForm<'_>, results: &ResultsPage<'_>) -> String {
    let mut within = fields(html, form, results);
    within.retain(|(at, _)| at.start >= form.range.start && at.end <= form.range.end);
    edited(html, form.range.clone(), within)
}

/// The start tag of an `input` with another value.
fn with_value(tag: &str, value: &str) -> Option<String> {
    let Some(HtmlToken::Tag(tag)) = Tags::of(tag, Comments::Html).next() else { return None };
    if !tag.starts("input") {
        return None;
    }
    let mut out = format!("<{}", tag.name);
    for (name, written) in tag.attributes().filter(|(name, _)| !name.eq_ignore_ascii_case("value")) {
        // As it was written, but for the quotes around it.
        out.push_str(&format!(" {name}=\"{}\"", written.replace('"', "&quot;")));
    }
    out.push_str(&format!(" value=\"{}\">", escaped(value)));
    Some(out)
}

/// What changes in a page's head: its title, what its addresses are relative to, and that it is not the page that it says it is.
fn head(html: &str, page: &str, asked: &str, title: &str) -> Vec<(Range<usize>, String)> {
    let folder = |key: &str| {
        let path = key::path_of(key);
        path[..path.rfind('/').map_or(0, |at| at + 1)].to_owned()
    };
    let (mut edits, mut base, mut has_title) = (Vec::new(), None, false);
    let mut tags = Tags::of(html, Comments::Html);
    while let Some(token) = tags.next() {
        let HtmlToken::Tag(tag) = token else { continue };
        let at = tags.range_of(&tag);
        if tag.starts("head") && folder(page) != folder(asked) {
            base = Some(at.end);
        } else if tag.starts("base") {
            base = None;
        } else if tag.starts("title") && !has_title {
            let old = tags.raw_text("title").len();
            edits.push((at.end..at.end + old, escaped(title)));
            has_title = true;
        } else if tag.starts("link")
            && let Some(rel) = tag.attribute("rel")
            && rel.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("canonical"))
        {
            edits.push((at, String::new()));
        } else if tag.starts("body") || tag.is_end && tag.name.eq_ignore_ascii_case("head") {
            break;
        } else if tag.starts("script") || tag.starts("style") {
            tags.raw_text(if tag.starts("script") { "script" } else { "style" });
        }
    }
    edits.extend(base.map(|at| (at..at, format!("<base href=\"{}\">", escaped(page)))));
    edits
}

/// A part of a text with other texts in these places, which do not overlap.
fn edited(html: &str, part: Range<usize>, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(at, _)| at.start);
    let (mut out, mut at) = (String::with_capacity(part.len() + 4096), part.start);
    for (place, text) in edits {
        if place.start < at {
            continue;
        }
        out.push_str(&html[at..place.start]);
        out.push_str(&text);
        at = place.end;
    }
    out.push_str(&html[at..part.end]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::holding_page::Language;
    use std::time::UNIX_EPOCH;

    fn composed(html: &str, page: &str, typed: &str) -> Option<String> {
        let results = ResultsPage {
            site: Some("Shop"),
            language: Language::En,
            typed,
            form: ("/search", "q"),
            taken_at: UNIX_EPOCH,
            pages: &[],
            total: 0,
            is_whole: true,
        };
        compose(html, page, "/search?q=x", &results)
    }

    #[test]
    fn the_results_stand_in_the_sites_own_page() {
        let html = "<html><head><title>Old</title><link rel=stylesheet href=a.css></head><body><header>\
            <form action=/search/><input type=hidden name=lang value=en><input name=q value=old placeholder='a \"b\"' ></form></header>\
            <main class=m><div class=w><h1>Old page</h1><p>Old text that is long enough to be nearly all of it, and more.</p></div></main>\
            <footer>Foot</footer></body></html>";
        let page = composed(html, "/", "green \"tea\"").unwrap();
        assert!(
            page.starts_with(
                "<html><head><title>Search results for “green &quot;tea&quot;” | Shop</title><link"
            ),
            "{page}"
        );
        assert!(page.contains(
            "<input type=hidden name=lang value=en><input name=\"q\" placeholder=\"a &quot;b&quot;\" value=\"green &quot;tea&quot;\"></form></header><main class=m><div class=w><div class=\"katahai-search\" lang=\"en\">"
        ), "{page}");
        assert!(page.ends_with("</div></div></main><footer>Foot</footer></body></html>"), "{page}");
        assert!(!page.contains("Old") && page.matches("<form").count() == 1, "{page}");
    }

    #[test]
    fn a_form_within_the_part_stays_and_one_is_made_where_there_is_none() {
        let html = "<title>t</title><main><form id=f role=search><input type=search name=q></form>Old</main>";
        let page = composed(html, "/search", "tea").unwrap();
        assert!(
            page.contains("<form id=f role=search><input type=\"search\" name=\"q\" value=\"tea\"></form>"),
            "{page}"
        );
        assert!(!page.contains("Old") && page.matches("<form").count() == 1);
        for other in [
            "<form action=/search method=post><input name=q></form>",
            "<form action=/find><input name=q></form>",
        ] {
            let page = composed(&format!("{other}<main>Old</main>"), "/", "tea").unwrap();
            assert!(
                page.contains("action=\"/search\"><input type=\"search\" name=\"q\" value=\"tea\""),
                "{page}"
            );
        }
        assert_eq!(composed("<p>no such part", "/", "tea"), None);
    }

    #[test]
    fn a_page_that_is_drawn_again_in_the_browser_has_no_room_for_them() {
        for mark in [
            "<div id=__next>",
            "<div id=\"___gatsby\">",
            "<script>window.__NUXT__={}</script>",
            "<div data-reactroot>",
        ] {
            assert_eq!(composed(&format!("<body>{mark}<main>Old</main>"), "/", "tea"), None, "{mark}");
        }
    }

    #[test]
    fn the_results_do_not_say_that_they_are_the_page() {
        let html = "<head><title>t</title><link href=/a rel='x Canonical'><link rel=stylesheet href=a.css></head><main>a</main>";
        let page = composed(html, "/", "tea").unwrap();
        assert!(page.contains("</title><link rel=stylesheet href=a.css></head>"), "{page}");
    }

    #[test]
    fn relative_addresses_lead_where_they_did() {
        for (page, html, expected) in [
            ("/", "<head><main>a</main>", false),
            ("/about", "<head><main>a</main>", false),
            ("/de/a?b=1&c", "<head lang=x><main>a</main>", true),
            ("/de/", "<head><base href=/x/><main>a</main>", false),
        ] {
            let page = composed(html, page, "tea").unwrap();
            assert_eq!(page.contains("<base href=\"/de/a?b=1&amp;c\">"), expected, "{page}");
        }
    }

    #[test]
    fn what_was_typed_stays_text_wherever_it_stands() {
        let html = "<head><title>t</title></head><form action=/search><input name=q></form><main>\
            <form action=/search><input name=q value='x'></form></main>";
        let page = composed(html, "/", "\"><script>alert(1)</script>'").unwrap();
        assert!(!page.contains("<script") && page.matches("&quot;&gt;&lt;script&gt;").count() >= 4, "{page}");
    }
}
