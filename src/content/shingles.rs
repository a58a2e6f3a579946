//! What a page shows, in hashes: enough to tell a page that says something new from the hundredth empty month of a
//! calendar, or the same twenty goods in yet another order.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Hashes of one page.
const MOST: usize = 256;

/// The hashes of the texts and pictures of a page. Digits do not count: dates, prices and counters change by
/// themselves.
pub fn shingles(html: &[u8]) -> Vec<u64> {
    let mut hashes = Vec::new();
    // Each piece is a tag and the text that follows it.
    let mut hidden = false;
    for piece in html.split(|b| *b == b'<') {
        if hashes.len() == MOST {
            break;
        }
        let end = piece.iter().position(|b| *b == b'>').unwrap_or(piece.len());
        let (tag, text) = piece.split_at(end);
        if begins(tag, b"/script") || begins(tag, b"/style") {
            hidden = false;
        } else if begins(tag, b"script") || begins(tag, b"style") {
            hidden = true;
        }
        if begins(tag, b"img") {
            hashes.extend(value_of(tag, b"src=").map(hash));
        }
        if !hidden {
            hashes.extend(words(text.get(1..).unwrap_or_default()));
        }
    }
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

fn begins(tag: &[u8], with: &[u8]) -> bool {
    tag.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with))
}

fn value_of<'a>(tag: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = tag.windows(name.len()).position(|window| window.eq_ignore_ascii_case(name))?;
    let value = &tag[at + name.len()..];
    let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
    let end = value.iter().position(|b| b" \"'>".contains(b)).unwrap_or(value.len());
    (end > 0).then(|| &value[..end])
}

/// The hash of a text of three bytes or more besides digits and blanks.
fn words(text: &[u8]) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    let mut len = 0;
    for byte in text.iter().filter(|b| !b.is_ascii_digit() && !b.is_ascii_whitespace()) {
        hasher.write_u8(*byte);
        len += 1;
    }
    (len >= 3).then(|| hasher.finish())
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pages_that_differ_in_numbers_and_order_only_are_the_same() {
        let month =
            |n: u32| format!("<h1>Events {n}</h1><td>{n}<td>No events<a href=/m/{}>next month</a>", n + 1);
        assert_eq!(shingles(month(1).as_bytes()), shingles(month(77).as_bytes()));
        let goods = ["Blue cup", "Red cup", "Green pot"].map(|name| format!("<li>{name}</li>"));
        let other = goods.iter().rev().cloned().collect::<String>();
        assert_eq!(shingles(goods.concat().as_bytes()), shingles(other.as_bytes()));
    }

    #[test]
    fn texts_and_pictures_count_and_scripts_do_not() {
        let count = |html: &str| shingles(html.as_bytes()).len();
        assert_eq!(count("<p>one</p><p>two</p>"), 2);
        assert_eq!(count("<p>花見</p>"), 1);
        assert_eq!(count("<SCRIPT>if (a < b) { track('x1y') }</SCRIPT><style>p{color:red}</style>"), 0);
        assert_eq!(count("<img src='/p/1.jpg'><img class=x src=/p/2.jpg><IMG SRC=\"/p/1.jpg\">"), 2);
        assert_eq!(count(" 12 <b>3</b>-<i> </i>"), 0);
        assert_eq!(shingles("<p>unlike</p>".repeat(3).as_bytes()).len(), 1);
        let long = (0..2000).map(|n| format!("<p>{}</p>", "x".repeat(n + 3))).collect::<String>();
        assert!(shingles(long.as_bytes()).len() <= MOST);
    }

    proptest! {
        #[test]
        fn any_page_has_shingles(html in proptest::collection::vec(any::<u8>(), 0..400), tags in "[<>/a-z=\"' ]{0,200}") {
            let _ = (shingles(&html), shingles(tags.as_bytes()));
        }
    }
}
