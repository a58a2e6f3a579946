//! What addresses look like, for the software that most of the web is made with.

use proptest::prelude::*;

use crate::content::links::Need;
use crate::crawl::refusal::Refusal;
use crate::crawl::scope::patterns::{MAX_LENGTH, MAX_SEGMENTS, Sort, acts, kinds, list_of, shape};

fn sorts(key: &str) -> Vec<Sort> {
    kinds(key, Need::Link).into_iter().map(|kind| kind.sort).collect()
}

#[test]
fn addresses_are_of_the_kind_that_they_look_like() {
    use Sort::{Date, Dates, Facet, Facets, List, Many, Numbered, One, QueryDate, Two, Version};
    for (key, expected) in [
        ("/about/", vec![]),
        ("/article/12.html", vec![Numbered]),
        ("/2026/11/03/title/", vec![Numbered]),
        // WordPress
        ("/?p=12", vec![One]),
        ("/blog/page/12/", vec![List]),
        ("/blog/page/12/?orderby=date", vec![Facet, Facets]),
        ("/2026/11/", vec![Date, Dates]),
        ("/2026/11/page/2/", vec![List]),
        // WooCommerce
        ("/shop/?orderby=price", vec![Facet, Facets]),
        ("/shop/?filter_color=red&query_type_color=or", vec![Facet, Facets]),
        ("/shop/?min_price=10&max_price=90", vec![Facet, Facets]),
        ("/shop/?product-page=2", vec![One]),
        // MediaWiki, DokuWiki
        ("/index.php?title=Tea&oldid=993", vec![Version]),
        ("/index.php?title=Tea&action=history", vec![Version]),
        ("/index.php?title=Tea", vec![One]),
        ("/doku.php?id=tea&do=revisions", vec![Version]),
        // phpBB
        ("/viewtopic.php?f=2&t=99", vec![Two]),
        ("/viewtopic.php?f=2&t=99&start=25", vec![List, Two]),
        ("/viewtopic.php?f=2&t=99&view=print", vec![Version]),
        ("/memberlist.php?mode=x&sk=a&sd=d", vec![Facet, Facets]),
        // EC-CUBE
        ("/products/list?category_id=5", vec![One]),
        ("/products/list?category_id=5&pageno=2", vec![List, One]),
        ("/products/list?mode=&category_id=5&name=&pageno=2", vec![List, One]),
        ("/products/list?category_id=5&name=&disp_number=20&orderby=1", vec![Facet, Facets]),
        // calendars
        ("/events/month/2026-11/", vec![Date, Dates]),
        ("/events/list/?tribe-bar-date=2026-11-21", vec![QueryDate, Dates]),
        ("/events/list/page/2/", vec![List]),
        ("/calendar/action~month/exact_date~1606780800/", vec![Numbered]),
        ("/cal.php?year=2026&month=11", vec![QueryDate, Dates]),
        // Drupal, Joomla
        ("/search?f%5B0%5D=color:red", vec![Facet, Facets]),
        ("/search?f[0]=color:red&f[1]=size:xl", vec![Facet, Facets]),
        ("/news?limitstart=20", vec![List]),
        ("/index.php?option=com_content&view=article&id=7", vec![Many]),
        ("/x?q", vec![One]),
    ] {
        assert_eq!(sorts(key), expected, "{key}");
    }
    assert_eq!(kinds("/a.css?ver=6.1", Need::Requisite)[0].sort, Sort::File);
    assert!(kinds("/a.css", Need::Requisite).is_empty() && kinds("/x?a=1", Need::Key).is_empty());
}

#[test]
fn the_pages_of_a_list_are_one_list() {
    for (a, b) in [
        ("/blog/page/2/", "/blog/page/30/"),
        ("/l?category_id=5&pageno=2", "/l?pageno=9&category_id=5"),
        ("/t?f=2&t=9&start=25", "/t?f=2&t=9&start=50"),
    ] {
        assert!(list_of(a).is_some() && list_of(a) == list_of(b), "{a} {b}");
    }
    assert_ne!(list_of("/l?category_id=5&pageno=2"), list_of("/l?category_id=6&pageno=2"));
    assert_ne!(list_of("/a/page/2"), list_of("/b/page/2"));
    assert_eq!(list_of("/blog/"), None);
    assert_eq!(list_of("/blog/page/two"), None);
}

#[test]
fn ordinary_addresses_have_a_good_shape() {
    for key in [
        "/",
        "/a/b/c.html",
        "/2011/11/11/11",
        "/a/a/a",
        "/x?id=1",
        "/x?a=1&b=2&c=3",
        "/%E3%81%8A%E7%9F%A5%E3%82%89%E3%81%9B",
        "/a?action=view",
        "/blog/logout-explained",
        "/x?d=1&e=1",
        "/x?a&a",
    ] {
        assert_eq!((shape(key), acts(key)), (Ok(()), false), "{key}");
    }
}

#[test]
fn addresses_that_grow_are_known_by_their_shape() {
    let long = format!("/{}", "x".repeat(MAX_LENGTH));
    let deep = (0..=MAX_SEGMENTS).map(|i| format!("/s{i}")).collect::<String>();
    for (key, refusal) in [
        (long.as_str(), Refusal::TooLong),
        (&deep, Refusal::TooLong),
        ("/x/x/x/x", Refusal::Repeating),
        ("/a/b/a/b/a/b", Refusal::Repeating),
        ("/r/a/b/c/a/b/c/a/b/c/d", Refusal::Repeating),
        ("/x?a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i=9", Refusal::QueryBound),
        ("/x?a=1&b=2&a=1", Refusal::QueryBound),
    ] {
        assert_eq!(shape(key), Err(refusal), "{key}");
    }
}

#[test]
fn links_that_do_something_are_known() {
    for key in [
        "/shop/?add-to-cart=12",
        "/post?replytocom=7",
        "/account/LogOut/",
        "/logout.php",
        "/x?action=delete&id=1",
        "/posting.php?mode=reply&t=3",
        "/ucp.php?mode=delete_cookies",
        "/events/?ical=1",
    ] {
        assert!(acts(key), "{key}");
    }
}

proptest! {
    #[test]
    fn any_key_is_judged(key in "/[ -~あ]{0,60}") {
        let _ = (shape(&key), acts(&key), kinds(&key, Need::Link), kinds(&key, Need::Requisite));
    }

    #[test]
    fn any_address_with_a_cycle_is_refused(cycle in proptest::collection::vec("[a-z]{1,5}", 2..4), head in "[a-z]{0,4}") {
        let key = format!("/{head}/{}", [cycle.join("/"), cycle.join("/"), cycle.join("/")].join("/"));
        prop_assert_eq!(shape(&key), Err(Refusal::Repeating));
    }
}
