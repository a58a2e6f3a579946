//! The header fields of a request in one normal form, before anything reads them: what two parts of the way could read
//! differently does not get further than here.
//!
//! | field | HTTP/1.1 | HTTP/2 | here |
//! |---|---|---|---|
//! | `Cookie` | one | one a cookie (RFC 9113 section 8.2.3) | one, joined by "; ", without the dashboard's |
//! | `Host` | needed | `:authority` (section 8.3.1) | see [`super::host_of`] |
//! | `Connection`, `Keep-Alive`, `Proxy-Connection`, `Upgrade` | for one hop | malformed (section 8.2.2) | end here |
//! | `Transfer-Encoding` | `chunked` | malformed | ends here; any other coding is refused |
//! | `TE` | any | "trailers" | "trailers" or nothing |
//! | `Content-Length` | the body's, or none | the same | the same |
//! | `Expect` | 100-continue | the same | ends here: we say 100 ourselves |
//! | names with anything but letters, digits and hyphens | odd | odd | left out |

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};

use crate::failure::{Cause, Failure};

/// Header fields that a request may have, all of its cookies taken as one. hyper has the same limit over HTTP/1.1.
pub const FIELDS: usize = 100;

/// How the names of the cookies begin that keep somebody signed in to the dashboard.
pub const ADMIN_COOKIE: &str = "katahai_session";

/// Brings the fields into their normal form.
///
/// # Errors
/// [`Cause::HeadersTooLarge`] if there are more than [`FIELDS`].
pub fn normalise(headers: &mut HeaderMap) -> Result<(), Failure> {
    join_cookies(headers);
    leave_out_ours(headers);
    if headers.len() > FIELDS {
        return Err(Failure::new(Cause::HeadersTooLarge).detail(format!("{} fields", headers.len())));
    }
    if !headers.keys().all(is_plain) {
        let odd: Vec<HeaderName> = headers.keys().filter(|name| !is_plain(name)).cloned().collect();
        for name in odd {
            headers.remove(name);
        }
    }
    Ok(())
}

/// CGI, and with it PHP, WSGI and Rack, read `X_Forwarded_For` and `X-Forwarded-For` as the same field: the one that we leave
/// as it is would replace the one that we wrote. nginx leaves such names out, too.
fn is_plain(name: &HeaderName) -> bool {
    name.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Browsers send a field for each cookie over HTTP/2. Whoever gets them over HTTP/1.1 reads the first or the last of them,
/// and so do we in more than one place.
fn join_cookies(headers: &mut HeaderMap) {
    let mut fields = headers.get_all(COOKIE).iter();
    if fields.nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> =
        headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).filter(|crumb| !crumb.is_empty()).collect();
    let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]));
    if let Ok(joined) = joined {
        headers.insert(COOKIE, joined);
    }
}

/// Browsers keep cookies by host, whatever the port: one that the dashboard gave comes to the site of the same name, too,
/// and is none of the site's business.
fn leave_out_ours(headers: &mut HeaderMap) {
    let Some(field) = headers.get(COOKIE) else { return };
    let is_ours = |crumb: &&[u8]| crumb.trim_ascii_start().starts_with(ADMIN_COOKIE.as_bytes());
    let crumbs = || field.as_bytes().split(|&b| b == b';');
    if !crumbs().any(|crumb| is_ours(&crumb)) {
        return;
    }
    let others: Vec<&[u8]> = crumbs().filter(|crumb| !is_ours(crumb)).collect();
    let others = others.join(&b';');
    match HeaderValue::from_bytes(others.trim_ascii()) {
        Ok(others) if !others.is_empty() => drop(headers.insert(COOKIE, others)),
        Ok(_) | Err(_) => drop(headers.remove(COOKIE)),
    }
}

/// The names of the cookies in a request.
pub fn cookie_names(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(COOKIE).iter().flat_map(names_of)
}

/// The names of the cookies in one field.
pub fn names_of(field: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let pairs = field.as_bytes().split(|&b| b == b';');
    let names = pairs.map(|pair| pair.split(|&b| b == b'=').next().unwrap_or_default().trim_ascii());
    names.filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    #[test]
    fn fields_that_could_be_read_in_two_ways_become_one() {
        for (before, after) in [
            (vec![("accept", "text/html"), ("cookie", "a=1; b=2")], None),
            (
                vec![("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")],
                Some(vec![("cookie", "a=1; b=2; c=3")]),
            ),
            (vec![("cookie", "a=1; b=2"), ("cookie", "c=3")], Some(vec![("cookie", "a=1; b=2; c=3")])),
            (vec![("cookie", ""), ("cookie", "c=3")], Some(vec![("cookie", "c=3")])),
            (vec![("cookie", "a=1; katahai_session_9900=x;b=2")], Some(vec![("cookie", "a=1;b=2")])),
            (vec![("cookie", "katahai_session=x"), ("cookie", "c=3")], Some(vec![("cookie", "c=3")])),
            (vec![("cookie", "katahai_session=x")], Some(vec![])),
            (vec![("cookie", "my_katahai_session=x")], None),
            (vec![("x_forwarded_for", "127.0.0.1"), ("accept", "a")], Some(vec![("accept", "a")])),
            (vec![("x.real.ip", "127.0.0.1"), ("x-real_ip", "127.0.0.1")], Some(vec![])),
            (vec![("sec-ch-ua-platform-version", "1"), ("x-1", "2")], None),
        ] {
            let mut headers = map(&before);
            normalise(&mut headers).unwrap();
            assert_eq!(headers, map(after.as_ref().unwrap_or(&before)), "{before:?}");
        }
    }

    #[test]
    fn cookies_count_as_one_field_and_the_rest_has_a_limit() {
        let field =
            |n: usize| (HeaderName::try_from(format!("x-{n}")).unwrap(), HeaderValue::from_static("1"));
        let mut headers: HeaderMap = (0..FIELDS - 1).map(field).collect();
        (0..300).for_each(|n| _ = headers.append(COOKIE, HeaderValue::from_str(&format!("c{n}=1")).unwrap()));
        assert!(normalise(&mut headers).is_ok());
        headers.append("x-more", HeaderValue::from_static("1"));
        assert_eq!(normalise(&mut headers).unwrap_err().cause, Cause::HeadersTooLarge);
    }

    #[test]
    fn cookies_are_known_by_their_names() {
        let headers = map(&[("cookie", "a=1;b=2; c ; =x; a b=3;")]);
        assert_eq!(cookie_names(&headers).collect::<Vec<_>>(), [&b"a"[..], b"b", b"c", b"a b"]);
        assert_eq!(cookie_names(&HeaderMap::new()).count(), 0);
    }
}
