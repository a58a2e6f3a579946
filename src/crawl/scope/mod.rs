//! What belongs to the site, and which page an address means.
//!
//! All of a site's hosts, with `http` and `https`, with `www.` and without alike, are one site: an address becomes the
//! page's key, the same key that the cache and the snapshot look pages up by. Session ids in addresses are dropped: a
//! crawler has no session, and each visit would find the whole site anew under another id.
//!
//! Files of other hosts, where the configuration lists these, have keys that begin with the host: `//host/path`.

mod dates;
mod novelty;
pub(super) mod patterns;
pub(super) mod robots;
pub(super) mod traps;

use std::borrow::Cow;
use std::sync::Arc;

use encoding_rs::Encoding;
use url::Url;

use crate::ask::key::page_key;
use crate::ask::location::own_names;
use crate::config::ready::{AssetHost, Failover, Site};
use crate::content::links::resolve::resolve;

/// The hosts of one site, and how its keys are made.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// Host names, lower case, with the port only where it is not the scheme's own.
    hosts: Vec<String>,
    /// Under these the origins name themselves: nobody but them says so, and it means the site.
    own: Vec<String>,
    /// Those of them that are none of the site's names without a port.
    origins: Vec<String>,
    ignore_query: Vec<String>,
    asset_hosts: Vec<AssetHost>,
    /// What the operator says of good and wrong pages.
    pub(super) policy: Arc<Failover>,
}

/// Where a file of another host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Elsewhere {
    /// Whether it is asked for over TLS.
    pub(super) tls: bool,
    /// The host, with its port where that is not the scheme's own.
    pub(super) host: String,
    /// Path and query.
    pub(super) target: String,
}

/// What an address in a page leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A page of the site, by its key.
    Here(String),
    /// A file of another host that the configuration lists, by its key.
    Asset(String),
    /// Somebody else's.
    Elsewhere,
    /// Not a place on the web: `mailto:`, `data:`, `javascript:`, or not an address at all.
    Nowhere,
}

impl Scope {
    /// The scope of a site. Where its hosts are `*`, the first origin says what the site is called.
    pub(super) fn new(site: &Site) -> Scope {
        let mut hosts: Vec<String> =
            site.hosts.iter().filter(|host| *host != "*").map(|h| spelled(h)).collect();
        if hosts.is_empty()
            && let Some(origin) = site.origins.first()
        {
            let address = origin.url.to_string();
            hosts.extend(origin.host.as_deref().map(spelled));
            hosts.extend(address.split_once("://").map(|(_, authority)| spelled(authority)));
        }
        if hosts.is_empty() {
            hosts.push("localhost".to_owned());
        }
        let own = own_names(site);
        let origins = own.iter().filter(|name| !hosts.contains(name)).cloned().collect();
        let asset_hosts = site.mirror.asset_hosts.clone();
        let (ignore_query, policy) = (site.cache.ignore_query.clone(), Arc::new(site.failover.clone()));
        Scope { hosts, own, origins, ignore_query, asset_hosts, policy }
    }

    /// The scope of these hosts, the first one before the others, without a configuration.
    pub(super) fn of_hosts(hosts: Vec<String>, ignore_query: &[String]) -> Scope {
        let (hosts, ignore_query) = (hosts.iter().map(|host| spelled(host)).collect(), ignore_query.to_vec());
        let (own, origins, asset_hosts) = (Vec::new(), Vec::new(), Vec::new());
        Scope { hosts, own, origins, ignore_query, asset_hosts, policy: Arc::default() }
    }

    /// The host that is asked first.
    pub(super) fn host(&self) -> &str {
        self.hosts.first().map_or("localhost", String::as_str)
    }

    /// What only the origins call themselves, and no visitor.
    pub(super) fn origins(&self) -> &[String] {
        &self.origins
    }

    /// The address of a target ("path?query") of the site, to resolve links against.
    pub(super) fn url(&self, tls: bool, host: &str, target: &str) -> Option<Url> {
        Url::parse(&format!("{}://{host}{target}", if tls { "https" } else { "http" })).ok()
    }

    /// The key of a path or target as written in the configuration.
    pub(super) fn key(&self, target: &str) -> String {
        let target = target.split('#').next().unwrap_or(target);
        let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
        page_key(path, query, &self.ignore_query).into_owned()
    }

