//! Blocks of data in a page that name addresses in a known way: JSON-LD, import maps, speculation rules.

use serde_json::Value;

use super::{Link, Need};

/// Addresses of one block.
const MAX_LINKS: usize = 2000;

/// Pictures and pages of JSON-LD (schema.org): `image`, `logo` and their kin, as texts, lists, or objects with a `url`.
pub fn linked_data(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    if let Ok(value) = serde_json::from_str::<Value>(text.trim()) {
        describe(&value, &mut links);
    }
    links.truncate(MAX_LINKS);
    links
}

fn describe(value: &Value, links: &mut Vec<Link>) {
    match value {
        Value::Array(list) => list.iter().for_each(|item| describe(item, links)),
        Value::Object(object) => {
            for (name, value) in object {
                match name.as_str() {
                    "image" | "logo" | "thumbnailUrl" | "thumbnail" | "screenshot" | "photo"
                    | "primaryImageOfPage" | "contentUrl" => pictures(value, links),
                    "url" => texts(value, Need::Link, links),
                    _ => describe(value, links),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A picture: its address, several, or an object that has it.
fn pictures(value: &Value, links: &mut Vec<Link>) {
    match value {
        Value::Object(object) => {
            for name in ["url", "contentUrl", "thumbnailUrl"] {
                texts(object.get(name).unwrap_or(&Value::Null), Need::Requisite, links);
            }
        }
        Value::Array(list) => list.iter().for_each(|item| pictures(item, links)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            texts(value, Need::Requisite, links)
        }
    }
}

fn texts(value: &Value, need: Need, links: &mut Vec<Link>) {
    match value {
        Value::String(url) => links.push(Link::new(url.clone(), need)),
        Value::Array(list) => {
            links.extend(list.iter().filter_map(Value::as_str).map(|url| Link::new(url, need)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
}

/// The modules of an import map (HTML section 8.1.6.2): all of them, whichever the page's scripts import. What stands
/// for a whole folder names no file.
pub fn import_map(text: &str) -> Vec<Link> {
    let Ok(map) = serde_json::from_str::<Value>(text.trim()) else { return Vec::new() };
    let scopes = map.get("scopes").and_then(Value::as_object).into_iter().flat_map(|scopes| scopes.values());
    let maps = map.get("imports").into_iter().chain(scopes);
    let addresses = maps.filter_map(Value::as_object).flat_map(|map| map.values()).filter_map(Value::as_str);
    let files =
        addresses.filter(|url| !url.ends_with('/') && (url.starts_with(['/', '.']) || url.contains("://")));
    files.take(MAX_LINKS).map(|url| Link::new(url, Need::Requisite)).collect()
}

/// The pages that a browser is told to fetch ahead.
pub fn speculation_rules(text: &str) -> Vec<Link> {
    let Ok(rules) = serde_json::from_str::<Value>(text.trim()) else { return Vec::new() };
    let lists = ["prefetch", "prerender"].into_iter().filter_map(|name| rules.get(name)?.as_array());
    let urls =
        lists.flatten().filter_map(|rule| rule.get("urls")?.as_array()).flatten().filter_map(Value::as_str);
    urls.take(MAX_LINKS).map(|url| Link::new(url, Need::Link)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(links: &[Link]) -> Vec<(&str, Need)> {
        links.iter().map(|link| (link.url.as_str(), link.need)).collect()
    }

    #[test]
    fn pictures_of_linked_data_are_found() {
        let found = linked_data(
            r#"{"@context":"https://schema.org","@graph":[{"@type":"Shop","logo":"/logo.png","name":"/no.png",
            "image":["/a.jpg",{"@type":"ImageObject","url":"/b.jpg"}],"url":"https://example.jp/shop",
            "sameAs":["https://elsewhere.example/"],"address":{"photo":{"contentUrl":"/c.jpg"}}}]}"#,
        );
        let mut found = shown(&found);
        found.sort();
        let expected = [
            ("/a.jpg", Need::Requisite),
            ("/b.jpg", Need::Requisite),
            ("/c.jpg", Need::Requisite),
            ("/logo.png", Need::Requisite),
        ];
        assert_eq!(found[..4], expected);
        assert_eq!(found[4..], [("https://example.jp/shop", Need::Link)]);
    }

    #[test]
    fn modules_of_an_import_map_are_found() {
        let found = import_map(
            r#"{"imports":{"app":"./app.js","lib/":"/lib/","vue":"https://cdn.example.com/vue.js","off":null},
            "scopes":{"/a/":{"x":"/a/x.js"}},"integrity":{"/no.js":"sha384-x"}}"#,
        );
        let mut urls: Vec<_> = found.iter().map(|link| link.url.as_str()).collect();
        urls.sort_unstable();
        assert_eq!(urls, ["./app.js", "/a/x.js", "https://cdn.example.com/vue.js"]);
    }

    #[test]
    fn pages_that_are_fetched_ahead_are_found() {
        let rules = r#"{"prefetch":[{"urls":["/next"]},{"where":{"href_matches":"/*"}}],"prerender":[{"urls":["/x",7]}]}"#;
        assert_eq!(shown(&speculation_rules(rules)), [("/next", Need::Link), ("/x", Need::Link)]);
    }

    proptest! {
        #[test]
        fn what_is_no_such_block_names_nothing(text in ".{0,80}", nested in 0usize..3000) {
            for text in [text, format!("{}1", "[".repeat(nested)), "{\"image\":".repeat(nested)] {
                for read in [linked_data, import_map, speculation_rules] {
                    prop_assert!(read(&text).is_empty());
                }
            }
        }
    }
}
