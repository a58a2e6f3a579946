//! The part of a page that is its own: without what stands around it on every page of the site.

use std::collections::HashSet;
use std::ops::Range;

use crate::content::tags::{Comments, HtmlToken, Tag, Tags, place};

/// Ids that sites give to that part, the clearest first.
const IDS: &[&str] = &[
    "main",
    "main-content",
    "maincontent",
    "content",
    "contents",
    "primary",
    "page-content",
    "site-content",
];
/// How deep the elements are that do nothing but hold it.
const DEEPEST: usize = 4;

/// A page's own part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MainPart {
    /// What stands in it, without the tags of its element.
    pub inner: Range<usize>,
    /// Whether an element says that it is this part, and not only the places of a header and a footer.
    pub is_named: bool,
}

impl MainPart {
    /// The tags of the elements within that hold nearly all of it: they give it its place on the page. All start tags, and all end
    /// tags.
    pub fn frames(&self, html: &str) -> (String, String) {
        let frames = frames(html, self.inner.clone());
        let name = |at: &Range<usize>| {
            let tag = html.get(at.start + 1..at.end).unwrap_or_default();
            tag[..tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len())].to_owned()
        };
        let starts = frames.iter().map(|at| &html[at.clone()]).collect();
        (starts, frames.iter().rev().map(|at| format!("</{}>", name(at))).collect())
    }
}

/// The page's own part: the `main` element, or one with that role or one of the usual ids; a single `article`; or what stands
/// between the header and the footer.
pub fn main_part(html: &str) -> Option<MainPart> {
    let mut best: Option<Candidate<'_>> = None;
    let (mut articles, mut header_end, mut footer) = (0, None, None);
    each_tag(html, 0, |tag, at| {
        if tag.is_end && tag.name.eq_ignore_ascii_case("header") && header_end.is_none() {
            header_end = Some(at.end);
        }
        if tag.starts("footer") {
            footer = Some(at.start);
        }
        articles += usize::from(tag.starts("article"));
        let better = |rank: &usize| best.as_ref().is_none_or(|known| *rank < known.rank);
        if let Some(rank) = Some(tag).filter(|tag| !tag.is_end).and_then(rank).filter(better) {
            best = Some(Candidate { rank, name: tag.name, from: at.end, open: 1, end: None });
        } else if let Some(best) = &mut best {
            best.note(tag, at.start);
        }
        // Nothing is clearer than that.
        !best.as_ref().is_some_and(|best| best.rank == 0 && best.end.is_some())
    });
    let is_clear = |best: &Candidate<'_>| best.rank < ARTICLE || articles == 1;
    if let Some(Candidate { from, end, .. }) = best.filter(is_clear) {
        return Some(MainPart { inner: from..end?, is_named: true });
    }
    let inner = header_end?..footer?;
    (!inner.is_empty()).then_some(MainPart { inner, is_named: false })
}

/// An element that may be the part.
struct Candidate<'a> {
    rank: usize,
    name: &'a str,
    /// Behind its start tag.
    from: usize,
    /// How many elements of its name are open.
    open: usize,
    /// Where its end tag begins.
    end: Option<usize>,
}

impl Candidate<'_> {
    fn note(&mut self, tag: &Tag<'_>, at: usize) {
        if self.end.is_some() || !tag.name.eq_ignore_ascii_case(self.name) {
            return;
        }
        if !tag.is_end {
            self.open += 1;
            return;
        }
        self.open -= 1;
        if self.open == 0 {
            self.end = Some(at);
        }
    }
}

/// The rank of an `article`: behind all that is named.
const ARTICLE: usize = IDS.len() + 2;

fn rank(tag: &Tag<'_>) -> Option<usize> {
    if tag.starts("main") {
        return Some(0);
    }
    let is_part = ["div", "section", "article", "td"].iter().any(|name| tag.starts(name));
    if is_part && tag.attribute("role").is_some_and(|role| role.eq_ignore_ascii_case("main")) {
        return Some(1);
    }
    let id = tag.attribute("id").filter(|_| is_part).and_then(|id| place(IDS, &id.to_ascii_lowercase()));
    id.map(|id| id + 2).or_else(|| tag.starts("article").then_some(ARTICLE))
}

/// Calls `f` with each tag from a place on, and where it stands, until it says that it has enough. What is no markup is passed
/// over.
fn each_tag<'a>(html: &'a str, from: usize, mut f: impl FnMut(&Tag<'a>, Range<usize>) -> bool) {
    let mut tags = Tags::of(html, Comments::Html).from(from);
    while let Some(token) = tags.next() {
        let HtmlToken::Tag(tag) = token else { continue };
        let at = tags.range_of(&tag);
        if !f(&tag, at) {
            return;
        }
        pass_raw(&tag, &mut tags);
    }
}

/// Passes over the content of an element in which markup is text.
pub(super) fn pass_raw(tag: &Tag<'_>, tags: &mut Tags<'_>) {
    let raw = [
        "script", "style", "textarea", "title", "template", "iframe", "noembed", "noframes", "noscript",
        "object",
    ];
    let mut room = [0; 16];
    if !tag.is_end
        && let Some(at) = place(&raw, tag.lower(&mut room))
    {
        tags.raw_text(raw[at]);
    }
}

