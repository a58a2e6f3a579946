//! Where something can be said on a page that has come, in bytes of its body as they lie, whatever they are encoded in: at the
//! beginning of what it shows, and at its forms. What is put there in ASCII is right in every encoding that is read here.

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
    /// Where what it shows begins: behind the start tag of its body.
    pub body: u64,
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
    /// Where it is sent to, as it was written; empty: to the page itself.
    pub action: String,
    /// How it is sent.
    pub method: FormMethod,
    /// Whether it asks for a password or the number of a card.
    pub asks_for_secret: bool,
    /// Behind its start tag.
    pub inside: u64,
    /// The first field that its visitor writes something into.
    pub field: Option<TagSpot>,
    /// Its buttons, each with where it sends the form to in place of `action`.
    pub buttons: Vec<(TagSpot, Option<String>)>,
}

/// A start tag into which attributes can be put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagSpot {
    /// Behind its name.
    pub at: u64,
    /// The ids of what describes its element already, if they are in ASCII.
    pub described_by: String,
}

/// The spots of a page; `None` if nothing can be said on it: it is a fragment or a set of frames, its bytes are none that ASCII
/// can be put between, or it is a copy on which it was said already.
pub fn read(page: &Document<'_>) -> Option<PageSpots> {
    if is_marked(page) {
        return None;
    }
    let html = page.html();
    let head = Head::read(html)?;
    let places = Places::of(page)?;
    let read = forms::read(page);
    Some(PageSpots {
        body: places.of_mark(head.begins)?,
        language: head.language.or_else(|| japanese(html, page.encoding())),
        base: head.base,
        policies: head.policies,
        forms: read.iter().filter_map(|form| form_spots(html, form, &places)).collect(),
    })
}

