//! Pages that are known by their fingerprints.

use super::super::answer::WrongPage;
use super::super::case::{Case, Finding, Verdict};
use super::super::fingerprints::wrong_page;

pub(super) fn judge(case: &Case<'_>) -> Verdict {
    let Some(wrong) = wrong_page(&case.answer) else { return Verdict::Good };
    if wrong.kind.may_be_meant() && is_meant(case, wrong) {
        return Verdict::Good;
    }
    Verdict::Bad(Finding::new(wrong.kind.cause(), format!("fingerprint {}", wrong.fingerprint)))
}

/// Whether the site has such a page here on purpose: its copy is one, or there is no copy, and nobody said that it is a
/// page that must work.
fn is_meant(case: &Case<'_>, wrong: WrongPage) -> bool {
    match case.known {
        Some(known) if case.has_page() => known.look.is_some_and(|look| look.kind == Some(wrong.kind)),
        Some(_) | None => !case.is_key_page,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::case::Shape;
    use super::super::testing::{Given, PAGE, hold};

    const SUSPENDED: &str = include_str!("../samples/suspended/cpanel-suspended.html");
    const LISTING: &str = include_str!("../samples/directory-listing/nginx-autoindex.html");

    #[test]
    fn pages_that_are_not_the_site_are_bad_wherever_they_stand() {
        let cut = |body: &str| Given { whole: false, ..Given::page(body) };
        let with = |status, body| Given { status, ..Given::page(body) };
        hold(vec![
            ("without a copy", Given::page(SUSPENDED), "bad suspended"),
            ("with one", Given::page(SUSPENDED).instead_of(PAGE), "bad suspended"),
            ("with a status", with(404, SUSPENDED).instead_of(PAGE), "bad suspended"),
            ("with a bad status", with(503, SUSPENDED), "bad suspended"),
            ("with a bad status, as yet unseen", Given { status: 503, ..cut("") }, "bad unavailable"),
            ("of which not all is there", cut(SUSPENDED), "good"),
            ("a page", Given::page(PAGE), "good"),
            ("a list of files", Given::page(LISTING), "good"),
            ("that was a page", Given::page(LISTING).instead_of(PAGE), "bad directory-listing"),
            ("that was one before", Given::page(LISTING).instead_of(LISTING), "good"),
            ("where a page must be", Given::page(LISTING).key_page(), "bad directory-listing"),
            ("a list of files for a file", Given::page(LISTING).instead_of_way_to("/b"), "good"),
            ("nothing", Given::page(""), "good"),
            ("nothing, as yet", cut("").instead_of(PAGE), "good"),
            ("nothing for a page", Given::page("").instead_of(PAGE), "bad empty-page"),
            ("nothing for nothing", Given::page("").instead_of(""), "good"),
            ("nothing where a page must be", Given::page("").key_page(), "bad empty-page"),
            (
                "nothing for a picture",
                Given::page("")
                    .header("content-type", "image/gif")
                    .instead_of_file(Shape::Asset, "image/gif"),
                "good",
            ),
        ]);
    }
}
