//! `katahai demo`: a shop, Katahai before it and the switch, in one process; and that a browser likes what it sees.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use crate::support::edge::command;
use crate::support::faults::Refuse;
use crate::support::process::{Process, run};
use crate::support::turn::{self, Turn};
use crate::support::{Client, Config, Edge, eventually, fixture, ms, secs};

struct Demo {
    process: Process,
    visitor: Client,
    admin: Client,
    admin_url: String,
    _dir: tempfile::TempDir,
    _turn: Turn,
}

impl Demo {
    async fn start() -> Demo {
        let turn = turn::share();
        let dir = tempfile::tempdir().unwrap();
        let mut command = command(dir.path());
        command.args(["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let process = Process::start(&mut command);
        let (http, admin) =
            eventually("the demo's addresses", secs(15), async || addresses(&process.lines())).await;
        Demo {
            process,
            visitor: Client::new(http).host(&http.to_string()),
            admin: Client::new(admin).host(&admin.to_string()),
            admin_url: format!("http://{admin}/"),
            _dir: dir,
            _turn: turn,
        }
    }

    async fn state(&self) -> Value {
        serde_json::from_slice(&self.admin.get("/demo/state").await.body).expect("JSON")
    }

    async fn run_origin(&self, running: bool) {
        let body = format!("{{\"running\":{running}}}");
        let request = self.admin.ask("POST", "/demo/origin").header("content-type", "application/json");
        let answer = self.admin.send(request.body(body.into()).unwrap()).await.unwrap();
        assert_eq!(answer.status / 100, 2, "{}", answer.text());
        assert_eq!(self.state().await["origin"]["running"], running);
    }

    async fn site(&self) -> Value {
        let answer = self.admin.get("/api/v1/status").await;
        serde_json::from_slice::<Value>(&answer.body).expect("JSON")["sites"][0].clone()
    }
}

/// What the demo says of itself: where the shop is, and the page with the switch.
fn addresses(lines: &[String]) -> Option<(SocketAddr, SocketAddr)> {
    let after = |what: &str| {
        let line = lines.iter().find(|line| line.contains(what))?;
        line.split("http://").nth(1)?.trim_end_matches('/').parse().ok()
    };
    Some((after("The shop")?, after("The page with the switch")?))
}

#[tokio::test]
async fn the_demo_says_where_it_is_and_nothing_else() {
    let demo = Demo::start().await;
    demo.visitor.get("/").await;
    eventually("the demo's snapshot", secs(30), async || {
        (!demo.site().await["snapshot"].is_null()).then_some(())
    })
    .await;
    let lines: Vec<_> = demo.process.lines().into_iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(addresses(&lines).is_some() && lines[2].contains("Ctrl-C"), "{lines:?}");
}

#[tokio::test]
async fn an_address_that_was_asked_for_and_is_taken_is_an_error() {
    let _turn = turn::share();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for (flag, other) in [("--listen", "--admin"), ("--admin", "--listen")] {
        let dir = tempfile::tempdir().unwrap();
        let mut command = command(dir.path());
        command.args(["demo", flag, &addr, other, "127.0.0.1:0"]);
        let said = run(command, secs(15)).await;
        assert_eq!(said.code, 1, "{said:?}");
        assert!(
            said.err.contains(&format!("{flag} {addr}")) && said.err.contains("choose another"),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn it_opens_a_browser_when_asked() {
    let _turn = turn::share();
    let dir = tempfile::tempdir().unwrap();
    let (browser, opened) = (dir.path().join("browser"), dir.path().join("opened"));
    std::fs::write(&browser, format!("#!/bin/sh\necho \"$1\" > {}\n", opened.display())).unwrap();
    std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = command(dir.path());
    command
        .args(["demo", "--open", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .env("BROWSER", &browser);
    let process = Process::start(&mut command);
    let url = eventually("a page in the browser", secs(15), async || {
        std::fs::read_to_string(&opened).ok().filter(|url| url.ends_with('\n'))
    })
    .await;
    let (_, admin) = addresses(&process.lines()).unwrap();
    assert_eq!(url.trim(), format!("http://{admin}/"));
}

#[tokio::test]
async fn the_demo_goes_on_without_its_origin() {
    let mut demo = Demo::start().await;
    eventually("the demo's snapshot", secs(30), async || {
        (!demo.site().await["snapshot"].is_null()).then_some(())
    })
    .await;
    let state = demo.state().await;
    assert_eq!(state["origin"]["running"], true);
    assert!(state["edge"]["url"].as_str().unwrap().starts_with("http://"), "{state}");
    let origin_url = state["origin"]["url"].as_str().unwrap().to_owned();
    let live = demo.visitor.get("/").await;
    assert_eq!(live.status, 200);
    demo.run_origin(false).await;
    let address = origin_url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    assert!(tokio::net::TcpStream::connect(&address).await.is_err(), "the origin is really gone");
    let page = demo.visitor.get_with("/", &[("accept", "text/html")]).await;
    // the same page, if not the same rendering of it: what the crawl has accepted goes before what came later
    let text = page.text();
    let (before, after) =
        text.split_once("<dialog open class=\"katahai-notice\"").expect("it says what it is");
    let page_as_it_was = format!("{before}{}", after.split_once("</dialog>").unwrap().1);
    assert_eq!((page.status, unstamped(&page_as_it_was)), (200, unstamped(&live.text())));
    assert!(page.took < ms(2500), "{:?}", page.took);
    eventually("the demo's site is down", secs(15), async || {
        (demo.site().await["state"] == "down").then_some(())
    })
    .await;
    for link in links(&page.text()) {
        let answer = demo.visitor.get(&link).await;
        assert!(answer.status < 400, "{link}: {}", answer.status);
    }
    demo.run_origin(true).await;
    eventually("the demo's site is up", secs(20), async || {
        (demo.site().await["state"] == "up").then_some(())
    })
    .await;
    demo.process.signal(rustix::process::Signal::TERM);
    assert_eq!(demo.process.end(secs(15)).await.and_then(|status| status.code()), Some(0));
}

/// A page without its digits: they say at which moment the shop's server made it.
fn unstamped(html: &str) -> String {
    html.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// The page's own links and sources.
fn links(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    for mark in ["href=\"/", "src=\"/"] {
        for rest in html.split(mark).skip(1) {
            let link = rest.split(['"', '#']).next().unwrap_or_default();
            found.push(format!("/{}", link.replace("&amp;", "&")));
        }
    }
    assert!(found.len() > 3, "a page with links: {html}");
    found
}

/// What a browser makes of a page: its document after the scripts have run, and what it complains about.
async fn browse(url: &str, resolve: &str) -> (String, Vec<String>) {
    let profile = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new("chromium");
    command
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"])
        .args(["--enable-logging=stderr", "--v=0", "--no-first-run", "--timeout=15000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--host-resolver-rules={resolve}"))
        .arg(url)
        .env("HOME", profile.path());
    let said = run(command, secs(60)).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let complaints = said.err.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    (said.out, complaints)
}

fn has_chromium() -> bool {
    Path::new("/usr/bin/chromium").exists()
}

#[tokio::test]
async fn a_browser_shows_the_holding_page() {
    assert!(has_chromium(), "chromium is missing: run tests/run once, it installs what the tests need");
    let _alone = turn::alone();
    let origin = fixture::shop().await;
    origin.fail(Refuse).await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let rule = format!("MAP www.example.test {}", edge.http());
    let (dom, complaints) = browse("http://www.example.test/signup", &rule).await;
    assert!(dom.contains("www.example.test"), "{dom}");
    assert_eq!(complaints, Vec::<String>::new());
}

#[tokio::test]
async fn a_browser_shows_the_demo() {
    assert!(has_chromium(), "chromium is missing: run tests/run once, it installs what the tests need");
    let _alone = turn::alone();
    let demo = Demo::start().await;
    let (dom, complaints) = browse(&demo.admin_url, "").await;
    assert!(dom.contains("<button"), "a page with a switch: {dom}");
    assert_eq!(complaints, Vec::<String>::new());
    let state = demo.state().await;
    let (dom, complaints) = browse(state["edge"]["url"].as_str().unwrap(), "").await;
    assert!(dom.contains("<title>"), "{dom}");
    assert_eq!(complaints, Vec::<String>::new());
}
