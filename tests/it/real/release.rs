//! Releases of the application that Vite builds, whole and by half. Every release has other names for its scripts and styles:
//! a page of the new one without its files is a blank window, and a window of the old one asks for files that are gone.

use std::collections::BTreeSet;

use super::vite::{Vite, Whole};
use crate::support::{Answer, Client, Config, Edge, Site, eventually, secs, turn};

/// A deep link, which the application answers with its one page.
const DEEP: &str = "/evenings/3";

async fn before(vite: &Vite) -> Edge {
    let site = Site::bare("harbour", "www.example.test")
        .set("key_pages", ["/"])
        .set("health.interval", "500ms")
        .set("failover.recovery_ramp", "0s")
        .set("mirror.rate", "off")
        .origin(&super::Application::url(vite));
    let edge = Edge::start(Config::new(site)).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    edge
}

/// The files that a page names.
fn named(page: &Answer) -> BTreeSet<String> {
    assert_eq!(page.status, 200, "{}", page.text());
    let text = page.text();
    let names = text.split('"').filter(|part| part.starts_with("/assets/"));
    names.map(str::to_owned).collect()
}

async fn open(client: &Client, page: &str) -> Answer {
    client.get_with(page, &[("accept", "text/html,*/*;q=0.8")]).await
}

/// A window that shows the page asks for all that it names; what it got for each.
async fn draw(edge: &Edge, page: &str) -> Vec<(String, Answer)> {
    let client = edge.client();
    let mut drawn = Vec::new();
    for file in named(&open(&client, page).await) {
        let referer = format!("http://www.example.test{page}");
        let answer = client.get_with(&file, &[("referer", &referer)]).await;
        drawn.push((file, answer));
    }
    assert!(drawn.len() >= 2, "a script and a style");
    drawn
}

fn must_be_whole(drawn: &[(String, Answer)]) {
    for (file, answer) in drawn {
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(answer.status == 200 && !kind.contains("html") && !answer.body.is_empty(), "{file}: {kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_release_is_seen_and_files_of_an_old_one_are_no_fault() {
    let _share = turn::share();
    let vite = Vite::strict();
    let edge = before(&vite).await;
    let first = draw(&edge, "/").await;
    must_be_whole(&first);

    // a release: windows of the one before still ask for its files
    vite.release("House of Tea", Whole::Yes);
    eventually("the new page", secs(60), async || {
        (named(&open(&edge.client(), "/").await).iter().all(|file| first.iter().all(|(old, _)| old != file)))
            .then_some(())
    })
    .await;
    for (file, old) in &first {
        let answer = edge.client().get_with(file, &[("referer", "http://www.example.test/")]).await;
        answer.must_be(&old.body);
    }
    let second = draw(&edge, "/").await;
    must_be_whole(&second);
    edge.take_snapshot().await;
    assert_eq!(edge.state().await, "up", "{}", edge.site().await["branches"]);

    // of the next one only the page has arrived, and what was there is gone
    let lost = vite.release("Pavilion of Tea", Whole::No);
    eventually("what visitors miss is seen", secs(60), async || {
        draw(&edge, "/").await;
        let site = edge.site().await;
        (site["state"] == "degraded" && site["cause"]["code"] == "asset-missing").then_some(())
    })
    .await;
    let old: Vec<&String> = second.iter().map(|(file, _)| file).collect();
    for page in ["/", DEEP, "/signup"] {
        let drawn = draw(&edge, page).await;
        must_be_whole(&drawn);
        assert_eq!(drawn.iter().map(|(file, _)| file).collect::<Vec<_>>(), old, "{page}");
    }
    // the files of the first release were looked into before: nothing is said of them
    let told: Vec<String> =
        edge.log().into_iter().filter(|line| line.contains("names a file that is not there")).collect();
    let is_new = |line: &String| lost.iter().any(|file| line.contains(file.as_str()));
    assert!(!told.is_empty() && told.iter().all(is_new), "{told:?}, lost {lost:?}");

    vite.complete();
    edge.until("up").await;
    for page in ["/", DEEP, "/signup"] {
        let drawn = draw(&edge, page).await;
        must_be_whole(&drawn);
        assert!(drawn.iter().all(|(file, _)| !old.contains(&file)), "{page} is the new one");
    }
}
