//! Ways to other hosts, where the copy has a page: an expired domain, a host's "suspended" page, a hijacked site. And ways
//! that lead back to where they begin.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{LOCATION, SET_COOKIE};
use url::Url;

use super::super::case::{Asked, Case, Finding, Verdict};
use super::super::hosts;
use super::Seen;
use crate::ask::key::page_key;
use crate::ask::normal::names_of;
use crate::failure::Cause;
use crate::http::detour::is_removal;

pub(super) fn judge(seen: &Seen<'_>) -> Verdict {
    let case = seen.case;
    if !matches!(case.answer.status, 301 | 302 | 303 | 307 | 308) {
        return Verdict::Good;
    }
    let headers = case.answer.headers;
    let written = headers.get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()));
    if let (Some(asked), Some(to)) = (&case.asked, &written)
        && leads_back(asked, to)
        && !changes_cookies(asked, headers)
    {
        return Verdict::Bad(Finding::new(
            Cause::RedirectLoop,
            format!("leads to itself by {}", case.answer.status),
        ));
    }
    // Files move to stores and networks for distribution, too: while the rest of the site stands that passes as well.
    let has_copy = case.known.is_some() || case.is_key_page;
    let location: Option<&Cow<'_, str>> = written.as_ref();
    let Some(host) = location.and_then(|to| hosts::of_url(to)).filter(|_| has_copy) else {
        return Verdict::Good;
    };
    if is_own(case, &host) {
        return Verdict::Good;
    }
    case.doubtful(Finding::new(Cause::ForeignRedirect, format!("leads to {host}")))
}

/// Whether a browser that follows it asks for the same again, and the origin is asked the same.
fn leads_back(asked: &Asked<'_>, location: &str) -> bool {
    let Ok(from) = Url::parse(asked.url) else { return false };
    let Ok(to) = from.join(location.trim()) else { return false };
    let place = |url: &Url| {
        let host = url.host_str().unwrap_or_default();
        (host.strip_suffix('.').unwrap_or(host).to_owned(), url.port_or_known_default())
    };
    let page = |url: &Url| page_key(url.path(), url.query(), asked.ignore).into_owned();
    from.scheme() == to.scheme() && place(&from) == place(&to) && page(&from) == page(&to)
}

/// Whether the next request will be another, because the visitor has a cookie more or less: many front pages greet so.
fn changes_cookies(asked: &Asked<'_>, headers: &HeaderMap) -> bool {
    headers.get_all(SET_COOKIE).iter().any(|line| {
        let mut parts = line.as_bytes().split(|&b| b == b';').map(<[u8]>::trim_ascii);
        let pair = parts.next().unwrap_or_default();
        let name = pair.split(|&b| b == b'=').next().unwrap_or_default().trim_ascii();
        let had = asked.cookies.is_some_and(|cookies| names_of(cookies).any(|own| own == name));
        had == parts.any(is_removal)
    })
}

/// Whether the site leads there by itself.
pub(super) fn is_own(case: &Case<'_>, host: &str) -> bool {
    let copy = case.known.and_then(|known| known.location).and_then(hosts::of_url);
    let known =
        case.hosts.iter().chain(&case.policy.moved_to).chain(&case.character.hosts).map(String::as_str);
    known.chain([case.host]).chain(copy.as_deref()).any(|own| hosts::are_related(own, host))
}

#[cfg(test)]
mod tests {
    use super::super::super::case::Shape;
    use super::super::super::character::Character;
    use super::super::testing::{Given, PAGE, hold};

