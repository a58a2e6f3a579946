//! The `Accept-Encoding` for an origin: of what the visitor accepts, the part that Katahai can decode. To judge a page,
//! Katahai has to read it, so it must not accept a coding that it cannot read.

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

use super::Coding;

/// All codings that are read here, for visitors who accept any.
const ALL: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

/// Takes out of `Accept-Encoding` what cannot be read here. A request without the field stays without it: origins take it as
/// one for the plain form.
pub fn narrow(request_headers: &mut HeaderMap) {
    let values = || request_headers.get_all(ACCEPT_ENCODING).iter();
    let is_read = |value: &HeaderValue| value.to_str().is_ok_and(|value| members(value).all(is_kept));
    if values().all(is_read) {
        return;
    }
    let members: Vec<&str> = values().filter_map(|value| value.to_str().ok()).flat_map(members).collect();
    let is_named = |coding: &&str| members.iter().any(|member| name(member).eq_ignore_ascii_case(coding));
    let mut kept = Vec::new();
    for member in &members {
        if is_any(member) {
            let weight = &member[name(member).len()..];
            let unnamed = ALL.iter().filter(|coding| !is_named(coding));
            kept.extend(unnamed.map(|coding| format!("{coding}{weight}")));
        } else if is_kept(member) {
            kept.push((*member).to_owned());
        }
    }
    // an empty field would do, but not every server knows that
    let kept = if kept.is_empty() { "identity".to_owned() } else { kept.join(", ") };
    if let Ok(kept) = HeaderValue::try_from(kept) {
        request_headers.insert(ACCEPT_ENCODING, kept);
    }
}

fn members(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|member| !member.is_empty())
}

/// Whether a member of the list may stay: a coding that is read here, the plain form, or the refusal of anything else.
fn is_kept(member: &str) -> bool {
    let name = name(member);
    Coding::of_name(name).is_some()
        || name.eq_ignore_ascii_case("identity")
        || (name == "*" && is_refused(member))
}

/// `*`: any coding will do.
fn is_any(member: &str) -> bool {
    name(member) == "*" && !is_refused(member)
}

fn name(member: &str) -> &str {
    member.split(';').next().unwrap_or_default().trim()
}

/// `;q=0`, `;q=0.000` (RFC 9110 section 12.4.2).
fn is_refused(member: &str) -> bool {
    member.split(';').skip(1).any(|parameter| {
        let weight = parameter.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim().strip_prefix('='));
        weight.is_some_and(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight == 0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_read_here_is_asked_for() {
        // RFC 9110 section 12.5.3
        for (accepted, asked) in [
            ("gzip, deflate, br, zstd", "gzip, deflate, br, zstd"),
            ("gzip;q=1.0, *;q=0", "gzip;q=1.0, *;q=0"),
            ("identity;q=0.5, gzip", "identity;q=0.5, gzip"),
            ("gzip, sdch, br", "gzip, br"),
            ("gzip, dcb, dcz, zstd;q=0.9", "gzip, zstd;q=0.9"),
            ("compress", "identity"),
            ("*", "gzip, deflate, br, zstd"),
            ("br;q=0, *;q=0.5", "br;q=0, gzip;q=0.5, deflate;q=0.5, zstd;q=0.5"),
            ("", ""),
        ] {
            let field = (ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            let mut headers: HeaderMap = [field].into_iter().collect();
            narrow(&mut headers);
            assert_eq!(headers[ACCEPT_ENCODING], asked, "{accepted}");
        }
        let mut none = HeaderMap::new();
        narrow(&mut none);
        assert!(none.is_empty());
        let mut two = HeaderMap::new();
        two.append(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        two.append(ACCEPT_ENCODING, HeaderValue::from_static("exi, br"));
        narrow(&mut two);
        assert_eq!(two.get_all(ACCEPT_ENCODING).iter().collect::<Vec<_>>(), ["gzip, br"]);
    }
}
