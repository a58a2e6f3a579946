//! Where something can be said on a page that has come, in bytes of its body as they lie, whatever they are encoded in: at the
//! beginning of what it shows, and at its forms. What is put there in ASCII is right in every encoding that is read here.

#[cfg(test)]
mod tests;

use encoding_rs::{
    EUC_JP, Encoding, ISO_2022_JP, REPLACEMENT, SHIFT_JIS, UTF_16BE, UTF_16LE, X_USER_DEFINED,
};
use memchr::{memchr_iter, memmem};

use super::document::Document;
use super::entity;
use super::forms::{self, FormField, FormMethod, PageForm};
use super::tags::{Comments, HtmlToken, Tag, Tags, place};

/// The class of the banner that is put into copies. A page that has it is one already.
pub const MARK: &str = "katahai-notice";

/// Elements that stand in the head of a page, or around it.
const HEAD: [&str; 11] =
    ["html", "head", "title", "meta", "link", "base", "style", "script", "noscript", "template", "basefont"];
/// Those of them in which markup is text, or is not shown.
const RAW: [&str; 5] = ["title", "style", "script", "noscript", "template"];
/// Bytes of a page in which kana are looked for.
const NEAR: usize = 64 * 1024;

/// The spots of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSpots {
    /// Where the banner goes: where what it shows begins, behind the start tag of its body; or, if a script takes it over,
    /// where its body ends, where those scripts leave alone what they do not know.
    pub banner: u64,
    /// Whether a script takes it over as it is. Nothing else can be put into it then, and its forms are not told.
    pub is_taken_over: bool,
    /// The language that it says it is in, or that its characters show: `ja` of `ja-JP`.
    pub language: Option<String>,
    /// What its addresses are relative to, if it says so.
    pub base: Option<String>,
    /// The content security policies in its head.
    pub policies: Vec<String>,
    /// Its forms.
    pub forms: Vec<FormSpots>,
}

/// The spots of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormSpots {
    /// Where it is sent to, as it was written; empty: to the page itself, or wherever a script sends it.
    pub action: String,
    /// How it is sent.
    pub method: FormMethod,
    /// Whether it asks for a password or the number of a card, or brings one along.
    pub has_secret: bool,
    /// Behind its start tag.
    pub inside: u64,
    /// The first field that its visitor writes something into.
    pub field: Option<TagSpot>,
    /// Its buttons that send it.
    pub buttons: Vec<ButtonSpot>,
}

/// A button that sends a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ButtonSpot {
    /// Its start tag.
    pub tag: TagSpot,
    /// Where it sends the form to in place of its action.
    pub action: Option<String>,
    /// How it sends it in place of its method.
    pub method: Option<FormMethod>,
}

/// A start tag into which attributes can be put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagSpot {
    /// Behind its name.
    pub at: u64,
    /// The ids of what describes its element already, if they are in ASCII.
    pub described_by: String,
}

impl PageSpots {
    /// What they take in memory, in bytes.
    pub fn weight(&self) -> usize {
        let tag = |tag: &TagSpot| size_of::<ButtonSpot>() + tag.described_by.len();
        let form = |form: &FormSpots| {
            let buttons = form.buttons.iter();
            let buttons = buttons.map(|b| tag(&b.tag) + b.action.as_ref().map_or(0, String::len));
            let field = form.field.as_ref().map_or(0, tag);
            size_of::<FormSpots>() + form.action.len() + field + buttons.sum::<usize>()
        };
        let texts = self.language.iter().chain(&self.base).chain(&self.policies).map(String::len);
        size_of::<PageSpots>() + texts.sum::<usize>() + self.forms.iter().map(form).sum::<usize>()
    }
}

/// The spots of a page; `None` if nothing can be said on it: it is a fragment or a set of frames, its bytes are none that ASCII
/// can be put between, a script takes it over and it does not say where it ends, or it is a copy on which it was said already.
pub fn read(page: &Document<'_>) -> Option<PageSpots> {
    let html = page.html();
    let head = Head::read(html)?;
    if head.is_marked(html) { None } else { spots_of(page, head) }
}

/// The same, whether or not it is a copy on which it was said already.
pub fn read_marked(page: &Document<'_>) -> Option<PageSpots> {
    spots_of(page, Head::read(page.html())?)
}

