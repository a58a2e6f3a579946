//! Snapshots outside: nginx serves an exported folder as the site was, other tools read and replay the archives, and what
//! went out comes in again, while the proxy runs and while nothing does.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use http::{HeaderName, HeaderValue};
use katahai::clock;
use katahai::snapshot::{Class, Notes, Page, Store, Stored};
use serde_json::Value;

use crate::support::edge::command;
use crate::support::fixture::{self, MIRRORED};
use crate::support::nginx::{Nginx, free_port};
use crate::support::process::{self, Process, Said};
use crate::support::static_host::{Dialect, StaticHost};
use crate::support::{Client, Config, Edge, Origin, eventually, secs};

const HTML: &str = "text/html; charset=utf-8";
const FORMATS: [&str; 5] = ["site", "site.tar.gz", "site.warc", "site.warc.gz", "site.wacz"];

/// A tool that `tests/run` has installed.
pub fn tool(name: &str) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/archives/bin").join(name);
    assert!(
        path.exists(),
        "{} is missing: run tests/run once, it installs what the tests need",
        path.display()
    );
    Command::new(path)
}

pub async fn must(mut command: Command, args: &[&str]) -> Said {
    command.args(args);
    process::run(command, secs(120)).await.must_be_ok()
}

/// `katahai snapshot …` on a state directory.
pub async fn snapshot(dir: &Path, args: &[&str]) -> Said {
    let mut command = command(dir);
    command.arg("snapshot").args(args).args(["--state-dir", "state", "--site", "shop"]);
    process::run(command, secs(120)).await
}

/// All pages of the snapshot in service, with their bodies.
pub fn content(state: &Path) -> BTreeMap<String, (Page, Vec<u8>)> {
    let snapshot = Store::look(state, "shop").unwrap().current().expect("a snapshot in service");
    let body = |page: &Page| match snapshot.load(page).unwrap() {
        Stored::Whole(bytes) => bytes.to_vec(),
        Stored::File { mut file, .. } => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        }
    };
    let pages = snapshot.pages().map(|page| page.unwrap());
    pages.map(|page| (page.key.clone(), (page.clone(), body(&page)))).collect()
}

