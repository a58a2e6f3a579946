//! What comes into the tree, held to `deny.toml` by the packages' own metadata: licences, banned crates, one version of TLS and of
//! HTTP, nothing that nobody uses; and what comes into the binary, named in `NOTICE`.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, reason = "a test asks cargo")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Two of these in one binary would be two pools, two trust stores, or types that do not fit.
const ONCE: [&str; 9] =
    ["h2", "http", "http-body", "hyper", "hyper-util", "rustls", "rustls-webpki", "tokio", "tokio-rustls"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A package that is built, on whatever platform; the lock file also has some that never are.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    /// Where it is from, if not from the registry.
    from: String,
    licence: String,
}

/// What `cargo tree` prints of each package in `format`.
fn tree(target: &str, edges: &str, format: &str) -> String {
    let ask = |more: &[&str]| {
        Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--prefix", "none"])
            .args(["--target", target, "--edges", edges, "--format", format])
            .args(more)
            .current_dir(root())
            .output()
            .unwrap()
    };
    // what only other platforms need was perhaps never downloaded here
    let output =
        Some(ask(&["--offline"])).filter(|output| output.status.success()).unwrap_or_else(|| ask(&[]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // A package that has been printed with what it needs is marked when it comes again: printing all of that again takes minutes.
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned() + "\n")
        .collect()
}

fn packages() -> BTreeSet<Package> {
    let text = tree("all", "all", "{p}|{l}");
    let package = |line: &str| {
        let (package, licence) = line.split_once('|')?;
        let mut words = package.splitn(3, ' ').map(str::to_owned);
        let (name, version) = (words.next()?, words.next()?);
        let from = words.next().filter(|kind| kind != "(proc-macro)").unwrap_or_default();
        Some(Package { name, version, from, licence: licence.to_owned() })
    };
    let packages: BTreeSet<Package> = text.lines().filter_map(package).collect();
    assert!(packages.len() > 100, "{}", packages.len());
    packages
}

fn deny() -> toml::Table {
    std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap()
}

/// Whether an SPDX expression can be met by what is allowed. AND binds closer than OR; "/" is an old way to write OR.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    either(&mut words, allowed) && words.is_empty()
}

fn either(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> bool {
    let mut met = all(words, allowed);
    while words.last() == Some(&"OR") {
        words.pop();
        met |= all(words, allowed);
    }
    met
}

fn all(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, allowed);
    while words.last() == Some(&"AND") {
        words.pop();
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> bool {
    match words.pop() {
        Some("(") => either(words, allowed) & (words.pop() == Some(")")),
        Some(name) if words.last() == Some(&"WITH") => {
            words.pop();
            let exception = words.pop().unwrap_or_default();
            allowed.contains(&format!("{name} WITH {exception}"))
        }
        Some(name) => allowed.contains(name),
        None => false,
    }
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for (expression, may) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND (GPL-3.0 OR ISC)", true),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("(GPL-3.0 OR MIT) AND BSL-1.0", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("", false),
        ("MIT)", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), may, "{expression}");
    }
}

#[test]
fn every_licence_is_allowed() {
    let deny = deny();
    let allowed = deny["licenses"]["allow"].as_array().unwrap();
    let allowed = allowed.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    let odd: Vec<_> = packages()
        .into_iter()
        .filter(|package| !is_allowed(&package.licence, &allowed))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.licence))
        .collect();
    assert_eq!(odd, [""; 0], "licences that deny.toml does not allow");
}

#[test]
fn no_banned_crate_and_one_version_of_tls_and_http() {
    let deny = deny();
    let banned: BTreeSet<&str> =
        deny["bans"]["deny"].as_array().unwrap().iter().map(|ban| ban["name"].as_str().unwrap()).collect();
    let packages = packages();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &packages {
        let name = &*package.name;
        assert!(
            !banned.contains(name),
            "{name} is banned; \"cargo tree --target all -i {name}\" says who brings it"
        );
        versions.entry(name).or_default().push(&package.version);
    }
    for name in ONCE {
        assert_eq!(versions[name].len(), 1, "{name}: {:?}", versions[name]);
    }
    let foreign = packages.iter().filter(|package| package.name != "katahai" && !package.from.is_empty());
    let foreign: Vec<_> = foreign.map(|package| format!("{} {}", package.name, package.from)).collect();
    assert_eq!(foreign, [""; 0], "from somewhere else than the registry");
}

/// The head of `NOTICE`; the packages follow.
const NOTICE: &str = "\
Katahai
Copyright 2026 the Katahai developers

Licensed under the Apache License, Version 2.0 (see LICENSE).

The binary contains the packages below, each under the licence that its author names; its text stands in
the package's own source. Some bring what others made: aws-lc-sys brings AWS-LC (with code of OpenSSL and
BoringSSL), libmimalloc-sys brings mimalloc, zstd-sys brings Zstandard, webpki-roots the certificates of
Mozilla's root program, encoding_rs and htmlize the WHATWG's tables of encodings and entities.

";

/// A line for each package that is linked into the binary on Linux.
fn notice() -> String {
    let text = tree("x86_64-unknown-linux-gnu", "normal,no-proc-macro", "{p}|{l}|{r}");
    let line = |line: &str| {
        let mut parts = line.split('|');
        let (package, licence, source) = (parts.next()?, parts.next()?, parts.next()?);
        let name = package.split(' ').next()?;
        (name != "katahai").then(|| format!("{name}: {licence}, {source}").trim_end_matches(", ").to_owned())
    };
    let lines: BTreeSet<String> = text.lines().filter_map(line).collect();
    NOTICE.to_owned() + &lines.into_iter().collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn the_notice_names_what_the_binary_contains() {
    let (path, notice) = (root().join("NOTICE"), notice());
    for name in ["aws-lc-sys", "libmimalloc-sys", "zstd-sys", "webpki-roots", "encoding_rs", "htmlize"] {
        assert!(notice.contains(&format!("\n{name}: ")), "{name} is spoken of and not there");
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &notice).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, notice, "NOTICE is behind: UPDATE=1 cargo test --test dependencies writes it");
}

#[test]
fn every_dependency_is_used() {
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let code = |folders: &[&str]| {
        let mut text = String::new();
        let mut left: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(path.read_dir().unwrap().flatten().map(|entry| entry.path()));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
        text
    };
    let (product, everything) = (code(&["src"]), code(&["src", "tests"]));
    for (table, text) in [("dependencies", &product), ("dev-dependencies", &everything)] {
        for name in manifest[table].as_table().unwrap().keys() {
            let path = name.replace('-', "_");
            let is_used =
                ["::", ";", " as ", "!("].iter().any(|after| text.contains(&format!("{path}{after}")));
            assert!(is_used, "{name} stands in [{table}], and nothing uses it");
        }
    }
}
