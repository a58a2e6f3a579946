//! Addresses without end: calendars, faceted lists, session ids, links that grow by themselves.
//!
//! An address is first judged by its own look, then by how many of its kind have been taken. A kind is the path
//! with its numbers taken out, and the names of the parameters: `/news/2026/11/` and `/news/2025/03/` are one
//! kind, `/list?sort=a&color=b` and `/list?sort=c&color=d` another.

use std::collections::HashMap;

use super::admission::Refusal;
use super::links::Need;

/// Bytes of an address.
const MAX_LENGTH: usize = 1024;
/// Steps of a path.
const MAX_SEGMENTS: usize = 24;
/// Parameters of a query.
const MAX_PARAMETERS: usize = 8;
/// Addresses of one kind that end like a date: 2.7 years of days.
const DATES: usize = 1000;
/// Addresses of one path with three parameters or more.
const COMBINED: usize = 200;
/// Addresses of one kind that have a date in their query.
const QUERY_DATES: usize = 200;

/// How many addresses of each kind have been let through.
#[derive(Debug)]
pub(super) struct Traps {
    seen: HashMap<String, usize>,
    max_pages: usize,
}

impl Traps {
    /// Nothing seen yet. Bounds follow the number of pages that the owner wants.
    pub(super) fn new(max_pages: usize) -> Traps {
        Traps { seen: HashMap::new(), max_pages }
    }

    /// Judges a new address and counts it.
    ///
    /// # Errors
    /// Why it is not fetched.
    pub(super) fn pass(&mut self, key: &str, need: Need) -> Result<(), Refusal> {
        shape(key)?;
        if need == Need::Key || need == Need::Site {
            return Ok(());
        }
        if need == Need::Link && acts(key) {
            return Err(Refusal::Action);
        }
        let (path, query) = key.split_once('?').map_or((key, None), |(path, query)| (path, Some(query)));
        let (bound, refusal) = match query {
            Some(query) => (self.query_bound(query, need), Refusal::QueryBound),
            None if need == Need::Link && ends_like_a_date(path) => (DATES, Refusal::CalendarBound),
            None => return Ok(()),
        };
        // The kinds are fewer than the addresses, but a machine can make kinds too.
        if self.seen.len() >= self.max_pages.saturating_mul(2).max(10_000) {
            return Err(refusal);
        }
        let count = self.seen.entry(kind(path, query)).or_insert(0);
        if *count >= bound {
            return Err(refusal);
        }
        *count += 1;
        Ok(())
    }

    /// The more parameters, the more likely it is that they are combined at will.
    fn query_bound(&self, query: &str, need: Need) -> usize {
        if need != Need::Link {
            return 5000;
        }
        if query.split('&').any(has_date) {
            return QUERY_DATES;
        }
        match query.split('&').count() {
            1 => (self.max_pages / 2).max(1000),
            2 => 1000,
            _ => COMBINED,
        }
    }
}

/// What can be told of an address by looking at it.
fn shape(key: &str) -> Result<(), Refusal> {
    if key.len() > MAX_LENGTH {
        return Err(Refusal::TooLong);
    }
    let (path, query) = key.split_once('?').unwrap_or((key, ""));
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments.len() > MAX_SEGMENTS {
        return Err(Refusal::TooLong);
    }
    if repeats(&segments) {
        return Err(Refusal::Repeating);
    }
    if query.split('&').count() > MAX_PARAMETERS || twice(query) {
        return Err(Refusal::QueryBound);
    }
    Ok(())
}

/// `/a/b/a/b/a/b`: a link that is relative where it should not be. One step alone may stand three times
/// (`/2011/11/11/11`), not four.
fn repeats(segments: &[&str]) -> bool {
    (1..=4).any(|period| {
        let times = if period == 1 { 4 } else { 3 };
        segments.windows(period * times).any(|w| w.iter().zip(&w[period..]).all(|(a, b)| a == b))
    })
}

/// The same parameter with the same value twice over: a link that adds itself to its own page's address.
fn twice(query: &str) -> bool {
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| pair.contains('=')).collect();
    let all = pairs.len();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.len() < all
}

