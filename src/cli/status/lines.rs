//! Many sites, a line each: how they stand in one sentence, those in trouble first, no wider than the terminal.

use serde_json::Value;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::super::language::Language;
use super::super::print::printable;
use super::{coarse, each};

/// The levels in their order, with their words and colours.
const LEVELS: [(&str, &str, &str, &str); 6] = [
    ("down", "down", "停止", "\u{1b}[31m"),
    ("degraded", "partly down", "一部停止", "\u{1b}[33m"),
    ("recovering", "coming back", "復帰中", "\u{1b}[33m"),
    ("warning", "needs attention", "要確認", "\u{1b}[33m"),
    ("unproven", "being checked", "確認中", ""),
    ("well", "well", "正常", "\u{1b}[32m"),
];
const PLAIN: &str = "\u{1b}[0m";
/// A name is cut at this width.
const NAME: usize = 40;
/// What is left for the reason on a narrow terminal.
const REASON: usize = 20;

/// What it is written on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    pub(super) language: Language,
    /// In columns; `None` for a pipe or a file, which has none.
    pub(super) width: Option<usize>,
    pub(super) coloured: bool,
}

impl Screen {
    fn word(self, level: &str) -> (String, &'static str) {
        let found = LEVELS.iter().find(|(code, ..)| *code == level);
        found.map_or((printable(level), ""), |(_, en, ja, colour)| {
            (self.language.pick(*en, *ja).to_owned(), if self.coloured { *colour } else { "" })
        })
    }

    fn painted(self, text: &str, colour: &str) -> String {
        if colour.is_empty() { text.to_owned() } else { format!("{colour}{text}{PLAIN}") }
    }
}

/// "3 sites: 1 down, 2 well".
pub(super) fn summary(counts: &Value, screen: Screen) -> String {
    let sites = counts["sites"].as_u64().unwrap_or(0);
    let of = |(level, ..): &(&str, &str, &str, &str)| {
        let count = counts[*level].as_u64().filter(|count| *count > 0)?;
        let (word, colour) = screen.word(level);
        Some(
            screen
                .painted(&screen.language.pick(format!("{count} {word}"), format!("{word}{count}")), colour),
        )
    };
    let parts: Vec<String> = LEVELS.iter().filter_map(of).collect();
    let parts = parts.join(screen.language.pick(", ", "、"));
    let head = screen
        .language
        .pick(format!("{sites} site{}", if sites == 1 { "" } else { "s" }), format!("{sites}サイト"));
    if parts.is_empty() { head } else { format!("{head}{}{parts}", screen.language.pick(": ", "：")) }
}

