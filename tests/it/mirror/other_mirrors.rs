//! Mirrors made by wget and HTTrack of a living site come in as that site.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::mirror::portable::{content, must, snapshot};
use crate::support::nginx::Nginx;

/// A site on a disk, with the addresses that it is served by.
fn site(root: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    let noise = crate::support::fixture::noise(30_000, 9).to_vec();
    let home = "<!doctype html><meta charset=utf-8><title>花</title><link rel=stylesheet href=/s.css>\
                <a href=/about>a</a><a href='/list/?page=2'>2</a><a href='/item?id=1'>1</a><a href='/item?id=2'>2</a>\
                <a href=/sub/>s</a><a href=/old>o</a><img src=/img/x.png><a href=/menu.pdf>m</a><a href=plain.html>p</a>";
    let pages = [
        ("/", "index.html", home.as_bytes().to_vec()),
        ("/about", "about", b"<!doctype html><title>About</title>about <a href=/>home</a>".to_vec()),
        ("/plain.html", "plain.html", b"<!doctype html><title>Plain</title>plain".to_vec()),
        ("/list/?page=2", "list/index.html", b"<!doctype html><title>List</title>list".to_vec()),
        ("/item?id=1", "item", b"<!doctype html><title>Item</title>item".to_vec()),
        ("/item?id=2", "item", b"<!doctype html><title>Item</title>item".to_vec()),
        ("/sub/", "sub/index.html", b"<!doctype html><title>Sub</title>sub".to_vec()),
        ("/s.css", "s.css", b"body { background: url(/img/bg.png) }".to_vec()),
        ("/img/bg.png", "img/bg.png", noise[..9000].to_vec()),
        ("/img/x.png", "img/x.png", noise.clone()),
        ("/menu.pdf", "menu.pdf", [b"%PDF-1.4\n", &noise[..]].concat()),
    ];
    for (_, file, bytes) in &pages {
        std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        std::fs::write(root.join(file), bytes).unwrap();
    }
    pages.into_iter().map(|(key, _, bytes)| (key, bytes)).collect()
}

fn serve(root: &Path) -> Nginx {
    let server = "index index.html;\n default_type \"text/html; charset=utf-8\";\n location = /old { return 301 /sub/; }";
    Nginx::with(&format!("root {};\n {server}", root.display()))
}

/// Takes in a mirror and compares: nothing of the site is missing, nothing is another.
async fn comes_back(dir: &Path, mirror: &str, pages: &BTreeMap<&'static str, Vec<u8>>) {
    let said = snapshot(dir, &["import", mirror, "--publish"]).await.must_be_ok();
    let found = content(&dir.join("state"));
    for (key, body) in pages {
        let (page, stored) = found
            .get(*key)
            .unwrap_or_else(|| panic!("{mirror}: {key} is missing: {:?}\n{}", found.keys(), said.out));
        assert!(stored == body, "{mirror}: {key} is another: {}", String::from_utf8_lossy(stored));
        let kind = page
            .headers
            .iter()
            .find(|(name, _)| name == "content-type")
            .map(|(_, v)| v.to_str().unwrap())
            .unwrap();
        let expected = match key.rsplit('.').next().unwrap() {
            "png" => "image/png",
            "css" => "text/css",
            "pdf" => "application/pdf",
            _ => "text/html",
        };
        assert!(kind.starts_with(expected), "{mirror}: {key} is {kind}");
    }
}

#[tokio::test]
async fn a_mirror_by_wget_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let pages = site(&dir.path().join("www"));
    let nginx = serve(&dir.path().join("www"));
    for (name, options) in [("plain", &[][..]), ("extended", &["-E"]), ("converted", &["-E", "-k", "-K"])] {
        let mut wget = Command::new("wget");
        wget.current_dir(dir.path()).args(["-q", "--mirror", "--page-requisites", "-P", name]).args(options);
        must(wget, &[&nginx.url()]).await;
        comes_back(dir.path(), name, &pages).await;
        // the same, packed by hand
        let packed = format!("{name}.tar.gz");
        must(
            Command::new("tar"),
            &[
                "-C",
                dir.path().join(name).to_str().unwrap(),
                "-czf",
                dir.path().join(&packed).to_str().unwrap(),
                ".",
            ],
        )
        .await;
        comes_back(dir.path(), &packed, &pages).await;
    }
}

#[tokio::test]
async fn a_mirror_by_httrack_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let pages = site(&dir.path().join("www"));
    let nginx = serve(&dir.path().join("www"));
    let mut httrack = Command::new("httrack");
    // its rate limits would make this test last
    httrack.current_dir(dir.path()).args([
        "-O",
        "mirror",
        "-q",
        "-s0",
        "--disable-security-limits",
        "-A100000000",
        "-%c100",
        "-c4",
    ]);
    must(httrack, &[&nginx.url()]).await;
    comes_back(dir.path(), "mirror", &pages).await;
    let found = content(&dir.path().join("state"));
    let moved = &found["/old"].0;
    assert_eq!(moved.status, 301);
    assert!(
        moved
            .headers
            .iter()
            .any(|(name, value)| name == "location" && value.to_str().unwrap().ends_with("/sub/"))
    );
    must(
        Command::new("tar"),
        &[
            "-C",
            dir.path().join("mirror").to_str().unwrap(),
            "-cf",
            dir.path().join("m.tar").to_str().unwrap(),
            ".",
        ],
    )
    .await;
    comes_back(dir.path(), "m.tar", &pages).await;
}
