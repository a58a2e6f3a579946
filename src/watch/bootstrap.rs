//! IANA's list of RDAP servers (RFC 9224): which server answers for which domain.

use serde::{Deserialize, Serialize};
use url::Url;

/// Servers of one domain that are kept.
const MOST_SERVERS: usize = 3;
/// Entries that a list may have; there are 1,500 top-level domains.
const MOST_ENTRIES: usize = 20_000;

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Domains with the base URLs of their servers.
    services: Vec<(Vec<String>, Vec<String>)>,
}

/// The document, as far as it matters.
#[derive(Deserialize)]
struct Listing {
    services: Vec<Vec<Vec<String>>>,
}

impl Bootstrap {
    /// Reads the document.
    ///
    /// # Errors
    /// In words, if it is none.
    pub fn read(document: &[u8]) -> Result<Bootstrap, String> {
        let read: Listing = serde_json::from_slice(document).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("the list of RDAP servers cannot be read (line {line}, column {column})")
        })?;
        let service = |mut service: Vec<Vec<String>>| {
            let (urls, names) = (service.pop()?, service.pop()?);
            Some((names.iter().map(|name| name.to_ascii_lowercase()).collect(), urls))
        };
        let services: Vec<_> = read.services.into_iter().take(MOST_ENTRIES).filter_map(service).collect();
        if services.is_empty() {
            return Err("the list of RDAP servers is empty".to_owned());
        }
        Ok(Bootstrap { services })
    }

    /// Whether nothing was read yet.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// The base URLs for a domain, those by TLS first: of the entry with the most labels in common (RFC 9224 section 4).
    pub fn servers(&self, domain: &str) -> Vec<Url> {
        let within = |name: &str| {
            name.is_empty()
                || domain == name
                || domain.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
        };
        let entries =
            self.services.iter().flat_map(|(names, urls)| names.iter().map(move |name| (name, urls)));
        let best = entries.filter(|(name, _)| within(name)).max_by_key(|(name, _)| name.split('.').count());
        let read =
            best.map(|(_, urls)| urls.iter().filter_map(|url| Url::parse(url).ok())).into_iter().flatten();
        let mut urls: Vec<Url> = read.filter(|url| matches!(url.scheme(), "https" | "http")).collect();
        urls.sort_by_key(|url| url.scheme() != "https");
        urls.truncate(MOST_SERVERS);
        urls
    }
}

/// The URL that asks a server for a domain (RFC 9082 section 3.1.3).
pub fn query(server: &Url, domain: &str) -> Option<Url> {
    let mut base = server.clone();
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    base.join(&format!("domain/{domain}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9224 section 4, shortened
    const SAMPLE: &str = r#"{ "version": "1.0", "publication": "2024-01-07T10:11:12Z", "description": "RDAP bootstrap file",
        "services": [
            [["net", "com"], ["https://registry.example.com/myrdap/"]],
            [["org", "mytld"], ["http://example.org/", "https://example.org/"]],
            [["xn--zckzah"], ["https://example.net/rdap/xn--zckzah"]],
            [["co.mytld"], ["https://co.example.org/"]]
        ] }"#;

    #[test]
    fn the_longest_match_wins_and_tls_comes_first() {
        let list = Bootstrap::read(SAMPLE.as_bytes()).unwrap();
        let first = |domain| list.servers(domain).first().map(Url::to_string);
        for (domain, expected) in [
            ("example.com", Some("https://registry.example.com/myrdap/")),
            ("example.org", Some("https://example.org/")),
            ("example.co.mytld", Some("https://co.example.org/")),
            ("xn--r8jz45g.xn--zckzah", Some("https://example.net/rdap/xn--zckzah")),
            ("example.jp", None),
            ("example.xcom", None),
        ] {
            assert_eq!(first(domain).as_deref(), expected, "{domain}");
        }
    }

    #[test]
    fn a_query_goes_below_the_base() {
        for (base, expected) in [
            ("https://a.example/rdap/", "https://a.example/rdap/domain/example.com"),
            ("https://a.example/rdap", "https://a.example/rdap/domain/example.com"),
            ("https://a.example", "https://a.example/domain/example.com"),
        ] {
            let url = query(&Url::parse(base).unwrap(), "example.com").unwrap();
            assert_eq!(url.as_str(), expected);
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", "{}", "[]", "<html>", r#"{"services":[]}"#, r#"{"services":[["com"]]}"#] {
            assert!(Bootstrap::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
