//! The rules, one file a family. Each is asked by itself; the worst word counts, and of equal ones the first.

mod data;
mod errors;
mod fingerprinted;
mod leads;
mod missing;
mod odd;
mod redirect;
mod script;
mod status;
mod texts;
mod truncated;

#[cfg(test)]
pub(super) mod testing;

use std::cell::OnceCell;

use super::case::{Case, Finding, Shape, Verdict, Wanted};
use super::look::Look;
use crate::content::document::Document;
use crate::content::media::{content_type, is_html, is_never_a_page, is_text};

pub(super) use data::is_data;
pub use missing::judge_missing_page;

/// Words in the paths of what is asked for by programs.
const PROGRAMS: [&str; 16] = [
    "ajax", "api", "beacon", "callback", "collect", "cron", "event", "health", "hook", "ipn", "log",
    "notify", "ping", "pixel", "rpc", "track",
];

/// What one family of rules says.
type Rule = fn(&Seen<'_>) -> Verdict;

/// In the order of how exactly they name what is wrong.
const RULES: &[Rule] = &[
    fingerprinted::judge,
    status::judge,
    redirect::judge,
    odd::judge,
    data::judge,
    texts::judge,
    truncated::judge,
    missing::judge,
    leads::judge,
];

/// Judges an answer, as far as it has come. An answer that is judged again when more of it is there may only get worse, or
/// be given a cause that says more.
pub fn judge(case: &Case<'_>) -> Verdict {
    let (seen, mut doubtful) = (Seen::new(case), None);
    for rule in RULES {
        match rule(&seen) {
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
    let is_success = matches!(case.answer.status, 200..=299);
    let was_data = case.known.is_some_and(|known| data::is_data(known.content_type));
    if has_body && is_success && was_data && data::is_data(content_type) {
        return Wanted::Whole;
    }
    let is_odd = case.has_page() && is_success && content_type.is_some_and(is_never_a_page);
    if !has_body || !(is_text(content_type) || is_odd) {
        return Wanted::Head;
    }
    let is_page = is_html(content_type) && is_success;
    match case.known.map(|known| known.shape) {
        Some(Shape::Page) if is_page => Wanted::Whole,
        // what other text files should be nobody can tell, and of a folder of downloads it is the content
        Some(Shape::Page | Shape::Asset | Shape::Document | Shape::Redirect) | None => Wanted::Beginning,
    }
}

/// A case, and what its answer shows: that is only found out if a rule asks.
struct Seen<'a> {
    case: &'a Case<'a>,
    look: OnceCell<Look>,
}

impl<'a> Seen<'a> {
    fn new(case: &'a Case<'a>) -> Seen<'a> {
        Seen { case, look: OnceCell::new() }
    }

    /// Whether it is a page, and says that it is what was asked for.
    fn is_page_of_success(&self) -> bool {
        let answer = &self.case.answer;
        matches!(answer.status, 200..=203) && is_html(content_type(answer.headers))
    }

    fn page(&self) -> &'a Document<'a> {
        self.case.answer.page
    }

    fn look(&self) -> &Look {
        self.look.get_or_init(|| Look::of(self.page()))
    }
}

/// Whether a page has anything of the site: of its copy, or of what most of its pages have. Where nothing is known, nothing
/// is its.
fn is_of_site(case: &Case<'_>, look: &Look) -> bool {
    let copy = case.known.and_then(|known| known.look);
    let is_of_copy =
        |copy: &Look| (!copy.title.is_empty() && copy.title == look.title) || look.similarity(copy) >= 0.2;
    copy.is_some_and(is_of_copy) || case.character.has_part_in(look).unwrap_or(false)
}

/// Whether an address looks like one that programs ask for: jobs, counters, hooks. They may be answered with nothing.
fn is_for_programs(key: &str) -> bool {
    let path = key.split('?').next().unwrap_or(key).to_ascii_lowercase();
    PROGRAMS.iter().any(|word| path.contains(word))
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