/// Whether a path ends in year and month, a date, or a step of a calendar: `/2026/11/`, `/2026-11-03`, `/202611`.
fn ends_like_a_date(path: &str) -> bool {
    let mut steps = path.rsplit('/').filter(|step| !step.is_empty());
    let (Some(last), before) = (steps.next(), steps.next()) else { return false };
    let last = last.split('.').next().unwrap_or(last);
    if has_date_shape(last) {
        return true;
    }
    let number =
        |step: &str, most: u32| step.len() <= 2 && step.parse::<u32>().is_ok_and(|n| (1..=most).contains(&n));
    match before {
        Some(before) if is_year(before) => number(last, 53),
        Some(before) => number(last, 31) && number(before, 12) && steps.next().is_some_and(is_year),
        None => false,
    }
}

fn has_date(pair: &str) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = name.to_ascii_lowercase();
    let named = ["date", "month", "year", "week", "day", "ym", "calendar"];
    let numeric = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit() || b"-/.".contains(&b));
    has_date_shape(value)
        || numeric && named.iter().any(|word| name == *word || name.ends_with(&format!("_{word}")))
}

/// `2026-11`, `2026-11-03`, `202611`, `20261103`, and the same with slashes or dots.
fn has_date_shape(text: &str) -> bool {
    let (Some(year), Some(rest)) = (text.get(..4), text.get(4..)) else { return false };
    let two = |s: &str, most: u32| s.len() == 2 && s.parse::<u32>().is_ok_and(|n| (1..=most).contains(&n));
    is_year(year)
        && match (rest.len(), rest.as_bytes().first()) {
            (2, Some(b'0'..=b'9')) => two(rest, 12),
            (3, Some(b'-' | b'.')) => rest.get(1..).is_some_and(|m| two(m, 12)),
            (4, Some(b'0'..=b'9')) => {
                rest.get(..2).is_some_and(|m| two(m, 12)) && rest.get(2..).is_some_and(|d| two(d, 31))
            }
            (6, Some(b'-' | b'.')) => {
                rest.get(1..3).is_some_and(|m| two(m, 12)) && rest.get(4..).is_some_and(|d| two(d, 31))
            }
            _ => false,
        }
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.parse::<u32>().is_ok_and(|year| (1900..=2199).contains(&year))
}

/// Links that do something when they are followed, though they should not (RFC 9110 section 9.2.1): a crawler
/// must not fill carts, write log entries, or end anything.
fn acts(key: &str) -> bool {
    const PARAMETERS: [&str; 14] = [
        "add-to-cart",
        "add_to_cart",
        "addtocart",
        "remove_item",
        "undo_item",
        "add_to_wishlist",
        "remove_from_wishlist",
        "add_to_compare",
        "replytocom",
        "_wpnonce",
        "logout",
        "unsubscribe",
        "unapprove",
        "doing_wp_cron",
    ];
    const STEPS: [&str; 6] = ["logout", "log-out", "signout", "sign-out", "logoff", "unsubscribe"];
    const ACTIONS: [&str; 6] = ["logout", "delete", "remove", "add", "edit", "unsubscribe"];
    let (path, query) = key.split_once('?').unwrap_or((key, ""));
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or("").to_ascii_lowercase();
    let last = last.split('.').next().unwrap_or("");
    STEPS.contains(&last)
        || query.split('&').any(|pair| {
            let pair = pair.to_ascii_lowercase();
            let (name, value) = pair.split_once('=').unwrap_or((&pair, ""));
            PARAMETERS.contains(&name)
                || matches!(name, "action" | "do" | "mode" | "cmd") && ACTIONS.contains(&value)
        })
}