/// Whether a page is a copy that says so: a Katahai gave it while the site was out.
pub fn is_marked(page: &Document<'_>) -> bool {
    memmem::find(page.bytes(), format!("class=\"{MARK}\"").as_bytes()).is_some()
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
        Some((tag_spot(html, field, places)?, field.action.as_deref().map(str::to_owned)))
    };
    Some(FormSpots {
        action: form.action.clone().into_owned(),
        method: form.method,
        asks_for_secret: form.asks_for_secret(),
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
        let is_shifted = |at: &usize| shifted.iter().any(|range| range.contains(at));
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

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{GBK, UTF_8, WINDOWS_1252};
    use proptest::prelude::*;

    fn spots(html: &str) -> Option<PageSpots> {
        read(&Document::new(html.as_bytes(), Some("text/html; charset=utf-8")))
    }

    #[test]
    fn what_a_page_shows_begins_behind_its_head() {
        for (html, expected) in [
            ("<html><body>x", Some("<html><body>|x")),
            (
                "<html><head><title><body></title></head>\n<body class='a>b'>x",
                Some("<html><head><title><body></title></head>\n<body class='a>b'>|x"),
            ),
            ("<body>x", Some("<body>|x")),
            ("<!doctype html><title>a</title><p>x", Some("<!doctype html><title>a</title>|<p>x")),
            ("<!doctype html><!-- <body> --><p>x", Some("<!doctype html><!-- <body> -->|<p>x")),
            (
                "<html lang=en><title>a</title>\n<!-- b -->text",
                Some("<html lang=en><title>a</title>|\n<!-- b -->text"),
            ),
            (
                "<html><head><noscript><img src=x></noscript><script>'<body>'</script></head><BODY>x",
                Some("<html><head><noscript><img src=x></noscript><script>'<body>'</script></head><BODY>|x"),
            ),
            ("\u{feff}<html><body>x", Some("\u{feff}<html><body>|x")),
            // no pages
            ("<p>x", None),
            ("<title>a</title>x", None),
            ("x", None),
            ("", None),
            ("<!doctype html>x", None),
            ("<html><head><title>a</title>", None),
            ("<html><frameset cols=1,*><frame src=a></frameset>", None),
            ("<html><body", None),
            // it says so already
            ("<html><body><dialog class=\"katahai-notice\">x", None),
        ] {
            let marked = spots(html).map(|spots| {
                let (before, after) = html.split_at(usize::try_from(spots.body).unwrap());
                format!("{before}|{after}")
            });
            assert_eq!(marked.as_deref(), expected, "{html}");
        }
    }

    #[test]
    fn the_head_tells_language_base_and_policies() {
        let spots = spots(
            "<html class=a LANG=ja-JP><base href='/b/?a&amp;b'><meta http-equiv=content-security-policy \
             content=\"default-src 'self'\"><meta http-equiv=refresh content=5><body>x",
        );
        let spots = spots.unwrap();
        assert_eq!(spots.language.as_deref(), Some("ja"));
        assert_eq!(spots.base.as_deref(), Some("/b/?a&b"));
        assert_eq!(spots.policies, ["default-src 'self'"]);
    }

    #[test]
    fn a_page_without_a_language_is_known_by_its_characters() {
        let of = |html: &str| spots(html).unwrap().language;
        assert_eq!(of("<html><body>お茶の店").as_deref(), Some("ja"));
        assert_eq!(of("<html><body>茶").as_deref(), None);
        assert_eq!(of("<html lang=''><body>tea"), None);
        assert_eq!(of("<html lang=zh><body>の").as_deref(), Some("zh"));
    }

    const FORMS: &str = "<title>フォーム</title><body><p>ソ表申<form method=post action='/signup'><input type=hidden name=t>\
        <input name=name aria-describedby=hint> 名前<BUTTON class=a>送る</BUTTON><input type=submit formaction=https://b.example/ value=次></form>\
        <form action=/search><input name=q></form><form method=post><input type=password name=p><button type=button>x</button></form>";

    fn marked(encoding: &'static Encoding) -> Vec<String> {
        let (bytes, _, unmappable) = encoding.encode(FORMS);
        assert!(!unmappable);
        let content_type = format!("text/html; charset={}", encoding.name());
        let spots = read(&Document::new(&bytes, Some(&content_type))).unwrap();
        let behind = |at: u64| {
            let rest = &bytes[usize::try_from(at).unwrap()..];
            String::from_utf8_lossy(&rest[..rest.len().min(12)]).chars().filter(char::is_ascii).collect()
        };
        let mut all: Vec<String> = vec![behind(spots.body)];
        for form in &spots.forms {
            all.push(behind(form.inside));
            all.extend(form.field.iter().map(|field| format!("{} {}", behind(field.at), field.described_by)));
            all.extend(form.buttons.iter().map(|(tag, action)| format!("{} {action:?}", behind(tag.at))));
        }
        assert_eq!(
            spots.forms.iter().map(|form| form.asks_for_secret).collect::<Vec<_>>(),
            [false, false, true]
        );
        assert_eq!(spots.forms[0].action, "/signup");
        all
    }

    #[test]
    fn spots_are_the_same_in_every_encoding() {
        let expected = [
            "<p>",
            "<input type=",
            " name=name a",
            " class=a>",
            " type=submit",
            "<input name=",
            " name=q></fo",
            "<input type=",
            " type=passwo",
        ];
        for encoding in [UTF_8, SHIFT_JIS, EUC_JP, ISO_2022_JP, GBK] {
            let found = marked(encoding);
            assert_eq!(found.len(), expected.len(), "{}: {found:?}", encoding.name());
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.starts_with(expected), "{}: {found} for {expected}", encoding.name());
            }
            assert!(found[2].ends_with(" hint") && found[4].contains("https://b.example/"), "{found:?}");
        }
    }

    #[test]
    fn what_ascii_cannot_be_put_between_is_left_alone() {
        let utf16: Vec<u8> = "\u{feff}<html><body>x".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&Document::new(&utf16, None)), None);
        let latin = WINDOWS_1252.encode("<html lang=fr><body>café").0.into_owned();
        assert_eq!(read(&Document::new(&latin, None)).unwrap().body, 20);
        // bytes that are no characters
        let broken = b"<html><body>\xff\xfe<p>\xe3<b>";
        assert_eq!(read(&Document::new(broken, Some("text/html; charset=utf-8"))).unwrap().body, 12);
    }

    proptest! {
        #[test]
        fn any_page_is_read(html in "(<html>|<body>|<form method=post>|<button|<input |>|あ|<!--|x|'|=|</form>){0,30}") {
            for encoding in [UTF_8, SHIFT_JIS, ISO_2022_JP] {
                let (bytes, _, _) = encoding.encode(&html);
                let content_type = format!("text/html; charset={}", encoding.name());
                if let Some(spots) = read(&Document::new(&bytes, Some(&content_type))) {
                    prop_assert!(spots.body <= bytes.len() as u64);
                    for form in &spots.forms {
                        prop_assert!(bytes[usize::try_from(form.inside).unwrap() - 1] == b'>');
                    }
                }
            }
        }
    }
}
