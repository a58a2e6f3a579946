//! Pages that are known by their fingerprints: those that come with the program, and the operator's own.

use super::super::case::{Case, Finding, Verdict};
use super::{Seen, is_for_programs, is_of_site};
use crate::content::media::content_type;
use crate::fingerprint::{Kind, WrongPage, wrong_page_instead};

/// Pages from which on it can be said that none of a site's is empty,
const ENOUGH: u32 = 10;
/// and the visible characters that nearly all of them have.
const SOME_TEXT: u32 = 20;
pub(super) fn judge(seen: &Seen<'_>) -> Verdict {
    let answer = &seen.case.answer;
    let own = seen.case.policy.fingerprints.as_deref().and_then(|own| own.find(answer));
    // the operator's word goes before ours
    let ours = || wrong_page_instead(answer, || is_foreign(seen));
    let Some(wrong) = own.or_else(ours) else { return Verdict::Good };
    if is_meant(seen, wrong) {
        return Verdict::Good;
    }
    Verdict::Bad(Finding::new(wrong.kind.cause(), format!("fingerprint {}", wrong.fingerprint)))
}

/// Whether a page has come in place of another, and has nothing of the site.
fn is_foreign(seen: &Seen<'_>) -> bool {
    let case = seen.case;
    let has_look = case.has_page() && case.known.is_some_and(|known| known.look.is_some());
    has_look && seen.is_page_of_success() && !is_of_site(case, seen.look())
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
            None if wrong.kind == Kind::Empty => !case.is_key_page && !is_never_empty(case),
            Some(_) | None => !case.is_key_page,
        }
}

/// Whether no page of the site is empty, and this is the address of one, as far as that can be told without a copy. What
/// programs ask for may answer with nothing: jobs, counters, hooks.
fn is_never_empty(case: &Case<'_>) -> bool {
    let has_query = case.key.split_once('?').is_some_and(|(_, query)| !query.is_empty());
    let is_page = content_type(case.answer.headers).is_some() && !has_query && !is_for_programs(case.key);
    is_page && case.character.pages >= ENOUGH && case.character.sizes[0] >= SOME_TEXT
}

#[cfg(test)]
mod tests {
    use super::super::super::case::Shape;
    use super::super::testing::{Given, PAGE, character, hold};

    const SUSPENDED: &str = include_str!("../../fingerprint/samples/suspended/cpanel-suspended.html");
    const CAPTCHA: &str = include_str!("../../fingerprint/samples/bot-wall/recaptcha-interstitial.html");
    const LISTING: &str = include_str!("../../fingerprint/samples/directory-listing/nginx-autoindex.html");

    #[test]
    fn pages_that_are_not_the_site_are_bad_wherever_they_stand() {
        let cut = |body: &str| Given { whole: false, ..Given::page(body) };
        let titled = |body: &str| body.replace("<title>Captcha", "<title>Tea");
        let of_site = |body: &str| Given { character: character(), ..Given::page(body) };
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
            ("nothing, where no page is empty", of_site(""), "bad empty-page"),
            ("nothing of no type", Given { headers: Default::default(), ..of_site("") }, "good"),
            ("nothing, as yet", Given { whole: false, ..of_site("") }, "good"),
            ("nothing, as yet", cut("").instead_of(PAGE), "good"),
            ("nothing for a page", Given::page("").instead_of(PAGE), "bad empty-page"),
            ("nothing for nothing", Given::page("").instead_of(""), "good"),
            ("nothing where a page must be", Given::page("").key_page(), "bad empty-page"),
            ("a CAPTCHA in place of a page", Given::page(CAPTCHA).instead_of(PAGE), "bad bot-wall"),
            ("not all of it is there", cut(CAPTCHA).instead_of(PAGE), "good"),
            ("that was one before", Given::page(CAPTCHA).instead_of(CAPTCHA), "good"),
            ("under the page's title", Given::page(&titled(CAPTCHA)).instead_of(PAGE), "good"),
            ("under the name of the site", of_site(&titled(CAPTCHA)).instead_of("<p>Coffee"), "good"),
            ("a page that nobody knows", Given::page(CAPTCHA), "good"),
            ("a way somewhere before", Given::page(CAPTCHA).instead_of_way_to("/b"), "good"),
            ("as walls do", with(403, CAPTCHA), "bad bot-wall"),
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
