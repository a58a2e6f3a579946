//! The page, and the badge.

use std::fmt::Write as _;

use super::StatusView;
use super::public_words::{PublicWords, day_code};
use crate::history::Gets;
use crate::holding_page::escaped;

/// Of a bar in the figure.
const WIDTH: usize = 8;
const STEP: usize = 10;
const HEIGHT: usize = 44;
/// Outages on the page; the feed and the JSON have the same.
const LISTED: usize = 50;

/// The whole document.
pub(super) fn page(view: &StatusView, words: PublicWords) -> String {
    let (tag, title, base) = (words.tag(), escaped(&view.title), escaped(&view.base));
    let (other, name) = words.other();
    let heading = words.pick("Status", "稼働状況");
    let mut text = format!(
        "<!doctype html>\n<html lang=\"{tag}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{heading}: {title}</title>\n\
         <link rel=\"stylesheet\" href=\"{base}/style.css\">\n\
         <link rel=\"alternate\" type=\"application/atom+xml\" title=\"{heading}\" href=\"{base}/feed.atom?lang={tag}\">\n\
         </head>\n<body>\n<header>\n<p><a href=\"/\">{title}</a></p>\n\
         <nav aria-label=\"Language\"><a href=\"{base}?lang={other}\" lang=\"{other}\" hreflang=\"{other}\">{name}</a></nav>\n\
         </header>\n<main>\n<h1>{heading}</h1>\n<p class=\"now {}\" role=\"status\">{}</p>\n",
        super::public_words::code(view.gets),
        words.sentence(view.gets),
    );
    bars(&mut text, view, words);
    outages(&mut text, view, words);
    let _ = write!(
        text,
        "</main>\n<footer>\n<p><a href=\"{base}/feed.atom?lang={tag}\">{}</a> · <a href=\"{base}/status.json\">JSON</a></p>\n\
         </footer>\n</body>\n</html>\n",
        words.pick("Feed (Atom)", "フィード（Atom）"),
    );
    text
}

fn bars(text: &mut String, view: &StatusView, words: PublicWords) {
    let width = view.days.days.len() * STEP;
    let heading = words.pick("The last 90 days", "過去90日間");
    let share = view.days.availability.map(PublicWords::percent);
    let said = share.map_or_else(
        || words.pick("No data yet.", "まだ記録がありません。").to_owned(),
        |share| match words.tag() {
            "ja" => format!("{share}の時間、表示できました。"),
            _ => format!("Available {share} of the time."),
        },
    );
    let _ = write!(
        text,
        "<section aria-labelledby=\"days\">\n<h2 id=\"days\">{heading}</h2>\n<p>{said}</p>\n\
         <svg class=\"bars\" viewBox=\"0 0 {width} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{heading}: {said}\">\n"
    );
    for (place, day) in view.days.days.iter().enumerate() {
        let (x, code, date) = (place * STEP, day_code(day.bar), &day.day);
        let _ = writeln!(
            text,
            "<rect class=\"{code}\" x=\"{x}\" y=\"0\" width=\"{WIDTH}\" height=\"{HEIGHT}\"><title>{date}: {}</title></rect>",
            words.day(day.bar),
        );
    }
    let ends = words.pick("90 days ago</span><span>today", "90日前</span><span>今日");
    let _ = write!(
        text,
        "</svg>\n<p class=\"ends\" aria-hidden=\"true\"><span>{ends}</span></p>\n<ul class=\"legend\">\n"
    );
    for (code, said) in [
        ("works", words.pick("worked", "正常")),
        ("partly_from_copy", words.pick("partly from a copy", "一部をコピーで表示")),
        ("from_copy", words.pick("from a copy", "コピーで表示")),
        ("not_reachable", words.pick("not reachable", "表示できず")),
    ] {
        let _ = writeln!(text, "<li class=\"{code}\">{said}</li>");
    }
    text.push_str("</ul>\n</section>\n");
}

fn outages(text: &mut String, view: &StatusView, words: PublicWords) {
    let heading = words.pick("Past outages", "これまでの障害");
    let _ = write!(text, "<section aria-labelledby=\"outages\">\n<h2 id=\"outages\">{heading}</h2>\n");
    if view.outages.is_empty() {
        let none = words.pick("None in the last 90 days.", "過去90日間に障害はありません。");
        let _ = write!(text, "<p>{none}</p>\n</section>\n");
        return;
    }
    text.push_str("<ol>\n");
    for outage in view.outages.iter().take(LISTED) {
        let (machine, people) = words.time(outage.from);
        let (said, lasted) = (words.outage(outage.worst), words.lasted(outage));
        let _ = writeln!(
            text,
            "<li><time datetime=\"{machine}\">{people}</time> <span>{lasted}</span><p>{said}</p></li>"
        );
    }
    text.push_str("</ol>\n</section>\n");
}

/// A badge for other pages: what it is of, and how it stands.
pub(super) fn badge(gets: Gets, words: PublicWords) -> String {
    let (left, right) = (words.pick("status", "稼働状況"), words.short(gets));
    let colour = match gets {
        Gets::Unknown => "#59636e",
        Gets::Live => "#1c7447",
        Gets::Partly | Gets::Copies | Gets::Gaps => "#8a5300",
        Gets::Holding => "#b5391f",
    };
    // a wide letter takes the room of two narrow ones
    let room = |text: &str| 14 + text.chars().map(|c| if c.is_ascii() { 7 } else { 12 }).sum::<usize>();
    let (a, b) = (room(left), room(right));
    let (all, x, y) = (a + b, a / 2, a + b / 2);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"20\" role=\"img\" aria-label=\"{left}: {right}\">\
         <title>{left}: {right}</title><rect width=\"{all}\" height=\"20\" rx=\"4\" fill=\"#3b4650\"/>\
         <path d=\"M{a} 0h{}a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4h-{}z\" fill=\"{colour}\"/>\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,Noto Sans CJK JP,sans-serif\" font-size=\"11\" text-anchor=\"middle\">\
         <text x=\"{x}\" y=\"14\">{left}</text><text x=\"{y}\" y=\"14\">{right}</text></g></svg>\n",
        b - 4,
        b - 4,
    )
}
