//! A document as Markdown (CommonMark, with GitHub's tables). Nothing in its texts becomes markup.

use super::document::{Block, Document};

/// The document.
pub fn markdown(document: &Document) -> String {
    let mut out = format!("# {}\n\n", escaped(&document.title));
    for text in &document.lead {
        out.push_str(&format!("{}\n\n", escaped(text)));
    }
    facts(&document.facts, &mut out);
    for section in &document.sections {
        out.push_str(&format!("## {}\n\n", escaped(&section.title)));
        for block in &section.blocks {
            self::block(block, &mut out);
        }
    }
    out.push_str(&format!("---\n\n{}\n", escaped(&document.foot)));
    out
}

fn block(block: &Block, out: &mut String) {
    match block {
        Block::Text(text) => out.push_str(&format!("{}\n\n", escaped(text))),
        Block::Items(items) => {
            items.iter().for_each(|item| out.push_str(&format!("- {}\n", escaped(item))));
            out.push('\n');
        }
        Block::Facts(rows) => facts(rows, out),
        Block::Table(head, rows) => {
            row(head, out);
            out.push_str(&format!("|{}\n", " --- |".repeat(head.len())));
            rows.iter().for_each(|cells| row(cells, out));
            out.push('\n');
        }
        Block::Verbatim(text) => {
            // a fence that is longer than any run of its letter in the text
            let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
            let fence = "`".repeat(longest.max(2) + 1);
            out.push_str(&format!("{fence}text\n{text}\n{fence}\n\n"));
        }
    }
}

fn facts(rows: &[(String, String)], out: &mut String) {
    for (name, value) in rows {
        out.push_str(&format!("- **{}**: {}\n", escaped(name), escaped(value)));
    }
    out.push('\n');
}

fn row(cells: &[String], out: &mut String) {
    out.push('|');
    cells.iter().for_each(|cell| out.push_str(&format!(" {} |", escaped(cell))));
    out.push('\n');
}

/// Text without what Markdown would take for markup; in one line.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let line_begin = text.trim_start();
    // at the beginning of a line, these make lists, titles and rules
    let starts = |c: char| matches!(c, '-' | '+' | '=' | '#' | '>' | '~');
    let is_number = line_begin.split_once(['.', ')']).is_some_and(|(number, _)| {
        !number.is_empty() && number.len() < 10 && number.bytes().all(|b| b.is_ascii_digit())
    });
    let is_number = is_number
        && line_begin
            .split_once(['.', ')'])
            .is_some_and(|(_, rest)| !rest.starts_with(|c: char| c.is_ascii_digit()));
    for (at, c) in line_begin.char_indices() {
        match c {
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '!' => {
                out.push('\\');
                out.push(c);
            }
            '.' | ')' if is_number && line_begin[..at].bytes().all(|b| b.is_ascii_digit()) => {
                out.push('\\');
                out.push(c);
            }
            // addresses and names become links by themselves
            ':' if line_begin[at..].starts_with("://") => out.push_str("\\:"),
            '@' => out.push_str("\\@"),
            '.' if out.to_ascii_lowercase().ends_with("www") => out.push_str("\\."),
            c if at == 0 && starts(c) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_becomes_markup() {
        for (text, expected) in [
            ("plain, with (brackets).", "plain, with (brackets)."),
            ("<script>a|b</script>", "\\<script\\>a\\|b\\</script\\>"),
            ("# title", "\\# title"),
            ("1. one", "1\\. one"),
            ("2026-12-01 10:30", "2026-12-01 10:30"),
            ("- a\n- b", "\\- a - b"),
            ("![x](http://evil.example)", "\\!\\[x\\](http\\://evil.example)"),
            ("www.example.jp & a@b.jp", "www\\.example.jp \\& a\\@b.jp"),
        ] {
            assert_eq!(escaped(text), expected);
        }
        let mut out = String::new();
        block(&Block::Verbatim("a ```` b".to_owned()), &mut out);
        assert_eq!(out, "`````text\na ```` b\n`````\n\n");
    }
}
