//! Files of other hosts: taken where the configuration lists the host and a page needs them, and never from where only
//! we can go.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::support::certs::Leaf;
use crate::support::dns::{Dns, Says};
use crate::support::faults::Refuse;
use crate::support::fixture::{self, ASSET};
use crate::support::{Config, Edge, Origin, Page, Site};

/// A page that needs files of the other host, at its address and under two names.
async fn site(cdn: &Origin) -> Origin {
    let origin = Origin::start().await;
    let (ip, port) = (cdn.addr(), cdn.addr().port());
    let page = format!(
        "<link rel=stylesheet href=http://{ip}/lib.css><script src=https://cdn.example.test:{port}/app.js></script>\
         <img src=http://localhost:{port}/not-listed.png><a href=http://{ip}/page.html>there</a>"
    );
    origin.page("/", Page::html(page));
    origin
}

async fn cdn() -> Origin {
    let cdn = Origin::start().await;
    cdn.page("/lib.css", Page::new("text/css", "@import 'more.css';"));
    cdn.page("/more.css", Page::new("text/css", "a{b:url(/far.png)}"));
    cdn.page("/far.png", Page::redirect(302, "/files/far.png"));
    cdn.page("/files/far.png", Page::new("image/png", "far"));
    cdn.page("/app.js", Page::new("text/javascript", "1"));
    cdn
}

async fn report(edge: &Edge) -> Value {
    let id = edge.until_snapshot().await;
    let shown = edge.admin().get(&format!("/api/v1/sites/shop/snapshots/{id}")).await;
    serde_json::from_slice::<Value>(&shown.body).expect("JSON")["report"].clone()
}

#[tokio::test]
async fn what_a_page_needs_of_a_listed_host_is_in_the_copy() {
    let cdn = cdn().await;
    let origin = site(&cdn).await;
    let dns = Dns::start(Says::Address(Ipv4Addr::LOCALHOST)).await;
    let (listed, named) =
        (format!("http://{}", cdn.addr()), format!("cdn.example.test:{}", cdn.addr().port()));
    let site = Site::new().set("key_pages", ["/"]).origin(&origin.url());
    let site = site.set("mirror.asset_hosts", [&*listed, &*named]);
    let edge = Edge::start(Config::new(site).set("dns.nameservers", [&*dns.addr()])).await;
    let report = report(&edge).await;

    // A name that leads to this machine is not followed, whoever lists it: what is listed is the name.
    let failures = report["failures"].as_array().expect("a list");
    assert_eq!(failures.len(), 1, "{report}");
    assert_eq!(failures[0]["cause"], "private-address", "{report}");
    let detail = failures[0]["detail"].as_str().expect("a text");
    assert!(
        detail.contains("cdn.example.test") && detail.contains("127.0.0.1") && detail.contains("asset_hosts"),
        "{detail}"
    );
    assert!(dns.questions() > 0);
    for never in ["/app.js", "/not-listed.png", "/page.html"] {
        assert_eq!(cdn.count(never), 0, "{never}");
    }

    // The address in the list is taken at its word: sheet, import, redirect and picture are in the copy.
    origin.fail(Refuse).await;
    cdn.fail(Refuse).await;
    edge.until("down").await;
    for (path, body) in [("/lib.css", "@import 'more.css';"), ("/files/far.png", "far")] {
        let answer = edge.get(&format!("//{}{path}", cdn.addr())).await;
        assert!(answer.is_from_snapshot(), "{path}: {}", answer.cache_status());
        assert_eq!((answer.status, answer.text().as_str()), (200, body), "{path}");
    }
    let asked = cdn.asked_for("/lib.css");
    assert_eq!(asked[0].header("host").as_deref(), Some(cdn.addr().to_string().as_str()));
    for nobodys in ["cookie", "authorization", "x-forwarded-for", "x-forwarded-proto"] {
        assert_eq!(asked[0].header(nobodys), None, "{nobodys}");
    }
}

#[tokio::test]
async fn a_host_whose_certificate_nobody_vouches_for_is_not_believed() {
    let cdn = Origin::start_tls(&Leaf::self_signed("127.0.0.1")).await;
    cdn.page("/app.js", Page::new("text/javascript", "evil()"));
    let origin = Origin::start().await;
    origin.page("/", Page::html(format!("<script src=https://{}/app.js></script>", cdn.addr())));
    let site = Site::new().set("key_pages", ["/"]).origin(&origin.url());
    let edge = Edge::start(Config::new(site.set("mirror.asset_hosts", [&*cdn.addr().to_string()]))).await;
    let report = report(&edge).await;
    assert_eq!(report["failures"][0]["cause"], "certificate-untrusted", "{report}");
    assert_eq!(cdn.total(), 0);
}

#[tokio::test]
async fn without_a_list_no_other_host_is_asked() {
    let cdn = cdn().await;
    let origin = site(&cdn).await;
    let edge = Edge::start(Config::new(Site::new().set("key_pages", ["/"]).origin(&origin.url()))).await;
    let report = report(&edge).await;
    assert_eq!((cdn.total(), report["failures"].as_array().map(Vec::len)), (0, Some(0)), "{report}");
}

#[tokio::test]
async fn an_emptied_file_comes_from_its_copy_until_two_crawls_have_seen_it() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let style = origin.content(ASSET).body;
    edge.get(ASSET).await.must_be(&style);
    origin.page(ASSET, Page::new("text/css", ""));
    edge.get(ASSET).await.must_be(&style);
    edge.until("degraded").await;
    edge.get(ASSET).await.must_be(&style);
    assert_eq!(edge.site().await["cause"]["code"], "empty-page");
    // one crawl may have met a file that was just being written
    edge.take_snapshot().await;
    edge.get(ASSET).await.must_be(&style);
    // on purpose, it seems
    edge.take_snapshot().await;
    edge.until("up").await;
    edge.get(ASSET).await.must_be(b"");
}
