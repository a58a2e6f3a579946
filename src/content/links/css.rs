//! What a style sheet, or a `style` attribute, needs to be drawn: `url()`, `@import`, `image-set()`.

use cssparser::{ParseError, Parser, ParserInput, Token};

/// Blocks within blocks that are looked into. Beyond, a sheet is an attack on the stack, and is skipped over.
const NESTING: usize = 48;

/// The addresses that a sheet names, in their order, as written between the quotes.
pub fn urls(css: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut input = ParserInput::new(css);
    walk(&mut Parser::new(&mut input), Within::Sheet, NESTING, &mut found);
    found
}

/// What the strings of a block mean.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    /// A sheet, a rule, a declaration: strings are text.
    Sheet,
    /// `url("…")` or `src("…")`: the first string is the address.
    Url,
    /// `image-set("…" 1x, …)`: strings are addresses.
    ImageSet,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum of 35 tokens, of which eight matter")]
fn walk(parser: &mut Parser<'_, '_>, within: Within, deeper: usize, found: &mut Vec<String>) {
    let mut import = false;
    let mut namespace = false;
    while let Ok(token) = parser.next() {
        let inside = match token {
            Token::UnquotedUrl(url) => {
                if !namespace {
                    found.push(url.to_string());
                }
                import = false;
                continue;
            }
            Token::QuotedString(text) => {
                if import || within != Within::Sheet {
                    found.push(text.to_string());
                }
                import = false;
                if within == Within::Url {
                    return;
                }
                continue;
            }
            Token::AtKeyword(name) => {
                import = name.eq_ignore_ascii_case("import");
                namespace = name.eq_ignore_ascii_case("namespace");
                continue;
            }
            Token::Semicolon => {
                (import, namespace) = (false, false);
                continue;
            }
            Token::Function(name) if namespace && name.eq_ignore_ascii_case("url") => continue,
            Token::Function(name) => inside(name),
            Token::CurlyBracketBlock | Token::ParenthesisBlock | Token::SquareBracketBlock => Within::Sheet,
            _ => continue,
        };
        if inside == Within::Url {
            import = false;
        }
        if deeper > 0 {
            let _: Result<(), ParseError<'_, ()>> = parser.parse_nested_block(|block| {
                walk(block, inside, deeper - 1, found);
                Ok(())
            });
        }
    }
}

fn inside(function: &str) -> Within {
    let is = |name| function.eq_ignore_ascii_case(name);
    if is("url") || is("src") {
        Within::Url
    } else if is("image-set") || is("-webkit-image-set") || is("image") {
        Within::ImageSet
    } else {
        Within::Sheet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_found() {
        for (css, expected) in [
            ("", &[][..]),
            ("a { background: url(a.png) }", &["a.png"]),
            ("a { background: url( 'a b.png' ) }", &["a b.png"]),
            ("a{background:URL(\"a.png\"),url(b.png)}", &["a.png", "b.png"]),
            ("@import 'x.css'; @import \"y.css\" screen;", &["x.css", "y.css"]),
            ("@import url(x.css) layer(a) supports(display: grid);", &["x.css"]),
            ("@import url('x.css') print;", &["x.css"]),
            (
                "@font-face { font-family: \"A\"; src: url(a.woff2) format(\"woff2\"), url(a.woff) }",
                &["a.woff2", "a.woff"],
            ),
            ("@media print { @supports (a: b) { a { b: url(deep.png) } } }", &["deep.png"]),
            (
                "a { b: image-set('1.png' 1x, \"2.png\" type('image/png') 2x, url(3.png) 3x) }",
                &["1.png", "2.png", "3.png"],
            ),
            ("a { b: -webkit-image-set(url(1.png) 1x) }", &["1.png"]),
            ("/* url(no.png) */ a { content: \"url(no.png)\" }", &[]),
            ("a { b: url(a\\26 b.png) }", &["a&b.png"]),
            ("@namespace url(http://www.w3.org/1999/xhtml); @namespace svg \"urn:x\"; a{b:url(c)}", &["c"]),
            ("@charset \"utf-8\"; a { b: url(c.png) }", &["c.png"]),
            // broken sheets
            ("a { b: url(c.png", &["c.png"]),
            ("} } a { b: url(c.png) }", &["c.png"]),
            ("a { b: url(c d.png) ; e: url(f.png) }", &["f.png"]),
            ("a { --x: { y: url(z.png) } ] ) }", &["z.png"]),
            ("background:url(inline.png)", &["inline.png"]),
        ] {
            assert_eq!(urls(css), expected, "{css}");
        }
    }

    #[test]
    fn a_tower_of_blocks_does_not_fall() {
        let css = format!("{}url(x)", "(".repeat(200_000));
        assert!(urls(&css).is_empty());
        let css = format!("a{{b:{}url(x){} }} c{{d:url(y)}}", "(".repeat(1000), ")".repeat(1000));
        assert_eq!(urls(&css), ["y"]);
    }

    proptest! {
        #[test]
        fn garbage_is_read_to_its_end(css in "[@a-z(){}\\[\\];:,'\"\\\\ /*\n-]{0,200}") {
            let found = urls(&css);
            prop_assert!(found.iter().map(String::len).sum::<usize>() <= css.len() * 4);
        }

        #[test]
        fn any_plain_name_survives_quoting(name in "[a-zA-Z0-9/._~?=&%-]{1,40}") {
            prop_assert_eq!(urls(&format!("a{{b:url({name})}}")), vec![name.clone()]);
            prop_assert_eq!(urls(&format!("a{{b:url('{name}')}}")), vec![name.clone()]);
            prop_assert_eq!(urls(&format!("@import '{name}';")), vec![name]);
        }
    }
}
