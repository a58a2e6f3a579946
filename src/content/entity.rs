//! Character references (HTML section 13.2.5.72): `&amp;`, `&#8211;`, `&rsquo;`. Readers of markup hand text and attributes
//! over as they were written.

use std::borrow::Cow;

/// What an attribute's value means: there the parameter in `?a=1&copy=2` stays a parameter.
pub fn decode(value: &str) -> Cow<'_, str> {
    htmlize::unescape_attribute(value)
}

/// What the text between tags means.
pub fn decode_text(text: &str) -> Cow<'_, str> {
    htmlize::unescape(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn references_become_characters() {
        for (written, meant) in [
            ("/a?b=1&amp;c=2", "/a?b=1&c=2"),
            ("/a?b=1&c=2", "/a?b=1&c=2"),
            ("/a?b=1&#38;c=2", "/a?b=1&c=2"),
            ("/a?b=1&#x26;c=2", "/a?b=1&c=2"),
            ("/a?b=1&#38c=2", "/a?b=1&c=2"),
            ("/a?b=1&copy=2", "/a?b=1&copy=2"),
            ("/a?b=1&copyright=2", "/a?b=1&copyright=2"),
            ("/a?b=1&amp=2", "/a?b=1&amp=2"),
            ("x &copy y", "x \u{A9} y"),
            ("caf&eacute;", "café"),
            ("&sol;a&period;html", "/a.html"),
            ("We&rsquo;ll be right back", "We\u{2019}ll be right back"),
            ("Shop &#8211; Tea", "Shop \u{2013} Tea"),
            ("&euro; &ldquo;&#x3042;&rdquo;", "\u{20AC} \u{201C}あ\u{201D}"),
            ("&unknown;", "&unknown;"),
            ("&", "&"),
            ("&#", "&#"),
            ("&#x", "&#x"),
            ("&#x;", "&#x;"),
            ("&#0;", "\u{FFFD}"),
            ("&#150;", "\u{2013}"),
            ("&#99999999999;", "\u{FFFD}"),
            ("&#xD800;", "\u{FFFD}"),
            ("&amp;amp;", "&amp;"),
            ("あ&lt;い", "あ<い"),
        ] {
            assert_eq!(decode(written), meant, "{written}");
        }
        // in text the oldest names need no semicolon, whatever follows
        assert_eq!(decode_text("AT&ampT &copy2026 &rsquo;"), "AT&T \u{A9}2026 \u{2019}");
    }

    proptest! {
        #[test]
        fn any_text_is_decoded_without_growing_much(text in ".*") {
            // No reference is shorter than half of what it stands for.
            prop_assert!(decode(&text).len() <= text.len() * 2 + 3);
            prop_assert!(decode_text(&text).len() <= text.len() * 2 + 3);
        }

        #[test]
        fn what_was_escaped_comes_back(text in "[^&]*") {
            let written = text.replace('<', "&lt;").replace('"', "&quot;");
            prop_assert_eq!(decode(&written).into_owned(), text);
        }
    }
}
