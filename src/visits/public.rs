//! Which paths may be remembered at all: none that may be somebody's own.
//!
//! An answer that is public by its header fields can still stand at an address that was made for one person: a link
//! to an order, an invitation, an unsubscription. Such addresses carry a secret, and secrets look alike: long, and
//! letters and digits mixed.

use crate::ask::key::path_of;
use crate::content::endings;

/// Bytes of a key; a longer one is not remembered.
pub(super) const LONGEST: usize = 512;
/// Parameters of a query, and bytes of each one's value.
const PARAMETERS: usize = 8;
const VALUE: usize = 64;

/// Whether this key may be remembered, but for the names of its parameters.
pub fn is_public(key: &str) -> bool {
    is_plain(key) && !has_secret(key)
}

/// The same for a file that pages are drawn with. Build tools write a hash into its name, which looks like a secret; an
/// address that was signed for one person says so in its query.
pub fn is_public_file(key: &str) -> bool {
    is_plain(key)
}

fn is_plain(key: &str) -> bool {
    let plain = key.starts_with('/') && key.len() <= LONGEST && key.bytes().all(|b| b.is_ascii_graphic());
    plain && !key.contains('@') && !key.contains("%40") && fits(query_of(key)) && !is_for_one(key)
}

/// Words of paths behind which something stands that is for one person, or that works once: links in mails.
const STEPS: [&str; 35] = [
    "accept",
    "account",
    "activate",
    "activation",
    "approve",
    "booking",
    "bookings",
    "cancel",
    "checkin",
    "confirm",
    "confirmation",
    "decline",
    "invitation",
    "invitations",
    "invite",
    "invites",
    "invoice",
    "invoices",
    "magic",
    "optin",
    "optout",
    "order",
    "orders",
    "password",
    "receipt",
    "recover",
    "reset",
    "rsvp",
    "ticket",
    "tickets",
    "token",
    "unlock",
    "unsubscribe",
    "verification",
    "verify",
];

/// Names of parameters whose values are for one person.
const NAMES: [&str; 24] = [
    "activate",
    "auth",
    "code",
    "confirm",
    "email",
    "expires",
    "hash",
    "invite",
    "jwt",
    "key",
    "mail",
    "nonce",
    "otp",
    "password",
    "reset",
    "session",
    "sid",
    "sig",
    "signature",
    "ticket",
    "token",
    "uid",
    "unsubscribe",
    "verify",
];

/// Whether an address is one of those that are sent to one person: to confirm, to unsubscribe, to see an order. The
/// page of that name itself, with nothing behind it, is everybody's.
fn is_for_one(key: &str) -> bool {
    let path = path_of(key).to_ascii_lowercase();
    let mut steps = path.split('/').filter(|step| !step.is_empty()).peekable();
    let (mut found, mut last) = (false, false);
    while let Some(step) = steps.next() {
        let mut words: Vec<&str> = step.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        words.pop_if(|word| endings::is_of_pages(word));
        let is = |word: Option<&&str>| word.is_some_and(|word| STEPS.contains(word));
        let both = words.windows(2).any(|two| matches!(two, ["opt", "in" | "out"] | ["one", "click"]));
        last = both || is(words.first()) || is(words.last());
        found |= last && steps.peek().is_some() || is(words.first()) && words.len() > 1;
    }
    let is_name = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| NAMES.contains(&word))
            || name.ends_with("token")
    };
    // `/confirm?id=5` is one as well.
    found || query_of(key).is_some_and(|query| last || names(query).any(is_name))
}

/// The query of a key, if it has one.
pub(super) fn query_of(key: &str) -> Option<&str> {
    key.get(path_of(key).len() + 1..)
}

/// The names of a query's parameters.
pub(super) fn names(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
}

fn fits(query: Option<&str>) -> bool {
    let Some(query) = query else { return true };
    let mut pairs = query.split('&');
    pairs.clone().count() <= PARAMETERS
        && pairs.all(|pair| pair.split_once('=').is_none_or(|(_, value)| value.len() <= VALUE))
}

/// Whether a part of the key is long and of letters and digits mixed. Words are joined by other signs, and what is
/// written in other scripts stands as `%E3%81%82`; a secret has neither.
fn has_secret(key: &str) -> bool {
    key.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(is_uuid)
        || key.split(|c: char| !c.is_ascii_alphanumeric()).any(is_secret)
}