/// The kind of an address.
fn kind(path: &str, query: Option<&str>) -> String {
    let mut kind = String::with_capacity(path.len());
    if query.is_some() {
        kind.push_str(path);
    } else {
        let mut digits = false;
        for c in path.chars() {
            if !c.is_ascii_digit() {
                kind.push(c);
            } else if !digits {
                kind.push('#');
            }
            digits = c.is_ascii_digit();
        }
    }
    if let Some(query) = query {
        kind.push('?');
        // Two dozen filters make more combinations than a site has pages: together they are one kind.
        if query.split('&').count() > 2 && !query.split('&').any(has_date) {
            kind.push('*');
        } else {
            let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or(pair));
            let names: std::collections::BTreeSet<&str> = names.collect();
            kind.extend(names.into_iter().flat_map(|name| [name, "&"]));
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judged(key: &str) -> Result<(), Refusal> {
        Traps::new(10_000).pass(key, Need::Link)
    }

    #[test]
    fn ordinary_addresses_pass() {
        for key in [
            "/",
            "/a/b/c.html",
            "/2011/11/11/11",
            "/a/a/a",
            "/x?id=1",
            "/x?a=1&b=2&c=3",
            "/news/2026/11/03/title",
            "/%E3%81%8A%E7%9F%A5%E3%82%89%E3%81%9B",
            "/a?action=view",
            "/blog/logout-explained",
            "/x?d=1&e=1",
            "/x?a&a",
        ] {
            assert_eq!(judged(key), Ok(()), "{key}");
        }
    }

    #[test]
    fn addresses_that_grow_are_refused() {
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
            ("/shop/?add-to-cart=12", Refusal::Action),
            ("/post?replytocom=7", Refusal::Action),
            ("/account/LogOut/", Refusal::Action),
            ("/logout.php", Refusal::Action),
            ("/x?action=delete&id=1", Refusal::Action),
        ] {
            assert_eq!(judged(key), Err(refusal), "{key}");
        }
        assert_eq!(Traps::new(10).pass("/logout", Need::Key), Ok(()));
    }

    fn passed(keys: impl Iterator<Item = String>) -> usize {
        let mut traps = Traps::new(10_000);
        keys.filter(|key| traps.pass(key, Need::Link).is_ok()).count()
    }

    #[test]
    fn kinds_are_bounded() {
        let months = (0..5000).map(|i| format!("/calendar/{}/{:02}/", 1900 + i / 12 % 300, i % 12 + 1));
        assert_eq!(passed(months), DATES);
        let days =
            (0..5000).map(|i| format!("/events/{}-{:02}-{:02}", 1900 + i / 372, i / 31 % 12 + 1, i % 31 + 1));
        assert_eq!(passed(days), DATES);
        assert_eq!(passed((0..5000).map(|i| format!("/list?month={i}"))), QUERY_DATES);
        assert_eq!(
            passed((0..5000).map(|i| format!("/list?d=2026-{:02}-{:02}&x={i}", i / 31 % 12 + 1, i % 31 + 1))),
            200
        );
        assert_eq!(passed((0..20_000).map(|i| format!("/view?id={i}"))), 5000);
        assert_eq!(
            passed((0..5000).map(|i| format!(
                "/list?c{}={i}&size={}&sort={}&b={}",
                i % 12,
                i % 7,
                i % 3,
                i % 5
            ))),
            COMBINED
        );
    }

    #[test]
    fn articles_with_numbers_are_not_a_calendar() {
        assert_eq!(passed((0..9000).map(|i| format!("/article/{i}.html"))), 9000);
        assert_eq!(passed((0..9000).map(|i| format!("/news/2026/11/{}", i + 100))), 9000);
        assert_eq!(passed((0..9000).map(|i| format!("/2026/11/03/title-{i}/"))), 9000);
    }

    #[test]
    fn machines_that_make_kinds_are_bounded_too() {
        assert_eq!(passed((0..50_000).map(|i| format!("/p{}?q{i}", i))), 20_000);
    }

    proptest! {
        #[test]
        fn any_key_is_judged(key in "/[ -~]{0,60}") {
            let _ = judged(&key);
        }

        #[test]
        fn any_address_with_a_cycle_is_refused(cycle in proptest::collection::vec("[a-z]{1,5}", 2..4), head in "[a-z]{0,4}") {
            let key = format!("/{head}/{}", [cycle.join("/"), cycle.join("/"), cycle.join("/")].join("/"));
            prop_assert_eq!(judged(&key), Err(Refusal::Repeating));
        }
    }
}
