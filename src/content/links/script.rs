//! What a script leads to, as far as it stands there in plain words.
//!
//! A script is not run, so this is a reader of habits. Some name an address for certain: `import "./x.js"`,
//! `fetch("/data/x.json")`, `new Worker("w.js")`. Besides, a text that looks like the path of a file, with the ending
//! of one, is a [`Need::Guess`]. A text that is glued to another by `+` is part of an address, and is left alone.
//!
//! Relative addresses mean different things: modules are found from the script, everything else from the page.

use super::js_tokens::{Token, Tokens, unescaped};
use super::{Link, Need};

/// Addresses of one script. One with more is a list of something else.
const MAX_LINKS: usize = 1000;
/// Bytes of an address in a script.
const MAX_LENGTH: usize = 300;
/// Words that are looked at before and after a text.
const AROUND: usize = 7;

/// Where a script stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In a page, between tags or in an attribute: the page is its surroundings.
    Inline,
    /// In a file of its own, which many pages may use.
    File,
    /// It is none, but data that scripts read.
    Data,
}

/// What a script leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptLinks {
    /// To be resolved against the page's address.
    pub from_page: Vec<Link>,
    /// To be resolved against the script's own address.
    pub from_script: Vec<Link>,
}

/// What one text is.
enum Meaning {
    Page(Need),
    Script(Need),
}

/// Reads a script.
pub fn read(text: &str, kind: Kind) -> ScriptLinks {
    let mut found = ScriptLinks::default();
    let mut tokens = Tokens::of(text);
    let mut window = [Token::End; 2 * AROUND + 1];
    for slot in &mut window[AROUND..] {
        *slot = tokens.next();
    }
    while window[AROUND] != Token::End && found.from_page.len() + found.from_script.len() < MAX_LINKS {
        if let Token::Text(raw) = window[AROUND] {
            look(raw, kind, &window, &mut found);
        }
        window.rotate_left(1);
        window[2 * AROUND] = tokens.next();
    }
    found
}

fn look(raw: &str, kind: Kind, window: &[Token<'_>; 2 * AROUND + 1], found: &mut ScriptLinks) {
    if raw.len() < 2 || raw.len() > MAX_LENGTH {
        return;
    }
    let text = unescaped(raw);
    let text = text.trim();
    if !is_address(text) {
        return;
    }
    let mut before = [Token::End; AROUND];
    before.copy_from_slice(&window[..AROUND]);
    before.reverse();
    let place = Surroundings { before: &before, after: &window[AROUND + 1..], kind };
    match place.meaning(text) {
        Some(Meaning::Page(need)) => found.from_page.push(Link::new(place.rooted(text), need)),
        Some(Meaning::Script(need)) => found.from_script.push(Link::new(text, need)),
        None => {}
    }
}

/// The words around a text, the nearest first.
struct Surroundings<'w> {
    before: &'w [Token<'w>],
    after: &'w [Token<'w>],
    kind: Kind,
}

