//! The search of a real WordPress, while its database is dead.

use super::browser::Browser;
use super::forms::before;
use super::{Application, Failure, wordpress::Wordpress};
use crate::support::certs::Authority;
use crate::support::turn;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_search_of_wordpress_finds_its_pages_without_its_database() {
    let _share = turn::share();
    let mut wordpress = Wordpress::start();
    wordpress.add_search_box();
    let authority = Authority::new();
    let edge = before(&wordpress, "path = \"/wp-comments-post.php\"", &authority).await;
    let mut browser = Browser::new(edge.tls(authority.roots()));
    wordpress.fail(Failure::DatabaseDead);
    edge.until("down").await;
    let answer = browser.get("/?s=Ship+HARBOUR").await;
    let text = answer.text();
    assert_eq!(
        (answer.status, answer.header("cache-status")),
        (200, Some("katahai; hit; detail=search")),
        "{text}"
    );
    for part in [
        "Search results for “Ship HARBOUR”",
        "href=\"/evening-3/\"",
        "a story of <mark>ship</mark> number",
        "class=\"site-footer\"",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.contains("value=\"Ship HARBOUR\""), "what was typed stands in the site's own box: {text}");
    let unknown = browser.get("/?s=unheardof").await;
    assert!(unknown.status == 200 && unknown.text().contains("Nothing was found"), "{}", unknown.text());
    assert!(!unknown.text().contains("a story of"), "no page of the site stands in for it");
}
