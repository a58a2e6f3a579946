//! Marks of well-known programs in forms: tokens that expire, and tests for humans.

use memchr::memmem;

use super::FieldType;
use crate::content::tags::place;

/// Names of tokens, in lower case, as frameworks call them.
const TOKENS: [&str; 23] = [
    "_csrf",
    "_csrf_token",
    "_nonce",
    "_token",
    "_wpnonce",
    "__eventvalidation",
    "__requestverificationtoken",
    "__viewstate",
    "__viewstateencrypted",
    "__viewstategenerator",
    "ajax_nonce",
    "akismet_comment_nonce",
    "authenticity_token",
    "csrf",
    "csrfmiddlewaretoken",
    "csrfp_token",
    "form_build_id",
    "form_token",
    "nonce",
    "token",
    "transactionid",
    "wpedittoken",
    "xsrf",
];
/// Parts of such names.
const PARTS: [&str; 7] = ["csrf", "xsrf", "nonce", "ak_js", "timestamp", "_token", "[token]"];

/// Whether a field holds a token that expires: it was made for one visitor, or for one hour.
pub fn is_token(kind: FieldType, name: &str, value: &str) -> bool {
    if kind != FieldType::Hidden || name.is_empty() || name.len() > 200 {
        return false;
    }
    let lower = name.to_ascii_lowercase();
    place(&TOKENS, &lower).is_some()
        || PARTS.iter().any(|part| lower.contains(part))
        // Joomla names the field by its token.
        || name.len() == 32 && value == "1" && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a field of this name holds a password, or the number of a card.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> =
        name.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).collect();
    let is_word = |word: &&str| {
        matches!(
            *word,
            "pass" | "passwd" | "pwd" | "passphrase" | "cvc" | "cvv" | "cardnumber" | "ccnumber" | "ccnum"
        ) || word.contains("password")
            || word.contains("passwort")
    };
    let is_card = words.windows(2).any(|two| matches!(two, ["card" | "cc", "number" | "num" | "no"]));
    words.iter().any(is_word) || is_card
}

/// Whether this is the number of a payment card: 15 or 16 digits of the usual ranges with a right check digit (ISO/IEC 7812).
pub fn is_card_number(text: &str) -> bool {
    let is_filler = |c: char| c == ' ' || c == '-';
    if !text.chars().all(|c| c.is_ascii_digit() || is_filler(c)) {
        return false;
    }
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let doubled = |(place, digit): (usize, &u32)| match (place % 2, digit * 2) {
        (1, twice) if twice > 9 => twice - 9,
        (1, twice) => twice,
        _ => *digit,
    };
    matches!(digits.len(), 15 | 16)
        && matches!(digits[0], 3..=6)
        && digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
}

/// What stands in the markup of forms that ask whether their visitor is a human.
const CAPTCHAS: [&str; 6] = ["captcha", "CAPTCHA", "Captcha", "turnstile", "data-sitekey", "画像認証"];

/// Whether there is such a question in this markup.
pub(super) fn has_captcha(markup: &str) -> bool {
    CAPTCHAS.iter().any(|mark| memmem::find(markup.as_bytes(), mark.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_known_by_their_names() {
        for (name, expected) in [
            ("csrfmiddlewaretoken", true),
            ("_token", true),
            ("authenticity_token", true),
            ("_wpnonce", true),
            ("woocommerce-login-nonce", true),
            ("ak_js_1", true),
            ("akismet_comment_nonce", true),
            ("__RequestVerificationToken", true),
            ("__VIEWSTATE", true),
            ("form_build_id", true),
            ("wpEditToken", true),
            ("wpforms[token]", true),
            ("d41d8cd98f00b204e9800998ecf8427e", true),
            ("d41d8cd98f00b204e9800998ecf8427x", false),
            ("email", false),
            ("_wp_http_referer", false),
            ("_wpcf7", false),
            ("comment_post_ID", false),
            ("", false),
        ] {
            assert_eq!(is_token(FieldType::Hidden, name, "1"), expected, "{name}");
        }
        assert!(!is_token(FieldType::Text, "token", "x"), "a visitor fills it in");
        assert!(!is_token(FieldType::Hidden, "d41d8cd98f00b204e9800998ecf8427e", "x"));
    }

    #[test]
    fn tests_for_humans_are_known_by_their_marks() {
        for (markup, expected) in [
            ("<div class='g-recaptcha' data-sitekey=x>", true),
            ("<div class=h-captcha>", true),
            ("<div class=cf-turnstile>", true),
            ("<input name=captcha_code>", true),
            ("<th>画像認証</th>", true),
            ("<input name=email>", false),
        ] {
            assert_eq!(has_captcha(markup), expected, "{markup}");
        }
    }
}
