//! A document as plain text, for an e-mail.

use super::document::{Block, Document};

/// The document.
pub fn plain(document: &Document) -> String {
    let mut out = format!("{}\n\n", document.title);
    for text in &document.lead {
        out.push_str(&format!("{text}\n\n"));
    }
    let colon = document.language.pick(": ", "：");
    for (name, value) in &document.facts {
        out.push_str(&format!("{name}{colon}{value}\n"));
    }
    for section in &document.sections {
        out.push_str(&format!("\n\n■ {}\n", section.title));
        section.blocks.iter().for_each(|block| self::block(block, colon, &mut out));
    }
    out.push_str(&format!("\n-- \n{}\n", document.foot));
    out
}

fn block(block: &Block, colon: &str, out: &mut String) {
    out.push('\n');
    match block {
        Block::Text(text) => out.push_str(&format!("{text}\n")),
        Block::Items(items) => items.iter().for_each(|item| out.push_str(&format!("- {item}\n"))),
        Block::Facts(rows) => {
            rows.iter().for_each(|(name, value)| out.push_str(&format!("{name}{colon}{value}\n")))
        }
        Block::Table(head, rows) => {
            out.push_str(&format!("{}\n", head.join(" | ")));
            rows.iter().for_each(|cells| out.push_str(&format!("{}\n", cells.join(" | "))));
        }
        // no line of it can be taken for one of ours
        Block::Verbatim(text) => text.lines().for_each(|line| out.push_str(&format!("> {line}\n"))),
    }
}