impl Surroundings<'_> {
    fn meaning(&self, text: &str) -> Option<Meaning> {
        if self.kind == Kind::Data {
            return (!self.is_key()).then(|| guess(text, self.kind)).flatten();
        }
        if self.is_module() {
            // A bare name is a matter of the import map, which names its address itself.
            return (is_relative_or_rooted(text) || is_absolute(text))
                .then_some(Meaning::Script(Need::Requisite));
        }
        if self.is_part() || self.is_compared() || self.is_key() {
            return None;
        }
        let guessed = || guess(text, self.kind).or_else(|| self.beside(text));
        self.call(text).or_else(|| self.assigned(text)).unwrap_or_else(guessed)
    }

    /// `load(document, 'script', 'search.js')`: a script's file names another one that lies beside it, and hands it to a
    /// function of its own.
    fn beside(&self, text: &str) -> Option<Meaning> {
        let handed = matches!(self.before[0], Token::Sign(b',' | b'(')) && self.is_after(b')');
        let named = CODE.contains(&ending_of(text)) && !text.contains(['/', '?']);
        (self.kind == Kind::File && handed && named).then_some(Meaning::Script(Need::Guess))
    }

    /// Whether the words before it are these, the last one first.
    fn follows(&self, words: &[&str]) -> bool {
        words.iter().zip(self.before).all(|(word, token)| match token {
            Token::Name(name) => name == word,
            Token::Sign(sign) => word.as_bytes() == [*sign],
            Token::Text(text) => *word == "\"\"" && text.eq_ignore_ascii_case("get"),
            Token::Other | Token::End => false,
        })
    }

    fn name_before(&self, at: usize) -> &str {
        match self.before[at] {
            Token::Name(name) => name,
            Token::Sign(_) | Token::Text(_) | Token::Other | Token::End => "",
        }
    }

    fn is_after(&self, sign: u8) -> bool {
        self.after[0] == Token::Sign(sign)
    }

    /// `import "x"`, `import("x")`, `import a from "x"`, `export * from "x"`.
    fn is_module(&self) -> bool {
        let whole = !self.is_after(b'+');
        let named = || !matches!(self.before[1], Token::Sign(b'.' | b'(' | b',' | b'='));
        whole
            && (self.follows(&["import"]) && self.before[1] != Token::Sign(b'.')
                || self.follows(&["(", "import"]) && self.before[2] != Token::Sign(b'.')
                || self.follows(&["from"]) && named())
    }

    /// `"a" + "b"`, but not `__webpack_public_path__ + "static/x.svg"`, which bundlers write for every picture.
    fn is_part(&self) -> bool {
        self.is_after(b'+') || self.before[0] == Token::Sign(b'+') && !self.is_bundled()
    }

    fn is_bundled(&self) -> bool {
        self.follows(&["+", "p", "."])
    }

    /// What stands behind a bundler's public path is found from the root, where that path is not known.
    fn rooted(&self, text: &str) -> String {
        let root = if self.is_bundled() && !text.starts_with('/') { "/" } else { "" };
        format!("{root}{text}")
    }

    fn is_compared(&self) -> bool {
        const TESTS: [&str; 9] =
            ["indexOf", "includes", "startsWith", "endsWith", "match", "replace", "split", "test", "search"];
        self.follows(&["=", "="])
            || self.follows(&["=", "!"])
            || self.follows(&["case"])
            || self.is_after(b'=') && self.after[1] == Token::Sign(b'=')
            || self.before[0] == Token::Sign(b'(') && TESTS.contains(&self.name_before(1))
    }

    /// `{"x": …}`: bundles list their modules so.
    fn is_key(&self) -> bool {
        self.is_after(b':') && matches!(self.before[0], Token::Sign(b'{' | b','))
    }

    /// The argument of a function whose name says what it does with it. `Some(None)`: surely no address to be fetched.
    fn call(&self, text: &str) -> Option<Option<Meaning>> {
        if self.follows(&[",", "\"\"", "(", "open"]) {
            return Some(Some(Meaning::Page(if has_ending(text) { Need::Requisite } else { Need::Guess })));
        }
        if self.before[0] != Token::Sign(b'(') {
            return None;
        }
        let alone = self.is_after(b')');
        let of = self.before[2] == Token::Sign(b'.');
        let certain = Some(Some(Meaning::Page(Need::Requisite)));
        match self.name_before(1) {
            // a bundle's own names for its modules, and calls that change something
            "require"
            | "define"
            | "__webpack_require__"
            | "sendBeacon"
            | "WebSocket"
            | "EventSource"
            | "post" => Some(None),
            "importScripts" => Some(Some(Meaning::Script(Need::Requisite))),
            "Worker" | "SharedWorker" if self.name_before(2) == "new" => certain,
            "register" if of && self.name_before(3) == "serviceWorker" => certain,
            "URL" if self.name_before(2) == "new" => Some(self.url(text)),
            "getScript" | "Audio" | "addModule" => certain,
            "fetch" | "getJSON" if has_ending(text) => certain,
            // Without an ending it may be anything, and with options it may be a POST.
            "fetch" | "getJSON" if alone => Some(Some(Meaning::Page(Need::Guess))),
            "fetch" => Some(None),
            "get" | "ajax" | "load" | "json" | "csv" | "tsv" | "xml" | "html" | "text" if of => {
                match ending_of(text) {
                    "" => None,
                    "html" | "htm" => Some(Some(Meaning::Page(Need::Guess))),
                    // a program on the server, which may do anything
                    page if PAGES.contains(&page) => Some(None),
                    _ => certain,
                }
            }
            "assign" if of && self.name_before(3) == "location" => Some(self.navigation(text)),
            "open" => Some(self.navigation(text)),
            _ => None,
        }
    }

    /// `new URL("x", import.meta.url)` is found from the script, `new URL("x", location)` from the page.
    fn url(&self, text: &str) -> Option<Meaning> {
        let words = ["import", "meta", "url"].map(Token::Name);
        let [import, meta, url] = words;
        let dot = Token::Sign(b'.');
        if self.after.starts_with(&[Token::Sign(b','), import, dot, meta, dot, url]) {
            return Some(Meaning::Script(Need::Requisite));
        }
        has_ending(text).then_some(Meaning::Page(Need::Guess))
    }

    /// `location = "x"`, `location.href = "x"`, `image.src = "x"`.
    fn assigned(&self, text: &str) -> Option<Option<Meaning>> {
        if self.before[0] != Token::Sign(b'=') {
            return None;
        }
        match self.name_before(1) {
            "location" => Some(self.navigation(text)),
            "href" if self.name_before(3) == "location" => Some(self.navigation(text)),
            "src" | "poster" if self.before[2] == Token::Sign(b'.') && has_ending(text) => {
                Some(Some(Meaning::Page(Need::Guess)))
            }
            _ => None,
        }
    }

    /// A page that a click leads to, as far as a page's own script says so.
    fn navigation(&self, text: &str) -> Option<Meaning> {
        let plain = is_absolute(text) || is_relative_or_rooted(text) || is_page_ending(text);
        (plain && self.kind == Kind::Inline).then_some(Meaning::Page(Need::Link))
    }
}