fn spots_of(page: &Document<'_>, head: Head) -> Option<PageSpots> {
    let html = page.html();
    let places = Places::of(page)?;
    let is_taken_over = super::hydrated::is_hydrated(html);
    let banner = if is_taken_over { Mark::Before(body_end(html)?) } else { head.begins };
    let read = if is_taken_over { Vec::new() } else { forms::read(page) };
    Some(PageSpots {
        banner: places.of_mark(banner)?,
        is_taken_over,
        language: head.language.or_else(|| japanese(html, page.encoding())),
        base: head.base,
        policies: head.policies,
        forms: read.iter().filter_map(|form| form_spots(html, form, &places)).collect(),
    })
}

/// Whether a page is a copy that says so: a Katahai gave it while the site was out. What its visitors may have written into it
/// makes it none: only a banner counts that stands where one is put.
pub fn is_marked(page: &Document<'_>) -> bool {
    // Most pages do not have the word.
    let has_word = memmem::find(page.bytes(), MARK.as_bytes()).is_some();
    has_word && Head::read(page.html()).is_some_and(|head| head.is_marked(page.html()))
}

/// Where the end tag of the body begins.
fn body_end(html: &str) -> Option<usize> {
    let last = |tag: &str| memmem::rfind(html.as_bytes(), tag.as_bytes());
    last("</body").max(last("</BODY"))
}

/// A mark of the markup, in bytes of its characters.
#[derive(Clone, Copy, Debug)]
enum Mark {
    /// Where this `<` stands.
    Before(usize),
    /// Behind this `>`.
    Behind(usize),
}

/// What the beginning of a page says.
#[derive(Debug)]
struct Head {
    /// Where what it shows begins.
    begins: Mark,
    language: Option<String>,
    base: Option<String>,
    policies: Vec<String>,
}

impl Head {
    fn read(html: &str) -> Option<Head> {
        let begin = html.trim_start().get(..9).unwrap_or_default();
        let mut is_page = begin.eq_ignore_ascii_case("<!doctype");
        let mut head = Head { begins: Mark::Behind(0), language: None, base: None, policies: Vec::new() };
        let (mut tags, mut room, mut last) = (Tags::of(html, Comments::Html), [0; 16], None);
        while let Some(token) = tags.next() {
            let tag = match token {
                HtmlToken::Text(text) if text.trim_ascii().is_empty() => continue,
                HtmlToken::Text(_) => {
                    head.begins = Mark::Behind(last?);
                    return is_page.then_some(head);
                }
                HtmlToken::Tag(tag) => tag,
            };
            if !tag.is_whole {
                return None;
            }
            let (name, range) = (tag.lower(&mut room), tags.range_of(&tag));
            last = Some(range.end - 1);
            match name {
                _ if tag.is_end => {}
                "body" => {
                    head.begins = Mark::Behind(range.end - 1);
                    return Some(head);
                }
                "frameset" | "frame" => return None,
                _ if place(&HEAD, name).is_none() => {
                    head.begins = Mark::Before(range.start);
                    return is_page.then_some(head);
                }
                _ => head.element(name, &tag),
            }
            is_page |= name == "html";
            if !tag.is_end && !tag.closes_itself() && place(&RAW, name).is_some() {
                tags.raw_text(name);
            }
        }
        None
    }

    /// Whether a banner stands where one is put.
    fn is_marked(&self, html: &str) -> bool {
        let banner = format!("<dialog open class=\"{MARK}\"");
        let begin = match self.begins {
            Mark::Before(at) => at,
            Mark::Behind(at) => at + 1,
        };
        let at_end = || {
            let end = body_end(html).filter(|_| super::hydrated::is_hydrated(html))?;
            let last = memmem::rfind(&html.as_bytes()[..end], banner.as_bytes())?;
            let inside = html[last..end].strip_suffix("</dialog>")?;
            Some(!inside.contains("</dialog"))
        };
        html[begin..].starts_with(&banner) || at_end().unwrap_or_default()
    }

    fn element(&mut self, name: &str, tag: &Tag<'_>) {
        match name {
            "html" if self.language.is_none() => {
                let said = tag.attribute("lang").or_else(|| tag.attribute("xml:lang")).unwrap_or_default();
                let primary = said.trim().split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
                self.language = (2..=3).contains(&primary.len()).then_some(primary);
            }
            "base" if self.base.is_none() => {
                self.base = tag.attribute("href").map(|href| entity::decode(href).trim().to_owned());
            }
            "meta" => {
                let pragma = tag.attribute("http-equiv").unwrap_or_default().trim();
                if pragma.eq_ignore_ascii_case("content-security-policy") {
                    let policy = tag.attribute("content").unwrap_or_default();
                    self.policies.push(entity::decode(policy).into_owned());
                }
            }
            _ => {}
        }
    }
}

