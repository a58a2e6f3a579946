//! What the commands print with.

use std::fmt::Write as _;

use bytesize::ByteSize;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

/// A table for people; `numeric` columns stand to the right.
pub(super) fn table(header: &[&str], numeric: &[usize], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if !header.is_empty() {
        table.set_header(header.iter().copied());
    }
    table.add_rows(rows);
    for column in numeric {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = String::new();
    for line in table.lines() {
        _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// JSON, as `--json` prints it.
pub(super) fn json(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Bytes, for people.
pub(super) fn size(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

/// Bytes that stand in a value.
pub(super) fn size_of(value: &Value) -> String {
    size(value.as_u64().unwrap_or(0))
}

/// A number or a text.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Text from the network, without what would steer a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if steers(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// The same for a text of several lines.
pub(super) fn printable_lines(text: &str) -> String {
    let kept = |c: char| matches!(c, '\n' | '\t') || !steers(c);
    text.chars().flat_map(|c| if kept(c) { vec![c] } else { c.escape_default().collect() }).collect()
}

/// Control characters, and those that turn the direction of the text round and so may show another one.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The codes of the gate's rules that stand before its reasons.
pub(super) fn rules(reasons: &Value) -> String {
    let reasons = reasons.as_array().into_iter().flatten().filter_map(Value::as_str);
    let code = |reason: &str| {
        let code = reason.split_once(": ").map_or("", |(code, _)| code);
        let is_code = !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if is_code { code.to_owned() } else { printable(reason) }
    };
    let mut codes: Vec<String> = reasons.map(code).collect();
    codes.dedup();
    codes.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_the_network_does_not_steer_the_terminal() {
        assert_eq!(printable("/a\u{1b}[2Jé\u{9b}\n\u{202e}x"), "/a\\u{1b}[2Jé\\u{9b}\\n\\u{202e}x");
        assert_eq!(printable_lines("a\n\tb\u{1b}\r"), "a\n\tb\\u{1b}\\r");
    }

    #[test]
    fn reasons_are_shown_by_their_rules() {
        let reasons =
            serde_json::json!(["shrunk: 4 pages", "key-page: /: gone", "key-page: /b: gone", "imported"]);
        assert_eq!(rules(&reasons), "shrunk, key-page, imported");
        assert_eq!(rules(&Value::Null), "");
    }
}
