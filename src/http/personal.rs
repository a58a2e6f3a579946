//! Whose answer it is, by its header fields: one that is somebody's own is never stored, and never counted.
//!
//! A cookie by itself says nothing: many a shop sets a session cookie on every page. Its name may say that somebody is
//! logged in (`wordpress_logged_in_…`, `auth_token`).
//!
//! `private` and `no-store` (RFC 9111 sections 5.2.2.5 and 5.2.2.7) say so outright. One exception: PHP sends `no-store`
//! with an expiry in 1981 by itself on each page of a site that begins a session. That is a default of the machine, not a
//! word of the owner about the page; taken at its word, most small shops would have no copy at all.

use http::HeaderMap;
use http::header::{CACHE_CONTROL, EXPIRES, SET_COOKIE};

/// What says that an answer is one visitor's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personal {
    /// It sets the cookie of somebody who is logged in.
    LoginCookie,
    /// `Cache-Control: private`.
    Private,
    /// `Cache-Control: no-store`.
    NoStore,
}

impl Personal {
    /// Whether the site says so in so many words; else a cookie does.
    pub fn is_mark(self) -> bool {
        matches!(self, Personal::Private | Personal::NoStore)
    }
}

/// What the header fields say about whose answer it is: the reason not to store it, if there is one.
pub fn personal(response_headers: &HeaderMap) -> Option<Personal> {
    if response_headers.contains_key(SET_COOKIE)
        && cookies(response_headers).any(|name| is_login_cookie(&name))
    {
        return Some(Personal::LoginCookie);
    }
    let directives = response_headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut said = None;
    for directive in directives.flat_map(|value| value.split(',')) {
        // `private="set-cookie"` is about that field only, and that one is never stored.
        let directive = directive.trim();
        if directive.eq_ignore_ascii_case("private") {
            said = Some(Personal::Private);
        } else if directive.eq_ignore_ascii_case("no-store") {
            said = said.or(Some(Personal::NoStore));
        }
    }
    said.filter(|said| *said != Personal::NoStore || !is_php_default(response_headers))
}

/// What PHP's `session.cache_limiter = nocache` sends with every page: its birthday as expiry.
fn is_php_default(headers: &HeaderMap) -> bool {
    headers.get(EXPIRES).is_some_and(|value| value == "Thu, 19 Nov 1981 08:52:00 GMT")
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = String> + '_ {
    let values = headers.get_all(SET_COOKIE).iter();
    values.filter_map(|value| {
        let pair = value.as_bytes().split(|b| *b == b';').next()?;
        let (name, value) = pair.split_at(pair.iter().position(|b| *b == b'=')?);
        // A cookie that is being taken away says that nobody is logged in.
        let value = value[1..].trim_ascii();
        let gone = value.is_empty() || value == b"deleted" || value == b"\"\"";
        (!gone).then(|| String::from_utf8_lossy(name).trim().to_ascii_lowercase())
    })
}

fn is_login_cookie(name: &str) -> bool {
    // Tokens against forgery are given to everybody.
    if name.contains("csrf") || name.contains("xsrf") {
        return false;
    }
    const SIGNS: [&str; 12] = [
        "logged_in",
        "logged-in",
        "loggedin",
        "auth_token",
        "authtoken",
        "access_token",
        "refresh_token",
        "id_token",
        "remember_",
        "rememberme",
        "wordpress_sec_",
        "jwt",
    ];
    SIGNS.iter().any(|sign| name.contains(sign)) || matches!(name, ".aspxauth" | "auth" | "remember")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn said(lines: &[(&str, &str)]) -> Option<Personal> {
        let line = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        personal(&lines.iter().map(line).collect())
    }

    #[test]
    fn the_word_of_the_site_counts_and_the_default_of_php_does_not() {
        const PHP: (&str, &str) = ("expires", "Thu, 19 Nov 1981 08:52:00 GMT");
        for (lines, expected) in [
            (&[("cache-control", "max-age=0, Private")][..], Some(Personal::Private)),
            (&[("cache-control", "public"), ("cache-control", "no-store")], Some(Personal::NoStore)),
            (&[("cache-control", "no-cache, must-revalidate")], None),
            (&[("cache-control", "private=\"set-cookie\"")], None),
            (&[("cache-control", "no-store, no-cache, must-revalidate"), PHP], None),
            (&[("cache-control", "private, no-store"), PHP], Some(Personal::Private)),
            (&[("cache-control", "no-store"), ("expires", "0")], Some(Personal::NoStore)),
            (&[("set-cookie", "PHPSESSID=0123; path=/; HttpOnly")], None),
            (&[("set-cookie", "csrf_auth_token=1")], None),
            (&[("set-cookie", "wordpress_logged_in_abc=admin|1; path=/")], Some(Personal::LoginCookie)),
            (&[("set-cookie", "wordpress_logged_in_abc=; Max-Age=0")], None),
        ] {
            assert_eq!(said(lines), expected, "{lines:?}");
        }
    }
}
