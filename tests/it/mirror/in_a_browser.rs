//! The proof of the copy: a real browser opens pages while the site lives, and again when it is dead. It asks for the
//! same files, gets each of them as it did, and draws the same picture.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use encoding_rs::{EUC_JP, Encoding, ISO_2022_JP, SHIFT_JIS, UTF_8};

use crate::support::faults::Refuse;
use crate::support::nginx::{self, Nginx};
use crate::support::screen::{self, Shown, square};
use crate::support::{Config, Edge, Origin, Page, Site, eventually, secs, turn};

const HOST: &str = "www.example.test";
/// Any TrueType font will do: it must change the picture, so that its absence is seen.
const FONT: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf";

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/browser").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The page of a character encoding, in it.
fn encoded(name: &str, declaration: &str, encoding: &'static Encoding) -> Vec<u8> {
    let text = fixture("encoded.html").replace("@DECLARATION@", declaration).replace("@NAME@", name);
    // 🌸 stands in a query only, as a character reference: the encodings of old have none.
    let text = text.replace('🌸', "&#127800;");
    let (bytes, _, unmappable) = encoding.encode(&text);
    assert!(!unmappable, "{name}");
    bytes.into_owned()
}

fn utf16(text: &str) -> Vec<u8> {
    [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// Where the pages of the encodings are, and what each of them says about itself.
const ENCODED: [&str; 6] = ["/sjis/", "/euc/", "/jis/", "/utf16/", "/undeclared/", "/bom/"];

async fn site() -> Origin {
    let origin = Origin::start().await;
    let meta = |label: &str| format!("<meta charset=\"{label}\">");
    let pragma = "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=EUC-JP\">";
    let text = fixture("encoded.html").replace("@DECLARATION@", "").replace("@NAME@", "UTF-16");
    let bom = encoded("BOM", &meta("Shift_JIS"), UTF_8);
    let html = |body: Vec<u8>| Page::new("text/html", body);
    origin.page("/sjis/", html(encoded("Shift_JIS", &meta("Shift_JIS"), SHIFT_JIS)));
    origin.page("/euc/", html(encoded("EUC-JP", pragma, EUC_JP)));
    origin
        .page("/jis/", Page::new("text/html; charset=iso-2022-jp", encoded("ISO-2022-JP", "", ISO_2022_JP)));
    origin.page("/utf16/", html(utf16(&text)));
    origin.page("/undeclared/", html(encoded("Shift_JIS", "", SHIFT_JIS)));
    origin.page("/bom/", html([b"\xEF\xBB\xBF".to_vec(), bom].concat()));
    let sjis = |name: &str| SHIFT_JIS.encode(&fixture(name)).0.into_owned();
    origin.page("/old/", html(sjis("old.html")));
    origin.page("/old/frames.html", html(sjis("frames.html")));
    origin.page("/old/left.html", html(b"<body bgcolor=#ffeecc>left <img src=../img/left.png>".to_vec()));
    origin.page("/old/right.html", html(b"right".to_vec()));
    origin.page("/old/popup.html", html(b"popup".to_vec()));
    origin.page(
        "/xhtml/",
        Page::new("application/xhtml+xml", EUC_JP.encode(&fixture("page.xhtml")).0.into_owned()),
    );
    let early = "</css/early.css>; rel=preload; as=style";
    origin.page("/", Page::new("text/html", fixture("index.html")).header("link", early));
    origin.page("/css/early.css", Page::new("text/css", "/* early */"));
    origin
        .page("/fonts/harbour.ttf", Page::new("font/ttf", std::fs::read(FONT).expect("a font of Debian's")));
    origin.page("/favicon.ico", Page::new("image/png", square(b"/favicon.ico")));
    origin.page("/news/1", Page::html("<title>news</title>spring"));
    origin.page("/list?page=2&order=new", Page::html("<title>list</title>second"));
    origin.page("/files/spring.pdf", Page::new("application/pdf", "%PDF-1.4"));
    origin.make(|asked| {
        let path = asked.path();
        if path.ends_with(".png") {
            // As a server reads it: a percent sign that begins nothing stands for itself, and may be written so or so.
            let meant: Vec<u8> = percent_encoding::percent_decode_str(&asked.target).collect();
            return Some(Page::new("image/png", square(&meant)));
        }
        let kind = match path.rsplit_once('.')?.1 {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css",
            "js" => "text/javascript",
            "json" => "application/json",
            "svg" => "image/svg+xml",
            "xml" => "text/xml",
            "webmanifest" => "application/manifest+json",
            _ => return None,
        };
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/browser").join(&path[1..]);
        Some(Page::new(kind, std::fs::read(file).ok()?))
    });
    origin
}

/// A site whose answers are the origin's or a snapshot's, never the cache's, and whose requests are written down.
async fn edge(origin_url: &str, key_page: &str) -> Edge {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log").display().to_string();
    let site = Site::bare("site", HOST)
        .set("key_pages", [key_page])
        .set("health.interval", "200ms")
        .set("health.fall", 2)
        .set("failover.patience", "4s")
        .set("mirror.rate", "off")
        .set("notice.banner", "off");
    let config = Config::new(site.origin(origin_url)).route("/*", "off", "on").flag("--access-log", &log);
    Edge::start_in(dir, config).await
}

/// A line of the access log: address, status, and where the answer came from.
type Asked = (String, u16, String);

async fn asked(edge: &Edge, mark: &str) -> Vec<Asked> {
    // The log is written in the order in which requests end: what stands before the mark is all that there was.
    edge.get(mark).await;
    let file = edge.dir().join("access.log");
    let lines = eventually("the mark in the log", secs(5), async || {
        let text = std::fs::read_to_string(&file).unwrap();
        text.contains(mark).then_some(text)
    })
    .await;
    let before = lines.lines().take_while(|line| !line.contains(mark));
    before.map(parsed).collect()
}

/// `time client site "GET host/target HTTP/1.1" status bytes time rung cause`
fn parsed(line: &str) -> Asked {
    let (_, rest) = line.split_once('"').expect("a request");
    let (request, rest) = rest.rsplit_once('"').expect("a request");
    let address = request.split(' ').nth(1).expect("an address");
    let mut fields = rest.split_whitespace();
    let status = fields.next().expect("a status").parse().expect("a status");
    let target = address.strip_prefix(HOST).expect("the site's host");
    (target.to_owned(), status, fields.nth(2).expect("a rung").to_owned())
}

/// Opens pages one after another; returns what was shown and asked for, page by page.
async fn visit(edge: &Edge, pages: &[&str], round: &str) -> Vec<(Shown, Vec<Asked>)> {
    let rule = format!("MAP {HOST} {}", edge.http());
    let mut seen = asked(edge, &format!("/mark-{round}-begin")).await.len() + 1;
    let mut visits = Vec::new();
    for (n, page) in pages.iter().enumerate() {
        let shown = screen::open(&format!("http://{HOST}{page}"), &rule).await;
        let all = asked(edge, &format!("/mark-{round}-{n}-")).await;
        // The browser asks for an icon of its own accord, if it still has the time.
        let pages = |asked: &&Asked| !asked.0.starts_with("/mark-") && asked.0 != "/favicon.ico";
        let new: Vec<Asked> = all.iter().skip(seen).filter(pages).cloned().collect();
        seen = all.len() + 1;
        visits.push((shown, new));
    }
    visits
}

fn set(asked: &[Asked]) -> BTreeSet<(&str, u16)> {
    asked.iter().map(|(target, status, _)| (target.as_str(), *status)).collect()
}

/// The same requests, the same statuses, the same document, the same picture.
fn must_be_alike(page: &str, live: &(Shown, Vec<Asked>), dead: &(Shown, Vec<Asked>)) {
    let (before, after) = (set(&live.1), set(&dead.1));
    let only = |a: &BTreeSet<(&str, u16)>, b: &BTreeSet<(&str, u16)>| {
        a.difference(b).map(|(target, status)| format!("{target} {status}")).collect::<Vec<_>>()
    };
    assert_eq!(only(&before, &after), [""; 0], "{page}: asked for while the site lived");
    assert_eq!(only(&after, &before), [""; 0], "{page}: asked for when it was dead");
    for (target, status, rung) in &live.1 {
        assert_eq!((*status, rung.as_str()), (200, "origin"), "{page}: {target}");
    }
    for (target, status, rung) in &dead.1 {
        assert_eq!((*status, rung.as_str()), (200, "snapshot"), "{page}: {target}");
    }
    assert_eq!(live.0.dom, dead.0.dom, "{page}");
    let ((width, height, before), (w, h, after)) = (&live.0.picture, &dead.0.picture);
    assert_eq!((width, height), (w, h), "{page}");
    let differing = before.iter().zip(after).filter(|(a, b)| a != b).count();
    assert_eq!(differing, 0, "{page}: {differing} of {} bytes of the picture differ", before.len());
    // A white picture would be like any other white picture.
    assert!(before.iter().any(|byte| *byte != before[0]), "{page}: nothing was drawn");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_finds_in_the_copy_what_it_found_on_the_site() {
    let _alone = turn::alone();
    let origin = site().await;
    let edge = edge(&origin.url(), "/").await;
    edge.until_snapshot().await;
    let mut pages = vec!["/", "/old/", "/old/frames.html", "/xhtml/", "/feed.xml", "/img/chart.svg"];
    pages.extend(ENCODED);
    let live = visit(&edge, &pages, "live").await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let dead = visit(&edge, &pages, "dead").await;
    for ((page, live), dead) in pages.iter().zip(&live).zip(&dead) {
        must_be_alike(page, live, dead);
        println!("{page}: {} requests", dead.1.len());
    }
    // What the scripts made of their data is there, so it was not the absence of everything that was alike.
    let (home, asked) = &dead[0];
    for text in ["珈琲", "紅茶", "いらっしゃいませ", "一・二・三", "本日開店"] {
        assert!(home.dom.contains(text), "{text} in {}", home.dom);
    }
    let asked = set(asked);
    for target in [
        "/css/more/deepest.css",
        "/fonts/harbour.ttf",
        "/img/property.png",
        "/img/set.png",
        "/img/picture.png",
        "/img/late-1.png",
        "/img/late-bg.png",
        "/img/lazy.png",
        "/img/poster.png",
        "/img/in-chart.png",
        "/img/srcdoc.png",
        "/img/logo.svg",
        "/img/dishes/coffee.png",
        "/img/dishes/tea.png",
        "/js/parts/words.js",
        "/data/worker.json",
        "/css/early.css",
    ] {
        assert!(asked.contains(&(target, 200)), "{target} in {asked:?}");
    }
    for (page, at) in ENCODED.iter().zip(6..) {
        assert!(dead[at].0.dom.contains("ようこそ"), "{page}");
        assert!(
            dead[at].1.iter().any(|(target, _, _)| target.starts_with("/%E7%B5%B5/%E8%8A%B1.png?")),
            "{page}"
        );
    }
    assert_eq!(origin.count("/img/commented-out.png") + origin.count("/data/commented-out.json"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_reads_the_copy_of_a_documentation_site() {
    const ROOT: &str = "/usr/share/doc/postgresql-doc-15/html";
    assert!(
        nginx::program().exists() && Path::new(ROOT).exists(),
        "nginx or postgresql-doc-15 is missing: run tests/run once, it installs what the tests need"
    );
    let _alone = turn::alone();
    let mut nginx = Nginx::folder(Path::new(ROOT));
    let edge = edge(&nginx.url(), "/index.html").await;
    eventually("the snapshot of the whole site", secs(240), async || edge.snapshot_id().await).await;
    let pages = [
        "/index.html",
        "/sql-select.html",
        "/wal-reliability.html",
        "/bookindex.html",
        "/functions-math.html",
    ];
    let live = visit(&edge, &pages, "live").await;
    nginx.kill();
    edge.until("down").await;
    let dead = visit(&edge, &pages, "dead").await;
    for ((page, live), dead) in pages.iter().zip(&live).zip(&dead) {
        must_be_alike(page, live, dead);
        println!("{page}: {} requests", dead.1.len());
    }
}