    #[test]
    fn a_page_does_not_lead_to_itself() {
        let to = |from: &'static str, url: &str| Given {
            from: Some((from, None)),
            ..Given::status(302).header("location", url)
        };
        let tea = "https://www.example.jp/tea";
        let cookie = |had: Option<&'static str>, line: &str| Given {
            from: Some((tea, had)),
            ..to(tea, tea).header("set-cookie", line)
        };
        let bad = "bad redirect-loop";
        hold(vec![
            ("itself", to(tea, tea), bad),
            ("itself, with a copy", to(tea, tea).instead_of(PAGE), bad),
            ("its path", to(tea, "/tea"), bad),
            ("relative", to(tea, "tea"), bad),
            ("nothing but a place in it", to(tea, "/tea#top"), bad),
            ("nothing at all", to(tea, ""), bad),
            ("other letters in the host", to(tea, "HTTPS://WWW.Example.JP:443/tea"), bad),
            ("without a scheme", to(tea, "//www.example.jp/tea"), bad),
            ("another spelling", to(tea, "/x/../%74ea"), bad),
            ("what does not change the page", to(tea, "/tea?utm_source=x"), bad),
            ("https", to("http://www.example.jp/tea", tea), "good"),
            ("http", to(tea, "http://www.example.jp/tea"), "good"),
            ("another port", to(tea, "https://www.example.jp:8443/tea"), "good"),
            ("its own port", to("https://www.example.jp:8443/tea", "https://www.example.jp:8443/tea"), bad),
            ("a slash", to(tea, "/tea/"), "good"),
            ("a query", to(tea, "/tea?lang=ja"), "good"),
            ("another host", to(tea, "https://example.jp/tea"), "good"),
            ("a form", Given::status(303).header("location", tea), "good"),
            (
                "no redirect",
                Given { from: Some((tea, None)), ..Given::page(PAGE).header("location", tea) },
                "good",
            ),
            ("a first cookie", cookie(None, "seen=1; Path=/"), "good"),
            ("one more", cookie(Some("a=1; b=2"), "seen=1"), "good"),
            ("one that was there", cookie(Some("a=1; seen=1"), "seen=1; Path=/"), bad),
            ("one that goes", cookie(Some("seen=1"), "seen=; Max-Age=0"), "good"),
            (
                "one that goes",
                cookie(Some("seen=1"), "seen=x; expires=Thu, 01 Jan 1970 00:00:00 GMT"),
                "good",
            ),
            ("one that goes and was not there", cookie(None, "seen=; Max-Age=0"), bad),
        ]);
    }

    #[test]
    fn a_page_does_not_turn_into_a_way_to_somebody_else() {
        let to = |url: &str| Given::status(302).header("location", url);
        let moved = |mut given: Given| {
            given.policy.moved_to = vec!["www.new.example".to_owned()];
            given
        };
        let linked = Character { hosts: vec!["login.partner.example".to_owned()], ..Character::default() };
        hold(vec![
            ("no copy", to("https://parked.example/"), "good"),
            ("a copy", to("https://parked.example/").instead_of(PAGE), "doubtful foreign-redirect"),
            ("a key page", to("https://parked.example/").key_page(), "bad foreign-redirect"),
            ("a path", to("/login?to=//parked.example/").instead_of(PAGE), "good"),
            ("a path", to("login").instead_of(PAGE), "good"),
            ("itself over TLS", to("https://www.example.jp/tea").instead_of(PAGE).key_page(), "good"),
            ("a host of the site", to("http://tea.example:81/").instead_of(PAGE), "good"),
            (
                "where it has moved to",
                moved(to("https://www.new.example/tea").instead_of(PAGE).key_page()),
                "good",
            ),
            (
                "elsewhere",
                moved(to("https://parked.example/").instead_of(PAGE).key_page()),
                "bad foreign-redirect",
            ),
            ("a neighbour", to("https://example.jp/").instead_of(PAGE), "good"),
            ("a neighbour", to("//shop.example.jp/").instead_of(PAGE), "good"),
            (
                "where its pages lead",
                Given { character: linked, ..to("https://login.partner.example/x").instead_of(PAGE) },
                "good",
            ),
            (
                "where it led before",
                to("https://new.example/b").instead_of_way_to("https://new.example/a"),
                "good",
            ),
            (
                "elsewhere than before",
                to("https://parked.example/").instead_of_way_to("https://new.example/a"),
                "doubtful foreign-redirect",
            ),
            (
                "a file",
                to("https://cdn.example/a").instead_of_file(Shape::Asset, "image/png"),
                "doubtful foreign-redirect",
            ),
            (
                "no redirect",
                Given::page(PAGE).header("location", "https://parked.example/").instead_of(PAGE),
                "good",
            ),
        ]);
    }
}
