//! Archives that others make, written here record by record: what a lost site comes back from.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::snapshot::Addresses;

/// A record, packed by itself.
fn record(kind: &str, url: &str, date: &str, more: &str, block: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    write!(out, "WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: {date}\r\n{more}Content-Length: {}\r\n\r\n", block.len()).unwrap();
    out.write_all(block).unwrap();
    out.write_all(b"\r\n\r\n").unwrap();
    out.finish().unwrap()
}

fn page(url: &str, date: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    record(
        "response",
        url,
        date,
        "",
        &[format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{fields}\r\n").as_bytes(), body].concat(),
    )
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut e = GzEncoder::new(Vec::new(), Compression::default());
    e.write_all(plain).unwrap();
    e.finish().unwrap()
}

const OLD: &str = "2019-05-01T10:00:00Z";
const NEW: &str = "2021-05-01T10:00:00Z";

/// What the Internet Archive has of a site: both schemes, both names, several captures, codings, revisits, strangers.
fn archive() -> Vec<u8> {
    let chunked = |body: &[u8]| [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
    let response = |url: &str, status: &str, fields: &str| {
        record("response", url, NEW, "", format!("HTTP/1.1 {status}\r\n{fields}\r\n").as_bytes())
    };
    let revisit = |url: &str, more: &str, head: &str| {
        record(
            "revisit",
            url,
            NEW,
            &format!(
                "WARC-Profile: http://netpreserve.org/warc/1.0/revisit/identical-payload-digest\r\n{more}"
            ),
            head.as_bytes(),
        )
    };
    let digest = "WARC-Payload-Digest: sha1:ABCDEFGHIJKLMNOPQRSTUVWXYZ234567\r\n";
    [
        record("warcinfo", "", NEW, "", b"software: x\r\n"),
        record("request", "http://shop.example/", NEW, "", b"GET / HTTP/1.1\r\n\r\n"),
        record("metadata", "http://shop.example/", NEW, "", b"via: x\r\n"),
        page("http://www.shop.example:80/", OLD, "", b"old home"),
        page("https://shop.example/", NEW, "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\nETag: \"packed\"\r\n", &chunked(&gzip(b"new home"))),
        // a newer trouble and a newer redirect to itself do not replace what is good
        response("http://shop.example/", "503 Sorry", ""),
        response("http://shop.example/", "301 Moved", "Location: https://www.shop.example/\r\n"),
        page("http://shop.example/about?utm_source=x&p=1", OLD, "Set-Cookie: id=1\r\nServer: x\r\nContent-Language: ja\r\n", b"about"),
        page("http://shop.example/account", OLD, "Cache-Control: private\r\n", b"secret"),
        page("http://shop.example/future", "2025-01-01T00:00:00Z", "", b"later"),
        response("http://shop.example/moved", "302 Found", "Location: http://shop.example/about\r\n"),
        response("http://shop.example/gone", "404 Not Found", ""),
        record("response", "http://shop.example/same", OLD, digest, b"HTTP/1.1 200 OK\r\nContent-Type: text/css\r\n\r\nthe same"),
        revisit("http://shop.example/again", digest, "HTTP/1.1 200 OK\r\nContent-Type: text/css; x=2\r\n\r\n"),
        revisit("http://shop.example/nowhere", "WARC-Payload-Digest: sha1:Q\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
        revisit("http://shop.example/by-place", "WARC-Refers-To-Target-URI: http://shop.example/same\r\nWARC-Refers-To-Date: 2019-05-01T10:00:00Z\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
        record("resource", "http://shop.example/paper.pdf", OLD, "Content-Type: application/pdf\r\n", b"%PDF"),
        page("http://other.example/", NEW, "", b"stranger"),
        page("http://shop.example/cut", NEW, "Content-Encoding: gzip\r\n", &gzip(b"cut off")[..14]),
        record("response", "dns:shop.example", NEW, "", b"1.2.3.4"),
        record("response", "http://shop.example/half", NEW, "WARC-Truncated: length\r\n", b"HTTP/1.1 200 OK\r\n\r\nhal"),
    ]
    .concat()
}

#[test]
fn a_lost_site_comes_back_from_the_archive() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("item.warc.gz");
    write(&path, &archive());
    let wish = |ask: &mut Import<'_>| {
        ask.at = Some(at(1_700_000_000, 0));
        ask.ignore_query = vec!["utm_*".to_owned()];
    };
    let (done, snapshot) = imported(&dir.path().join("state"), &path, wish).unwrap();
    let site = content(&snapshot);
    let bodies: Vec<(&str, &str)> =
        site.iter().map(|(key, (_, body))| (&**key, std::str::from_utf8(body).unwrap())).collect();
    assert_eq!(
        bodies,
        [
            ("/", "new home"),
            ("/about?p=1", "about"),
            ("/again", "the same"),
            ("/by-place", "the same"),
            ("/moved", ""),
            ("/paper.pdf", "%PDF"),
            ("/same", "the same"),
        ]
    );
    let fields = |key: &str| {
        site[key].0.headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(fields("/"), ["content-type: text/html"], "no coding, and no tag of what was packed");
    assert_eq!(fields("/about?p=1"), ["content-type: text/html", "content-language: ja"], "nothing private");
    assert_eq!(fields("/again"), ["content-type: text/css; x=2"], "a revisit has fields of its own");
    assert_eq!(site["/"].0.taken_at, at(1_619_863_200, 0));
    assert_eq!((site["/moved"].0.class, site["/paper.pdf"].0.class), (Class::Redirect, Class::Asset));
    let left: BTreeMap<&str, u64> = done.left_out.iter().map(|left| (left.reason, left.count)).collect();
    let expected = [
        ("broken", 2),
        ("later", 1),
        ("no-body", 1),
        ("not-found", 1),
        ("not-http", 1),
        ("older", 1),
        ("other-host", 1),
        ("private", 1),
        ("trouble", 1),
    ];
    assert_eq!(left, expected.into());
    assert_eq!(done.host, "shop.example");
}

#[test]
fn the_host_is_the_owners_word() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("item.warc.gz");
    write(&path, &archive());
    let (_, snapshot) =
        imported(&dir.path().join("a"), &path, |ask| ask.hosts = vec!["www.other.example".to_owned()])
            .unwrap();
    assert_eq!(content(&snapshot)["/"].1, b"stranger");
    let error = imported(&dir.path().join("b"), &path, |ask| ask.hosts = vec!["third.example".to_owned()])
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("third.example") && text.contains("shop.example (") && text.contains("--host"),
        "{text}"
    );
    assert_untouched(&dir.path().join("b"));
}

#[test]
fn a_plain_folder_becomes_a_site() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("www");
    write(
        &root.join("index.html"),
        "<meta charset=shift_jis><a href=about>a</a><a href='sub/index.html'>s</a>".as_bytes(),
    );
    write(&root.join("about.html"), b"<html>about");
    write(&root.join("plain.html"), b"<html>plain");
    write(&root.join("sub/index.html"), "<html>\u{3042}".as_bytes());
    write(&root.join("100%.txt"), b"all");
    write(&root.join("feed"), b"<?xml version='1.0'?><rss/>");
    std::os::unix::fs::symlink("/etc/passwd", root.join("passwd")).unwrap();
    let (done, snapshot) = imported(&dir.path().join("state"), &root, |_| {}).unwrap();
    let site = content(&snapshot);
    let kinds: Vec<(&str, &str)> =
        site.iter().map(|(key, (page, _))| (&**key, page.headers[0].1.to_str().unwrap())).collect();
    assert_eq!(
        kinds,
        [
            ("/", "text/html; charset=shift_jis"),
            ("/100%25.txt", "text/plain"),
            ("/about", "text/html"),
            ("/feed", "application/xml"),
            ("/plain.html", "text/html"),
            ("/sub/", "text/html; charset=utf-8"),
            ("/sub/index.html", "text/html; charset=utf-8"),
        ]
    );
    assert_eq!((done.left_out[0].reason, done.left_out[0].count), ("special", 1));
}

