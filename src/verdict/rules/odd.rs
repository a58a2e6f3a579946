//! Answers that no page is, where the copy has a page: no content, a part that nobody asked for, octets, the file of another
//! kind, the program instead of what it makes.

use http::header::LOCATION;

use super::super::case::{Case, Finding, Known, Shape, Verdict};
use super::{Seen, is_for_programs};
use crate::content::media::{Purpose, content_type, essence, is_html, is_never_a_page};
use crate::failure::Cause;

/// Bytes that are looked at to tell text from octets.
const LOOKED_AT: usize = 4096;
/// How files begin that are no text.
const MAGIC: [&[u8]; 11] = [
    b"%PDF-",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"\x28\xB5\x2F\xFD",
    b"\x89PNG",
    b"GIF8",
    b"\xFF\xD8\xFF",
    b"\x7FELF",
    b"RIFF",
    b"OggS",
    b"\xFD7zXZ",
];

pub(super) fn judge(seen: &Seen<'_>) -> Verdict {
    let case = seen.case;
    let is_known = case.known.is_some() || case.is_key_page;
    let was_page =
        case.is_key_page || (case.has_page() && case.known.is_some_and(|known| known.status == 200));
    let bad = |why: &str| Verdict::Bad(Finding::new(Cause::OddAnswer, why));
    match case.answer.status {
        206 if is_known && !case.wishes.part => bad("a part that nobody asked for"),
        304 if is_known && !case.wishes.change => bad("not modified, though nobody asked whether"),
        301 | 302 | 303 | 307 | 308 if is_known && leads_nowhere(case) => {
            bad("a redirect that leads nowhere")
        }
        204 | 205 if was_page => bad("no content where a page was"),
        204 | 205 if was_drawn(case) => bad("no content where a file was that pages need"),
        status @ (201 | 202 | 207 | 208 | 226) if was_page => {
            case.doubtful(Finding::new(Cause::OddAnswer, format!("status {status} where a page was")))
        }
        200 | 203 if was_page => of_body(case),
        _ => Verdict::Good,
    }
}

/// Whether the copy is a file that pages are drawn with. What is asked for to be counted may be a picture or nothing.
fn was_drawn(case: &Case<'_>) -> bool {
    let was = |known: Known<'_>| {
        let is_drawn = known.content_type.and_then(Purpose::of) == Some(Purpose::Requisite);
        let is_empty = known.body.is_some_and(|body| body.trim_ascii().is_empty());
        known.status == 200 && known.shape == Shape::Asset && is_drawn && !is_empty
    };
    case.known.is_some_and(was) && !is_for_programs(case.key)
}

fn leads_nowhere(case: &Case<'_>) -> bool {
    case.answer.headers.get(LOCATION).is_none_or(|to| to.as_bytes().trim_ascii().is_empty())
}

fn of_body(case: &Case<'_>) -> Verdict {
    let came = content_type(case.answer.headers);
    let body = text_of(case.answer.page.bytes());
    let bad = |why: String| Verdict::Bad(Finding::new(Cause::OddAnswer, why));
    let kind = came.map(essence).unwrap_or("no type");
    if body.starts_with(b"<?php") {
        return bad("the program instead of the page that it makes".to_owned());
    }
    if is_html(came) {
        let is_wide = came.is_some_and(|came| came.to_ascii_lowercase().contains("utf-16"));
        return if !is_wide && is_octets(case.answer.page.bytes()) {
            bad("octets that are no text".to_owned())
        } else {
            Verdict::Good
        };
    }
    if !came.is_some_and(is_never_a_page) {
        return Verdict::Good;
    }
    if begins_as_page(body) {
        return bad(format!("a page that is sent as {kind}"));
    }
    case.doubtful(Finding::new(Cause::OddAnswer, format!("{kind} where a page was")))
}

/// A text without the mark and the blanks at its beginning.
pub(super) fn text_of(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii_start()
}

/// Whether a text begins as pages do, and nothing else does.
pub(super) fn begins_as_page(text: &[u8]) -> bool {
    const STARTS: [&[u8]; 5] = [b"<!doctype html", b"<html", b"<head>", b"<body", b"<title>"];
    STARTS.iter().any(|start| text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start)))
}

/// Whether bytes are no text in any encoding of pages but UTF-16.
fn is_octets(body: &[u8]) -> bool {
    let begins_wide = body.starts_with(b"\xFE\xFF") || body.starts_with(b"\xFF\xFE");
    if MAGIC.iter().any(|magic| body.starts_with(magic)) {
        return true;
    }
    let head = &body[..body.len().min(LOOKED_AT)];
    // 0x0E, 0x0F and 0x1B change the set of characters in ISO 2022
    let is_control = |b: &&u8| matches!(b, 0..=8 | 0x10..=0x1A | 0x1C..=0x1F);
    let controls = head.iter().filter(is_control).count();
    !begins_wide && controls >= 4 && controls * 30 > head.len()
}