/// Whether a text by itself looks like the path of one of the site's files.
fn guess(text: &str, kind: Kind) -> Option<Meaning> {
    let path = text.split(['?', '#']).next().unwrap_or(text);
    let rooted = is_absolute(text) || text.starts_with('/');
    let likely = match ending_of(path) {
        "" => false,
        // A page's script speaks of pages; a library's of anything.
        page if PAGES.contains(&page) => rooted && kind == Kind::Inline,
        code if CODE.contains(&code) => rooted,
        // `a_over.gif` is a picture beside the page; `data.json` may be anything.
        image if IMAGES.contains(&image) => rooted || path.contains('/') || kind == Kind::Inline,
        media if MEDIA.contains(&media) => rooted || path.contains('/'),
        _ => false,
    };
    (likely && !(kind == Kind::File && text.starts_with('.'))).then_some(Meaning::Page(Need::Guess))
}

/// Whether a text, in an attribute that nobody knows, looks like the path of one of the site's files.
pub fn looks_like_file(text: &str) -> bool {
    text.len() <= MAX_LENGTH && is_address(text) && guess(text, Kind::Inline).is_some()
}

/// Whether a key is that of a page, by its ending.
pub fn names_a_page(key: &str) -> bool {
    is_page_ending(key)
}

/// Whether a key may be a page's: it has no ending that says otherwise.
pub fn may_be_a_page(key: &str) -> bool {
    !has_ending(key) || is_page_ending(key)
}

/// What could be an address at all: one line of its characters, and no template of one.
fn is_address(text: &str) -> bool {
    let fits = |c: char| {
        c.is_ascii_alphanumeric() || !c.is_ascii() && !c.is_whitespace() || "/.-_~%?&=+@!:,;'#".contains(c)
    };
    text.len() >= 3
        && text.chars().all(fits)
        && text.contains(['/', '.'])
        && !text.starts_with(['?', '#', ':', ',', ';', '\'', '&', '=', '%', '!'])
        && (!text.contains(':') || is_absolute(text))
        && !text.contains("...")
        && text != "//"
}

fn is_absolute(text: &str) -> bool {
    let rest = ["https://", "http://", "//"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
    rest.is_some_and(|rest| {
        rest.split('/').next().is_some_and(|host| host.contains(['.', ':']) || host == "localhost")
    })
}

fn is_relative_or_rooted(text: &str) -> bool {
    ["./", "../", "/"].into_iter().any(|start| text.starts_with(start)) && !text.starts_with("//")
}

fn has_ending(text: &str) -> bool {
    !ending_of(text).is_empty()
}

fn is_page_ending(text: &str) -> bool {
    PAGES.contains(&ending_of(text))
}

/// The ending of an address's last step, if it is one that files of sites have; else empty.
pub fn ending_of(address: &str) -> &'static str {
    let path = address.split(['?', '#']).next().unwrap_or(address);
    let last = path.rsplit('/').next().unwrap_or(path);
    match last.rsplit_once('.') {
        Some((name, ending)) if !name.is_empty() && ending.len() <= 11 => known(ending),
        Some(_) | None => "",
    }
}

