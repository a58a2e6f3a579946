//! Pages that are known by their fingerprints: those that come with the program, and the operator's own.

use super::super::case::{Finding, Verdict};
use super::{Seen, is_of_site};
use crate::fingerprint::{Kind, WrongPage, wrong_page};

pub(super) fn judge(seen: &Seen<'_>) -> Verdict {
    let answer = &seen.case.answer;
    let own = seen.case.policy.fingerprints.as_deref().and_then(|own| own.find(answer));
    // the operator's word goes before ours
    let Some(wrong) = own.or_else(|| wrong_page(answer)) else { return Verdict::Good };
    if is_meant(seen, wrong) {
        return Verdict::Good;
    }
    Verdict::Bad(Finding::new(wrong.kind.cause(), format!("fingerprint {}", wrong.fingerprint)))
}

/// Whether the site has such a page here on purpose. A list of files, an empty page: where its copy is one, or there is no
/// copy, and nobody said that it is a page that must work. The words of who broke in: where the rest is the site's.
fn is_meant(seen: &Seen<'_>, wrong: WrongPage<'_>) -> bool {
    let case = seen.case;
    if wrong.kind == Kind::Defaced {
        return is_of_site(case, seen.look());
    }
    wrong.kind.may_be_meant()
        && match case.known {
            Some(known) if case.has_page() => known.look.is_some_and(|look| look.kind == Some(wrong.kind)),
            Some(_) | None => !case.is_key_page,
        }
}

#[cfg(test)]
mod tests {
    use super::super::super::case::Shape;
    use super::super::testing::{Given, PAGE, hold};

    const SUSPENDED: &str = include_str!("../../fingerprint/samples/suspended/cpanel-suspended.html");
    const LISTING: &str = include_str!("../../fingerprint/samples/directory-listing/nginx-autoindex.html");

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