/// A line for each site of the overview, under a heading.
pub(super) fn lines(sites: &Value, now: std::time::SystemTime, screen: Screen) -> String {
    let language = screen.language;
    let head = language
        .pick(["site", "state", "since", "snapshot", ""], ["サイト", "状態", "開始", "スナップショット", ""]);
    let mut rows = vec![(head.map(str::to_owned), "")];
    for site in each(sites) {
        let text = |key: &str| printable(site[key].as_str().unwrap_or_default());
        let (word, colour) = screen.word(site["level"].as_str().unwrap_or_default());
        let snapshot = if site["snapshot"].is_null() {
            language.pick("none", "なし").to_owned()
        } else {
            age(&site["snapshot"], now)
        };
        let name = cut(&text("name"), NAME);
        rows.push(([name, word, age(&site["since"], now), snapshot, reason(site, language)], colour));
    }
    let widths: [usize; 4] =
        std::array::from_fn(|at| rows.iter().map(|(row, _)| row[at].width()).max().unwrap_or(0));
    let used: usize = widths.iter().map(|width| width + 2).sum();
    let mut text = String::new();
    for (row, colour) in rows {
        let mut line = String::new();
        for (at, width) in widths.iter().enumerate() {
            let cell = if at == 1 { screen.painted(&row[at], colour) } else { row[at].clone() };
            line.push_str(&cell);
            line.push_str(&" ".repeat(width + 2 - row[at].width()));
        }
        let left = screen.width.map_or(usize::MAX, |width| width.saturating_sub(used).max(REASON));
        line.push_str(&cut(&row[4], left));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The code, and what is wrong first of all.
fn reason(site: &Value, language: Language) -> String {
    let notes: Vec<String> = each(&site["notes"]).map(|note| language.of_text(note)).collect();
    let code = site["cause"].as_str().map(|code| format!("{}{}", printable(code), language.pick(": ", "：")));
    let notes = notes.join(language.pick(" ", ""));
    format!("{}{notes}", code.unwrap_or_default())
}

/// How long ago, in its largest unit or two; as it stands if it is no time.
fn age(time: &Value, now: std::time::SystemTime) -> String {
    let text = time.as_str().unwrap_or_default();
    match humantime::parse_rfc3339(text) {
        Ok(at) => coarse(now.duration_since(at).unwrap_or_default().as_secs()),
        Err(_) => printable(text),
    }
}

/// As much of a text as fits, with an ellipsis for the rest. A character may be two columns wide.
fn cut(text: &str, most: usize) -> String {
    if text.width() <= most {
        return text.to_owned();
    }
    let mut width = 1;
    let fits = |c: &char| {
        width += c.width().unwrap_or(0);
        width <= most
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::*;

    fn screen(language: Language) -> Screen {
        Screen { language, width: None, coloured: false }
    }

    #[test]
    fn the_summary_is_one_sentence() {
        let counts = json!({ "sites": 3, "down": 1, "well": 2, "degraded": 0 });
        assert_eq!(summary(&counts, screen(Language::English)), "3 sites: 1 down, 2 well");
        assert_eq!(summary(&counts, screen(Language::Japanese)), "3サイト：停止1、正常2");
        let coloured = Screen { coloured: true, ..screen(Language::English) };
        assert_eq!(
            summary(&counts, coloured),
            "3 sites: \u{1b}[31m1 down\u{1b}[0m, \u{1b}[32m2 well\u{1b}[0m"
        );
        assert_eq!(
            summary(&json!({ "sites": 1, "warning": 1 }), screen(Language::English)),
            "1 site: 1 needs attention"
        );
        assert_eq!(summary(&json!({ "sites": 0 }), screen(Language::English)), "0 sites");
    }

    #[test]
    fn a_line_fits_the_terminal() {
        let note = json!({ "en": "The site's server refuses connections.", "ja": "サイトのサーバーが接続を拒否しています。" });
        let sites = json!([
            { "name": "shop", "level": "down", "since": "1970-01-01T00:00:00Z", "cause": "refused", "notes": [note], "snapshot": null },
            { "name": "x".repeat(99), "level": "well", "since": "1970-01-01T00:00:00Z", "notes": [], "snapshot": "1970-01-01T00:01:00Z" },
        ]);
        let now = UNIX_EPOCH + Duration::from_secs(7265);
        let text = lines(&sites, now, screen(Language::English));
        let rows: Vec<&str> = text.lines().collect();
        assert!(
            rows[1].starts_with("shop ")
                && rows[1].ends_with("2h 1m  none      refused: The site's server refuses connections."),
            "{text}"
        );
        assert!(rows[2].contains("xxx…  well") && rows[2].ends_with("2h 1m  2h"), "{text}");
        for language in [Language::English, Language::Japanese] {
            for width in [80, 100] {
                let text = lines(&sites, now, Screen { width: Some(width), ..screen(language) });
                assert!(
                    text.lines().all(|line| line.width() <= width.max(40 + 2 + 15 + 9 + 18 + REASON)),
                    "{text}"
                );
            }
            let narrow = json!([sites[0]]);
            let text = lines(&narrow, now, Screen { width: Some(72), ..screen(language) });
            assert!(text.lines().all(|line| line.width() <= 72) && text.contains('…'), "{text}");
        }
    }
}
