//! `srcset` and `imagesrcset` (HTML section 4.8.4.2, "parse a srcset attribute"): which images it names.

/// The addresses of all candidates, in their order. Descriptors are skipped, not judged: a browser that knows
/// more descriptors than we do must find its image too.
pub fn urls(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        if rest.is_empty() {
            return found;
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        let url = &rest[..end];
        rest = &rest[end..];
        let bare = url.trim_end_matches(',');
        if bare.len() == url.len() {
            rest = after_descriptors(rest);
        }
        if !bare.is_empty() {
            found.push(bare);
        }
    }
}

/// What follows the comma that ends the descriptors; a comma in parentheses does not.
fn after_descriptors(text: &str) -> &str {
    let mut depth = 0usize;
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => return &text[i + 1..],
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn candidates_are_found() {
        for (text, expected) in [
            ("", &[][..]),
            ("a.png", &["a.png"]),
            ("a.png 1x, b.png 2x", &["a.png", "b.png"]),
            ("a.png, b.png 2x", &["a.png", "b.png"]),
            ("a.png,b.png 2x", &["a.png,b.png"]),
            (" ,, a.png 100w ,b.png 200w,", &["a.png", "b.png"]),
            ("a.png 1x , b.png 2x", &["a.png", "b.png"]),
            ("a.png calc(1,2)x, b.png", &["a.png", "b.png"]),
            ("a,b,c.png 1x,\n\tb.png 2x", &["a,b,c.png", "b.png"]),
            ("data:image/png;base64,AA== 1x, b.png 2x", &["data:image/png;base64,AA==", "b.png"]),
            ("a.png 1x (", &["a.png"]),
            (",", &[]),
        ] {
            assert_eq!(urls(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_yields_an_empty_or_spaced_address(text in "[a, ()\t\n0-9x]{0,60}") {
            for url in urls(&text) {
                prop_assert!(!url.is_empty() && !url.contains(char::is_whitespace) && !url.ends_with(','));
            }
        }

        #[test]
        fn what_was_joined_is_found(names in proptest::collection::vec("[a-z0-9]{1,8}(,[a-z]{1,3})?\\.png", 1..6)) {
            let text = names.iter().enumerate().map(|(i, n)| format!("{n} {}x", i + 1)).collect::<Vec<_>>().join(", ");
            prop_assert_eq!(urls(&text), names.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
