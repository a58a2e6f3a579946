//! `katahai snapshot diff A B [PATH]`: what differs between two snapshots, or in the text of one page.

use std::fmt::Write as _;

use serde_json::Value;

use super::tables::{self, plain, printable, printable_lines, size_of};
use super::{Place, refuse, text};
use crate::app::shelf::Ask;
use crate::cli::args::DiffSnapshots;
use crate::cli::print::say;
use crate::cli::run_to_end;
use crate::config::render::Style;

/// Addresses of each kind that are listed.
const LISTED: usize = 100_000;

/// Runs the command.
pub(super) fn run(options: &DiffSnapshots) -> u8 {
    let (from, to) = (options.from.clone(), options.to.clone());
    let ask = match &options.path {
        Some(path) => Ask::Text { from, to, path: path.clone() },
        None => Ask::Diff { from, to, limit: LISTED },
    };
    run_to_end(async {
        let place = match Place::of(&options.of).await {
            Ok(place) => place,
            Err(code) => return code,
        };
        match place.ask_any(options.of.site.as_deref(), &ask).await {
            Ok((_, found)) => {
                place.mention();
                say(&if options.of.instance.json {
                    tables::json(&found)
                } else if options.path.is_some() {
                    page(&found, Style::of(&std::io::stdout()))
                } else {
                    shown(&found)
                })
            }
            Err(mut told) => {
                if let Some(path) = options
                    .path
                    .as_deref()
                    .filter(|path| told.code == "unknown-page" && !path.starts_with('/'))
                {
                    told.message.push_str(&format!("; paths begin with \"/\": perhaps /{path}"));
                }
                refuse(&told)
            }
        }
    })
}

fn shown(found: &Value) -> String {
    let counts = &found["counts"];
    let mut out = format!("{} -> {}\n", text(&found["from"]), text(&found["to"]));
    let mut rows = Vec::new();
    for (kind, words) in [
        ("added", "added"),
        ("removed", "removed"),
        ("changed", "changed"),
        ("same", "the same"),
        ("damaged", "parts that cannot be read"),
    ] {
        if kind != "damaged" || counts[kind] != 0 {
            rows.push(vec![plain(&counts[kind]), words.to_owned()]);
        }
    }
    out.push_str(&tables::table(&[], &[0], rows));
    for kind in ["added", "removed", "changed"] {
        let listed = found[kind].as_array().map(Vec::as_slice).unwrap_or_default();
        if listed.is_empty() {
            continue;
        }
        out.push('\n');
        for entry in listed {
            let size = if kind == "changed" {
                format!("{} -> {}", size_of(&entry["before"]["size"]), size_of(&entry["after"]["size"]))
            } else {
                size_of(&entry["size"])
            };
            _ = writeln!(out, "{kind:<7}  {}  ({size})", printable(text(&entry["key"])));
        }
        let more = counts[kind].as_u64().unwrap_or(0).saturating_sub(listed.len() as u64);
        if more > 0 {
            _ = writeln!(out, "{kind:<7}  and {more} more");
        }
    }
    out
}

/// One page's text.
fn page(found: &Value, style: Style) -> String {
    let path = printable(text(&found["path"]));
    let side = |side: &Value| match side["status"].as_u64() {
        Some(status) => format!("{status}, {}, {}", plain(&side["type"]), size_of(&side["size"])),
        None => "not there".to_owned(),
    };
    let both = format!("{} -> {}", side(&found["before"]), side(&found["after"]));
    match found["text"].as_str() {
        None => format!("{path}: {}: {both}\n", text(&found["why"])),
        Some("") => format!("{path}: the text is the same: {both}\n"),
        Some(diff) => {
            let mut out: String =
                printable_lines(diff).lines().map(|line| painted(line, style) + "\n").collect();
            if found["cut"] == true {
                out.push_str("(the rest is not shown)\n");
            }
            out
        }
    }
}

fn painted(line: &str, style: Style) -> String {
    let colour = match line.as_bytes().first() {
        _ if style == Style::Plain => return line.to_owned(),
        _ if line.starts_with("+++") || line.starts_with("---") => "1",
        Some(b'+') => "32",
        Some(b'-') => "31",
        Some(b'@') => "36",
        Some(_) | None => return line.to_owned(),
    };
    format!("\u{1b}[{colour}m{line}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_come_first_and_then_the_addresses() {
        let found = json!({ "from": "a", "to": "b", "counts": { "added": 2, "removed": 0, "changed": 1, "same": 7, "damaged": 0 },
            "added": [{ "key": "/new\u{1b}", "size": 1024 }], "removed": [],
            "changed": [{ "key": "/x", "before": { "size": 1 }, "after": { "size": 2 } }] });
        let text = shown(&found);
        assert!(text.starts_with("a -> b\n 2  added\n 0  removed\n 1  changed\n 7  the same\n"), "{text}");
        let rest = "added    /new\\u{1b}  (1.0 KiB)\nadded    and 1 more\n\nchanged  /x  (1 B -> 2 B)\n";
        assert!(text.ends_with(rest), "{text}");
    }

    #[test]
    fn a_page_is_shown_as_text_or_by_its_sizes() {
        let side = json!({ "status": 200, "type": "image/png", "size": 3 });
        let image =
            json!({ "path": "/a.png", "text": null, "why": "not text", "before": null, "after": side });
        assert_eq!(page(&image, Style::Plain), "/a.png: not text: not there -> 200, image/png, 3 B\n");
        let html =
            json!({ "path": "/", "text": "--- a\n+++ b\n@@ -1 +1 @@\n-x\u{1b}\n+y\n z\n", "cut": true });
        let plain = page(&html, Style::Plain);
        assert_eq!(plain, "--- a\n+++ b\n@@ -1 +1 @@\n-x\\u{1b}\n+y\n z\n(the rest is not shown)\n");
        let coloured = page(&html, Style::Coloured);
        assert!(
            coloured.contains("\u{1b}[32m+y\u{1b}[0m\n z\n") && coloured.contains("\u{1b}[31m-x\\u{1b}"),
            "{coloured}"
        );
    }
}
