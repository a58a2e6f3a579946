//! What a crawl does not get is carried over from the last one, with its age, or goes.

use super::changing::{Changing, held, list, words};
use crate::crawl::testing::{Answer, file, html, redirect, site, status};
use crate::failure::Cause;
use crate::snapshot::{Notes, SiteForms};

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_is_carried_over_with_its_age() {
    let mut site = Changing::new().await;
    let first = site.page("/7").expect("it is there");
    assert!(first.notes.text.is_some_and(|text| text > 200));
    site.says("/7", || Answer::Fails(Cause::Reset));
    for crawls in 1..=3 {
        assert_eq!(site.again().await.broken(), [""; 0]);
        let page = site.page("/7").expect("it is carried over");
        assert_eq!((page.taken_at, page.body), (first.taken_at, first.body));
        assert_eq!(page.notes, Notes { carried: crawls, ..first.notes });
        assert_eq!(site.carried(), list(&[("reset", 1)]));
        assert_eq!(site.crawled.progress.read().carried, 1);
    }
    site.says("/7", || html(&words("seven")));
    site.again().await;
    assert_eq!(site.notes("/7"), Some((0, 0)));
    assert!(site.page("/7").is_some_and(|page| page.taken_at > first.taken_at));
}

#[tokio::test(start_paused = true)]
async fn the_search_on_a_page_that_fails_stays_known() {
    let mut site = Changing::new().await;
    let knows = |site: &Changing| {
        let store = &site.crawled.store;
        let forms = SiteForms::read(store.forms(&site.crawled.snapshot().id())).expect("they are noted");
        forms.search_of("/find?q=tea").is_some()
    };
    assert!(!knows(&site));
    let form = "<form action=/find><input type=search name=q></form>";
    site.says("/7", move || html(&format!("{form}{}", words("seven"))));
    site.again().await;
    assert!(knows(&site));
    site.says("/7", || Answer::Fails(Cause::Reset));
    for _ in 0..2 {
        site.again().await;
        assert!(site.notes("/7").is_some_and(|(_, carried)| carried > 0) && knows(&site));
    }
    site.says("/7", || html(&words("seven")));
    site.again().await;
    assert!(!knows(&site), "it is read again, without the form");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_gone_goes_and_one_that_is_missing_goes_the_second_time() {
    let mut site = Changing::new().await;
    site.says("/1", || status(410));
    site.says("/2", || status(404));
    site.says("/3", || status(404));
    assert_eq!(site.again().await.broken(), [""; 0]);
    assert_eq!((site.notes("/1"), site.notes("/2"), site.notes("/3")), (None, Some((1, 1)), Some((1, 1))));
    assert_eq!((site.carried(), site.removed()), (list(&[("not-found", 2)]), list(&[("gone", 1)])));
    site.says("/3", || html(&words("three")));
    assert_eq!(site.again().await.broken(), [""; 0]);
    assert_eq!((site.notes("/2"), site.notes("/3")), (None, Some((0, 0))));
    assert_eq!(site.removed(), list(&[("not-found", 1)]));
    // Nobody has forgotten that they are linked.
    let broken = &site.crawled.outcome.report().broken_links;
    let broken: Vec<_> = broken.iter().map(|link| (&*link.path, &*link.cause, &*link.linked_from)).collect();
    let home = ["/".to_owned()];
    assert_eq!(broken, [("/1", "gone", &home[..]), ("/2", "not-found", &home[..])]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_suddenly_empty_is_believed_the_second_time() {
    let mut site = Changing::new().await;
    site.says("/s.css", || file("text/css", ""));
    assert_eq!(site.again().await.broken(), [""; 0]);
    assert_eq!((site.crawled.body("/s.css").as_str(), site.notes("/s.css")), ("body{}", Some((1, 1))));
    assert_eq!(site.carried(), list(&[("emptied", 1)]));
    site.says("/s.css", || file("text/css", "p{}"));
    assert_eq!(site.again().await.broken(), [""; 0]);
    assert_eq!((site.crawled.body("/s.css").as_str(), site.notes("/s.css")), ("p{}", Some((0, 0))));
    site.says("/s.css", || file("text/css", ""));
    for expected in ["p{}", "", ""] {
        assert_eq!(site.again().await.broken(), [""; 0]);
        assert_eq!(site.crawled.body("/s.css"), expected);
    }
    assert_eq!(site.notes("/s.css"), Some((0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_crawl_that_is_not_good_does_not_count_for_what_is_missing() {
    let mut site = Changing::new().await;
    site.says("/2", || status(404));
    site.says("/", || Answer::Fails(Cause::Reset));
    for _ in 0..3 {
        assert_eq!(site.again().await.broken(), ["key-page"]);
    }
    assert_eq!(site.notes("/2"), Some((0, 0)));
}

#[tokio::test(start_paused = true)]
async fn pages_that_turn_into_a_login_or_lead_away_keep_their_good_copy() {
    let mut site = Changing::new().await;
    let good = site.page("/1").and_then(|page| page.body);
    site.says("/1", || redirect(302, "/login?next=/1"));
    site.says("/2", || redirect(301, "https://parking.example/"));
    site.says("/4", || html("<form><input type=password></form>Please sign in"));
    site.says("/5", || redirect(302, "/oops"));
    site.says("/oops", || status(500));
    assert_eq!(site.again().await.broken(), ["turned"], "four of thirty-one");
    site.says("/5", || html(&words("five")));
    assert_eq!(site.again().await.broken(), [""; 0]);
    assert_eq!(site.page("/1").and_then(|page| page.body), good);
    for key in ["/1", "/2", "/4"] {
        assert_eq!(site.notes(key), Some((0, 1)), "{key}");
        assert!(site.crawled.body(key).contains("All about"), "{key}");
    }
    assert_eq!(site.carried(), list(&[("elsewhere", 1), ("login", 2)]));
    // In the end it is the site's word.
    for _ in 0..10 {
        assert_eq!(site.again().await.broken(), [""; 0]);
    }
    assert_eq!(site.notes("/1"), None);
    assert_eq!(site.page("/2").map(|page| page.status), Some(301));
}

#[tokio::test(start_paused = true)]
async fn pages_that_lead_to_each_other_keep_their_good_copies() {
    let mut site = Changing::new().await;
    site.says("/9", || redirect(301, "/8"));
    assert_eq!(site.again().await.broken(), [""; 0]);
    site.says("/1", || redirect(302, "/2"));
    site.says("/2", || redirect(302, "/new"));
    site.says("/new", || redirect(302, "/1"));
    site.says("/8", || redirect(301, "/9"));
    for crawls in 1..=2 {
        assert_eq!(site.again().await.broken(), [""; 0]);
        for key in ["/1", "/2", "/8"] {
            assert_eq!(site.notes(key), Some((0, crawls)), "{key}");
            assert!(site.crawled.body(key).contains("All about"), "{key}");
        }
        assert_eq!((site.notes("/9"), site.notes("/new")), (Some((0, crawls)), None));
        assert_eq!(site.carried(), list(&[("redirect-loop", 4)]));
        assert_eq!(site.crawled.refused("redirect-loop"), 5);
    }
    site.says("/8", || html(&words("eight")));
    site.again().await;
    assert_eq!((site.notes("/8"), site.notes("/9")), (Some((0, 0)), Some((0, 0))));
}

#[tokio::test(start_paused = true)]
async fn what_the_owner_excludes_or_calls_private_goes_at_once() {
    let mut site = Changing::new().await;
    site.site.mirror.private = crate::config::ready::MirrorPrivate::Never;
    site.says("/1", || html(&words("one")).with("cache-control", "private"));
    site.says("/2", || html(&words("two")).with("set-cookie", "wordpress_logged_in_1=a"));
    site.site.mirror.exclude = vec![crate::config::ready::PathPattern::new("/3").expect("a pattern")];
    assert_eq!(site.again().await.broken(), [""; 0]);
    assert_eq!((site.page("/1"), site.page("/2"), site.page("/3")), (None, None, None));
    assert_eq!(site.removed(), list(&[("excluded", 1), ("login-cookie", 1), ("private", 1)]));
}

#[tokio::test(start_paused = true)]
async fn half_the_site_may_be_excluded_without_a_word_of_the_gate() {
    let mut site = Changing::new().await;
    site.site.mirror.include = vec![crate::config::ready::PathPattern::new("/1*").expect("a pattern")];
    assert_eq!(site.again().await.broken(), [""; 0]);
    assert_eq!(site.crawled.snapshot().summary().pages, 12);
}

#[tokio::test(start_paused = true)]
async fn a_page_without_links_to_it_is_asked_for_and_stays() {
    let mut site = Changing::new().await;
    site.says("/", || html(&words("home without links")));
    assert_eq!(site.again().await.broken(), [""; 0]);
    assert_eq!(site.notes("/29"), Some((0, 0)), "it was asked for");
    assert_eq!(site.crawled.snapshot().summary().pages, 31);
    assert_eq!(site.carried(), []);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_robots_txt_loses_nothing_and_a_new_one_is_obeyed() {
    let mut site = Changing::new().await;
    site.site.mirror.robots = crate::config::ready::MirrorRobots::Obey;
    site.says("/robots.txt", || status(500));
    assert_eq!(site.again().await.broken(), ["shrunk"]);
    let held = held(&site.crawled);
    assert_eq!(held.summary().pages, 31, "all is carried over in what is held");
    site.says("/robots.txt", || file("text/plain", "User-agent: *\nDisallow: /1\n"));
    assert_eq!(site.again().await.broken(), [""; 0]);
    assert_eq!((site.page("/12"), site.removed()), (None, list(&[("robots", 11)])));
}

#[tokio::test(start_paused = true)]
async fn what_a_bound_leaves_out_is_carried_over_but_not_without_end() {
    let mut bounded = site(&["/"]);
    bounded.mirror.max_pages = 31;
    let mut site = Changing::of(bounded).await;
    site.says("/", || {
        let links: String = (0..30).map(|i| format!("<a href=/new/{i}>")).collect();
        html(&format!("{}{links}", words("home")))
    });
    assert_eq!(site.again().await.broken(), [""; 0]);
    assert_eq!(site.crawled.snapshot().summary().pages, 61);
    assert_eq!(site.carried(), list(&[("not-reached", 30)]));
    site.says("/", || {
        let links: String = (0..30).map(|i| format!("<a href=/newer/{i}>")).collect();
        html(&format!("{}{links}", words("home")))
    });
    assert_eq!(site.again().await.broken(), [""; 0]);
    assert_eq!(site.crawled.snapshot().summary().pages, 62, "twice the bound");
    assert_eq!(site.removed(), list(&[("no-copy", 29)]));
}

#[tokio::test(start_paused = true)]
async fn assets_and_redirects_are_carried_over_alike() {
    let mut site = Changing::new().await;
    site.says("/3", || html(&format!("{}<img src=/pic.png><a href=/old>", words("three"))));
    site.says("/pic.png", || file("image/png", "png"));
    site.says("/old", || redirect(301, "/3"));
    assert_eq!(site.again().await.broken(), [""; 0]);
    site.says("/pic.png", || Answer::Fails(Cause::Reset));
    site.says("/old", || status(500));
    assert_eq!(site.again().await.broken(), [""; 0]);
    assert_eq!((site.notes("/pic.png"), site.notes("/old")), (Some((0, 1)), Some((0, 1))));
    assert_eq!(site.page("/old").map(|page| page.status), Some(301));
}
