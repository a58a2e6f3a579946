//! The rules, one file a family. Each is asked by itself; the worst word counts, and of equal ones the first.

mod fingerprinted;
mod redirect;
mod status;
#[cfg(test)]
pub(super) mod testing;

use super::case::{Case, Finding, Shape, Verdict, Wanted};
use super::media::{content_type, is_html, is_text};

/// What one family of rules says.
type Rule = fn(&Case<'_>) -> Verdict;

/// In the order of how exactly they name what is wrong.
const RULES: &[Rule] = &[fingerprinted::judge, status::judge, redirect::judge];

/// Judges an answer, as far as it has come. An answer that is judged again when more of it is there may only get worse, or
/// be given a cause that says more.
pub fn judge(case: &Case<'_>) -> Verdict {
    let mut doubtful = None;
    for rule in RULES {
        match rule(case) {
            Verdict::Good => {}
            Verdict::Doubtful(finding) => doubtful = doubtful.or(Some(finding)),
            bad @ Verdict::Bad(_) => return bad,
        }
    }
    doubtful.map_or(Verdict::Good, Verdict::Doubtful)
}

/// How much of the answer's body is wanted before its verdict, judging by status and header fields. Where these are bad
/// already, the beginning may still tell the cause more exactly: nobody needs to wait for it.
pub fn wanted(case: &Case<'_>) -> Wanted {
    let has_body = !matches!(case.answer.status, 100..=199 | 204..=206 | 300..=399);
    let content_type = content_type(case.answer.headers);
    if !has_body || !is_text(content_type) {
        return Wanted::Head;
    }
    let is_page = is_html(content_type) && matches!(case.answer.status, 200..=299);
    match case.known.map(|known| known.shape) {
        Some(Shape::Page) if is_page => Wanted::Whole,
        // of a text file with a copy only its size could tell, and of a folder of downloads it is the content
        Some(Shape::Page | Shape::Asset | Shape::Document | Shape::Redirect) | None => Wanted::Beginning,
    }
}

impl Case<'_> {
    /// Whether the copy at this address is a page that visitors open.
    fn has_page(&self) -> bool {
        self.known.is_some_and(|known| known.shape == Shape::Page)
    }

    /// What may be the site's own will: of a key page it is not.
    fn doubtful(&self, finding: Finding) -> Verdict {
        if self.is_key_page { Verdict::Bad(finding) } else { Verdict::Doubtful(finding) }
    }
}