/// Of a page that does not say it: no sentence in Japanese is without kana.
fn japanese(html: &str, encoding: &'static Encoding) -> Option<String> {
    let is_old = [SHIFT_JIS, EUC_JP, ISO_2022_JP].contains(&encoding);
    let near = &html[..html.floor_char_boundary(NEAR)];
    (is_old || near.contains(|c| ('\u{3041}'..='\u{30FE}').contains(&c))).then(|| "ja".to_owned())
}

fn form_spots(html: &str, form: &PageForm<'_>, places: &Places) -> Option<FormSpots> {
    let mut tags = Tags::of(html, Comments::Html).from(form.range.start);
    let HtmlToken::Tag(start) = tags.next()? else { return None };
    let button = |field: &FormField<'_>| {
        let action = field.action.as_deref().map(str::to_owned);
        Some(ButtonSpot { tag: tag_spot(html, field, places)?, action, method: field.method })
    };
    Some(FormSpots {
        action: form.action.clone().into_owned(),
        method: form.method,
        has_secret: form.has_secret(),
        inside: places.of_mark(Mark::Behind(tags.range_of(&start).end - 1))?,
        field: form.written().next().and_then(|field| tag_spot(html, field, places)),
        buttons: form.buttons().filter_map(button).collect(),
    })
}

fn tag_spot(html: &str, field: &FormField<'_>, places: &Places) -> Option<TagSpot> {
    let mut tags = Tags::of(html, Comments::Html).from(field.range.start);
    let HtmlToken::Tag(tag) = tags.next()? else { return None };
    let described = tag.attribute("aria-describedby").unwrap_or_default();
    let is_plain = described.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b' '));
    let name = 1 + tag.name.len() as u64; // of letters and digits, which are so in the bytes
    Some(TagSpot {
        at: places.of_mark(Mark::Before(field.range.start))? + name,
        described_by: if is_plain { described.trim().to_owned() } else { String::new() },
    })
}

/// Where the `<` and `>` of a page's characters stand in its bytes: in the encodings that are read here no other character has
/// such a byte in it, so that they are as many, in the same order.
enum Places {
    /// The characters are the bytes.
    Same,
    /// `<` and `>`, each in the characters and in the bytes.
    Other([(Vec<usize>, Vec<usize>); 2]),
}

impl Places {
    fn of(page: &Document<'_>) -> Option<Places> {
        let (html, bytes, encoding) = (page.html(), page.bytes(), page.encoding());
        if [UTF_16BE, UTF_16LE, REPLACEMENT, X_USER_DEFINED].contains(&encoding) {
            return None;
        }
        if std::ptr::eq(html.as_bytes(), bytes) {
            return Some(Places::Same);
        }
        let shifted = if encoding == ISO_2022_JP { shifted(bytes) } else { Vec::new() };
        // They stand in order.
        let is_shifted = |at: &usize| {
            let next = shifted.partition_point(|range| range.end <= *at);
            shifted.get(next).is_some_and(|range| range.start <= *at)
        };
        let both = |mark| {
            let read: Vec<_> = memchr_iter(mark, html.as_bytes()).collect();
            let lies: Vec<_> = memchr_iter(mark, bytes).filter(|at| !is_shifted(at)).collect();
            (read.len() == lies.len()).then_some((read, lies))
        };
        Some(Places::Other([both(b'<')?, both(b'>')?]))
    }

    fn of_mark(&self, mark: Mark) -> Option<u64> {
        let (at, kind, behind) = match mark {
            Mark::Before(at) => (at, 0, 0),
            Mark::Behind(at) => (at, 1, 1),
        };
        let place = match self {
            Places::Same => at,
            Places::Other(both) => {
                let (read, lies) = &both[kind];
                lies[read.binary_search(&at).ok()?]
            }
        };
        Some((place + behind) as u64)
    }
}

/// Where bytes of ISO-2022-JP stand for other characters than in ASCII: from an escape sequence to that which ends it.
fn shifted(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut all, mut begin) = (Vec::new(), None);
    for at in memchr_iter(0x1b, bytes) {
        let is_ascii = matches!(bytes.get(at + 1..at + 3), Some(b"(B" | b"(J"));
        match begin {
            None if !is_ascii => begin = Some(at),
            Some(from) if is_ascii => {
                all.push(from..at);
                begin = None;
            }
            None | Some(_) => {}
        }
    }
    all.extend(begin.map(|from| from..bytes.len()));
    all
}
