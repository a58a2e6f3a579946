//! Ways to other hosts, where the copy has a page: an expired domain, a host's "suspended" page, a hijacked site.

use http::header::LOCATION;

use super::super::case::{Case, Finding, Verdict};
use super::super::hosts;
use super::Seen;
use crate::failure::Cause;

pub(super) fn judge(seen: &Seen<'_>) -> Verdict {
    let case = seen.case;
    if !matches!(case.answer.status, 301 | 302 | 303 | 307 | 308) {
        return Verdict::Good;
    }
    // Files move to stores and networks for distribution, too: while the rest of the site stands that passes as well.
    let has_copy = case.known.is_some() || case.is_key_page;
    let location = case.answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(host) = location.and_then(hosts::of_url).filter(|_| has_copy) else { return Verdict::Good };
    if is_own(case, &host) {
        return Verdict::Good;
    }
    case.doubtful(Finding::new(Cause::ForeignRedirect, format!("leads to {host}")))
}

/// Whether the site leads there by itself.
fn is_own(case: &Case<'_>, host: &str) -> bool {
    let copy = case.known.and_then(|known| known.location).and_then(hosts::of_url);
    let known = case.hosts.iter().chain(&case.character.hosts).map(String::as_str);
    known.chain([case.host]).chain(copy.as_deref()).any(|own| hosts::are_related(own, host))
}

#[cfg(test)]
mod tests {
    use super::super::super::case::Shape;
    use super::super::super::character::Character;
    use super::super::testing::{Given, PAGE, hold};

    #[test]
    fn a_page_does_not_turn_into_a_way_to_somebody_else() {
        let to = |url: &str| Given::status(302).header("location", url);
        let linked = Character { hosts: vec!["login.partner.example".to_owned()], ..Character::default() };
        hold(vec![
            ("no copy", to("https://parked.example/"), "good"),
            ("a copy", to("https://parked.example/").instead_of(PAGE), "doubtful foreign-redirect"),
            ("a key page", to("https://parked.example/").key_page(), "bad foreign-redirect"),
            ("a path", to("/login?to=//parked.example/").instead_of(PAGE), "good"),
            ("a path", to("login").instead_of(PAGE), "good"),
            ("itself over TLS", to("https://www.example.jp/tea").instead_of(PAGE).key_page(), "good"),
            ("a host of the site", to("http://tea.example:81/").instead_of(PAGE), "good"),
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
            ("no place", Given::status(302).instead_of(PAGE), "good"),
            (
                "no redirect",
                Given::page(PAGE).header("location", "https://parked.example/").instead_of(PAGE),
                "good",
            ),
        ]);
    }
}
