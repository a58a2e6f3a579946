//! The tables that commands print.

use std::fmt::Write as _;

use bytesize::ByteSize;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

pub(super) use crate::cli::print::{printable, printable_lines};

/// A table for people; `numeric` columns stand to the right.
pub(in crate::cli) fn table(header: &[&str], numeric: &[usize], rows: Vec<Vec<String>>) -> String {
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
pub(in crate::cli) fn json(value: &Value) -> String {
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
pub(in crate::cli) fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => printable(text),
        None if value.is_null() => String::new(),
        None => value.to_string(),
    }
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
    fn reasons_are_shown_by_their_rules() {
        let reasons =
            serde_json::json!(["shrunk: 4 pages", "key-page: /: gone", "key-page: /b: gone", "imported"]);
        assert_eq!(rules(&reasons), "shrunk, key-page, imported");
        assert_eq!(rules(&Value::Null), "");
    }
}
