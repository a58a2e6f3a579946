//! Whether two answers for the same address are the same page. Two visits a moment apart never get the same bytes from
//! a program that writes a token against forgery, a nonce, a time or a session's id into its pages; those are looked
//! past here. Words, links and prices that differ are another page.
//!
//! Both texts are cut into words at blanks, quotes and brackets, and read side by side. Where two words differ, what
//! differs, up to the next sign, must look like a token on both sides.

/// Letters and digits of a token: fewer than any framework's.
const TOKEN: usize = 6;

/// Whether two bodies are one page but for tokens, numbers and times.
pub fn same_but_for_tokens(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    // What is no text has no tokens.
    if a.contains(&0) || b.contains(&0) {
        return false;
    }
    let (mut a, mut b) = (words(a), words(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(x), Some(y)) if x == y || both_tokens(x, y) => {}
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = |b: &u8| b.is_ascii_whitespace() || b"\"'<>()[]{},".contains(b);
    text.split(ends).filter(|word| !word.is_empty())
}

/// Whether what differs between two words is a token in both.
fn both_tokens(x: &[u8], y: &[u8]) -> bool {
    let least = x.len().min(y.len());
    let mut start = x.iter().zip(y).take_while(|(a, b)| a == b).count();
    let ends = x.iter().rev().zip(y.iter().rev()).take_while(|(a, b)| a == b).count();
    let mut end = ends.min(least - start);
    // Whole runs of letters and digits: two tokens may begin or end alike by chance.
    while start > 0 && x[start - 1].is_ascii_alphanumeric() {
        start -= 1;
    }
    while end > 0 && x[x.len() - end].is_ascii_alphanumeric() {
        end -= 1;
    }
    is_token(&x[start..x.len() - end]) && is_token(&y[start..y.len() - end])
}

/// A number, a time, or letters and digits in no order that a word has.
fn is_token(part: &[u8]) -> bool {
    if !part.is_ascii() {
        return false;
    }
    // Numbers with their signs, a time (ISO 8601 has T and Z), a number with its unit (12ms).
    let unit = part.iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
    let number = &part[..part.len() - if unit <= 2 { unit } else { 0 }];
    if number.last().is_some_and(u8::is_ascii_digit)
        && number.iter().all(|b| b.is_ascii_digit() || b"+-./:_=%~|T".contains(b))
    {
        return true;
    }
    let count = part.iter().filter(|b| b.is_ascii_alphanumeric()).count();
    let turns = |turn: fn(u8, u8) -> bool| part.windows(2).filter(|pair| turn(pair[0], pair[1])).count();
    let digits = turns(|a, b| {
        a.is_ascii_digit() && b.is_ascii_alphabetic() || a.is_ascii_alphabetic() && b.is_ascii_digit()
    });
    // Words that were run together have capitals, too, but not two in a row.
    let capitals = turns(|a, b| a.is_ascii_lowercase() && b.is_ascii_uppercase());
    let in_a_row = turns(|a, b| a.is_ascii_uppercase() && b.is_ascii_uppercase());
    count >= TOKEN && digits >= 2
        || count >= 16 && digits >= 1
        || count >= 12 && capitals >= 3 && in_a_row >= 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_differ_between_two_visits_and_pages_do_not() {
        for (a, b, expected) in [
            ("<p>tea", "<p>tea", true),
            ("", "", true),
            // Rails, Laravel, Symfony, Django, ASP.NET, WordPress, MediaWiki
            (
                r#"<meta name="csrf-token" content="8Zx/k+q2Vw7TqE1y0ZbKc3mXo9A==">"#,
                r#"<meta name="csrf-token" content="q1hP+7mZr/2LdWw0sJ4fTnYc6eU==">"#,
                true,
            ),
            (r#"value="Xb7pQ2mNd81LkRs5TzUv""#, r#"value="pQm29Xk1TzLb7NdUv5Rs""#, true),
            (r#"_token":"a1b2c3d4e5""#, r#"_token":"0f9e8d7c6b""#, true),
            (r#"nonce='r4Nd0m1234'"#, r#"nonce='Zz9x8Yw7v6'"#, true),
            ("/x?sid=abc123def456&lang=ja", "/x?sid=0a9b8c7d6e5f&lang=ja", true),
            ("\"wgRequestId\":\"9a1c5f20d3b7\"", "\"wgRequestId\":\"17be0c3a92f4\"", true),
            ("<!-- 0.123 s -->", "<!-- 1.7 s -->", true),
            ("<!-- 98ms -->", "<!-- 123ms -->", true),
            ("2026-11-03T23:59:59Z", "2026-11-04T00:00:00Z", true),
            ("<time datetime=2026-11-03T09:15:07Z>", "<time datetime=2026-11-03T09:15:08Z>", true),
            ("Tue, 03 Nov 2026 09:15:07 GMT", "Tue, 03 Nov 2026 09:15:08 GMT", true),
            ("id=550e8400-e29b-41d4-a716-446655440000", "id=123e4567-e89b-12d3-a456-426614174000", true),
            // Another page
            ("<p>tea", "<p>coffee", false),
            ("<p>Hello Anna", "<p>Hello Bert", false),
            ("<a href=/products/teapot>", "<a href=/products/kettle>", false),
            ("<a href=/products/tea-pot-3>", "<a href=/products/kettle-42>", false),
            ("<p>anna@example.jp", "<p>bert@example.jp", false),
            ("<p>お茶", "<p>珈琲", false),
            ("<p>one", "<p>one two", false),
            ("<p>1", "<p>one", false),
            ("", "<p>", false),
            ("\0a1b2c3d4", "\0d4c3b2a1", false),
            ("TheOldMillShop", "TheNewMillShop", false),
        ] {
            assert_eq!(same_but_for_tokens(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
            assert_eq!(same_but_for_tokens(b.as_bytes(), a.as_bytes()), expected, "{b} {a}");
        }
    }

    proptest! {
        #[test]
        fn any_two_texts_are_compared(a in ".{0,60}", b in ".{0,60}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            prop_assert_eq!(same_but_for_tokens(a, b), same_but_for_tokens(b, a));
            prop_assert!(same_but_for_tokens(a, a));
        }

        #[test]
        fn random_tokens_are_looked_past(a in "[0-9a-f]{32}", b in "[0-9a-f]{32}") {
            let page = |token: &str| format!("<form><input name=t value='{token}'></form>");
            prop_assert!(same_but_for_tokens(page(&a).as_bytes(), page(&b).as_bytes()));
        }
    }
}
