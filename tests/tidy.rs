//! Rules about the tree that no compiler checks: the order of the modules, where things may stand, and that what is
//! written down in two places is the same in both.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files of the project, without what is built or taken from elsewhere.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                if !matches!(&*name, "target" | ".git" | "katahai-state") {
                    folders.push(entry.path());
                }
            } else if name != ".git" {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All Rust files below `folder`, by their path from the root.
fn rust(folder: &str) -> Vec<(String, String)> {
    let of = |path: PathBuf| (shown(&path), read(&path));
    let is_rust =
        |path: &PathBuf| path.starts_with(root().join(folder)) && path.extension().is_some_and(|e| e == "rs");
    files().into_iter().filter(is_rust).map(of).collect()
}

/// The product's own code: without unit tests (which stand last in a file) and without comments.
fn product() -> Vec<(String, String)> {
    let mut found = rust("src");
    found.retain(|(path, _)| !path.ends_with("/tests.rs"));
    for (_, text) in &mut found {
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        *text =
            code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    }
    found
}

#[track_caller]
fn none(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// The modules with their ranks, as `src/lib.rs` lists them.
fn ranks() -> BTreeMap<String, u32> {
    let mut ranks = BTreeMap::new();
    let mut rank = None;
    for line in read("src/lib.rs").lines() {
        if let Some(rest) = line.strip_prefix("// rank ") {
            rank = Some(rest.split(':').next().unwrap().parse().expect("a number"));
        } else if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            ranks.insert(name.to_owned(), rank.expect("a rank above the first module"));
        }
    }
    assert!(ranks.len() > 10, "{ranks:?}");
    ranks
}

/// `src/origin/pool.rs` belongs to `origin`.
fn module_of(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap();
    inside.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The modules of the crate's root that a text names by `crate::…`, also in groups, with the line of each.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let line = text[..at].matches('\n').count() + 1;
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = 0;
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth > 0 => depth -= 1,
                    ',' | '}' if depth == 0 => {
                        found.push((line, first_word(&group[start..i])));
                        start = i + 1;
                    }
                    _ => {}
                }
                if c == '}' && depth == 0 && start == i + 1 {
                    break;
                }
            }
        } else {
            found.push((line, first_word(rest)));
        }
    }
    found.retain(|(_, name)| !name.is_empty());
    found
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn a_module_uses_only_what_stands_above_it() {
    let ranks = ranks();
    let mut broken = Vec::new();
    for (path, text) in product().iter().filter(|(path, _)| path != "src/main.rs" && path != "src/lib.rs") {
        let own = module_of(path);
        let rank = ranks.get(own).unwrap_or_else(|| panic!("{path} is in no module of src/lib.rs"));
        for (_, used) in named(text) {
            let Some(other) = ranks.get(&used).filter(|_| used != own) else { continue };
            if other > rank {
                broken.push(format!("{path} (rank {rank}) uses {used} (rank {other})"));
            } else if other == rank && *rank == 3 {
                broken.push(format!("{path} uses {used}: the engines do not know each other"));
            }
        }
    }
    none("a module uses only what stands above it in src/lib.rs", broken);
}

#[test]
fn modules_have_no_cycles() {
    let ranks = ranks();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in product() {
        let own = module_of(&path).to_owned();
        let used = named(&text)
            .into_iter()
            .map(|(_, name)| name)
            .filter(|name| ranks.contains_key(name) && *name != own);
        uses.entry(own.clone()).or_default().extend(used.collect::<Vec<_>>());
    }
    // take away what uses nothing that is left, until nothing moves
    loop {
        let left: BTreeSet<String> = uses.keys().cloned().collect();
        let before = left.len();
        uses.retain(|_, used| used.iter().any(|name| left.contains(name)));
        if uses.len() == before {
            break;
        }
    }
    none(
        "modules that use each other in a circle",
        uses.into_iter().map(|(a, b)| format!("{a} -> {b:?}")).collect(),
    );
}

