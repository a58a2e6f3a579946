//! The rules of the gate, each with its limit and the reason for it.
//!
//! Small sites are the normal case: a rule about a share also has a number below which it does not apply, since one page of
//! six is not a sixth of a disaster.

use super::{AssetBefore, Before, Broken, Evidence, KeyPage, LostAsset, Rule, Texts, Turned};

/// A key page that keeps less than this share of its text is ruined. A redesign may halve a page, and a notice in its place
/// leaves a few words; a fifth is between them.
const KEY_TEXT: f64 = 0.2;
/// Characters below which a page's text is not judged: a page of pictures.
const LITTLE_TEXT: u32 = 200;
/// Pages that may come to show the same as a key page.
const TWINS: u64 = 2;
/// A first snapshot with at least this many pages, all with the same text, is of a host that answers to every name.
const WILDCARD: u64 = 5;
/// How long a text must be to tell two pages apart: programs in the browser begin with the same few words everywhere.
const TELLING_TEXT: u32 = 100;
/// Pages as a share of those before. A shop that loses half of its pages in a day needs its owner's approval.
const FEWEST: f64 = 0.5;
/// Text as a share of what it was. Below one half, the content is gone and its frame is left: menus and footers are a quarter
/// to a third of an ordinary page's text. A redesign keeps the words, a translation their amount.
const LEAST_TEXT: f64 = 0.5;
/// A crawl in less than this share of the usual time did not see everything, unless it brought as much.
const HASTE: f64 = 0.2;
/// If the usual crawl is shorter than this, in seconds, haste says nothing: the noise of a small site.
const SHORT_CRAWL: f64 = 60.0;
/// The share of pages and of text that a hasty crawl must bring. Two crawls usually differ by a few percent.
const HASTY_SHARE: f64 = 0.8;
/// Pages turned into something else, as a share of those that were good. One of ten sections may move or break; its
/// old copies are carried over meanwhile.
const TURNED: f64 = 0.1;
/// The same including pages that the site says do not exist: owners remove pages, but not a quarter at once.
const TURNED_OR_MISSING: f64 = 0.25;
/// Pages that may turn into something else even on the smallest site.
const FEW_TURNED: u64 = 2;
/// Pages that have come to show the same thing, as a share. A section that is closed may show one notice.
const UNIFORM: f64 = 0.1;
/// Pages that may do so even on the smallest site.
const FEW_UNIFORM: u64 = 2;

fn says(rule: Rule, detail: String) -> Broken {
    Broken { rule, detail, measured: None, limit: None }
}

fn measured(rule: Rule, measured: f64, limit: f64, detail: String) -> Broken {
    // As many digits as anybody wants to read.
    let round = |number: f64| Some((number * 1000.0).round() / 1000.0);
    Broken { rule, detail, measured: round(measured), limit: round(limit) }
}

fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

fn percent(share: f64) -> String {
    format!("{}%", (share * 100.0).round())
}

pub(super) fn cut_short(evidence: &Evidence) -> Option<Broken> {
    evidence.cut_short.as_ref().map(|why| says(Rule::CutShort, why.clone()))
}

pub(super) fn key_page(page: &KeyPage, evidence: &Evidence) -> Option<Broken> {
    let path = &page.path;
    if let Err(why) = &page.reached {
        return Some(says(Rule::KeyPage, format!("{path}: {why}")));
    }
    if let (Some(now), Some(before)) = (page.text, page.text_before)
        && before >= LITTLE_TEXT
        && f64::from(now) < f64::from(before) * KEY_TEXT
    {
        let detail = format!("{path}: {now} characters can be read on it, where there were {before}");
        return Some(measured(Rule::KeyPage, f64::from(now), f64::from(before) * KEY_TEXT, detail));
    }
    if let Some(twin) = &page.key_twin {
        return Some(says(
            Rule::KeyPage,
            format!("{path}: it shows the same as {twin}, which it did not before"),
        ));
    }
    if page.twins > TWINS {
        let detail =
            format!("{path}: it shows the same as {} other pages, which it did not before", page.twins);
        return Some(measured(Rule::KeyPage, page.twins as f64, TWINS as f64, detail));
    }
    let wildcard = evidence.before.is_none()
        && evidence.pages >= WILDCARD
        && evidence.alike == evidence.pages
        && evidence.alike_text >= TELLING_TEXT;
    wildcard.then(|| says(Rule::KeyPage, format!("{path}: it shows the same as every other page")))
}