/// Where the end tag begins of the element with this start tag; `None` if it has none.
fn end_of(html: &str, start: &Range<usize>) -> Option<usize> {
    let (mut open, mut found, mut name) = (0usize, None, "");
    each_tag(html, start.start, |tag, at| {
        if name.is_empty() {
            name = tag.name;
        }
        if tag.name.eq_ignore_ascii_case(name) {
            match (tag.is_end, open) {
                (false, _) => open += 1,
                (true, 1) => {
                    found = Some(at.start);
                    return false;
                }
                (true, _) => open -= 1,
            }
        }
        true
    });
    found
}

/// The elements that do nothing but hold what stands here: each has nearly all of the one before, and is not a list of equals,
/// in which one more would be narrow.
fn frames(html: &str, inner: Range<usize>) -> Vec<Range<usize>> {
    let (mut frames, mut inner) = (Vec::new(), inner);
    while frames.len() < DEEPEST {
        let children = children(html, &inner);
        let largest = children.into_iter().max_by_key(|child| child.inner.len());
        let Some(child) = largest.filter(|child| child.inner.len() * 3 >= inner.len() * 2) else { break };
        if is_list(html, &child.inner) {
            break;
        }
        frames.push(child.tag);
        inner = child.inner;
    }
    frames
}

/// An element directly within another.
struct Child<'a> {
    tag: Range<usize>,
    inner: Range<usize>,
    name: &'a str,
    class: &'a str,
}

/// The boxes directly within a part.
fn children<'a>(html: &'a str, part: &Range<usize>) -> Vec<Child<'a>> {
    let (mut found, mut at) = (Vec::new(), part.start);
    while at < part.end {
        let mut next = None;
        each_tag(html, at, |tag, place| {
            let is_box = ["div", "section", "article", "li", "ul", "ol"].iter().any(|name| tag.starts(name));
            if place.start >= part.end {
                return false;
            }
            if is_box {
                next = Some((tag.name, tag.attribute("class").unwrap_or_default(), place));
            }
            !is_box
        });
        let Some((name, class, tag)) = next else { break };
        let Some(end) = end_of(html, &tag).filter(|end| *end <= part.end) else { break };
        // behind the end tag, or within it: both is behind its `<`
        at = end + 1;
        if ["div", "section", "article", "li"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
            found.push(Child { inner: tag.end..end, tag, name, class });
        }
    }
    found
}

/// Whether a part is a list of equals: cards, columns.
fn is_list(html: &str, part: &Range<usize>) -> bool {
    let mut kinds = HashSet::new();
    let children = children(html, part);
    children.iter().any(|child| !kinds.insert((child.name.to_ascii_lowercase(), child.class)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inner(html: &str) -> Option<&str> {
        main_part(html).map(|part| &html[part.inner])
    }

    #[test]
    fn the_main_part_is_what_the_page_says_it_is() {
        for (html, expected) in [
            ("<header>h</header><MAIN id=x>a<p>b</MAIN><footer>f</footer>", Some("a<p>b")),
            ("<div role=main>a<div>b</div>c</div>d", Some("a<div>b</div>c")),
            ("<div id=content>a<div id=main>b</div></div>", Some("b")),
            ("<div id=Contents>a</div>", Some("a")),
            ("<nav id=main>a</nav><article>b</article>", Some("b")),
            ("<article>a</article><article>b</article>", None),
            ("<header>h</header>a<footer>f</footer>", Some("a")),
            ("<script>'<main>'</script><main>b</main>", Some("b")),
            ("<main>a<script>'</main>'</script>b</main>", Some("a<script>'</main>'</script>b")),
            ("<main>never closed", None),
            ("<p>nothing", None),
            ("", None),
        ] {
            assert_eq!(inner(html), expected, "{html}");
        }
    }

    #[test]
    fn frames_are_the_elements_that_only_hold_the_content() {
        let frames = |html: &str| main_part(html).unwrap().frames(html);
        let text = &"some words of the page that are its content ".repeat(5);
        for (html, starts, ends) in [
            (format!("<main>{text}</main>"), "", ""),
            (
                format!("<main><div class=wrap><section class=a><h1>x</h1>{text}</section></div></main>"),
                "<div class=wrap><section class=a>",
                "</section></div>",
            ),
            // a list of cards: one more would be a card
            (
                format!(
                    "<main><div class=wrap><div class=grid><div class=card>{text}</div><div class=card>{text}</div></div></div></main>"
                ),
                "<div class=wrap>",
                "</div>",
            ),
            // half of it is no frame
            (format!("<main><div>{text}</div><p>{text} {text}</main>"), "", ""),
        ] {
            assert_eq!(frames(&html), (starts.to_owned(), ends.to_owned()), "{html}");
        }
    }

    proptest! {
        #[test]
        fn any_markup_is_read(html in "(<main>|</main>|<div>|</div>|<div id=main class=a>|<article>|</article>|<header>|</header>|<footer>|<script>|</script>|<!--|-->|[a-z あ<]){0,40}") {
            if let Some(part) = main_part(&html) {
                prop_assert!(html.get(part.inner.clone()).is_some());
                let (starts, ends) = part.frames(&html);
                prop_assert_eq!(starts.matches('<').count(), ends.matches("</").count());
            }
        }
    }
}