#[test]
fn nobody_climbs_to_the_root_without_saying_crate() {
    let ranks = ranks();
    let mut broken = Vec::new();
    for (path, text) in product() {
        // from src/a.rs and src/a/mod.rs one `super::` leads to the root, from src/a/b.rs two
        let depth = path.matches('/').count() - usize::from(path.ends_with("/mod.rs"));
        let climb = "super::".repeat(depth.max(1));
        let names = text.split(&climb).skip(1).map(first_word);
        broken.extend(
            names.filter(|name| ranks.contains_key(name)).map(|name| format!("{path}: {climb}{name}")),
        );
    }
    none("another module is named by `crate::`, so that the order can be checked", broken);
}

/// The parts of the crawler with the numbers of their rooms, as `src/crawl/mod.rs` lists them.
fn rooms(listing: &str) -> BTreeMap<String, u32> {
    let mut rooms = BTreeMap::new();
    let mut room = None;
    for line in listing.lines() {
        if let Some(rest) = line.strip_prefix("// room ") {
            room = Some(rest.split(':').next().unwrap().parse().expect("a number"));
        } else if line.is_empty() {
            room = None;
        } else if let (Some(room), Some(name)) = (room, line.split("mod ").nth(1)) {
            rooms.insert(name.trim_end_matches(';').to_owned(), room);
        }
    }
    rooms
}

/// The parts of the crawler that a file of it names: by `crate::crawl::…`, and by as many `super::` as lead there.
fn parts_named(path: &str, text: &str) -> BTreeSet<String> {
    let depth = path.matches('/').count() - usize::from(path.ends_with("/mod.rs"));
    let climb = format!(" {}", "super::".repeat(depth - 1));
    let by = |way: &str| text.split(way).skip(1).map(first_word).collect::<BTreeSet<_>>();
    &by("crate::crawl::") | &by(&climb)
}

#[test]
fn a_room_of_the_crawler_uses_only_what_stands_above_it() {
    let rooms = rooms(&read("src/crawl/mod.rs"));
    assert!(rooms.len() > 10, "{rooms:?}");
    let mut broken = Vec::new();
    for (path, text) in product().iter().filter(|(path, _)| path.starts_with("src/crawl/")) {
        let inside = path.strip_prefix("src/crawl/").unwrap();
        let own = inside.split('/').next().unwrap().trim_end_matches(".rs");
        let Some(room) = rooms.get(own) else { continue };
        for used in parts_named(path, text) {
            if rooms.get(&used).is_some_and(|other| other > room) {
                broken.push(format!("{path} (room {room}) uses {used} (room {})", rooms[&used]));
            }
        }
    }
    none("a room uses only what stands above it in src/crawl/mod.rs", broken);
}

/// The types that a file declares, for others or for itself.
fn declared(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let rest =
            if line.starts_with("pub") { line.split_once(' ').map_or("", |(_, rest)| rest) } else { line };
        let kinds = ["struct ", "enum ", "trait ", "type ", "union "];
        found.extend(kinds.iter().find_map(|kind| rest.strip_prefix(kind)).map(first_word));
    }
    found
}

#[test]
fn a_name_of_a_type_is_given_once_in_a_room() {
    let mut rooms: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (path, text) in product().iter().filter(|(path, _)| !path.contains("test")) {
        for name in declared(text) {
            rooms.entry((module_of(path).to_owned(), name)).or_default().push(path.clone());
        }
    }
    assert!(rooms.len() > 500, "{}", rooms.len());
    let twice: BTreeMap<String, Vec<String>> = rooms
        .into_iter()
        .filter(|(_, paths)| paths.len() > 1)
        .map(|((room, name), paths)| (format!("{room}::{name}"), paths))
        .collect();
    none(
        "a type name that another module of the same room has is taken",
        twice.iter().map(|(name, paths)| format!("{name}: {paths:?}")).collect(),
    );
}

