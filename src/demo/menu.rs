//! The menu as a small PDF (ISO 32000-1), written by hand: one page, Latin text in Helvetica, Japanese text in the
//! fonts that every reader brings along. Prices come from the catalogue, so that they cannot differ from the pages.

use std::fmt::Write as _;

use super::catalog::{Catalog, Kind, Language, Product, grouped};

/// The menu.
pub(super) fn pdf(catalog: &Catalog) -> Vec<u8> {
    let drawn = content(catalog);
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R /Lang (ja) /ViewerPreferences << /DisplayDocTitle true >> >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 420 595] /Contents 4 0 R /Resources << /Font << /L 5 0 R /J 6 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{drawn}\nendstream", drawn.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
        "<< /Type /Font /Subtype /Type0 /BaseFont /HeiseiMin-W3 /Encoding /UniJIS-UTF16-H /DescendantFonts [7 0 R] >>".to_owned(),
        "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /HeiseiMin-W3 /DW 1000 /FontDescriptor 8 0 R \
         /CIDSystemInfo << /Registry (Adobe) /Ordering (Japan1) /Supplement 5 >> >>"
            .to_owned(),
        "<< /Type /FontDescriptor /FontName /HeiseiMin-W3 /Flags 6 /FontBBox [-123 -257 1001 910] /ItalicAngle 0 \
         /Ascent 709 /Descent -241 /CapHeight 709 /StemV 69 >>"
            .to_owned(),
        "<< /Title (Asanagi: menu) /Producer (a hand) >>".to_owned(),
    ];
    assembled(&objects)
}

/// Header, objects, cross-reference table, trailer (ISO 32000-1 section 7.5).
fn assembled(objects: &[String]) -> Vec<u8> {
    let mut out = String::from("%PDF-1.5\n");
    let mut table = String::from("0000000000 65535 f \n");
    for (i, object) in objects.iter().enumerate() {
        let _ = writeln!(table, "{:010} 00000 n ", out.len());
        let _ = write!(out, "{} 0 obj\n{object}\nendobj\n", i + 1);
    }
    let (start, size) = (out.len(), objects.len() + 1);
    let _ = write!(
        out,
        "xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R /Info {} 0 R >>\nstartxref\n{start}\n%%EOF\n",
        size - 1
    );
    out.into_bytes()
}

/// What is drawn on the page; points from the lower left corner.
fn content(catalog: &Catalog) -> String {
    let mut out = String::from("0.14 0.25 0.35 rg 0 515 420 80 re f 1 1 1 rg\n");
    japanese(&mut out, 20, 36, 552, "茶と器 朝凪");
    latin(&mut out, 10, 36, 532, "Asanagi Tea & Ceramics");
    out.push_str("0.13 0.19 0.18 rg\n");
    let mut y = 484;
    for (kind, ja, en) in [(Kind::Tea, "お茶", "Tea"), (Kind::Ware, "器", "Ceramics")] {
        japanese(&mut out, 13, 36, y, ja);
        latin(&mut out, 9, 76, y, en);
        let _ = writeln!(out, "0.6 w 36 {} m 384 {0} l S", y - 7);
        y -= 28;
        for product in catalog.products.iter().filter(|p| p.kind == kind) {
            line(&mut out, y, product);
            y -= 36;
        }
        y -= 14;
    }
    out
}

fn line(out: &mut String, y: i32, product: &Product) {
    japanese(out, 11, 36, y, &product.text.of(Language::Ja).name);
    latin(out, 8, 36, y - 12, &product.text.of(Language::En).name);
    let price = format!("{} yen", grouped(product.price));
    latin(out, 11, 384 - width(&price, 11), y, &price);
}

/// How wide digits, commas and "yen" are in Helvetica, in whole points (its metrics: 556, 278 and 500 thousandths).
fn width(text: &str, size: i32) -> i32 {
    let thousandths: i32 = text
        .chars()
        .map(|c| match c {
            ',' | ' ' => 278,
            'y' => 500,
            _ => 556,
        })
        .sum();
    thousandths * size / 1000
}

/// Text in Helvetica: what is not ASCII has no place in it and becomes a plain quotation mark or nothing.
fn latin(out: &mut String, size: i32, x: i32, y: i32, text: &str) {
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '(' | ')' | '\\' => plain.extend(['\\', c]),
            ' '..='~' => plain.push(c),
            '“' | '”' => plain.push('"'),
            _ => {}
        }
    }
    let _ = writeln!(out, "BT /L {size} Tf {x} {y} Td ({plain}) Tj ET");
}

/// Text in UTF-16, which the encoding of the Japanese font takes as it is.
fn japanese(out: &mut String, size: i32, x: i32, y: i32, text: &str) {
    let mut hex = String::new();
    for unit in text.encode_utf16() {
        let _ = write!(hex, "{unit:04X}");
    }
    let _ = writeln!(out, "BT /J {size} Tf {x} {y} Td <{hex}> Tj ET");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::catalog::catalog;

    #[test]
    fn every_offset_of_the_table_points_at_its_object() {
        let pdf = String::from_utf8(pdf(catalog())).unwrap();
        let start: usize = pdf.rsplit("startxref\n").next().unwrap().lines().next().unwrap().parse().unwrap();
        assert!(pdf[start..].starts_with("xref\n0 10\n"));
        for (i, entry) in pdf[start..].lines().skip(3).take(9).enumerate() {
            let offset: usize = entry[..10].parse().unwrap();
            assert!(pdf[offset..].starts_with(&format!("{} 0 obj\n", i + 1)), "{entry}");
        }
        assert!(pdf.contains("(12,800 yen)") && pdf.contains(&format!("<{:04X}", 0x8336)));
    }

    #[test]
    fn parentheses_do_not_end_the_text() {
        let mut out = String::new();
        latin(&mut out, 8, 0, 0, "a (b) \\ “c” é");
        assert!(out.contains("(a \\(b\\) \\\\ \"c\" ) Tj"), "{out}");
    }
}