#[cfg(test)]
mod tests {
    use super::super::super::case::{Shape, Wanted};
    use super::super::super::wanted;
    use super::super::testing::{Given, PAGE, hold};

    #[test]
    fn what_no_page_is_is_no_answer_where_one_was() {
        let of = |status| Given::status(status).instead_of(PAGE);
        let empty = |status| Given { body: Vec::new(), ..of(status) };
        let instead = |status, kind| {
            Given { body: Vec::new(), ..Given::status(status) }.instead_of_file(Shape::Asset, kind)
        };
        let unasked = |given: Given| given.unasked();
        let sent_as = |kind: &str, body: &[u8]| {
            Given { body: body.to_vec(), ..Given::page("") }.header("content-type", kind).instead_of(PAGE)
        };
        let noise: Vec<u8> = (0..600u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let japanese = b"\x1b$B$3$s$K$A$O\x1b(B ".repeat(30);
        let shift_jis = b"\x82\xb1\x82\xf1\x82\xc9\x82\xbf\x82\xcd ".repeat(30);
        let wide: Vec<u8> = "\u{FEFF}<p>tea</html>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let html = "text/html; charset=utf-8";
        hold(vec![
            ("no content", empty(204), "bad odd-answer"),
            ("no content", empty(205), "bad odd-answer"),
            ("no content, nobody knows the page", Given { body: Vec::new(), ..Given::status(204) }, "good"),
            ("no sheet", instead(204, "text/css"), "bad odd-answer"),
            ("no picture", instead(204, "image/webp"), "bad odd-answer"),
            ("no font", instead(205, "font/woff2"), "bad odd-answer"),
            ("no script, and there was none", instead(204, "text/javascript").copied("\n"), "good"),
            ("no data", instead(204, "application/json"), "good"),
            (
                "no document",
                Given { body: Vec::new(), ..Given::status(204) }
                    .instead_of_file(Shape::Document, "application/pdf"),
                "good",
            ),
            ("accepted", of(202), "doubtful odd-answer"),
            ("accepted", of(202).key_page(), "bad odd-answer"),
            ("accepted, nobody knows the page", Given::status(202), "good"),
            ("a part, asked for", of(206), "good"),
            ("a part", unasked(of(206)), "bad odd-answer"),
            ("not modified, asked for", empty(304), "good"),
            ("not modified", unasked(empty(304)), "bad odd-answer"),
            ("of a page that nobody knows", unasked(Given::status(206)), "good"),
            ("a way to nowhere", of(302), "bad odd-answer"),
            ("a way to nowhere", of(301).header("location", " "), "bad odd-answer"),
            ("a way to nowhere", Given::status(302), "good"),
            ("a way", of(302).header("location", "/b"), "good"),
            ("octets", sent_as(html, &noise), "bad odd-answer"),
            ("octets of a type", sent_as("application/octet-stream", &noise), "doubtful odd-answer"),
            ("packed twice", sent_as(html, b"\x1f\x8b\x08\0\0\0\0\0"), "bad odd-answer"),
            ("a PDF that says it is a page", sent_as(html, b"%PDF-1.7 ..."), "bad odd-answer"),
            ("a PDF", sent_as("application/pdf", b"%PDF-1.7 ..."), "doubtful odd-answer"),
            ("a PDF", sent_as("application/pdf", b"%PDF-1.7 ...").key_page(), "bad odd-answer"),
            ("a picture", sent_as("image/png", b"\x89PNG"), "doubtful odd-answer"),
            ("the page as text", sent_as("text/plain", PAGE.as_bytes()), "bad odd-answer"),
            ("the page to be saved", sent_as("application/octet-stream", PAGE.as_bytes()), "bad odd-answer"),
            ("text", sent_as("text/plain; charset=utf-8", b"Tea: 3 EUR"), "doubtful odd-answer"),
            ("the program", sent_as("application/x-httpd-php", b"<?php echo 1;"), "bad odd-answer"),
            ("the program", sent_as(html, b"\n<?php echo 1;"), "bad odd-answer"),
            ("data for a program", sent_as("application/json", b"{}"), "good"),
            ("a part of a page for a program", sent_as("text/x-component", b"0:[\"$\"]"), "good"),
            ("XHTML", sent_as("application/xml", b"<html xmlns='x'>Tea"), "good"),
            ("ISO-2022-JP", sent_as("text/html; charset=iso-2022-jp", &japanese), "good"),
            ("Shift_JIS", sent_as("text/html; charset=shift_jis", &shift_jis), "good"),
            ("UTF-16", sent_as("text/html; charset=UTF-16", &wide), "good"),
            ("UTF-16", sent_as("text/html", &wide), "good"),
            ("a file of octets", sent_as(html, &noise).instead_of_file(Shape::Document, "text/html"), "good"),
        ]);
        for (kind, expected) in
            [("application/octet-stream", Wanted::Beginning), ("application/x-unheard-of", Wanted::Head)]
        {
            assert_eq!(sent_as(kind, b"").case(wanted), expected, "{kind}");
        }
    }
}
