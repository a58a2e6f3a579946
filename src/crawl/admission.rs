//! What may be stored: never an answer that is somebody's own, half, or not the page.
//!
//! The rule for cookies. The crawler sends none, so what it gets is what everybody gets, and many a shop sets a
//! session cookie on every page: a cookie by itself refuses nothing, it is only never stored. An answer that sets
//! a cookie is refused where it also looks like the door of a private room:
//!
//! - the cookie's name says that somebody is logged in (`wordpress_logged_in_…`, `auth_token`);
//! - it redirects to a login page;
//! - it is a login page: its address says so, and it has a password form with a token made for this visitor.
//!   A sign-up asks for a new password and is not one, and what the owner named as key page is what they want.
//!
//! A redirect to a login page is refused without a cookie too, unless it is a key page: a page that has moved
//! behind a login is not in the copy, so that visitors get the holding page and not a login that cannot work.
//!
//! `private` and `no-store` (RFC 9111 sections 5.2.2.5 and 5.2.2.7) refuse an answer in an archive. The crawler, which can
//! ask again, finds out whether everybody gets the same page (`private`). `no-cache` refuses nothing: it asks for
//! validation, and a crawl fetches anew. One exception: PHP sends `no-store` with an expiry in 1981 by itself on
//! each page of a site that begins a session. That is a default of the machine, not a word of the owner about the page;
//! taken at its word, most small shops would have no copy at all.

use http::header::{CACHE_CONTROL, EXPIRES, SET_COOKIE};
use http::{HeaderMap, StatusCode};

use crate::config::ready::MirrorPrivate;
use crate::content::links::Need;
use crate::content::links::html::LoginForm;

macro_rules! refusals {
    ($($name:ident: $code:literal, $sentence:literal;)+) => {
        /// Why something was not fetched or not stored. One row is the definition, the label and the sentence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Refusal { $(#[doc = $sentence] $name,)+ }

        impl Refusal {
            /// Every reason, in the table's order.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$name,)+];

            /// The stable code: in reports and logs.
            pub fn code(self) -> &'static str { match self { $(Refusal::$name => $code,)+ } }

            /// What it means, for the owner.
            pub fn sentence(self) -> &'static str { match self { $(Refusal::$name => $sentence,)+ } }
        }
    };
}

refusals! {
    // not fetched: the owner's word
    Robots: "robots", "The site's robots.txt asks robots not to fetch it.";
    Route: "route-off", "A route of the configuration says mirror = \"off\".";
    Excluded: "excluded", "The configuration excludes it.";
    NotIncluded: "not-included", "The configuration includes other parts of the site only.";
    // not fetched: bounds
    TooDeep: "too-deep", "It is more links away from a start page than max_depth.";
    PageLimit: "page-limit", "The snapshot has max_pages pages.";
    FileLimit: "file-limit", "The snapshot has as many files as one may have.";
    RequisiteLimit: "requisite-limit", "Enough files have been asked for that pages are drawn with: more than a site of so many pages has.";
    ByteLimit: "byte-limit", "The snapshot is as large as one may be.";
    TooLong: "too-long", "The address is longer than a real one.";
    Repeating: "repeating", "The address repeats itself: a link that grows.";
    QueryBound: "query-bound", "Enough addresses with these parameters have been fetched.";
    CalendarBound: "calendar-bound", "Enough pages of this calendar have been fetched.";
    NothingNew: "nothing-new", "Enough pages of its kind have been fetched, and they show nothing new any more.";
    Action: "action", "Following the link would do something.";
    TooManyHops: "too-many-hops", "It is at the end of a chain of redirects or imports without end.";
    // not stored: what the answer says
    NotFound: "not-found", "There is no such page (404).";
    Gone: "gone", "There is no such page any more (410).";
    Unauthorized: "unauthorized", "It needs a login (401, 407).";
    Forbidden: "forbidden", "It is forbidden (403).";
    Status: "status", "The status is not one of success.";
    Partial: "partial", "It is a part of a file (206).";
    Private: "private", "The site says that it is one visitor's own (Cache-Control: private).";
    NoStore: "no-store", "The site says that it must not be stored (Cache-Control: no-store).";
    Varies: "private-varies", "The site marks it as private or no-store, and two visits without cookies got different pages. \
        A route with mirror = \"on\" takes it all the same.";
    LoginCookie: "login-cookie", "It sets the cookie of somebody who is logged in.";
    LoginPage: "login-page", "It is a login page made for one visitor.";
    NeedsLogin: "needs-login", "It leads to a login page.";
    // not stored: what it is
    WrongPage: "wrong-page", "It is not the site's: a page of a host, a panel, a bot wall, or an error.";
    ForeignPage: "asset-page", "Another host answered with a page where a file was wanted.";
    EmptyPage: "empty-page", "It is a page without a single character.";
    Coding: "coding", "It is in a content coding that cannot be read.";
    TooLarge: "too-large", "It is larger than one file may be.";
    Bomb: "bomb", "It unpacks to far more than it is.";
    RedirectLoop: "redirect-loop", "It redirects to itself, or to a page that leads back to it.";
    BadLocation: "bad-location", "It redirects to what is not an address.";
}