    /// Whether an address is the site's.
    pub(super) fn holds(&self, url: &Url) -> bool {
        let Some(host) = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")) else {
            return false;
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        // Another port is another server, unless it is the one that the site is known by.
        let host =
            url.port().map_or_else(|| Cow::Borrowed(host), |port| Cow::Owned(format!("{host}:{port}")));
        self.hosts.iter().any(|ours| bare(ours) == bare(&host))
            || self.own.binary_search_by(|own| own.as_str().cmp(&host)).is_ok()
    }

    /// Where a key leads that is another host's file; `None` for the site's own.
    pub(super) fn elsewhere(&self, key: &str) -> Option<Elsewhere> {
        let rest = key.strip_prefix("//")?;
        let (host, _) = rest.split_once('/')?;
        let target = rest.get(host.len()..)?.to_owned();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port.parse().ok()?)),
            Some(_) | None => (host, None),
        };
        let listed = self.asset_hosts.iter().find(|listed| listed.matches(name, port))?;
        Some(Elsewhere { tls: !listed.is_plain(), host: host.to_owned(), target })
    }

    /// Where `link`, found at `base` in a page in `encoding`, leads.
    pub(super) fn place(&self, base: &Url, link: &str, encoding: &'static Encoding) -> Place {
        match resolve(base, link, encoding) {
            Some(url) => self.of_url(&url),
            None => Place::Nowhere,
        }
    }

    /// What an absolute address leads to.
    pub(super) fn of_url(&self, url: &Url) -> Place {
        if !matches!(url.scheme(), "http" | "https") {
            return Place::Nowhere;
        }
        if !self.holds(url) {
            return self.asset(url).map_or(Place::Elsewhere, Place::Asset);
        }
        let path = without_session_path(url.path());
        let query = url.query().map(without_session_query);
        let key = page_key(&path, query.as_deref(), &self.ignore_query).into_owned();
        // A path that reads like another host's file: nobody could tell the two apart.
        if self.elsewhere(&key).is_some() { Place::Nowhere } else { Place::Here(key) }
    }

    fn asset(&self, url: &Url) -> Option<String> {
        let host = url.host_str()?;
        let host = host.strip_suffix('.').unwrap_or(host);
        self.asset_hosts.iter().find(|listed| listed.matches(host, url.port()))?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("//{host}{port}{}", page_key(url.path(), url.query(), &self.ignore_query)))
    }
}

/// A host without `www.`: what is published under the one name is published under the other.
fn bare(host: &str) -> &str {
    host.strip_prefix("www.").filter(|rest| rest.contains('.')).unwrap_or(host)
}

/// A host as addresses spell it: lower case, punycode, without the default port.
fn spelled(host: &str) -> String {
    let url = ["http", "https"].map(|scheme| Url::parse(&format!("{scheme}://{host}/")).ok());
    let port = match &url {
        [Some(http), Some(https)] => http.port().and(https.port()),
        _ => None,
    };
    let name = url[0].as_ref().and_then(Url::host_str).unwrap_or(host).to_owned();
    port.map_or(name.clone(), |port| format!("{name}:{port}"))
}

/// Parameters that carry a session, whatever their value.
const SESSION: [&str; 9] = [
    "phpsessid",
    "jsessionid",
    "aspsessionid",
    "cfid",
    "cftoken",
    "oscsid",
    "zenid",
    "ecsessid",
    "sessionid",
];

fn without_session_path(path: &str) -> String {
    // Nearly all paths; this is done for each link of each page.
    if !path.contains(';') {
        return path.to_owned();
    }
    let lower = path.to_ascii_lowercase();
    let Some(at) = SESSION.iter().find_map(|name| lower.find(&format!(";{name}="))) else {
        return path.to_owned();
    };
    let end = path[at + 1..].find([';', '/']).map_or(path.len(), |end| at + 1 + end);
    format!("{}{}", &path[..at], &path[end..])
}

fn without_session_query(query: &str) -> String {
    let kept = query.split('&').filter(|pair| !is_session(pair));
    kept.collect::<Vec<_>>().join("&")
}

