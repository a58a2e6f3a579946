//! Pages that break off in their markup, though every byte that was promised came: the program that makes them died.

use super::super::case::{Case, Finding, Verdict};
use super::super::look::Look;
use super::Seen;
use crate::failure::Cause;

/// Of a hundred pages of the site, as many say where they end, where that is the site's way.
const ALWAYS: u32 = 98;
/// Pages from which on it is a way.
const ENOUGH: u32 = 10;

pub(super) fn judge(seen: &Seen<'_>) -> Verdict {
    let case = seen.case;
    if !case.answer.whole || !seen.is_page_of_success() || !ends_well(case) {
        return Verdict::Good;
    }
    let structure = seen.page().structure();
    // another template may leave out what this one says: only what begins as the copy does is a part of it
    let part = if structure.ended { Part::None } else { part_of_known(case, seen.look()) };
    let why = match part {
        Part::Some if structure.cut => "it ends within a tag or a script".to_owned(),
        Part::Some | Part::Less if structure.open > 0 => {
            format!("it has no end, and {} kinds of elements are left open", structure.open)
        }
        Part::Less => "it has no end, and is the beginning of its copy".to_owned(),
        Part::None | Part::Some => return Verdict::Good,
    };
    Verdict::Bad(Finding::new(Cause::TruncatedPage, why))
}

/// Whether a page that is all there would say so at its end.
fn ends_well(case: &Case<'_>) -> bool {
    match case.known {
        Some(known) => known.look.is_some_and(|look| look.ended),
        None => case.character.pages >= ENOUGH && case.character.ended >= ALWAYS,
    }
}

/// What of the known page is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It is another page, or it has more.
    None,
    /// Some of it.
    Some,
    /// Nothing else, and clearly less.
    Less,
}

fn part_of_known(case: &Case<'_>, look: &Look) -> Part {
    let Some(copy) = case.known.and_then(|known| known.look) else {
        return if case.character.has_part_in(look).unwrap_or(false) { Part::Some } else { Part::None };
    };
    let contained = look.contained(copy);
    // what shows a sign and not one word has nothing of the copy either
    let has_other_text = contained < 0.5 || (look.words.is_empty() && look.text > 0);
    // where all the text is there, a visitor misses nothing
    if look.text >= copy.text || (copy.title != look.title && has_other_text) {
        return Part::None;
    }
    if contained >= 0.95 && look.text + copy.text / 10 < copy.text { Part::Less } else { Part::Some }
}

#[cfg(test)]
mod tests {
    use super::super::super::case::Shape;
    use super::super::testing::{Given, PAGE, hold};

    #[test]
    fn a_page_that_breaks_off_is_a_part_of_its_copy() {
        let cut = |at: &str| Given::page(PAGE.split_once(at).unwrap().0);
        let other =
            "<html><head><title>Coffee</title></head><body><div><p>Quite another page, of another kind";
        let sloppy = "<title>Tea</title><h1>Tea</h1><p>Green tea from the hills behind the town, picked by hand in \
                      the first week of May.<div><a href=/>Home</a>";
        let unseen = Given { whole: false, ..cut("class=footer") };
        hold(vec![
            ("within a tag", cut("class=footer").instead_of(PAGE), "bad truncated-page"),
            ("within the text", cut("in the first").instead_of(PAGE), "bad truncated-page"),
            ("within the title", cut("ea</title>").instead_of(PAGE), "bad truncated-page"),
            ("all of it, without its end", cut("</div>").instead_of(PAGE), "good"),
            (
                "all of it, without end tags",
                Given::page(&PAGE.replace("</body></html>", "")).instead_of(PAGE),
                "good",
            ),
            (
                "less of it, changed",
                Given::page("<title>Tea</title><h1>Black tea</h1><p>Out of stock").instead_of(PAGE),
                "good",
            ),
            ("a sign without a word", Given::page("<span>\u{25CF}</span>").instead_of(PAGE), "good"),
            ("of which not all is there", unseen.instead_of(PAGE), "good"),
            ("of a page that has no end itself", cut("class=footer").instead_of(sloppy), "good"),
            ("that never had an end", Given::page(sloppy).instead_of(sloppy), "good"),
            ("another page without one", Given::page(other).instead_of(PAGE), "good"),
            ("of which nothing is known", cut("class=footer"), "good"),
            ("whole", Given::page(PAGE).instead_of(PAGE), "good"),
            (
                "not a page",
                cut("class=footer")
                    .header("content-type", "text/plain")
                    .instead_of_file(Shape::Document, "text/plain"),
                "good",
            ),
        ]);
    }

    #[test]
    fn a_page_without_a_copy_is_held_against_the_others() {
        let of = |at: &str| Given {
            character: super::super::testing::character(),
            ..Given::page(PAGE.split_once(at).unwrap().0)
        };
        let short = Given { character: super::super::testing::character(), ..Given::page("<div>a widget") };
        hold(vec![
            ("breaks off", of("class=footer"), "bad truncated-page"),
            ("has nothing of the site", short, "good"),
        ]);
    }
}