#[test]
fn a_mirror_has_a_folder_for_each_host() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("mirror");
    write(
        &root.join("www.shop.example/index.html"),
        b"<a href='/p?x=1'>1</a><a href=/a>2</a><a href='/list/?page=2'>3</a>",
    );
    write(&root.join("www.shop.example/p?x=1.html"), b"<html>query");
    write(&root.join("www.shop.example/a.html"), b"<html>converted");
    write(&root.join("www.shop.example/a.html.orig"), b"<html>original");
    write(&root.join("www.shop.example/list/index.html?page=2"), b"<html>second");
    write(&root.join("www.shop.example/%81x.txt"), b"octet");
    write(&root.join("www.shop.example/old.php.html"), b"<html>php");
    write(&root.join("cdn.example/x.js"), b"x()");
    let (done, snapshot) = imported(&dir.path().join("state"), &root, |_| {}).unwrap();
    let site = content(&snapshot);
    let keys: Vec<&str> = site.keys().map(|key| &**key).collect();
    assert_eq!(keys, ["/", "/%81x.txt", "/a", "/list/?page=2", "/old.php", "/p?x=1"]);
    assert_eq!(site["/a"].1, b"<html>original");
    assert_eq!((done.kind, &*done.host, done.remarks.len()), ("mirror", "www.shop.example", 1));
    assert_eq!((done.left_out[0].reason, &*done.left_out[0].examples[0]), ("other-host", "cdn.example/x.js"));
}

/// What an import of these pages teaches about the site's addresses.
fn learned(pages: &[(&str, &str)]) -> Addresses {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "shop").unwrap();
    let pages = pages.iter().map(|(key, body)| draft(key, 200, "text/html", Some(body.as_bytes())));
    published(&store, pages.collect());
    let (folder, state) = (dir.path().join("export"), dir.path().join("state"));
    exported(&store, &folder, false).unwrap();
    let (done, _) = imported(&state, &folder, |_| {}).unwrap();
    let store = Store::open(&state, "shop").unwrap();
    Addresses::read(store.addresses(&done.snapshot))
}

#[test]
fn an_import_knows_short_links_and_which_queries_matter() {
    let home =
        "<title>Home</title><form><input name=s></form><a href='https://www.example.com/list?page=2'>2</a>";
    let post = "<title>Post</title><link rel=shortlink href='/?p=7'><p>a post";
    let told =
        learned(&[("/", home), ("/post", post), ("/post?ref=mail", post), ("/list?page=2", "<p>second")]);
    let ignored =
        ["/?s=tea", "/list?page=3", "/?p=8", "/post?print=1", "/?ref=x"].map(|key| told.may_ignore(key));
    assert_eq!((told.alias("/?p=7"), ignored), (Some("/post"), [false, false, false, true, true]));
    let heeds = learned(&[("/", home), ("/post", post), ("/post?ref=mail", "<p>another")]);
    assert!(!heeds.may_ignore("/post?print=1") && heeds.alias("/?p=7") == Some("/post"));
    assert!(!learned(&[("/", home), ("/post", post)]).may_ignore("/post?print=1"), "nobody can tell");
    assert!(
        learned(&[("/", "<a href=/a>a</a>"), ("/a", "<p>a")]).may_ignore("/a?print=1"),
        "it has only paths"
    );
}