/// Letters and digits mixed as in no word: twenty of them, sixteen hexadecimal ones, or fewer that turn from the ones
/// to the others again and again. A number, a date or a name has less.
fn is_secret(piece: &str) -> bool {
    let hex = piece.bytes().all(|b| b.is_ascii_hexdigit());
    let long = piece.len() >= 20 || hex && piece.len() >= 16;
    let pairs = || piece.as_bytes().windows(2);
    let turns = pairs().filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    let capitals =
        pairs().filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()).count();
    long && turns >= 1 || piece.len() >= 8 && turns >= 4 || piece.len() >= 16 && capitals >= 4
}

/// RFC 9562 section 4.
fn is_uuid(step: &str) -> bool {
    let mut groups = step.split('-');
    let like = |group: Option<&str>, len| {
        group.is_some_and(|group| group.len() == len && group.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    [8, 4, 4, 4, 12].into_iter().all(|len| like(groups.next(), len)) && groups.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_of_pages_are_public() {
        for key in [
            "/",
            "/about-us/opening-hours-2026.html",
            "/2026/11/03/a-long-title-of-an-article-with-42-words",
            "/%E3%81%8A%E7%9F%A5%E3%82%89%E3%81%9B/%E5%96%B6%E6%A5%AD%E6%99%82%E9%96%93",
            "/article/20261103123456789012",
            "/p/AB12-34567",
            "/list?page=2&sort=price",
            "/files/Jahresbericht2025.pdf",
            "/donaudampfschifffahrtsgesellschaft",
            "/order",
            "/orders/",
            "/account.php",
            "/tickets",
            "/products/x100v2",
            "/news/JavaScriptFrameworksCompared",
            "/how-we-confirm",
            "/how-to-order-tea",
            "/downloads/menu.pdf",
        ] {
            assert!(is_public(key), "{key}");
        }
    }

    #[test]
    fn addresses_that_may_be_somebodys_own_are_not() {
        let long = format!("/{}", "a".repeat(LONGEST));
        let value = format!("/search?q={}", "a".repeat(VALUE + 1));
        for key in [
            "/order/550e8400-e29b-41d4-a716-446655440000",
            "/unsubscribe/eyJhbGciOiJIUzI1NiJ9",
            "/reset?token=0123456789abcdef0123456789abcdef",
            "/x;jsessionid=1A2B3C4D5E6F708192A3B4C5",
            "/mail/someone@example.jp",
            "/newsletter?address=someone%40example.jp",
            "/x?a&b&c&d&e&f&g&h&i",
            "/confirm/7f3k",
            "/confirm/5",
            "/confirm?id=5",
            "/users/verify-email/42",
            "/email-verification/anna",
            "/Unsubscribe/list-3/anna",
            "/newsletter/opt-out/42",
            "/reset-password/anna",
            "/wp-login.php?action=rp&key=abc",
            "/i?sig=abc",
            "/files?X-Amz-Signature=abc",
            "/x?accessToken=abc",
            "/order/4711",
            "/c/a8F3kQ9z1",
            "/s/dQw4W9WgXcQaBcDe",
            "relative",
            "/with blank",
            &long,
            &value,
        ] {
            assert!(!is_public(key), "{key}");
        }
    }

    #[test]
    fn files_of_a_build_are_public_and_signed_ones_are_not() {
        for (key, expected) in [
            ("/assets/app.3f2a9c41d8e7b6f0.js", true),
            ("/_next/static/chunks/550e8400-e29b-41d4-a716-446655440000.js", true),
            ("/app.js?v=0123456789abcdef0123456789abcdef", true),
            ("/avatar.png?token=abc", false),
            ("/unsubscribe/pixel.gif", false),
            ("/orders/4711/label.png", false),
            ("/mail/someone@example.jp/photo.jpg", false),
        ] {
            assert_eq!(is_public_file(key), expected, "{key}");
        }
    }

    #[test]
    fn names_are_what_stands_before_the_sign() {
        assert_eq!(query_of("/a"), None);
        assert_eq!(names(query_of("/a?p=1&q&r=x=y").unwrap()).collect::<Vec<_>>(), ["p", "q", "r"]);
    }

    proptest! {
        #[test]
        fn any_uuid_is_a_secret(id in "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}") {
            let key = format!("/o/{id}");
            prop_assert!(!is_public(&key));
        }

        #[test]
        fn any_text_is_judged(key in "\\PC{0,80}") {
            let _ = is_public(&key);
        }
    }
}
