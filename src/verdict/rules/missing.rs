//! The site's own word for "there is no such page", with a status of success; and the answer to a random path.

use super::super::case::{Case, Finding, Verdict};
use super::super::look::Look;
use super::{Seen, is_of_site};
use crate::failure::Cause;

pub(super) fn judge(seen: &Seen<'_>) -> Verdict {
    let case = seen.case;
    let Some(missing) = &case.character.missing else { return Verdict::Good };
    let Some(copy) = case.known.filter(|_| case.has_page()).and_then(|known| known.look) else {
        return Verdict::Good;
    };
    // a page that is itself what the site shows for everything, and one that says too little to be known again
    if !case.answer.whole
        || !seen.is_page_of_success()
        || copy.is_like(&missing.look)
        || missing.look.words.len() < 4
        || !seen.look().is_like(&missing.look)
    {
        return Verdict::Good;
    }
    let title = &missing.look.title;
    case.doubtful(Finding::new(
        Cause::SoftMissing,
        format!("looks like the page for what is not there: {title}"),
    ))
}

/// Judges the answer to a random path: a parked name, or a server without the site, answers every path with the same page. `home` is what the site's
/// start page shows now.
pub fn judge_missing_page(case: &Case<'_>, home: Option<&Look>) -> Verdict {
    let seen = Seen::new(case);
    let (Some(missing), Some(home)) = (&case.character.missing, home) else { return Verdict::Good };
    if !case.answer.whole || !seen.is_page_of_success() {
        return Verdict::Good;
    }
    let look = seen.look();
    let as_ever = missing.status == case.answer.status && look.is_like(&missing.look);
    // a site that was made anew may answer so, too, but has its name on it still
    if as_ever || !look.is_like(home) || is_of_site(case, look) {
        return Verdict::Good;
    }
    Verdict::Bad(Finding::new(Cause::Uniform, "a random path is answered with the start page"))
}

#[cfg(test)]
mod tests {
    use super::super::super::character::{Character, Learning};
    use super::super::super::{Verdict, judge_missing_page};
    use super::super::testing::{Given, PAGE, character, hold};
    use super::*;

    const MISSING: &str = "<html><title>Tea house</title><h1>Sorry</h1><p>We have no such page, or no longer; \
                           please try our list of teas.</html>";

    fn with_missing(status: u16, body: &str) -> Character {
        let mut learning = Learning::default();
        learning.missing_page(status, body.as_bytes(), Some("text/html"));
        Character { missing: learning.done().missing, ..character() }
    }

    #[test]
    fn the_page_for_missing_pages_is_known_again() {
        let knows = |status, given: Given| Given { character: with_missing(status, MISSING), ..given };
        let soft = || Given::page(MISSING);
        hold(vec![
            ("for a page", knows(200, soft().instead_of(PAGE)), "doubtful soft-missing"),
            ("for a page", knows(404, soft().instead_of(PAGE)), "doubtful soft-missing"),
            ("for a key page", knows(200, soft().instead_of(PAGE).key_page()), "bad soft-missing"),
            ("for itself", knows(200, soft().instead_of(MISSING)), "good"),
            ("for a page that nobody knows", knows(200, soft()), "good"),
            ("another page", knows(200, Given::page(PAGE).instead_of(PAGE)), "good"),
            ("nobody knows how it looks", soft().instead_of(PAGE), "good"),
            ("not all is there", knows(200, Given { whole: false, ..soft() }.instead_of(PAGE)), "good"),
        ]);
    }

    #[test]
    fn who_answers_a_random_path_with_the_start_page_is_not_the_site() {
        let parked = "<title>www.example.jp</title><p>Related searches: insurance, loans, hotels";
        let app = "<html><title>Tea</title><div id=app>Loading";
        let home = |body: &str| Look::read(body.as_bytes(), Some("text/html"));
        let of = |body, status| Given { character: with_missing(status, MISSING), ..Given::page(body) };
        for (name, given, home, bad) in [
            ("parked", of(parked, 404), Some(home(parked)), true),
            ("another home page", of(parked, 404), Some(home(PAGE)), false),
            ("an application of the site", of(app, 404), Some(home(app)), false),
            ("as ever", of(MISSING, 200), Some(home(MISSING)), false),
            ("no home page", of(parked, 404), None, false),
            ("nothing known", Given::page(parked), Some(home(parked)), false),
        ] {
            let verdict = given.case(|case| judge_missing_page(case, home.as_ref()));
            assert_eq!(matches!(verdict, Verdict::Bad(_)), bad, "{name}: {verdict:?}");
        }
    }
}
