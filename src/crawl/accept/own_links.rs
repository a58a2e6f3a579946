//! Links in which a page names its origin by the address that only Katahai uses. On the live site they are the site's own
//! business; in an outage they lead to a dead server. So the copy turns them into links to the site.

/// A page's or sheet's body with such links led to the site: as paths where one follows, else to `host`. `own` are
/// the origins' addresses, with their ports. `None`: there is none.
pub(crate) fn led_to_site(body: &[u8], own: &[String], host: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(found) = body[at..].iter().position(|b| *b == b'/') {
        let slash = at + found;
        at = slash + 1;
        // In data of scripts, slashes are often written with a backslash before them.
        let escaped = slash > 0 && body[slash - 1] == b'\\';
        let slashes: &[u8] = if escaped { b"/\\/" } else { b"//" };
        let Some(rest) = body[slash..].strip_prefix(slashes) else { continue };
        let Some(name) = own.iter().find(|name| begins_with(rest, name)) else { continue };
        let after = &rest[name.len()..];
        let start = slash - usize::from(escaped);
        let scheme = [&b"https:"[..], b"http:"].into_iter().find(|scheme| ends_with(&body[..start], scheme));
        let path: &[u8] = if escaped { b"\\/" } else { b"/" };
        let is_path = after.strip_prefix(path).is_some_and(|rest| !rest.starts_with(path));
        out.extend_from_slice(&body[from..start - scheme.map_or(0, <[u8]>::len)]);
        if !is_path {
            out.extend_from_slice(path);
            out.extend_from_slice(path);
            out.extend_from_slice(host.as_bytes());
        }
        from = body.len() - after.len();
        at = from;
    }
    (from > 0).then(|| {
        out.extend_from_slice(&body[from..]);
        out
    })
}

/// Whether a text begins with this name, and the name ends there.
fn begins_with(text: &[u8], name: &str) -> bool {
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || b".:-@_%".contains(b);
    text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        && !text.get(name.len()).is_some_and(is_name)
}

fn ends_with(text: &[u8], scheme: &[u8]) -> bool {
    text.len().checked_sub(scheme.len()).is_some_and(|at| text[at..].eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_the_origin_lead_to_the_site() {
        let own = ["127.0.0.1:8080".to_owned(), "203.0.113.10".to_owned()];
        for (body, expected) in [
            ("<a href=\"http://127.0.0.1:8080/a?b=c\">", Some("<a href=\"/a?b=c\">")),
            ("<a href='HTTPS://203.0.113.10/'>x", Some("<a href='/'>x")),
            ("<img src=//203.0.113.10/i.png>", Some("<img src=/i.png>")),
            ("url(http://203.0.113.10/a) url(http://203.0.113.10/b)", Some("url(/a) url(/b)")),
            ("var base = 'http://203.0.113.10';", Some("var base = '//www.shop.test';")),
            ("{\"u\":\"http:\\/\\/203.0.113.10\\/a\"}", Some("{\"u\":\"\\/a\"}")),
            ("{\"u\":\"http:\\/\\/203.0.113.10\"}", Some("{\"u\":\"\\/\\/www.shop.test\"}")),
            ("http://203.0.113.10//evil.example/", Some("//www.shop.test//evil.example/")),
            // others', and none
            ("<a href=http://203.0.113.100/>", None),
            ("<a href=http://203.0.113.10:81/>", None),
            ("<a href=http://203.0.113.10.example/>", None),
            ("<a href=http://203.0.113.10@evil.example/>", None),
            ("<a href=http://127.0.0.1/>", None),
            ("the address is 203.0.113.10", None),
            ("/", None),
            ("", None),
        ] {
            let led = led_to_site(body.as_bytes(), &own, "www.shop.test");
            assert_eq!(led.map(|led| String::from_utf8(led).unwrap()).as_deref(), expected, "{body}");
        }
    }
}
