//! The shop that most tests stand before: a small site with the awkward cases. What it says carries a version, so
//! that a test can tell yesterday's page from today's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::origin::Origin;
use super::page::Page;

/// A page that tests open while the site lives.
pub const SEEN: &str = "/about";
/// A page that nobody opens before the outage.
pub const UNOPENED: &str = "/events?page=1&sort=date";
/// An asset.
pub const ASSET: &str = "/style.css";
/// The sign-up page.
pub const SIGNUP: &str = "/signup";
/// The four that every failure is tried on.
pub const FOUR: [&str; 4] = [SEEN, UNOPENED, ASSET, SIGNUP];

/// Everything that a snapshot of the shop must hold, by its address in normal form.
pub const MIRRORED: [&str; 18] = [
    "/",
    "/about",
    "/events?page=1&sort=date",
    "/events?page=2&sort=date",
    "/signup",
    "/caf%C3%A9",
    "/%E3%82%AB%E3%83%95%E3%82%A7",
    "/long",
    "/only-in-the-sitemap",
    "/files/menu.pdf",
    "/style.css",
    "/deep.css",
    "/app.js",
    "/img/logo.svg",
    "/img/photo.png",
    "/img/photo@2x.png?v=1,2",
    "/img/paper.png",
    "/fonts/harbour.woff2",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/site")
}

fn file(name: &str, version: u32) -> String {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.replace("@VERSION@", &version.to_string())
}

/// Bytes that look like nothing in particular, the same for the same seed.
pub fn noise(len: usize, seed: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..len).map(|_| random.u8(..)).collect::<Vec<u8>>().into()
}

/// A page of HTML of about this size.
pub fn long_page(title: &str, len: usize) -> String {
    let mut text = format!("<!doctype html><html lang=\"en\"><title>{title}</title>\n");
    let mut n = 0;
    while text.len() < len {
        n += 1;
        text.push_str(&format!("<p>Paragraph {n} of {title}: the tide comes in, the tide goes out.</p>\n"));
    }
    text
}

/// An origin with the shop on it.
pub async fn shop() -> Origin {
    let origin = Origin::start().await;
    stock(&origin, 1);
    origin
}

/// Puts this version of the shop on an origin.
pub fn stock(origin: &Origin, version: u32) {
    for (target, page) in pages(version) {
        origin.page(&target, page);
    }
}

/// This version of the shop, by address.
pub fn pages(version: u32) -> HashMap<String, Page> {
    let mut pages = HashMap::new();
    let mut put = |target: &str, page: Page| pages.insert(target.to_owned(), page);
    for (target, name) in [
        ("/", "index.html"),
        ("/about", "about.html"),
        ("/events?page=1&sort=date", "events.html"),
        ("/events?page=2&sort=date", "events2.html"),
        ("/signup", "signup.html"),
        ("/caf%C3%A9", "cafe.html"),
        ("/caf%c3%a9", "cafe.html"),
    ] {
        put(target, Page::html(file(name, version)));
    }
    for (target, kind) in [
        ("/style.css", "text/css"),
        ("/deep.css", "text/css"),
        ("/app.js", "text/javascript"),
        ("/img/logo.svg", "image/svg+xml"),
        ("/robots.txt", "text/plain"),
        ("/sitemap.xml", "application/xml"),
    ] {
        put(target, Page::new(kind, file(&target[1..], version)));
    }
    let seed = u64::from(version) * 100;
    put("/img/photo.png", Page::new("image/png", noise(20_000, seed + 1)));
    put("/img/photo@2x.png?v=1,2", Page::new("image/png", noise(40_000, seed + 2)));
    put("/img/paper.png", Page::new("image/png", noise(3_000, seed + 3)));
    put("/fonts/harbour.woff2", Page::new("font/woff2", noise(30_000, seed + 4)));
    put("/files/menu.pdf", Page::new("application/pdf", noise(100_000, seed + 5)));
    put("/%E3%82%AB%E3%83%95%E3%82%A7", Page::html(format!("<title>カフェ · version {version}</title>")));
    let long = long_page(&format!("version {version}"), 200 << 10);
    let tag = format!("\"long-{version}\"");
    put("/long", Page::html(long).header("etag", &tag).header("accept-ranges", "bytes"));
    put("/only-in-the-sitemap", Page::html(format!("<title>version {version}</title>found")));
    put("/old", Page::redirect(301, "/about"));
    put("/members/list", Page::html("<title>Members</title>Mrs Sato, Mr Abe"));
    put("/cart", Page::html("<title>Cart</title>two cups").header("cache-control", "private"));
    put(
        "/hello",
        Page::html("<title>Hello</title>Hello, Mr Abe").header("set-cookie", "logged_in=abe; HttpOnly"),
    );
    pages
}

/// All files below a folder.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}
