//! The `Link` header field (RFC 8288): what an answer needs or leads to, said before its body.

use super::elements::{names_the_page, need_of_rels};
use super::{Link, Need, srcset};

/// Links of one field.
const MAX_LINKS: usize = 200;

/// The addresses that one field names, as written, with what for. What is said of another page (`anchor`) is not
/// about this one.
pub fn read(field: &str) -> Vec<Link> {
    let mut links = Vec::new();
    each(field, &mut |url, said| {
        let Some(need) = need_of_rels(said.of("rel").unwrap_or_default(), said.of("as")) else { return };
        if !url.is_empty() {
            links.push(Link::new(url, need));
        }
        if need == Need::Requisite {
            let pictures = srcset::urls(said.of("imagesrcset").unwrap_or_default());
            links.extend(pictures.into_iter().map(|url| Link::new(url, need)));
        }
    });
    links.truncate(MAX_LINKS);
    links
}

/// Other names of the page that one field gives: its short link, and the address that it calls its own.
pub fn aliases(field: &str) -> Vec<String> {
    let mut aliases = Vec::new();
    each(field, &mut |url, said| {
        if !url.is_empty() && names_the_page(said.of("rel").unwrap_or_default()) {
            aliases.push(url.to_owned());
        }
    });
    aliases
}

/// The parameters of a link.
struct Said<'a>(Vec<(&'a str, String)>);

impl Said<'_> {
    fn of(&self, wanted: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.as_str())
    }
}

/// Shows each link of a field that is about this page: the address, and its parameters.
fn each(field: &str, show: &mut dyn FnMut(&str, &Said<'_>)) {
    let mut rest = field;
    for _ in 0..MAX_LINKS {
        let Some(start) = rest.find('<') else { break };
        let Some(end) = rest[start..].find('>') else { break };
        let url = &rest[start + 1..start + end];
        let (parameters, after) = parameters(&rest[start + end + 1..]);
        rest = after;
        let said = Said(parameters);
        if said.of("anchor").is_none_or(str::is_empty) {
            show(url.trim(), &said);
        }
    }
}

/// Parameters up to the comma that ends the link, and what follows it (RFC 8288 section B.3).
fn parameters(text: &str) -> (Vec<(&str, String)>, &str) {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(after) = rest.strip_prefix(';') {
        rest = after.trim_start();
        let end = rest.find(['=', ';', ',']).unwrap_or(rest.len());
        let name = rest[..end].trim();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            (value, rest) = self::value(after.trim_start());
        }
        if !name.is_empty() {
            found.push((name, value));
        }
        rest = rest.trim_start();
    }
    (found, rest)
}

/// A token or a quoted text, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn links_are_found_by_their_relation() {
        use Need::{Link, Requisite};
        for (field, expected) in [
            ("", &[][..]),
            ("</a.css>; rel=preload; as=style", &[("/a.css", Requisite)]),
            (
                "</a.css>;rel=\"preload\", <b.js>; rel=modulepreload",
                &[("/a.css", Requisite), ("b.js", Requisite)],
            ),
            ("</n>; rel=next, </p>; rel=\"prev start\"", &[("/n", Link), ("/p", Link)]),
            ("</x>; REL=Stylesheet", &[("/x", Requisite)]),
            (
                "</i,1;2.png>; rel=icon; title=\"a, b; \\\"c\\\"\", </c>; rel=canonical",
                &[("/i,1;2.png", Requisite), ("/c", Link)],
            ),
            (
                "<>; rel=preload; as=image; imagesrcset=\"a.png 1x, b.png 2x\"",
                &[("a.png", Requisite), ("b.png", Requisite)],
            ),
            ("</f>; rel=prefetch; as=font", &[("/f", Requisite)]),
            ("</f>; rel=prefetch", &[("/f", Link)]),
            ("<https://h/>; rel=preconnect, </no>; rel=pingback, </no>", &[]),
            ("</no>; rel=next; anchor=\"/other\", </y>; rel=next; anchor=\"\"", &[("/y", Link)]),
            ("</a>; rel", &[]),
            ("</a>; rel=next; title=\"not ended", &[("/a", Link)]),
            ("</a", &[]),
        ] {
            let found = read(field);
            let found: Vec<_> = found.iter().map(|link| (link.url.as_str(), link.need)).collect();
            assert_eq!(found, expected, "{field}");
        }
    }

    proptest! {
        #[test]
        fn any_field_comes_to_its_end(field in "[<>;,=\"\\\\ a-z/]{0,120}", any in ".{0,60}") {
            for link in read(&field).into_iter().chain(read(&any)) {
                prop_assert!(!link.url.is_empty());
            }
        }
    }
}
