//! The spots are the same in every encoding, and none where nothing can be said.

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
        ("<html><body><dialog open class=\"katahai-notice\">x", None),
        ("<html><head></head>\n<body class=a><dialog open class=\"katahai-notice\" lang=en>x", None),
        ("<!doctype html><title>a</title><dialog open class=\"katahai-notice\" lang=en>x", None),
        // one of its visitors does
        (
            "<html><body><p><dialog open class=\"katahai-notice\">x",
            Some("<html><body>|<p><dialog open class=\"katahai-notice\">x"),
        ),
        // a script takes it over
        ("<html><body><div id=__next></body></html>", Some("<html><body><div id=__next>|</body></html>")),
        ("<html><body><div data-reactroot></BODY>", Some("<html><body><div data-reactroot>|</BODY>")),
        ("<html><body><div data-reactroot>", None),
        ("<html><body>__NUXT__<dialog open class=\"katahai-notice\" lang=en>x</dialog></body>", None),
        (
            "<html><body>__NUXT__<dialog open class=\"katahai-notice\">x</dialog><p></body>",
            Some("<html><body>__NUXT__<dialog open class=\"katahai-notice\">x</dialog><p>|</body>"),
        ),
    ] {
        let marked = spots(html).map(|spots| {
            let (before, after) = html.split_at(usize::try_from(spots.banner).unwrap());
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
    let mut all: Vec<String> = vec![behind(spots.banner)];
    for form in &spots.forms {
        all.push(behind(form.inside));
        all.extend(form.field.iter().map(|field| format!("{} {}", behind(field.at), field.described_by)));
        all.extend(form.buttons.iter().map(|b| format!("{} {:?}", behind(b.tag.at), b.action)));
    }
    assert_eq!(spots.forms.iter().map(|form| form.has_secret).collect::<Vec<_>>(), [false, false, true]);
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
fn a_page_that_a_script_takes_over_is_not_edited_within() {
    let page = format!("{FORMS}<script>self.__next_f=[]</script></body>");
    let spots = spots(&page).unwrap();
    assert!(spots.is_taken_over && spots.forms.is_empty());
    assert_eq!(usize::try_from(spots.banner).unwrap(), page.find("</body>").unwrap());
}

#[test]
fn buttons_say_how_and_whereto_they_send() {
    let spots = spots(
        "<body><form><button formmethod=post formaction=/a>x</button><input type=submit formmethod=DIALOG><button>y</button></form>",
    );
    let buttons = spots.unwrap().forms.swap_remove(0).buttons;
    let said: Vec<_> = buttons.iter().map(|button| (button.action.as_deref(), button.method)).collect();
    let expected = [(Some("/a"), Some(FormMethod::Post)), (None, Some(FormMethod::Dialog)), (None, None)];
    assert_eq!(said, expected);
}

#[test]
fn a_long_page_with_many_shifts_is_read_in_one_walk() {
    // In time that grows with the square of its length this would take minutes.
    let line = "<p>\u{4e00}</p>\n";
    let page = format!("<html><body>{}", line.repeat((2 << 20) / line.len()));
    let (bytes, _, _) = ISO_2022_JP.encode(&page);
    assert!(bytes.len() > 2 << 20);
    let spots = read(&Document::new(&bytes, Some("text/html; charset=iso-2022-jp"))).unwrap();
    assert_eq!(spots.banner, 12);
}

#[test]
fn what_ascii_cannot_be_put_between_is_left_alone() {
    let utf16: Vec<u8> = "\u{feff}<html><body>x".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(&Document::new(&utf16, None)), None);
    let latin = WINDOWS_1252.encode("<html lang=fr><body>café").0.into_owned();
    assert_eq!(read(&Document::new(&latin, None)).unwrap().banner, 20);
    // bytes that are no characters
    let broken = b"<html><body>\xff\xfe<p>\xe3<b>";
    assert_eq!(read(&Document::new(broken, Some("text/html; charset=utf-8"))).unwrap().banner, 12);
}

proptest! {
    #[test]
    fn any_page_is_read(html in "(<html>|<body>|<form method=post>|<button|<input |>|あ|<!--|x|'|=|</form>){0,30}") {
        for encoding in [UTF_8, SHIFT_JIS, ISO_2022_JP] {
            let (bytes, _, _) = encoding.encode(&html);
            let content_type = format!("text/html; charset={}", encoding.name());
            if let Some(spots) = read(&Document::new(&bytes, Some(&content_type))) {
                prop_assert!(spots.banner <= bytes.len() as u64);
                for form in &spots.forms {
                    prop_assert!(bytes[usize::try_from(form.inside).unwrap() - 1] == b'>');
                }
            }
        }
    }
}