/// Publishes a snapshot of these pages: key, status, type or target, body.
fn publish(state: &Path, pages: &[(&str, u16, &str, &[u8])]) {
    let now = clock::now();
    let store = Store::open(state, "shop").unwrap();
    let staging = store.begin(now, "crawl").unwrap();
    for (key, status, kind, body) in pages {
        let redirect = (300..400).contains(status);
        let class = if redirect { Class::Redirect } else { Class::Page };
        let mut headers =
            vec![(HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY"))];
        if redirect {
            headers.push((HeaderName::from_static("location"), kind.parse().unwrap()));
        } else if !kind.is_empty() {
            headers.push((HeaderName::from_static("content-type"), kind.parse().unwrap()));
        }
        let mut writer = staging.blob();
        writer.write(body).unwrap();
        let body = (!redirect).then(|| writer.finish().unwrap());
        let (key, notes) = ((*key).to_owned(), Notes::default());
        staging
            .add(Page { key, status: *status, headers, body, len: 0, taken_at: now.wall, class, notes })
            .unwrap();
    }
    staging.publish(now, &Value::Null).unwrap();
}

/// Every address that a static server would get wrong by itself.
const ODD: &[(&str, u16, &str, &[u8])] = &[
    ("/", 200, HTML, b"home"),
    ("/index.html", 200, HTML, b"home by its other name"),
    ("/a", 200, HTML, b"a"),
    ("/a/", 200, HTML, b"a/"),
    ("/a/b", 200, HTML, b"a/b"),
    ("/a.html", 200, "text/html", b"a.html"),
    ("/About", 200, HTML, b"upper"),
    ("/about", 200, HTML, b"lower"),
    ("/img/Logo.png", 200, "image/png", b"upper"),
    ("/img/logo.png", 200, "image/png", b"lower"),
    ("/a?b=1", 200, HTML, b"a?b=1"),
    ("/a?b=2&c=%E3%81%82", 200, "application/json", b"{}"),
    ("/list/?page=2", 200, HTML, b"second"),
    ("/a%2Fb", 200, HTML, b"a slash"),
    ("/x//y", 200, HTML, b"two slashes"),
    ("/%E3%81%82/%E3%81%84", 200, HTML, b"kana"),
    ("/%FF", 200, HTML, b"an octet"),
    ("/a%25b", 200, HTML, b"a percent sign"),
    ("/$uri;%7Bx%7D%22", 200, HTML, b"signs"),
    ("/con", 200, HTML, b"a device"),
    ("/dot.", 200, HTML, b"a dot"),
    ("/s.css", 200, "text/css", b"b{}"),
    ("/page.css", 200, HTML, b"html by another name"),
    ("/data.php", 200, "text/csv; charset=shift_jis", b"a,b"),
    ("/feed", 200, "application/rss+xml", b"<rss/>"),
    ("/empty.txt", 200, "text/plain", b""),
    ("/untyped", 200, "", b"who knows"),
    ("/second-hand", 203, HTML, b"not the origin's"),
    ("/gone", 410, HTML, b"gone"),
    ("/_redirects", 200, "text/plain", b"the site's own"),
    ("/.katahai/1/x", 200, "text/plain", b"the site's own, too"),
    ("/old", 301, "https://www.example.com/a", b""),
    ("/old?x=1", 302, "/a?b=1", b""),
    ("/odd", 307, "/a \"q\"; $uri {}", b""),
    ("/for-ever", 308, "/a/", b""),
];

#[tokio::test]
async fn nginx_serves_an_exported_folder_as_the_site_was() {
    let dir = tempfile::tempdir().unwrap();
    publish(&dir.path().join("state"), ODD);
    snapshot(dir.path(), &["export", "--to", "site", "--address", "https://www.example.com"])
        .await
        .must_be_ok();
    let root = dir.path().join("site");
    let at = root.display();
    let (http, server) = (
        format!("include {at}/katahai-nginx-map.conf;"),
        format!("root {at};\n include {at}/katahai-nginx.conf;"),
    );
    let nginx = Nginx::on(free_port(), &http, &server);
    let client = Client::new(nginx.addr());
    let mut wrong = Vec::new();
    for (key, status, kind, body) in ODD {
        let answer = client.get(key).await;
        let redirect = (300..400).contains(status);
        let said = answer.header(if redirect { "location" } else { "content-type" }).unwrap_or_default();
        let same = answer.status == *status && said == *kind && (redirect || answer.body == *body);
        if !same || answer.header("x-frame-options") != Some("DENY") {
            wrong.push(format!(
                "{key}: {} {said:?} {:.60} {:?}",
                answer.status,
                answer.text(),
                answer.headers
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // what visitors and robots add to an address does not hide the page
    client.get("/a?utm_source=x").await.must_be(b"a");
    assert_eq!(client.get("/old?y=1").await.header("location"), Some("https://www.example.com/a"));
    for none in [
        "/nothing",
        "/.katahai/manifest.jsonl",
        "/_katahai-20261120T011334Z-000001/1/index.html",
        "/katahai-nginx.conf",
    ] {
        assert_eq!(client.get(none).await.status, 404, "{none}");
    }
}

#[tokio::test]
async fn a_host_of_static_sites_serves_an_exported_folder_as_the_site_was() {
    let dir = tempfile::tempdir().unwrap();
    publish(&dir.path().join("state"), ODD);
    snapshot(dir.path(), &["export", "--to", "site", "--address", "https://www.example.com"])
        .await
        .must_be_ok();
    for dialect in [Dialect::Exact, Dialect::Loose, Dialect::Simple] {
        let host = StaticHost::read(&dir.path().join("site"), dialect);
        let mut wrong = Vec::new();
        for (key, status, kind, body) in ODD {
            let beyond_it = match dialect {
                // its neighbour /a needs a rule, because there is /a.html, and that holds for both
                Dialect::Exact | Dialect::Loose => *key == "/a/",
                Dialect::Simple => key.contains('?'),
            };
            if beyond_it {
                continue;
            }
            let answer = host.get(key);
            let redirect = (300..400).contains(status);
            // Such a host says 200 of every file, its type by the name where the rules are silent, and cannot tell the fields of
            // two pages that differ in their query.
            let same = if redirect {
                answer.status == *status && answer.location.as_deref() == Some(&*kind.replace(' ', "%20"))
            } else {
                let typed = kind.is_empty() || key.contains('?') || answer.content_type() == Some(kind);
                answer.status == 200 && answer.body.as_deref() == Some(*body) && typed
            };
            let framed = redirect || answer.field("x-frame-options") == Some("DENY");
            if !same || !framed {
                wrong.push(format!("{key}: {answer:?}"));
            }
        }
        assert!(wrong.is_empty(), "{dialect:?}: {}", wrong.join("\n"));
        assert_eq!(host.get("/nothing").status, 404);
        assert_eq!(host.get("/a?utm_source=x").body.as_deref(), Some(&b"a"[..]));
        assert_eq!(host.get("/old?y=1").location.as_deref(), Some("https://www.example.com/a"));
    }
}

async fn shop() -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    (origin, edge)
}

/// Exports by the command line, and imports into another state directory.
async fn there_and_back(edge: &Edge, name: &str) {
    let said = edge.cli_offline(&["snapshot", "export", "--to", name, "--json"]).await.must_be_ok().json();
    let before = content(&edge.state_dir());
    assert_eq!(said["pages"].as_u64(), Some(before.len() as u64), "{said}");
    let other = tempfile::tempdir().unwrap();
    let path = edge.dir().join(name);
    let args = ["import", path.to_str().unwrap(), "--json"];
    let said = snapshot(other.path(), &args).await.must_be_ok().json();
    assert_eq!((&said["in_service"], &said["left_out"]), (&true.into(), &Value::Array(vec![])), "{said}");
    assert!(content(&other.path().join("state")) == before, "{name} brought back another site");
}

#[tokio::test]
async fn a_site_goes_out_and_comes_back_whatever_runs() {
    let (_origin, mut edge) = shop().await;
    for name in FORMATS {
        there_and_back(&edge, name).await;
    }
    let again = edge.cli_offline(&["snapshot", "export", "--to", "site.wacz"]).await;
    assert_eq!(again.code, 1, "{}", again.out);
    assert!(again.err.contains("--force"), "{}", again.err);
    edge.cli_offline(&["snapshot", "export", "--to", "site.wacz", "--force"]).await.must_be_ok();
    edge.cli_offline(&["snapshot", "export", "latest", "--to", "latest.tar"]).await.must_be_ok();
    edge.kill();
    there_and_back(&edge, "offline.tar").await;
    // a site that is lost with all its state comes back, and is served
    std::fs::remove_dir_all(edge.state_dir()).unwrap();
    edge.cli_offline(&["snapshot", "import", "site.warc.gz"]).await.must_be_ok();
    edge.restart().await;
    _origin.fail(crate::support::faults::Refuse).await;
    edge.until("down").await;
    for path in MIRRORED {
        edge.get(path).await.must_be(&_origin.content(path).body);
    }
}

#[tokio::test]
async fn an_import_waits_for_the_operator() {
    let (_origin, edge) = shop().await;
    let current = edge.snapshot_id().await;
    edge.cli_offline(&["snapshot", "export", "--to", "site.tar"]).await.must_be_ok();
    let said = edge.cli_offline(&["snapshot", "import", "site.tar"]).await.must_be_ok();
    assert!(said.out.contains("waits for your word"), "{}", said.out);
    assert_eq!(edge.snapshot_id().await, current);
    let missing = edge.cli_offline(&["snapshot", "import", "nowhere.tar"]).await;
    assert!(missing.code == 1 && missing.err.contains("nowhere.tar"), "{}", missing.err);
    let escape = edge.dir().join("escape.tar");
    std::fs::write(&escape, bad_tar()).unwrap();
    let refused = edge.cli_offline(&["snapshot", "import", "escape.tar"]).await;
    assert!(
        refused.code == 1 && refused.err.contains("\"../evil\" has a name that leads out"),
        "{}",
        refused.err
    );
    assert!(!edge.dir().parent().unwrap().join("evil").exists());
}

fn bad_tar() -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..7].copy_from_slice(b"../evil");
    header.set_size(0);
    header.set_cksum();
    [header.as_bytes().as_slice(), &[0; 1024]].concat()
}

#[tokio::test]
async fn other_tools_accept_and_replay_the_archives() {
    let (origin, edge) = shop().await;
    for name in ["site.warc", "site.warc.gz", "site.wacz"] {
        edge.cli_offline(&["snapshot", "export", "--to", name]).await.must_be_ok();
    }
    let at = |name: &str| edge.dir().join(name).display().to_string();
    let unzipped = edge.dir().join("unzipped");
    let mut zip = zip::ZipArchive::new(std::fs::File::open(at("site.wacz")).unwrap()).unwrap();
    zip.extract(&unzipped).unwrap();
    for name in ["site.warc", "site.warc.gz", "unzipped/archive/data.warc.gz"] {
        let said = must(tool("warcio"), &["check", "-v", &at(name)]).await;
        assert!(
            said.out.contains("digest pass") && !said.out.contains("digest failed"),
            "{name}: {}",
            said.out
        );
    }
    check_package(&unzipped);
    for (collection, name) in [("warc", "site.warc.gz"), ("wacz", "site.wacz")] {
        let mut manager = tool("wb-manager");
        manager.current_dir(edge.dir());
        must(manager, &["init", collection]).await;
        let mut manager = tool("wb-manager");
        manager.current_dir(edge.dir());
        let unpack: &[&str] = if collection == "wacz" { &["--unpack-wacz"] } else { &[] };
        must(manager, &[&["add"], unpack, &[collection, &at(name)]].concat()).await;
    }
    let addr = free_port();
    let mut wayback = tool("wayback");
    wayback.current_dir(edge.dir()).args(["-b", "127.0.0.1", "-p", &addr.port().to_string()]);
    let _wayback = Process::start(&mut wayback);
    let client = Client::new(addr).host(&addr.to_string());
    eventually("wayback", secs(60), async || std::net::TcpStream::connect(addr).ok()).await;
    for collection in ["warc", "wacz"] {
        for path in MIRRORED {
            let answer = client.get(&format!("/{collection}/2id_/http://www.example.test{path}")).await;
            answer.must_be(&origin.content(path).body);
        }
        replayed(&client, &origin, collection).await;
        let moved = client.get(&format!("/{collection}/2id_/http://www.example.test/old")).await;
        assert_eq!(moved.status, 301, "{:?}", moved.headers);
    }
}

/// A page as people see it in the replay, its addresses rewritten: what it is drawn with is there under the new ones.
async fn replayed(client: &Client, origin: &Origin, collection: &str) {
    let base = format!("http://replay.test/{collection}/2mp_/http://www.example.test/");
    let base = url::Url::parse(&base).unwrap();
    let page = client.get(base.path()).await;
    assert_eq!(page.status, 200, "{:?}", page.headers);
    let text = page.text();
    let between = |begin: &str, end: &str| {
        let rest = text.split_once(begin).unwrap_or_else(|| panic!("no {begin} in {text}")).1;
        base.join(rest.split(end).next().unwrap()).unwrap()
    };
    for (address, path) in [
        (between("<link rel=\"stylesheet\" href=\"", "\""), "/style.css"),
        (between("<img src=\"", "\""), "/img/photo.png"),
        (between("photo.png 1x, ", " 2x"), "/img/photo@2x.png?v=1,2"),
    ] {
        let asked = &address[url::Position::BeforePath..];
        assert!(asked.starts_with(&format!("/{collection}/")) && asked.ends_with(path), "{address}");
        let answer = client.get(asked).await;
        assert_eq!(answer.status, 200, "{asked}: {:?}", answer.headers);
        if path.contains(".png") {
            answer.must_be(&origin.content(path).body);
        } else {
            // its own addresses were rewritten in their turn
            assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/css")));
            assert!(!answer.text().contains("url(http://www.example.test"), "{}", answer.text());
        }
    }
}

/// The digests in a WACZ are those of its files, and its index leads to the records.
fn check_package(root: &Path) {
    let read = |path: &str| std::fs::read(root.join(path)).unwrap();
    let sha256 = |bytes: &[u8]| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let digits: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        format!("sha256:{digits}")
    };
    let digest: Value = serde_json::from_slice(&read("datapackage-digest.json")).unwrap();
    assert_eq!(digest["hash"], sha256(&read("datapackage.json")));
    let package: Value = serde_json::from_slice(&read("datapackage.json")).unwrap();
    let mut listed = Vec::new();
    for resource in package["resources"].as_array().unwrap() {
        let path = resource["path"].as_str().unwrap();
        let bytes = read(path);
        assert_eq!(
            (&resource["hash"], &resource["bytes"]),
            (&sha256(&bytes).into(), &bytes.len().into()),
            "{path}"
        );
        listed.push(path.to_owned());
    }
    listed.sort();
    assert_eq!(
        listed,
        ["archive/data.warc.gz", "indexes/index.cdx.gz", "indexes/index.idx", "pages/pages.jsonl"]
    );
    let unpacked = |bytes: &[u8]| {
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap();
        text
    };
    let index = unpacked(&read("indexes/index.cdx.gz"));
    let lines: Vec<&str> = index.lines().collect();
    assert!(lines.is_sorted() && lines.len() >= MIRRORED.len(), "{index}");
    let data = read("archive/data.warc.gz");
    for line in lines {
        let about: Value = serde_json::from_str(&line[line.find('{').unwrap()..]).unwrap();
        let place = |name: &str| about[name].as_u64().unwrap() as usize;
        let mut record =
            flate2::read::GzDecoder::new(&data[place("offset")..place("offset") + place("length")]);
        let mut bytes = Vec::new();
        record.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("WARC/1.1\r\n") && text.contains(about["url"].as_str().unwrap()), "{line}");
    }
    let pages = String::from_utf8(read("pages/pages.jsonl")).unwrap();
    assert!(pages.lines().nth(1).unwrap().contains("\"url\":\"http://www.example.test/\""), "{pages}");
}

/// A video that is larger than what may be held in memory goes out and in.
#[tokio::test]
async fn a_large_body_is_streamed() {
    const LEN: usize = 32 << 20;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let noise = fixture::noise(LEN, 5);
    publish(&state, &[("/", 200, HTML, b"home"), ("/film.mp4", 200, "video/mp4", &noise)]);
    drop(noise);
    // less than the film: what holds it in one piece is refused the memory
    let limited = |args: &[&str]| {
        let mut command = Command::new("sh");
        let binary: PathBuf = crate::support::edge::binary();
        command
            .current_dir(dir.path())
            .args(["-c", "ulimit -d 24000; exec \"$0\" \"$@\""])
            .arg(binary)
            .arg("snapshot");
        command.args(args).args(["--state-dir", "state", "--site", "shop"]);
        command
    };
    for name in ["site.tar", "site.wacz"] {
        let export = limited(&["export", "--to", name, "--address", "https://www.example.com"]);
        process::run(export, secs(120)).await.must_be_ok();
        process::run(limited(&["import", name]), secs(120)).await.must_be_ok();
    }
}
