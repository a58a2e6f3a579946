//! What becomes of an answer by its head: a page, a redirect, something to ask for again later, or refused.

use http::{HeaderMap, StatusCode};

use crate::config::ready::MirrorPrivate;
use crate::crawl::refusal::Refusal;
use crate::http::personal::Personal;

/// How an answer begins, judged by status and header fields alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The body is the page, once it is complete.
    Body,
    /// A redirect; the target is for the caller to judge.
    Redirect,
    /// The site is in trouble or asks to wait: the same request may succeed later.
    Later,
    /// Not stored.
    Refused(Refusal),
}

/// Judges status and header fields of an answer that cannot be asked for again.
pub fn head(status: StatusCode, headers: &HeaderMap) -> Head {
    head_for(status, headers, MirrorPrivate::Never)
}

/// The same, where the configuration says what becomes of private answers.
pub fn head_for(status: StatusCode, headers: &HeaderMap, private: MirrorPrivate) -> Head {
    let refusal = match status.as_u16() {
        200 | 203 => None,
        301 | 302 | 303 | 307 | 308 => {
            return private.refuses(headers).map_or(Head::Redirect, |said| Head::Refused(said.into()));
        }
        206 => Some(Refusal::Partial),
        404 => Some(Refusal::NotFound),
        410 => Some(Refusal::Gone),
        401 | 407 => Some(Refusal::Unauthorized),
        403 => Some(Refusal::Forbidden),
        408 | 425 | 429 | 500..=599 => return Head::Later,
        _ => Some(Refusal::Status),
    };
    match refusal.or_else(|| private.refuses(headers).map(Refusal::from)) {
        Some(refusal) => Head::Refused(refusal),
        None => Head::Body,
    }
}

impl From<Personal> for Refusal {
    fn from(personal: Personal) -> Refusal {
        match personal {
            Personal::LoginCookie => Refusal::LoginCookie,
            Personal::Private => Refusal::Private,
            Personal::NoStore => Refusal::NoStore,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn judged(status: u16, lines: &[(&str, &str)]) -> Head {
        head(StatusCode::from_u16(status).unwrap(), &headers(lines))
    }

    #[test]
    fn only_success_is_stored() {
        for (status, expected) in [
            (200, Head::Body),
            (203, Head::Body),
            (201, Head::Refused(Refusal::Status)),
            (204, Head::Refused(Refusal::Status)),
            (206, Head::Refused(Refusal::Partial)),
            (300, Head::Refused(Refusal::Status)),
            (301, Head::Redirect),
            (302, Head::Redirect),
            (303, Head::Redirect),
            (304, Head::Refused(Refusal::Status)),
            (307, Head::Redirect),
            (308, Head::Redirect),
            (401, Head::Refused(Refusal::Unauthorized)),
            (403, Head::Refused(Refusal::Forbidden)),
            (404, Head::Refused(Refusal::NotFound)),
            (410, Head::Refused(Refusal::Gone)),
            (418, Head::Refused(Refusal::Status)),
            (429, Head::Later),
            (500, Head::Later),
            (503, Head::Later),
            (530, Head::Later),
        ] {
            assert_eq!(judged(status, &[]), expected, "{status}");
        }
    }

    #[test]
    fn what_is_private_is_not_stored() {
        const PHP: (&str, &str) = ("expires", "Thu, 19 Nov 1981 08:52:00 GMT");
        for (lines, expected) in [
            (&[("cache-control", "private")][..], Head::Refused(Refusal::Private)),
            (&[("cache-control", "max-age=0, Private")], Head::Refused(Refusal::Private)),
            (&[("cache-control", "no-store")], Head::Refused(Refusal::NoStore)),
            (&[("cache-control", "public"), ("cache-control", "no-store")], Head::Refused(Refusal::NoStore)),
            (&[("cache-control", "no-cache, must-revalidate")], Head::Body),
            (&[("cache-control", "private=\"set-cookie\"")], Head::Body),
            (&[("cache-control", "max-age=600")], Head::Body),
            (&[("cache-control", "no-store, no-cache, must-revalidate"), PHP], Head::Body),
            (&[("cache-control", "private, no-store"), PHP], Head::Refused(Refusal::Private)),
            (&[("cache-control", "no-store"), ("expires", "0")], Head::Refused(Refusal::NoStore)),
        ] {
            assert_eq!(judged(200, lines), expected, "{lines:?}");
        }
        assert_eq!(judged(302, &[("cache-control", "private")]), Head::Refused(Refusal::Private));
        assert_eq!(judged(404, &[("cache-control", "private")]), Head::Refused(Refusal::NotFound));
    }

    #[test]
    fn a_cookie_alone_refuses_nothing() {
        for (cookie, expected) in [
            ("PHPSESSID=0123; path=/; HttpOnly", Head::Body),
            ("_ga=GA1.2; Max-Age=1", Head::Body),
            ("XSRF-TOKEN=eyJ; path=/", Head::Body),
            ("csrf_auth_token=1", Head::Body),
            ("wordpress_test_cookie=WP", Head::Body),
            ("wordpress_logged_in_abc=admin|1; path=/", Head::Refused(Refusal::LoginCookie)),
            ("wordpress_logged_in_abc=; Max-Age=0", Head::Body),
            ("remember_me=deleted", Head::Body),
            ("Remember_Web_59=abc", Head::Refused(Refusal::LoginCookie)),
            ("access_token=eyJ; Secure", Head::Refused(Refusal::LoginCookie)),
            (".ASPXAUTH=1F", Head::Refused(Refusal::LoginCookie)),
            ("garbage", Head::Body),
        ] {
            assert_eq!(judged(200, &[("set-cookie", cookie)]), expected, "{cookie}");
        }
    }
}
