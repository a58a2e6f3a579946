//! What the operator says that every page of the site has, or that none of them ever has.

use super::super::case::{Finding, Verdict};
use super::Seen;
use crate::content::text::fold;
use crate::failure::Cause;

pub(super) fn judge(seen: &Seen<'_>) -> Verdict {
    let policy = seen.case.policy;
    if (policy.expect_text.is_empty() && policy.reject_text.is_empty()) || !seen.is_page_of_success() {
        return Verdict::Good;
    }
    if let Some(text) = policy.reject_text.iter().find(|text| has(seen, text)) {
        return Verdict::Bad(Finding::new(Cause::TextRejected, format!("it has {text:?}")));
    }
    let expected = &policy.expect_text;
    if !expected.is_empty() && seen.case.answer.whole && !has(seen, expected) {
        return Verdict::Bad(Finding::new(Cause::TextMissing, format!("it has no {expected:?}")));
    }
    Verdict::Good
}

/// Whether a text is on the page as a visitor reads it, or in its markup to the letter.
fn has(seen: &Seen<'_>, text: &str) -> bool {
    let folded = fold(text);
    let page = seen.page().text();
    page.text.contains(&folded) || page.title.contains(&folded) || seen.page().html().contains(text)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Given, PAGE, hold, policy};
    use crate::config::ready::Failover;

    #[test]
    fn the_operators_texts_are_looked_for_on_pages() {
        let expect = |text: &str, given: Given| Given {
            policy: Failover { expect_text: text.to_owned(), ..policy() },
            ..given
        };
        let reject = |texts: &[&str], given: Given| Given {
            policy: Failover {
                reject_text: texts.iter().map(|text| (*text).to_owned()).collect(),
                ..policy()
            },
            ..given
        };
        let page = || Given::page(PAGE);
        let cut = || Given { whole: false, ..page() };
        let picture = || page().header("content-type", "image/svg+xml");
        hold(vec![
            ("expected and there", expect("GREEN  tea", page()), "good"),
            ("expected in the title", expect("Tea", page()), "good"),
            ("expected in the markup", expect("<a href=/>", page()), "good"),
            ("expected and not there", expect("Coffee", page()), "bad text-missing"),
            ("expected, not all is there", expect("Coffee", cut()), "good"),
            ("expected in a picture", expect("Coffee", picture()), "good"),
            ("expected of an error", expect("Coffee", Given { status: 404, ..page() }), "good"),
            ("rejected and not there", reject(&["Coffee"], page()), "good"),
            ("rejected and there", reject(&["Coffee", "green tea"], page()), "bad text-rejected"),
            ("rejected, not all is there", reject(&["green tea"], cut()), "bad text-rejected"),
            ("rejected in a picture", reject(&["Tea"], picture()), "good"),
        ]);
    }
}
