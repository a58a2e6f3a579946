//! What may be stored: never an answer that is personal, incomplete, or not the page.
//!
//! The rule for cookies: the crawler sends none, so it gets what everybody gets, and many a shop sets a session cookie on
//! every page. So a cookie alone is no reason to refuse an answer; it is just never stored. An answer that sets a cookie is
//! refused if it also looks like the entrance to a private area:
//!
//! - the cookie's name says that somebody is logged in (`wordpress_logged_in_…`, `auth_token`);
//! - it redirects to a login page;
//! - it is a login page: its address says so, and it has a password form with a token made for this visitor.
//!   A sign-up asks for a new password and is not one, and what the owner named as key page is what they want.
//!
//! A redirect to a login page is refused without a cookie too, unless it is a key page: a page that has moved
//! behind a login is not in the copy, so that visitors get the holding page and not a login that cannot work.
//!
//! An answer that is marked as one visitor's own (`http::personal`) is refused in an archive. The crawler, which can ask
//! again, finds out whether everybody gets the same page (`private`). `no-cache` refuses nothing: it asks for validation,
//! and a crawl fetches anew.

use http::HeaderMap;
use http::header::SET_COOKIE;

use crate::content::links::Need;
use crate::content::links::html::LoginForm;
use crate::crawl::refusal::Refusal;
use crate::http::personal::{Personal, personal};

/// Whether the header fields mark the answer as one visitor's own, or as not to be stored.
pub fn is_private(headers: &HeaderMap) -> bool {
    personal(headers).is_some_and(Personal::is_mark)
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

/// Whether an address, by its last segments, is that of a login.
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

/// Whether an address, by its last segments, is that of something personal that looks the same to all who have none yet: a
/// basket, an account.
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
