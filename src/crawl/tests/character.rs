//! What a crawl learns about the site lies beside the snapshot, and the operator's words hold for what is stored.

use std::sync::Arc;

use super::super::testing::{MemorySite, html, site, status};
use super::crawl;
use crate::fingerprint::Fingerprints;
use crate::snapshot::Addresses;
use crate::verdict::Character;

const FOOT: &str = "<footer>Tea house Kawaguchi, open from nine</footer></body></html>";

/// Eight pages, and a page of its own for what is not there.
fn shop() -> MemorySite {
    MemorySite::new(|ask| {
        let page = |inner: &str| {
            html(&format!("<html lang=ja><title>{} - Kawaguchi</title><body>{inner}{FOOT}", ask.target))
        };
        match ask.target.as_str() {
            "/" => {
                let links: String = (1..8).map(|n| format!("<a href=/tea{n}>tea</a>")).collect();
                page(&format!("{links}<a href=https://maps.example/x>way</a>"))
            }
            tea if tea.starts_with("/tea") => page("<p>a tea"),
            "/robots.txt" | "/sitemap.xml" | "/favicon.ico" => status(404),
            _ => page("<p>We are sorry, but we have no such page, or no longer").with("x-soft", "1"),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_crawl_learns_what_pages_have_in_common_and_how_missing_ones_look() {
    let fetch = shop();
    let crawled = crawl(&site(&["/"]), &fetch).await;
    let snapshot = crawled.snapshot();
    assert_eq!(crawled.keys().len(), 8, "a random path is not stored: {:?}", crawled.keys());
    let character = Character::read(crawled.store.character(&snapshot.id()));
    assert_eq!((character.pages, character.ended), (8, 100));
    assert_eq!(
        (character.languages.as_slice(), character.hosts.as_slice()),
        (&["ja".to_owned()][..], &["maps.example".to_owned()][..])
    );
    assert!(!character.words.is_empty() && !character.names.is_empty());
    // the titles of the two differ by their paths: the site is of two minds
    assert_eq!(character.missing, None);
    let missing: Vec<_> = fetch
        .asked()
        .into_iter()
        .filter(|ask| ask.target.len() >= 13 && !ask.target.contains("site") && !ask.target.contains('?'))
        .collect();
    assert_eq!(missing.len(), 2, "{missing:?}");
    let tried = fetch.asked().into_iter().filter(|ask| ask.target.starts_with("/?")).count();
    assert_eq!(tried, 1, "a parameter that nobody knows, on the one key page");
    let addresses = Addresses::read(crawled.store.addresses(&snapshot.id()));
    assert!(!addresses.may_ignore("/?print"), "it is answered otherwise");
}

#[tokio::test(start_paused = true)]
async fn what_a_site_uses_in_addresses_and_what_its_pages_are_called_is_learned() {
    let fetch = MemorySite::new(|ask| match ask.target.split('?').next().unwrap_or_default() {
        "/" if ask.target.starts_with("/?p=") => status(404),
        "/" => html(&format!(
            "<p>home <a href='/list?page=2'>2</a><a href=/post/>a post</a><form><input name=s></form>\
             <form method=POST action=/buy><input name=cup></form> you are at {}",
            ask.target.split_once('?').map_or("", |(_, query)| query)
        )),
        "/list" => html("<p>the list, as long as it is"),
        "/post/" => html("<link rel='shortlink' href='/?p=168'><link rel=canonical href=/post/><p>a post")
            .with("link", "</posts/1>; rel=canonical, <http://other.example/?x>; rel=shortlink"),
        _ => status(404),
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    let known = Addresses::read(crawled.store.addresses(&crawled.snapshot().id()));
    for (key, ignored) in [("/?s=x", false), ("/?p=9", false), ("/list?page=7", false), ("/list?cup=1", true)]
    {
        assert_eq!(known.may_ignore(key), ignored, "{key}");
    }
    assert_eq!((known.alias("/?p=168"), known.alias("/posts/1")), (Some("/post/"), Some("/post/")));
    assert_eq!(known.alias("/post/"), None);
}

#[tokio::test(start_paused = true)]
async fn how_a_site_says_that_a_page_is_missing_is_learned() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/" => html("<p>home"),
        _ => status(404),
    });
    let crawled = crawl(&site(&["/"]), &fetch).await;
    let character = Character::read(crawled.store.character(&crawled.snapshot().id()));
    assert_eq!(character.missing.map(|missing| missing.status), Some(404));
}

#[tokio::test(start_paused = true)]
async fn who_forbids_it_is_not_asked_for_random_paths() {
    let fetch = MemorySite::new(|ask| match ask.target.as_str() {
        "/robots.txt" => super::super::testing::file("text/plain", "User-agent: *\nDisallow: /"),
        "/" => html("<p>home"),
        _ => status(404),
    });
    let mut site = site(&["/"]);
    site.mirror.robots = crate::config::ready::MirrorRobots::Obey;
    let crawled = crawl(&site, &fetch).await;
    let character = Character::read(crawled.store.character(&crawled.snapshot().id()));
    assert_eq!((character.pages, character.missing), (1, None));
}

#[tokio::test(start_paused = true)]
async fn what_the_operator_knows_as_wrong_is_not_stored() {
    let own = "[[fingerprint]]\nid = 'own'\nkind = 'wrong-page'\nsource = 'ours'\ntitle = ['Blocked by *']\nmax_text = 500";
    let mut site = site(&["/"]);
    site.failover.fingerprints = Some(Arc::new(Fingerprints::read(own).unwrap()));
    site.failover.reject_text = vec!["out of order".to_owned()];
    site.failover.expect_text = "Kawaguchi".to_owned();
    let fetch = MemorySite::of(&[
        (
            "/",
            "<p>Kawaguchi <a href=/blocked>1</a><a href=/order>2</a><a href=/foreign>3</a><a href=/good>4</a>",
        ),
        ("/blocked", "<title>Blocked by the firewall</title>Kawaguchi"),
        ("/order", "<p>Kawaguchi is out of order"),
        ("/foreign", "<p>a page of somebody else"),
        ("/good", "<p>a page of Kawaguchi"),
    ]);
    let crawled = crawl(&site, &fetch).await;
    assert_eq!(crawled.keys(), ["/", "/good"]);
}