/// A file that was there must be there, and so must the scripts and styles of a new release. A file that was missing before
/// is not today's fault, nor is a picture that a new article names and nobody has uploaded.
pub(super) fn key_assets(lost: &[LostAsset]) -> Option<Broken> {
    let faults = lost.iter().filter(|asset| match asset.before {
        AssetBefore::Had => true,
        AssetBefore::Missing => false,
        AssetBefore::Unneeded => asset.failed || is_code(&asset.path),
        AssetBefore::Unknown => asset.failed,
    });
    let faults: Vec<&LostAsset> = faults.collect();
    let first = faults.first()?;
    let more = if faults.len() > 1 { format!(" and {} more", faults.len() - 1) } else { String::new() };
    let detail = format!("{}: {}{more}", first.path, first.why);
    Some(measured(Rule::KeyAssets, faults.len() as f64, 0.0, detail))
}

/// Whether the whole page looks or works differently without it.
fn is_code(path: &str) -> bool {
    let path = crate::ask::key::path_of(path).to_ascii_lowercase();
    [".css", ".js", ".mjs"].iter().any(|ending| path.ends_with(ending))
}

pub(super) fn empty(evidence: &Evidence) -> Option<Broken> {
    (evidence.pages == 0).then(|| measured(Rule::Empty, 0.0, 1.0, "no page was stored".to_owned()))
}

pub(super) fn shrunk(pages: u64, before: &Before) -> Option<Broken> {
    let least = (before.pages as f64 * FEWEST).ceil();
    let detail = || format!("{pages} pages, where the current snapshot has {}", before.pages);
    ((pages as f64) < least).then(|| measured(Rule::Shrunk, pages as f64, least, detail()))
}

/// Judges both the total and the median: one long page that goes does not ruin the others, and a hundred short ones that lose
/// a line do not make the site unreadable.
pub(super) fn less_text(text: &Texts) -> Option<Broken> {
    let share = text.now as f64 / (text.before as f64).max(1.0);
    let telling = text.before >= u64::from(LITTLE_TEXT);
    let detail = || {
        format!(
            "{} of {} characters are left on the {} pages that both have, {} of them on the page in the middle",
            text.now,
            text.before,
            text.pages,
            percent(text.typical)
        )
    };
    let broken = telling && share < LEAST_TEXT && text.typical < LEAST_TEXT;
    broken.then(|| measured(Rule::LessText, share, LEAST_TEXT, detail()))
}

/// Time alone says nothing: a site that answers “not changed” is done in a moment. It counts against a crawl that also brings
/// less than usual, although not so little that the other rules apply.
pub(super) fn hasty(evidence: &Evidence, before: &Before) -> Option<Broken> {
    let (now, usual) = (evidence.seconds?, before.seconds?);
    let limit = usual * HASTE;
    if usual < SHORT_CRAWL || now >= limit {
        return None;
    }
    let pages = share(evidence.pages, before.pages);
    let text = if before.text.before < u64::from(LITTLE_TEXT) {
        1.0
    } else {
        before.text.now as f64 / before.text.before as f64
    };
    let smaller = before.pages > 0 && pages < HASTY_SHARE || text < HASTY_SHARE;
    let detail = || {
        let (pages, text) = (percent(pages), percent(text));
        format!(
            "done in {now:.0} s instead of {usual:.0} s, with {pages} of the pages and {text} of their text"
        )
    };
    smaller.then(|| measured(Rule::Hasty, now, limit, detail()))
}

pub(super) fn turned(turned: &Turned) -> Option<Broken> {
    let bad: u64 = turned.into.values().sum();
    let example = turned.example.as_deref().map(|path| format!(", {path} for one")).unwrap_or_default();
    let judge = |count: u64, most: f64, into: String| {
        let broken = count > FEW_TURNED && share(count, turned.of) > most;
        let detail =
            format!("{count} of {} good pages have turned into something else: {into}{example}", turned.of);
        broken.then(|| measured(Rule::Turned, share(count, turned.of), most, detail))
    };
    let list: Vec<String> = turned.into.iter().map(|(what, count)| format!("{count} {what}")).collect();
    let list = list.join(", ");
    let all = if list.is_empty() { list.clone() } else { format!("{list}, ") };
    judge(bad, TURNED, list).or_else(|| {
        judge(bad + turned.missing, TURNED_OR_MISSING, format!("{all}{} missing", turned.missing))
    })
}

pub(super) fn uniform(before: &Before) -> Option<Broken> {
    let share = share(before.merged, before.both);
    let example =
        before.merged_example.as_deref().map(|path| format!(", {path} for one")).unwrap_or_default();
    let broken = before.merged > FEW_UNIFORM && share > UNIFORM;
    let detail = || format!("{} of {} pages now show the same thing{example}", before.merged, before.both);
    broken.then(|| measured(Rule::Uniform, share, UNIFORM, detail()))
}

pub(super) fn by_hand(evidence: &Evidence) -> Option<Broken> {
    let since = evidence.by_hand.as_ref()?;
    Some(says(
        Rule::ByHand,
        format!("an older snapshot was put in service by hand at {since}; new ones wait"),
    ))
}