impl Refusal {
    /// Whether it is about what the site answered; else the site was not asked, or not for this.
    pub fn is_answer(self) -> bool {
        self >= Refusal::NotFound
    }
}

/// How an answer begins, judged by status and header fields alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The body is the page, once it has come whole.
    Body,
    /// A redirect; the target is for the caller to judge.
    Redirect,
    /// The site is in trouble or asks for patience: the same request may do better later.
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
            return personal_for(headers, private).map_or(Head::Redirect, Head::Refused);
        }
        206 => Some(Refusal::Partial),
        404 => Some(Refusal::NotFound),
        410 => Some(Refusal::Gone),
        401 | 407 => Some(Refusal::Unauthorized),
        403 => Some(Refusal::Forbidden),
        408 | 425 | 429 | 500..=599 => return Head::Later,
        _ => Some(Refusal::Status),
    };
    match refusal.or_else(|| personal_for(headers, private)) {
        Some(refusal) => Head::Refused(refusal),
        None => Head::Body,
    }
}

/// What [`personal`] says, where the configuration says what becomes of private answers.
pub fn personal_for(headers: &HeaderMap, private: MirrorPrivate) -> Option<Refusal> {
    let refusal = personal(headers)?;
    let by_mark = matches!(refusal, Refusal::Private | Refusal::NoStore);
    (private == MirrorPrivate::Never || !by_mark).then_some(refusal)
}

/// Whether the header fields mark the answer as one visitor's own, or as not to be stored.
pub fn is_private(headers: &HeaderMap) -> bool {
    matches!(personal(headers), Some(Refusal::Private | Refusal::NoStore))
}