#[test]
fn every_file_opens_with_what_it_is() {
    let all = rust("src").into_iter().chain(rust("tests"));
    let broken = all.filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    none("every Rust file opens with a `//!` line", broken);
}

#[test]
fn files_are_short() {
    let all = rust("src").into_iter().chain(rust("tests"));
    let long = all.map(|(path, text)| (path, text.lines().count())).filter(|(_, lines)| *lines > 500);
    none(
        "one idea a file, at most 500 lines",
        long.map(|(path, lines)| format!("{path}: {lines}")).collect(),
    );
}

#[test]
fn only_failover_makes_plans() {
    let mut broken = Vec::new();
    for (path, text) in product().iter().filter(|(path, _)| !path.starts_with("src/failover")) {
        for (n, line) in text.lines().enumerate() {
            let pattern = line.contains("=>")
                || line.contains("let Plan")
                || line.contains("matches!")
                || line.contains("| Plan");
            let made = line.contains("Plan::") || line.contains("Plan {");
            if made && !pattern && !line.trim_start().starts_with("use ") {
                broken.push(format!("{path}: {} ({n})", line.trim()));
            }
        }
    }
    none("a plan is made by failover::decide alone", broken);
}

#[test]
fn header_maps_are_not_written_out() {
    let marks =
        ["?headers", "headers:?}", "headers(), ", "?request", "?response", "request:?}", "response:?}"];
    let mut broken = Vec::new();
    for (path, text) in product() {
        for line in text.lines() {
            let logged =
                ["tracing::", "format!(", "write!(", "writeln!("].iter().any(|call| line.contains(call));
            if logged && marks.iter().any(|mark| line.contains(mark)) {
                broken.push(format!("{path}: {}", line.trim()));
            }
        }
    }
    none("header fields may hold secrets: log them by the view in http/headers", broken);
}

#[test]
fn every_metric_is_explained() {
    let source = read("src/metrics.rs");
    let names: BTreeSet<&str> =
        source.split('"').filter(|text| text.starts_with("katahai_") && !text.contains(['{', ' '])).collect();
    assert!(names.len() > 5, "{names:?}");
    let written = read("docs/metrics.md");
    let missing =
        names.iter().filter(|name| !written.contains(&format!("`{name}`"))).map(|name| (*name).to_owned());
    none("metrics that docs/metrics.md does not explain", missing.collect());
    let told: BTreeSet<&str> = written.split('`').filter(|text| text.starts_with("katahai_")).collect();
    let gone = told
        .iter()
        .filter(|name| !names.contains(*name) && !name.contains(['{', '*']))
        .map(|n| (*n).to_owned());
    none("metrics that a page explains and nobody counts", gone.collect());
}

/// The documents, by their paths.
fn documents() -> Vec<(String, String)> {
    let folders = ["", "docs", "certs", "deploy"];
    let files = folders.iter().flat_map(|folder| root().join(folder).read_dir().unwrap().flatten());
    let pages = files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "md"));
    pages.map(|path| (shown(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

/// The lines of a document that are not in a fenced block.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The name by which a heading is linked to.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let mut broken = Vec::new();
    for (path, text) in documents() {
        let folder = root().join(&path).parent().unwrap().to_owned();
        let links =
            prose(&text).flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains(':')) {
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(&path) } else { folder.join(file) };
            let headings = || std::fs::read_to_string(&target).unwrap_or_default();
            let is_there = target.exists()
                && (fragment.is_empty()
                    || headings().lines().any(|line| {
                        line.starts_with('#') && anchor(line.trim_start_matches('#').trim()) == fragment
                    }));
            if !is_there {
                broken.push(format!("{path}: {link}"));
            }
        }
    }
    none("links that lead nowhere", broken);
}

