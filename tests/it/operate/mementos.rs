//! The versions of a page by time and as a list, for whoever has a preview's token (Memento, RFC 7089).

use crate::regions::in_bucket::until_another_second;
use crate::support::fixture::{self, SEEN};
use crate::support::{Answer, Config, Edge, Origin};

const DOOR: &str = "/.well-known/katahai/preview";

async fn token(edge: &Edge, args: &[&str]) -> String {
    let said = edge.cli(&[&["drill", "preview", "shop", "--json"], args].concat()).await.must_be_ok();
    said.json()["token"].as_str().unwrap().to_owned()
}

async fn ask(edge: &Edge, token: &str, target: &str, more: &[(&str, &str)]) -> Answer {
    edge.client().get_with(target, &[&[("katahai-preview", token), ("accept", "*/*")], more].concat()).await
}

/// A shop with two snapshots: what the page was in each, and the names of both.
async fn shop() -> (Origin, Edge, [(Vec<u8>, String); 2]) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let first = edge.until_snapshot().await;
    edge.until("up").await;
    let before = origin.content(SEEN).body.to_vec();
    until_another_second().await;
    fixture::stock(&origin, 2);
    let second = edge.take_snapshot().await;
    let after = origin.content(SEEN).body.to_vec();
    assert_ne!(before, after);
    origin.forget();
    (origin, edge, [(before, first), (after, second)])
}

/// What stands in a TimeMap about each version: its address without the host, and its time.
fn listed(timemap: &str) -> Vec<(String, String)> {
    let of = |line: &str| {
        let (uri, rest) = line.strip_prefix('<')?.split_once('>')?;
        let (relation, time) = rest.split_once("\";datetime=\"")?;
        assert!(relation.ends_with("memento"), "{line}");
        let uri = &uri[uri.find(DOOR).unwrap()..];
        Some((uri.to_owned(), time.trim_end_matches(',').trim_end_matches('"').to_owned()))
    };
    timemap.lines().filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_listed_and_found_by_their_time() {
    let (origin, edge, [old, new]) = shop().await;
    let token = token(&edge, &[]).await;
    let at = edge.http();
    for page in
        [SEEN.trim_start_matches('/').to_owned(), format!("http://www.example.test:{}{SEEN}", at.port())]
    {
        let map = ask(&edge, &token, &format!("{DOOR}/timemap/{page}"), &[]).await;
        assert_eq!((map.status, map.header("content-type")), (200, Some("application/link-format")));
        assert_eq!(map.header("cache-control"), Some("private, no-store"));
        let versions = listed(&map.text());
        assert_eq!(versions.len(), 2, "{}", map.text());
        assert!(versions[0].0.contains(&old.1) && versions[1].0.contains(&new.1), "{}", map.text());
        for ((uri, time), (body, _)) in versions.iter().zip([&old, &new]) {
            // the TimeGate leads there by its time, and there it is
            let gate = format!("{DOOR}/timegate/{page}");
            let led = ask(&edge, &token, &gate, &[("accept-datetime", time)]).await;
            assert_eq!(led.status, 302, "{}", led.text());
            assert_eq!(led.header("location"), Some(uri.as_str()), "a path, whatever host was asked");
            assert!(led.header("vary").unwrap().to_ascii_lowercase().contains("accept-datetime"));
            let copy = ask(&edge, &token, uri, &[]).await;
            copy.must_be(body);
            assert_eq!(copy.header("memento-datetime"), Some(time.as_str()));
            let links = copy.header("link").unwrap();
            assert!(links.contains(&format!("{SEEN}>; rel=\"original\"")), "{links}");
            assert!(links.contains("rel=\"timegate\"") && links.contains("rel=\"timemap\""), "{links}");
        }
        let times = [("Thu, 01 Jan 1970 00:00:01 GMT", &old), ("Fri, 31 Dec 2100 00:00:00 GMT", &new)];
        for (time, (_, id)) in times {
            let led =
                ask(&edge, &token, &format!("{DOOR}/timegate/{page}"), &[("accept-datetime", time)]).await;
            assert!(led.header("location").unwrap().contains(id), "{time}: {:?}", led.headers);
        }
        let newest = ask(&edge, &token, &format!("{DOOR}/timegate/{page}"), &[]).await;
        assert!(newest.header("location").unwrap().contains(&new.1), "{:?}", newest.headers);
    }
    assert_eq!(origin.visits(), 0, "{:?}", origin.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_or_by_strangers_shows_nothing() {
    let (origin, edge, [old, new]) = shop().await;
    let (all, one) = (token(&edge, &[]).await, token(&edge, &["--snapshot", &old.1]).await);
    let version = |id: &str| format!("{DOOR}/memento/{id}{SEEN}");
    for (token, target, time, status) in [
        (&*all, format!("{DOOR}/timegate{SEEN}"), "yesterday", 400),
        (&all, format!("{DOOR}/timegate/never-seen"), "", 404),
        (&all, format!("{DOOR}/timemap/never-seen"), "", 404),
        (&all, format!("{DOOR}/timemap/http://evil.example{SEEN}"), "", 404),
        (&all, format!("{DOOR}/memento/{}/http://evil.example{SEEN}", old.1), "", 404),
        (&all, version("nonsense"), "", 404),
        (&all, version("20200101T000000Z-000099"), "", 410),
        // a link to one snapshot is for that one
        (&one, version(&new.1), "", 404),
        ("nonsense", version(&old.1), "", 403),
        ("nonsense", format!("{DOOR}/timemap{SEEN}"), "", 403),
    ] {
        let more = [("accept-datetime", time)];
        let answer = ask(&edge, token, &target, if time.is_empty() { &[] } else { &more }).await;
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
    }
    for target in [version(&old.1), format!("{DOOR}/timemap{SEEN}"), format!("{DOOR}/timegate{SEEN}")] {
        assert_eq!(edge.client().get(&target).await.status, 403, "{target}");
        let cookie = edge.client().get_with(&target, &[("cookie", "katahai_preview=nonsense")]).await;
        assert_eq!(cookie.status, 403, "{target}");
    }
    ask(&edge, &one, &version(&old.1), &[]).await.must_be(&old.0);
    let only = ask(&edge, &one, &format!("{DOOR}/timemap{SEEN}"), &[]).await;
    assert_eq!(listed(&only.text()).len(), 1, "{}", only.text());
    assert_eq!(origin.visits(), 0, "{:?}", origin.asked());
}

/// In a browser's window a version has the bar, and what it links to below its address is of the same version.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_in_a_window_says_what_it_is() {
    let (_origin, edge, [old, _]) = shop().await;
    let token = token(&edge, &[]).await;
    let cookie = format!("katahai_preview={token}");
    let target = format!("{DOOR}/memento/{}{SEEN}", old.1);
    let shown = edge.client().get_with(&target, &[("cookie", &cookie), ("accept", "text/html")]).await;
    assert_eq!(shown.status, 200);
    assert!(shown.text().contains("class=\"katahai-preview\"") && shown.text().contains("not in service"));
}