fn known(ending: &str) -> &'static str {
    let lists = [IMAGES, MEDIA, CODE, PAGES].into_iter().flatten();
    lists.copied().find(|known| known.eq_ignore_ascii_case(ending)).unwrap_or("")
}

const IMAGES: &[&str] =
    &["png", "jpg", "jpeg", "gif", "webp", "avif", "svg", "ico", "bmp", "cur", "jxl", "apng", "svgz"];
#[rustfmt::skip]
const MEDIA: &[&str] = &[
    "woff2", "woff", "ttf", "otf", "eot", "mp4", "webm", "ogv", "ogg", "oga", "opus", "mp3", "m4a", "m4v", "wav", "flac",
    "aac", "mov", "vtt", "srt", "m3u8", "json", "geojson", "topojson", "webmanifest", "csv", "tsv", "wasm", "pdf", "glb",
    "gltf", "hdr", "lottie", "swf", "css",
];
const CODE: &[&str] = &["js", "mjs", "xml", "txt", "xsl", "rss"];
/// Those of [`endings`](crate::content::endings) but "do" and "pl": `x.pl` in a script is a host of Poland's, `x.do` a call.
const PAGES: &[&str] =
    &["html", "htm", "xhtml", "shtml", "php", "php5", "phtml", "asp", "aspx", "jsp", "cgi", "cfm"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn endings_of_pages_are_known_as_such() {
        assert!(PAGES.iter().all(|ending| crate::content::endings::is_of_pages(ending)));
    }

    /// From the page, with `>` before it; from the script, with `.`; a guess has `?` behind it.
    fn found(script: &str, kind: Kind) -> Vec<String> {
        let read = read(script, kind);
        let show = |mark: &str, link: &Link| {
            let need = match link.need {
                Need::Requisite => "",
                Need::Guess => "?",
                Need::Link => "~",
                Need::Key | Need::Site => "!",
            };
            format!("{mark}{}{need}", link.url)
        };
        let page = read.from_page.iter().map(|link| show(">", link));
        page.chain(read.from_script.iter().map(|link| show("|", link))).collect()
    }

    #[test]
    fn what_is_certain_is_found() {
        for (script, expected) in [
            (
                "import './a.js'; import b from \"../b.js\"; import {c} from '/c.js'",
                &["|./a.js", "|../b.js", "|/c.js"][..],
            ),
            ("export * from './d.js'; export {e} from'./e.js'", &["|./d.js", "|./e.js"]),
            ("import x from 'vue'; import 'bare/x.js'", &[]),
            ("const m = await import('./lazy.js')", &["|./lazy.js"]),
            ("import(`./plain.js`)", &["|./plain.js"]),
            ("import('./' + name); import(`./${name}.js`)", &[]),
            ("import('./locale/' + name + '.js')", &[]),
            ("new URL('x.svg', import.meta.url)", &["|x.svg"]),
            ("fetch('/data/x.json').then(r => r.json())", &[">/data/x.json"]),
            ("fetch('data/x.json?v=1', {cache: 'no-store'})", &[">data/x.json?v=1"]),
            ("fetch('/api/items')", &[">/api/items?"]),
            ("fetch('/api/order', {method: 'POST'})", &[]),
            ("fetch('/api/' + id)", &[]),
            ("$.getJSON('/menu.json', f)", &[">/menu.json"]),
            ("axios.get('/api/a.json')", &[">/api/a.json"]),
            ("$('#x').load('/parts/header.html')", &[">/parts/header.html?"]),
            ("x.open('GET', '/x.xml'); x.open(\"POST\", \"/no\")", &[">/x.xml"]),
            ("new Worker('/w.js'); new SharedWorker('s.js')", &[">/w.js", ">s.js"]),
            ("importScripts('a.js'); importScripts('/b.js')", &["|a.js", "|/b.js"]),
            ("navigator.serviceWorker.register('/sw.js', {scope: '/'})", &[">/sw.js"]),
            ("d3.csv('data/points.csv')", &[">data/points.csv"]),
        ] {
            assert_eq!(found(script, Kind::File), expected, "{script}");
        }
    }

    #[test]
    fn what_looks_like_a_file_is_a_guess() {
        for (script, expected) in [
            ("var a = '/img/a.png'", &[">/img/a.png?"][..]),
            ("var a = 'https:\\/\\/example.jp\\/a.JPG?x=1'", &[">https://example.jp/a.JPG?x=1?"]),
            (
                "var a = ['img/a.webp', '//cdn.example.com/b.js']",
                &[">img/a.webp?", ">//cdn.example.com/b.js?"],
            ),
            ("e.exports = n.p + 'static/media/logo.6ce24c58.svg'", &[">/static/media/logo.6ce24c58.svg?"]),
            ("a ? '/x.png' : '/y.png'", &[">/x.png?", ">/y.png?"]),
            ("i.src = 'over.gif'", &[">over.gif?"]),
            ("l.setAttribute('href', '/theme.css')", &[">/theme.css?"]),
            ("add(doc, 'script', 'search.js'); var named = ['a.js', 'b.js']", &["|search.js?"]),
        ] {
            assert_eq!(found(script, Kind::File), expected, "{script}");
        }
    }

    #[test]
    fn a_pages_own_script_says_more() {
        for (script, expected) in [
            ("location.href='/menu.html'", &[">/menu.html~"][..]),
            ("location = 'next.php?p=2'", &[">next.php?p=2~"]),
            ("window.open('/map/popup.html', 'map', 'width=300')", &[">/map/popup.html~"]),
            ("MM_preloadImages('images/a_over.gif','b_over.gif')", &[">images/a_over.gif?", ">b_over.gif?"]),
            ("this.src='a_over.gif'", &[">a_over.gif?"]),
            ("var data = './data.json'", &[">./data.json?"]),
        ] {
            assert_eq!(found(script, Kind::Inline), expected, "{script}");
        }
        assert_eq!(found("location.href='/menu.html'", Kind::File), [""; 0]);
    }

    #[test]
    fn data_names_files_as_values() {
        let json = r#"{"/key.png": 1, "image": "/a.png", "list": ["img/b.jpg", "word", 7], "url": "https:\/\/x.example\/c.webp"}"#;
        assert_eq!(found(json, Kind::Data), [">/a.png?", ">img/b.jpg?", ">https://x.example/c.webp?"]);
    }

    #[test]
    fn what_is_no_address_is_left_alone() {
        for script in [
            "// fetch('/no.json')\n/* import './no.js' */",
            "/fetch('\\/no.json')/.test(x)",
            "'/a' + '/no.png'",
            "'/no.png' + x",
            "`/img/${name}.png`",
            "x + '/no.png'",
            "require('./no.js'); define(['./no']); n('./no.js'); __webpack_require__('./src/no.js')",
            "({'./src/no.js': function () {}, '/no.png': 1})",
            "if (x === '/no.png' || '/no.png' == x || x != '/no.css') {}",
            "x.endsWith('/no.png'); s.replace('/no.js', ''); switch (x) { case '/no.png': }",
            "'text/css', 'application/json', 'image/svg+xml'",
            "'jquery.min.js', 'data.json', 'Node.js', 'foo.bar', '1.2.3', 'e.g. x.png'",
            "'/path/:id.png', '/{id}.png', '*.png', '/^.png$/', '<img src=/no.png>'",
            "'.png', '/.png', '/png', 'a/b', '/a/b', './a', '../a'",
            "'#/no.png', '?no.png', 'mailto:a@b.jpg', 'javascript:x.png', 'C:/no.png'",
            "navigator.sendBeacon('/no.json'); new EventSource('/no.json'); axios.post('/no.json')",
            "Array.from('/no')",
            "'...no.png'",
            "/'no.png'/",
        ] {
            assert_eq!(found(script, Kind::File), [""; 0], "{script}");
        }
    }

    #[test]
    fn a_flood_is_bounded() {
        assert_eq!(read(&"fetch('/a.json');".repeat(MAX_LINKS + 5), Kind::File).from_page.len(), MAX_LINKS);
        assert_eq!(found(&format!("fetch('/{}.json')", "a".repeat(MAX_LENGTH)), Kind::File), [""; 0]);
    }

    proptest! {
        #[test]
        fn any_script_is_read(script in "(import|from|fetch|new URL|['\"`/.a-z(){}+,=: \n-])*", any in ".{0,100}") {
            for kind in [Kind::Inline, Kind::File, Kind::Data] {
                for link in read(&script, kind).from_page.into_iter().chain(read(&any, kind).from_script) {
                    prop_assert!(is_address(&link.url), "{}", link.url);
                }
            }
        }
    }
}