#[test]
fn documents_are_wrapped_and_the_first_of_them_is_short() {
    let mut broken = Vec::new();
    for (path, text) in documents() {
        let wide = |line: &&str| line.chars().count() > 110 && !line.starts_with(['|', '#', '!']);
        broken.extend(prose(&text).filter(wide).map(|line| format!("{path}: {line}")));
    }
    none("lines of documents beyond 110 columns", broken);
    assert!(read("ARCHITECTURE.md").lines().count() <= 120, "details belong to docs/");
}

/// The keys of a file by their full names, those right behind a `#` included: with a blank between it is prose.
fn keys(text: &str) -> BTreeSet<String> {
    let mut table = String::new();
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let line = line.strip_prefix("#-").or(line.strip_prefix('#')).unwrap_or(line);
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_start_matches('[').split(']').next().unwrap_or_default();
            if !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '.' || c == '_') {
                table = name.to_owned();
            }
        } else if let Some((key, _)) = line.split_once('=') {
            let key = key.trim_end();
            if !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.') {
                found.insert(if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") });
            }
        }
    }
    found
}

#[test]
fn every_key_stands_in_the_example() {
    let example = keys(&read("deploy/katahai.toml"));
    let missing = katahai::config::known_keys().filter(|key| !example.contains(key));
    none("keys that deploy/katahai.toml does not show", missing.collect());
}

#[test]
fn marks_of_unfinished_work_do_not_land() {
    let marks =
        [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("FIX", "ME"), concat!("TO", "DO")];
    let ignored = concat!("#[ig", "nore");
    let mut broken = Vec::new();
    for (path, text) in rust("src").into_iter().chain(rust("tests")) {
        for mark in marks.iter().chain([&ignored]).filter(|mark| text.contains(**mark)) {
            broken.push(format!("{path}: {mark}"));
        }
    }
    none("what is not built is refused with a message; what fails is mended", broken);
}

#[test]
fn there_is_one_product_without_variants() {
    let broken =
        rust("src").into_iter().filter(|(_, text)| text.contains("cfg(feature")).map(|(path, _)| path);
    none("no feature flags in the product", broken.collect());
}

#[test]
fn no_file_names_somebodys_own_folder() {
    let words = [concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let mut broken = Vec::new();
    for path in files() {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for (n, line) in text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                broken.push(format!("{}:{}: {word}", shown(&path), n + 1));
            }
        }
    }
    none("what is written here works on every machine", broken);
}

#[test]
fn the_rules_see_what_they_look_for() {
    let text = "use crate::config::ready;\nuse crate::{clock, http::{Body, body}, tasks};\nfn f() { $crate::x!(); crate::disk::a() }";
    let names: Vec<String> = named(text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["config", "clock", "http", "tasks", "disk"]);
    let text = "pub(super) struct A {\npub enum B<T> {\nstruct C;\n    pub struct D;\npub(crate) type E = u8;\npub fn f() {";
    assert_eq!(declared(text), ["A", "B", "C", "E"]);
    let found = keys("a = 1\n# [p]\n[x]\n#b = 2\n#[[y.z]]\n#c = \"=\"\n# d = prose\n");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "x.b", "y.z.c"]);
    assert_eq!((module_of("src/disk.rs"), module_of("src/origin/pool.rs")), ("disk", "origin"));
    let listed =
        rooms("// room 0: a\npub mod gate;\n// room 1: b\nmod item;\npub(super) mod walk;\n\nmod tests;\n");
    assert_eq!(listed, [("gate".to_owned(), 0), ("item".to_owned(), 1), ("walk".to_owned(), 1)].into());
    let used = |path, text| parts_named(path, text).into_iter().collect::<Vec<_>>();
    assert_eq!(used("src/crawl/run.rs", "use super::gate;\n crate::crawl::walk::x()"), ["gate", "walk"]);
    assert_eq!(used("src/crawl/walk/mod.rs", "use super::fetch::End;"), ["fetch"]);
    assert_eq!(used("src/crawl/walk/record.rs", "use super::frontier;\nuse super::super::fetch;"), ["fetch"]);
}
