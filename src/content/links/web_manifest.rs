//! The icons and pages of a web application manifest (W3C Web Application Manifest).

use serde_json::Value;

use super::{Link, Need};

/// Entries of one list that are looked at.
const MAX_ENTRIES: usize = 200;

/// What a manifest names; nothing, where it is not one.
pub fn read(body: &[u8]) -> Vec<Link> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let Ok(manifest) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let mut links = images(&manifest);
    links.extend(manifest.get("start_url").and_then(Value::as_str).map(|url| Link::new(url, Need::Link)));
    for shortcut in list(&manifest, "shortcuts") {
        links.extend(images(shortcut));
        links.extend(shortcut.get("url").and_then(Value::as_str).map(|url| Link::new(url, Need::Link)));
    }
    links
}

fn images(of: &Value) -> Vec<Link> {
    let lists = ["icons", "screenshots"].into_iter().flat_map(|name| list(of, name));
    lists.filter_map(|image| image.get("src")?.as_str()).map(|src| Link::new(src, Need::Requisite)).collect()
}

fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    of.get(name).and_then(Value::as_array).into_iter().flatten().take(MAX_ENTRIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn icons_and_pages_are_found() {
        let links = read(
            br#"{"name":"x","start_url":"/?app","icons":[{"src":"a.png","sizes":"1x1"},{"src":7},{}],
               "screenshots":[{"src":"s.png"}],"shortcuts":[{"url":"/menu","icons":[{"src":"m.png"}]}, 3]}"#,
        );
        let urls: Vec<_> = links.iter().map(|link| (link.url.as_str(), link.need)).collect();
        assert_eq!(
            urls,
            [
                ("a.png", Need::Requisite),
                ("s.png", Need::Requisite),
                ("/?app", Need::Link),
                ("m.png", Need::Requisite),
                ("/menu", Need::Link)
            ]
        );
    }

    #[test]
    fn what_is_no_manifest_names_nothing() {
        for body in ["", "[]", "{\"icons\":{}}", "<html>", "null", "{\"icons\":[\"x\"]}"] {
            assert_eq!(read(body.as_bytes()), [], "{body}");
        }
        assert_eq!(read("[".repeat(100_000).as_bytes()), []);
    }
}