/// What the header fields say about whose answer it is: the reason not to store it, if there is one.
pub fn personal(headers: &HeaderMap) -> Option<Refusal> {
    if headers.contains_key(SET_COOKIE) && cookies(headers).any(|name| is_login_cookie(&name)) {
        return Some(Refusal::LoginCookie);
    }
    let directives = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut said = None;
    for directive in directives.flat_map(|value| value.split(',')) {
        // `private="set-cookie"` is about that field only, and that one is never stored.
        let directive = directive.trim();
        if directive.eq_ignore_ascii_case("private") {
            said = Some(Refusal::Private);
        } else if directive.eq_ignore_ascii_case("no-store") {
            said = said.or(Some(Refusal::NoStore));
        }
    }
    said.filter(|refusal| *refusal != Refusal::NoStore || !is_php_default(headers))
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

/// Whether the answer sets a cookie at all.
pub fn sets_cookie(headers: &HeaderMap) -> bool {
    headers.contains_key(SET_COOKIE)
}

/// Judges the target of a redirect, as it stands in `Location`.
///
/// # Errors
/// Why the redirect is not stored.
pub fn redirect_to(target: &str, need: Need, headers: &HeaderMap) -> Result<(), Refusal> {
    let to_login = is_login_address(target);
    if to_login && (sets_cookie(headers) || need != Need::Key) { Err(Refusal::NeedsLogin) } else { Ok(()) }
}

/// Judges a page by what stands in it.
///
/// # Errors
/// Why the page is not stored.
pub fn page(key: &str, need: Need, headers: &HeaderMap, login: LoginForm) -> Result<(), Refusal> {
    let form = login.passwords == 1 && !login.new_password && login.token;
    if need != Need::Key && sets_cookie(headers) && form && is_login_address(key) {
        return Err(Refusal::LoginPage);
    }
    Ok(())
}

/// Whether an address is that of a login, by its last steps.
pub fn is_login_address(address: &str) -> bool {
    const STEPS: [&str; 10] =
        ["login", "log-in", "log_in", "signin", "sign-in", "sign_in", "logon", "wp-login", "auth", "sso"];
    let path = address.split(['?', '#']).next().unwrap_or(address);
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
    path.rsplit('/').filter(|step| !step.is_empty()).take(2).any(|step| {
        let step = step.split('.').next().unwrap_or(step).to_ascii_lowercase();
        STEPS.contains(&step.as_str())
    })
}

/// Whether an address is that of what is each visitor's own, though it looks alike to all who have none yet: a basket, an
/// account. By its last steps.
pub fn is_own_address(path: &str) -> bool {
    const STEPS: [&str; 20] = [
        "account",
        "accounts",
        "admin",
        "basket",
        "cart",
        "checkout",
        "dashboard",
        "favorites",
        "favourites",
        "logout",
        "me",
        "my-account",
        "my_account",
        "myaccount",
        "mypage",
        "orders",
        "profile",
        "settings",
        "wishlist",
        "wp-admin",
    ];
    path.rsplit('/').filter(|step| !step.is_empty()).take(2).any(|step| {
        let step = step.split('.').next().unwrap_or(step).to_ascii_lowercase();
        STEPS.contains(&step.as_str())
    })
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
    fn codes_are_distinct() {
        let codes: std::collections::BTreeSet<_> = Refusal::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }

    #[test]
    fn answers_stand_behind_what_was_never_asked() {
        let never = Refusal::ALL.iter().filter(|refusal| !refusal.is_answer()).count();
        assert_eq!(Refusal::ALL[never - 1], Refusal::TooManyHops);
        assert_eq!(Refusal::ALL[never], Refusal::NotFound);
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

    #[test]
    fn logins_are_known_by_their_address() {
        for address in [
            "/login",
            "/wp-login.php?redirect_to=x",
            "https://a.jp/users/sign_in",
            "/login/",
            "/auth/google",
            "/Login.aspx",
        ] {
            assert!(is_login_address(address), "{address}");
        }
        for address in [
            "/",
            "/loginhelp",
            "/blog/how-to-login-safely",
            "https://login",
            "/author",
            "/a?next=/login",
            "/login/a/b",
        ] {
            assert!(!is_login_address(address), "{address}");
        }
    }

    #[test]
    fn what_is_each_visitors_own_is_known_by_its_address() {
        for (path, expected) in [
            ("/cart", true),
            ("/Cart/", true),
            ("/cart.php", true),
            ("/shop/my-account/edit", true),
            ("/mypage", true),
            ("/", false),
            ("/carts-and-waggons", false),
            ("/account/a/b", false),
        ] {
            assert_eq!(is_own_address(path), expected, "{path}");
        }
    }

    #[test]
    fn a_redirect_to_a_login_is_refused() {
        let none = headers(&[]);
        let cookie = headers(&[("set-cookie", "s=1")]);
        assert_eq!(redirect_to("/login?next=/x", Need::Link, &none), Err(Refusal::NeedsLogin));
        assert_eq!(redirect_to("/login", Need::Key, &none), Ok(()));
        assert_eq!(redirect_to("/login", Need::Key, &cookie), Err(Refusal::NeedsLogin));
        assert_eq!(redirect_to("/new", Need::Link, &cookie), Ok(()));
    }

    #[test]
    fn a_login_page_is_refused_and_a_sign_up_is_not() {
        let cookie = headers(&[("set-cookie", "s=1")]);
        let form = LoginForm { passwords: 1, new_password: false, token: true };
        assert_eq!(page("/login", Need::Link, &cookie, form), Err(Refusal::LoginPage));
        assert_eq!(page("/login", Need::Link, &headers(&[]), form), Ok(()));
        assert_eq!(page("/login", Need::Key, &cookie, form), Ok(()));
        assert_eq!(page("/login", Need::Link, &cookie, LoginForm { token: false, ..form }), Ok(()));
        assert_eq!(page("/", Need::Link, &cookie, form), Ok(()));
        assert_eq!(page("/signup", Need::Link, &cookie, LoginForm { passwords: 2, ..form }), Ok(()));
    }
}
