//! A document as a page of its own: nothing from elsewhere, no script, made for screens of every width and for paper.

use super::document::{Block, Document};

const STYLE: &str = include_str!("report.css");

/// The document.
pub fn html(document: &Document) -> String {
    let (language, title) = (document.language.code(), escaped(&document.title));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{title}</h1>\n"
    );
    for text in &document.lead {
        out.push_str(&format!("<p>{}</p>\n", escaped(text)));
    }
    out.push_str("</header>\n");
    facts(&document.facts, &mut out);
    for section in &document.sections {
        out.push_str(&format!("<section>\n<h2>{}</h2>\n", escaped(&section.title)));
        section.blocks.iter().for_each(|block| self::block(block, &mut out));
        out.push_str("</section>\n");
    }
    out.push_str(&format!("<footer>{}</footer>\n</main>\n</body>\n</html>\n", escaped(&document.foot)));
    out
}

fn block(block: &Block, out: &mut String) {
    match block {
        Block::Text(text) => out.push_str(&format!("<p>{}</p>\n", escaped(text))),
        Block::Items(items) => {
            out.push_str("<ul>\n");
            items.iter().for_each(|item| out.push_str(&format!("<li>{}</li>\n", escaped(item))));
            out.push_str("</ul>\n");
        }
        Block::Facts(rows) => facts(rows, out),
        Block::Table(head, rows) => {
            let is_of_times = rows.first().and_then(|cells| cells.first()).is_some_and(|cell| is_time(cell));
            out.push_str(if is_of_times { "<table class=\"events\">" } else { "<table>" });
            out.push_str("\n<thead>\n<tr>");
            head.iter().for_each(|cell| out.push_str(&format!("<th scope=\"col\">{}</th>", escaped(cell))));
            out.push_str("</tr>\n</thead>\n<tbody>\n");
            for cells in rows {
                out.push_str("<tr>");
                cells.iter().for_each(|cell| out.push_str(&cell_of(cell)));
                out.push_str("</tr>\n");
            }
            out.push_str("</tbody>\n</table>\n");
        }
        Block::Verbatim(text) => out.push_str(&format!("<pre>{}</pre>\n", escaped(text))),
    }
}

/// Numbers stand below each other, and times are not broken.
fn cell_of(text: &str) -> String {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b',');
    let class = match (is_number, is_time(text)) {
        (true, _) => " class=\"number\"",
        (false, true) => " class=\"time\"",
        (false, false) => "",
    };
    format!("<td{class}>{}</td>", escaped(text))
}

/// As the speaker writes it.
fn is_time(text: &str) -> bool {
    text.chars().count() <= 22
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.matches(':').count() == 2
}

fn facts(rows: &[(String, String)], out: &mut String) {
    out.push_str("<dl>\n");
    for (name, value) in rows {
        out.push_str(&format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(name), escaped(value)));
    }
    out.push_str("</dl>\n");
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