fn is_session(pair: &str) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = name.to_ascii_lowercase();
    // Short names are used for other things too: only with a value like one.
    let short = matches!(name.as_str(), "sid" | "s_id" | "sess" | "session" | "session_id");
    SESSION.contains(&name.as_str())
        || short
            && value.len() >= 20
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-,_".contains(&b))
}

#[cfg(test)]
pub(super) fn test_scope(hosts: &[&str]) -> Scope {
    Scope {
        hosts: hosts.iter().map(|h| (*h).to_owned()).collect(),
        own: Vec::new(),
        origins: Vec::new(),
        ignore_query: vec!["utm_*".into(), "fbclid".into()],
        asset_hosts: ["cdn.example.com", "*.example.net", "http://old.example.org:8080"]
            .map(|host| AssetHost::new(host).expect("a host"))
            .to_vec(),
        policy: Arc::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{SHIFT_JIS, UTF_8};
    use proptest::prelude::*;

    fn place(link: &str) -> Place {
        let scope = test_scope(&["www.example.jp", "example.jp"]);
        let base = scope.url(true, scope.host(), "/shop/list.html?p=1").unwrap();
        scope.place(&base, link, UTF_8)
    }

    #[test]
    fn links_become_keys() {
        for (link, key) in [
            ("", "/shop/list.html?p=1"),
            ("#top", "/shop/list.html?p=1"),
            ("item.html", "/shop/item.html"),
            (" \n item.html\t", "/shop/item.html"),
            ("../a/./b", "/a/b"),
            ("/x?utm_source=y&q=1#z", "/x?q=1"),
            ("?p=2", "/shop/list.html?p=2"),
            ("//example.jp/x", "/x"),
            ("http://WWW.Example.JP:80/x", "/x"),
            ("https://example.jp./x", "/x"),
            ("http://example.jp", "/"),
            ("/お知らせ", "/%E3%81%8A%E7%9F%A5%E3%82%89%E3%81%9B"),
            ("\\back\\slash", "/back/slash"),
            ("/x;jsessionid=ABC123?a=1", "/x?a=1"),
            ("/x;JSESSIONID=ABC123/y", "/x/y"),
            ("/x?PHPSESSID=0123456789abcdef&a=1", "/x?a=1"),
            ("/x?sid=0123456789abcdef0123456789", "/x"),
            ("/x?sid=12", "/x?sid=12"),
        ] {
            assert_eq!(place(link), Place::Here(key.to_owned()), "{link:?}");
        }
    }

    #[test]
    fn other_peoples_places_are_not_ours() {
        for link in [
            "https://example.com/",
            "//cdn.example.jp/x.css",
            "http://example.jp:8080/",
            "http://notexample.jp/",
        ] {
            assert_eq!(place(link), Place::Elsewhere, "{link}");
        }
        for link in [
            "mailto:a@example.jp",
            "javascript:void(0)",
            "data:image/png;base64,AA",
            "tel:1",
            "http://",
            "blob:x",
        ] {
            assert_eq!(place(link), Place::Nowhere, "{link}");
        }
    }

    #[test]
    fn with_www_and_without_is_one_site() {
        let place = |ours: &[&str], link: &str| {
            let scope = test_scope(ours);
            scope.of_url(&Url::parse(link).unwrap())
        };
        let here = |key: &str| Place::Here(key.to_owned());
        for (ours, link, expected) in [
            ("example.jp", "https://www.example.jp/x", here("/x")),
            ("www.example.jp", "http://example.jp/x", here("/x")),
            ("example.jp", "https://www.www.example.jp/x", Place::Elsewhere),
            ("example.jp", "https://m.example.jp/x", Place::Elsewhere),
            ("example.jp", "https://wwwexample.jp/x", Place::Elsewhere),
            ("example.jp", "https://www.example.jp:8443/x", Place::Elsewhere),
            ("example.jp:8443", "https://www.example.jp:8443/x", here("/x")),
            ("www.jp", "https://jp/x", Place::Elsewhere),
        ] {
            assert_eq!(place(&[ours], link), expected, "{ours} {link}");
        }
    }

    #[test]
    fn files_of_listed_hosts_have_keys_with_the_host() {
        let scope = test_scope(&["example.jp"]);
        let found = |tls, host: &str, target: &str| {
            Some(Elsewhere { tls, host: host.to_owned(), target: target.to_owned() })
        };
        for (link, key, expected) in [
            (
                "//cdn.example.com/a.js?utm_source=1&v=2",
                "//cdn.example.com/a.js?v=2",
                found(true, "cdn.example.com", "/a.js?v=2"),
            ),
            ("http://CDN.example.com:80/a/../b", "//cdn.example.com/b", found(true, "cdn.example.com", "/b")),
            ("https://a.example.net", "//a.example.net/", found(true, "a.example.net", "/")),
            (
                "http://old.example.org:8080/x",
                "//old.example.org:8080/x",
                found(false, "old.example.org:8080", "/x"),
            ),
        ] {
            let base = scope.url(true, "example.jp", "/").unwrap();
            assert_eq!(scope.place(&base, link, UTF_8), Place::Asset(key.to_owned()), "{link}");
            assert_eq!(scope.elsewhere(key), expected, "{link}");
        }
        for link in ["https://example.net/", "https://cdn.example.com:8443/", "http://old.example.org/"] {
            assert_eq!(scope.of_url(&Url::parse(link).unwrap()), Place::Elsewhere, "{link}");
        }
        for own in ["/x", "//x", "//other.example/x", "/cdn.example.com/x"] {
            assert_eq!(scope.elsewhere(own), None, "{own}");
        }
        let odd = Url::parse("https://example.jp//cdn.example.com/a.js").unwrap();
        assert_eq!(scope.of_url(&odd), Place::Nowhere);
    }

    #[test]
    fn a_query_is_written_in_the_pages_encoding() {
        use encoding_rs::{EUC_JP, ISO_2022_JP, UTF_16LE, WINDOWS_1252};
        let scope = test_scope(&["example.jp"]);
        let base = scope.url(false, "example.jp", "/").unwrap();
        for (encoding, expected) in [
            (UTF_8, "%E8%8A%B1%F0%9F%8C%B8"),
            (UTF_16LE, "%E8%8A%B1%F0%9F%8C%B8"),
            (SHIFT_JIS, "%89%D4%26%23127800%3B"),
            (EUC_JP, "%B2%D6%26%23127800%3B"),
            (ISO_2022_JP, "%1B$B2V%1B(B%26%23127800%3B"),
            (WINDOWS_1252, "%26%2333457%3B%26%23127800%3B"),
        ] {
            let expected = Place::Here(format!("/%E8%8A%B1?q={expected}&r=1"));
            assert_eq!(scope.place(&base, "/花?q=花🌸&r=1", encoding), expected, "{}", encoding.name());
        }
    }

    #[test]
    fn a_query_in_shift_jis_is_as_the_encoder_has_it() {
        let scope = test_scope(&["example.jp"]);
        let base = scope.url(false, "example.jp", "/").unwrap();
        assert_eq!(scope.place(&base, "/花?q=花", SHIFT_JIS), Place::Here("/%E8%8A%B1?q=%89%D4".to_owned()));
    }

    #[test]
    fn a_port_that_the_site_is_known_by_is_the_sites() {
        assert_eq!(spelled("127.0.0.1:8080"), "127.0.0.1:8080");
        assert_eq!(spelled("Example.JP:443"), "example.jp");
        assert_eq!(spelled("日本.jp"), "xn--wgv71a.jp");
        assert_eq!(spelled("[::1]:3000"), "[::1]:3000");
        let scope = test_scope(&["127.0.0.1:3000"]);
        let base = scope.url(false, scope.host(), "/").unwrap();
        assert_eq!(scope.place(&base, "http://127.0.0.1:3000/a", UTF_8), Place::Here("/a".into()));
        assert_eq!(scope.place(&base, "http://127.0.0.1/a", UTF_8), Place::Elsewhere);
    }

    proptest! {
        #[test]
        fn any_link_has_a_place_and_a_stable_key(link in "[a-zA-Z0-9:/?#&=.;%あ\\\\ @-]{0,80}") {
            if let Place::Here(key) = place(&link) {
                prop_assert!(key.starts_with('/'));
                let scope = test_scope(&["www.example.jp"]);
                prop_assert_eq!(scope.key(&key), key);
            }
        }
    }
}
