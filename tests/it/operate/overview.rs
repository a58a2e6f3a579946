//! Many sites at a glance, on the command line and in a browser: counted, those in trouble first, a line each, one in full.

use crate::support::browser::Browser;
use crate::support::faults::Refuse;
use crate::support::{Config, Edge, Origin, Page, Site, eventually, secs, turn};

fn site(name: &str, origin: &Origin) -> Site {
    Site::bare(name, &format!("{name}.test")).origin(&origin.url())
}

async fn origin() -> Origin {
    let origin = Origin::start().await;
    origin.page(
        "/",
        Page::html("<html><body><h1>The page of all sites</h1><p>Tea and cups.</p></body></html>"),
    );
    origin
}

async fn until_counted(edge: &Edge, level: &str, count: u64) {
    eventually(level, secs(60), async || {
        let answer = edge.admin().get("/api/v1/sites?limit=0").await;
        let overview: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
        (overview["counts"][level] == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_command_line_tells_trouble_first() {
    let (good, bad) = (origin().await, origin().await);
    let config = Config::new(site("alpha", &good)).and(site("beta", &bad)).and(site("gamma", &good));
    let edge = Edge::start(config).await;
    until_counted(&edge, "well", 3).await;
    let quiet = edge.cli(&["status", "--check"]).await.must_be_ok();
    assert_eq!((&*quiet.out, &*quiet.err), ("", ""));
    assert!(edge.cli(&["status", "--problems"]).await.must_be_ok().out.starts_with("3 sites: 3 well\n"));

    bad.fail(Refuse).await;
    until_counted(&edge, "down", 1).await;
    let all = edge.cli(&["status"]).await.must_be_ok().out;
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines[0], "3 sites: 1 down, 2 well");
    let at = |name: &str| lines.iter().position(|line| line.starts_with(name)).unwrap();
    assert!(at("beta") < at("alpha") && at("alpha") < at("gamma"), "{all}");
    assert!(lines[at("beta")].contains("down") && lines[at("beta")].contains("refused: "), "{all}");
    assert!(!all.contains('\u{1b}'), "no colours in a pipe: {all}");

    let problems = edge.cli(&["status", "--problems"]).await.must_be_ok().out;
    assert!(problems.starts_with("3 sites: 1 down, 2 well\n") && !problems.contains("alpha"), "{problems}");
    assert!(problems.contains("Start the web server"), "one is told in full: {problems}");
    let one = edge.cli(&["status", "--site", "gamma"]).await.must_be_ok().out;
    assert!(one.starts_with("1 site: 1 well\n") && !one.contains("beta"), "{one}");
    let check = edge.cli(&["status", "--check"]).await;
    assert!(check.code == 4 && check.out.contains("beta"), "{check:?}");
    assert_eq!(edge.cli(&["status", "--check", "--site", "alpha"]).await.code, 0);
    let json = edge.cli(&["status", "--json", "--problems"]).await.must_be_ok().json();
    assert_eq!((json["sites"].as_array().unwrap().len(), &json["sites"][0]["name"]), (1, &"beta".into()));
    let unknown = edge.cli(&["status", "--site", "delta"]).await;
    assert!(unknown.code == 1 && unknown.err.contains("alpha, beta, gamma"), "{}", unknown.err);
}

#[tokio::test]
async fn the_dashboard_draws_no_more_lines_than_are_read() {
    let _alone = turn::alone();
    let (good, bad) = (origin().await, origin().await);
    let many = (0..300).fold(Config::new(site("broken", &bad)), |config, n| {
        config.and(site(&format!("s{n:03}"), &good).set("mirror.every", "6h").set("health.interval", "60s"))
    });
    let edge = Edge::start(many).await;
    bad.fail(Refuse).await;
    until_counted(&edge, "down", 1).await;
    let answer = edge.admin().get("/api/v1/sites?limit=100").await;
    assert!(answer.body.len() < 100 * 1024, "{} bytes every two seconds", answer.body.len());
    for (query, status) in [("limit=x", 422), ("problems=1", 422), ("site=nobody", 404)] {
        assert_eq!(edge.admin().get(&format!("/api/v1/sites?{query}")).await.status, status, "{query}");
    }
    let mut browser = Browser::start();
    let rows = "document.querySelectorAll('.lines tbody tr').length";
    let first = "document.querySelector('.lines tbody a')?.textContent";
    for width in [1280, 390] {
        browser.resize(width, 900);
        browser.open(&format!("http://{}/", edge.admin_addr())).await;
        browser.until(&format!("{rows} === 100 && {first} === 'broken'")).await;
        let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(wide <= u64::from(width), "{wide} pixels wide on a screen of {width}");
        assert_eq!(browser.barriers(), [] as [String; 0]);
    }
    browser.until("document.querySelector('#page h1').textContent === '301 sites'").await;
    browser.eval("document.querySelector('[data-focus=more]').click()");
    browser.until(&format!("{rows} === 200")).await;
    browser.eval(
        "{ const f = document.querySelector('.find input'); f.value = 'S29'; f.dispatchEvent(new Event('input')); }",
    );
    browser.until(&format!("{rows} === 10 && {first} === 's290'")).await;
    browser.eval("{ const f = document.querySelector('.find input'); f.value = ''; f.dispatchEvent(new Event('input')); }");
    browser.eval("document.querySelector('.find button').click()");
    browser.until(&format!("{first} === 'broken'")).await;
    browser.eval("document.querySelector('.lines tbody a').click()");
    browser.until("document.querySelector('.one h1')?.textContent.includes('broken')").await;
    assert_eq!(browser.complaints(), [] as [String; 0]);
}
