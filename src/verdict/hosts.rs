//! Which hosts belong together.

/// The host of a URL that has one, in lower case and without port. `None` for a path, which stays where it is.
pub(super) fn of_url(url: &str) -> Option<String> {
    let url = url.trim();
    let behind = match url.find("//") {
        Some(0) => url.get(2..)?,
        Some(at) if url[..at].ends_with(':') && is_scheme(&url[..at - 1]) => url.get(at + 2..)?,
        Some(_) | None => return None,
    };
    let authority = behind.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    (!host.is_empty()).then_some(host)
}

fn is_scheme(text: &str) -> bool {
    text.eq_ignore_ascii_case("http") || text.eq_ignore_ascii_case("https")
}

/// Whether two hosts are most likely one owner's: the same name, one below the other, or two below one name that is no
/// registry's (`shop.example.co.jp` and `www.example.co.jp`).
pub(super) fn are_related(one: &str, other: &str) -> bool {
    one == other || (!is_address(one) && !is_address(other) && registered(one) == registered(other))
}

/// The name that somebody registered, as far as names alone can tell: the last two labels, or three below `co.jp` and its
/// like. Too wide a guess only makes a strange redirect pass.
fn registered(host: &str) -> &str {
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let (Some(last), Some(second)) = (dots.next(), dots.next()) else { return host };
    let is_two_level = host.len() - last - 1 == 2 && is_registrys(&host[second + 1..last]);
    if !is_two_level {
        return &host[second + 1..];
    }
    dots.next().map_or(host, |third| &host[third + 1..])
}

/// Labels under which registries of countries give names out.
fn is_registrys(label: &str) -> bool {
    label.len() <= 2
        || matches!(label, "com" | "net" | "org" | "edu" | "gov" | "gob" | "mil" | "nom" | "plc" | "ltd")
}

fn is_address(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_from_urls() {
        for (url, host) in [
            ("/a", None),
            ("a//b", None),
            ("?u=http://x.example/", None),
            ("http://X.example:8080/a", Some("x.example")),
            ("HTTPS://user:word@x.example", Some("x.example")),
            ("//x.example./a//b", Some("x.example")),
            ("http://[2001:db8::1]:80/", Some("2001:db8::1")),
            ("http:///a", None),
            ("mailto:a@b.example", None),
            ("http://x.example\\@y.example/", Some("x.example")),
            ("", None),
        ] {
            assert_eq!(of_url(url).as_deref(), host, "{url}");
        }
    }

    #[test]
    fn hosts_of_one_owner_belong_together() {
        for (one, other, related) in [
            ("example.jp", "www.example.jp", true),
            ("www.example.jp", "shop.example.jp", true),
            ("www.example.co.jp", "example.co.jp", true),
            ("www.example.co.jp", "other.co.jp", false),
            ("a.ne.jp", "b.ne.jp", false),
            ("www.example.com", "example.net", false),
            ("www.example.com.au", "other.com.au", false),
            ("localhost", "localhost", true),
            ("localhost", "example.jp", false),
            ("127.0.0.1", "127.0.0.2", false),
            ("10.0.0.1", "9.0.0.1", false),
        ] {
            assert_eq!(are_related(one, other), related, "{one} {other}");
            assert_eq!(are_related(other, one), related, "{other} {one}");
        }
    }
}
