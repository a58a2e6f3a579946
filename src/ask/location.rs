//! Redirects in which an origin names itself: a server that listens on a port of its own writes that port into them, and
//! one that does not know the site's name writes its address. No visitor can follow them. What an origin says of itself
//! by the address that it is configured with is the site, so the path alone goes on (nginx: `proxy_redirect default`).
//! An answer may be shared by visitors who came by several names, and by http and https: a path leads each of them to
//! where he is.

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue};
use url::Url;

use super::Ask;
use crate::config::ready::{ANY_HOST, Site};

/// What the visitor asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The host, lower case, without port.
    pub host: &'a str,
    /// The host as it was written, with its port.
    pub authority: &'a str,
    /// Path and query.
    pub target: &'a str,
}

impl Ask {
    /// What the visitor asked for, as redirects are corrected by it.
    pub fn asked(&self) -> Asked<'_> {
        Asked { host: self.host(), authority: self.authority(), target: self.key() }
    }
}

/// Puts a redirect right in which an origin of `site` names itself. Returns whether it did.
pub fn correct(headers: &mut HeaderMap, site: &Site, asked: Asked<'_>) -> bool {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let to = location.and_then(|location| without_origin(location, site, asked));
    let Some(value) = to.and_then(|to| HeaderValue::from_str(&to).ok()) else { return false };
    headers.insert(LOCATION, value);
    true
}

/// Where a redirect leads for the visitor, if it names an origin; `None` if it may stay as it is.
pub fn without_origin(location: &str, site: &Site, asked: Asked<'_>) -> Option<String> {
    let (scheme, rest) = location.trim().split_once("//")?;
    let default = match scheme.to_ascii_lowercase().as_str() {
        "http:" => Some(80),
        "https:" => Some(443),
        "" => None,
        _ => return None,
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (host, port) = parts(authority)?;
    let host = host.to_ascii_lowercase();
    let is_sites = site.hosts.contains(&host) || host == asked.host;
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    // A path that begins with two slashes is read as a host.
    let rest = if rest.starts_with("//") { format!("/.{rest}") } else { rest };
    let to = if is_sites {
        let port = port.filter(|port| site.origins.iter().any(|origin| origin.url.port == *port))?;
        if parts(asked.authority).is_some_and(|(_, came_by)| came_by == Some(port)) || Some(port) == default {
            return None;
        }
        if host == asked.host { rest } else { format!("//{host}{rest}") }
    } else {
        let port = port.or(default);
        let is_origins = site.origins.iter().any(|origin| {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            let at_its_port = port.is_none_or(|port| port == origin.url.port);
            let by_name = origin.host.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(&host));
            bare.eq_ignore_ascii_case(&origin.url.host) && at_its_port
                || by_name && (at_its_port || port == default)
        });
        is_origins.then_some(rest)?
    };
    // It would lead in a circle; as it stands it may at least be told from others.
    (to.split('#').next() != Some(asked.target)).then_some(to)
}

/// Gives a redirect within the site the visitor's own parameters back: see [`with_own`].
pub fn add_own(headers: &mut HeaderMap, own: &str, asked: Asked<'_>, site: &Site) {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let to = location.and_then(|location| with_own(location, own, asked, site));
    if let Some(value) = to.and_then(|to| HeaderValue::from_str(&to).ok()) {
        headers.insert(LOCATION, value);
    }
}

/// A redirect within the site, with parameters of the visitor's own that it does not name: they were left out of what the
/// origin was asked, because they do not change the page, and what counts campaigns in the visitor's browser reads them
/// there. `None` if it leads elsewhere, or has them all.
pub fn with_own(location: &str, own: &str, asked: Asked<'_>, site: &Site) -> Option<String> {
    let (address, fragment) = location.split_once('#').map_or((location, None), |(to, at)| (to, Some(at)));
    let base = Url::parse(&format!("http://{}", asked.authority)).ok()?.join(asked.target).ok()?;
    let to = base.join(address.trim()).ok().filter(|to| matches!(to.scheme(), "http" | "https"))?;
    let host = to.host_str()?;
    if host != asked.host && !site.hosts.iter().any(|own| own == host) {
        return None;
    }
    let name_of = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let named: Vec<String> = to.query().unwrap_or_default().split('&').map(name_of).collect();
    let missing: Vec<&str> = own.split('&').filter(|pair| !named.contains(&name_of(pair))).collect();
    if missing.is_empty() {
        return None;
    }
    let address = if address.trim().is_empty() { to.path() } else { address.trim() };
    let joint = if address.contains('?') { "&" } else { "?" };
    let fragment = fragment.map(|at| format!("#{at}")).unwrap_or_default();
    Some(format!("{address}{joint}{}{fragment}", missing.join("&")))
}

/// Host and port; `None` for what is neither, or names a user.
fn parts(authority: &str) -> Option<(&str, Option<u16>)> {
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => Some((host, Some(port.parse().ok()?))),
        Some(_) | None => Some((authority, None)),
    }
}

/// The hosts, with their ports, under which the origins of a site may name themselves.
pub fn own_names(site: &Site) -> Vec<String> {
    let mut names = Vec::new();
    for origin in &site.origins {
        let address = origin.url.to_string();
        names.extend(address.split_once("://").map(|(_, authority)| authority.to_ascii_lowercase()));
        let hosts = site.hosts.iter().filter(|host| *host != ANY_HOST).chain(&origin.host);
        for host in hosts {
            names.push(host.to_ascii_lowercase());
            if !matches!(origin.url.port, 80 | 443) {
                names.push(format!("{}:{}", host.to_ascii_lowercase(), origin.url.port));
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::config::load::{Env, from_text};

    fn site() -> Site {
        let text = "[listen]\nhttp = [\"127.0.0.1:0\"]\n[[site]]\nname = \"shop\"\nhosts = [\"www.shop.test\", \"shop.test\"]\n\
                    [[site.origin]]\nurl = \"http://127.0.0.1:8080\"\n[[site.origin]]\nurl = \"http://203.0.113.10\"\n\
                    host = \"inside.example\"\n";
        let read = from_text(text, Path::new("katahai.toml"), &Env::default());
        Site::clone(&read.expect("a configuration").0.sites[0])
    }

    #[test]
    fn an_origin_that_names_itself_means_the_site() {
        let site = site();
        for (location, expected) in [
            ("http://127.0.0.1:8080/docs/", Some("/docs/")),
            ("HTTP://127.0.0.1:8080/docs/?a=b#c", Some("/docs/?a=b#c")),
            ("http://127.0.0.1:8080", Some("/")),
            ("http://127.0.0.1:8080?x", Some("/?x")),
            ("//127.0.0.1:8080/x", Some("/x")),
            ("http://203.0.113.10/x", Some("/x")),
            ("http://203.0.113.10:80/x", Some("/x")),
            ("http://inside.example/x", Some("/x")),
            ("http://www.shop.test:8080/docs/", Some("/docs/")),
            ("https://www.shop.test:8080/docs/", Some("/docs/")),
            ("http://shop.test:8080/docs/", Some("//shop.test/docs/")),
            ("http://127.0.0.1:8080//evil.example/", Some("/.//evil.example/")),
            // somebody else's, or as visitors know it
            ("http://127.0.0.1:9090/x", None),
            ("https://203.0.113.10/x", None),
            ("http://127.0.0.1.evil.example:8080/x", None),
            ("http://me@127.0.0.1:8080/x", None),
            ("http://www.shop.test/docs/", None),
            ("https://www.shop.test/docs/", None),
            ("https://www.shop.test:9443/docs/", None),
            ("http://www.shop.test:80/docs/", None),
            ("https://pay.example/checkout?back=1", None),
            ("https://pay.example:8080/", None),
            ("/docs/", None),
            ("docs/", None),
            ("ftp://127.0.0.1:8080/x", None),
            ("http://", None),
            // a circle
            ("http://127.0.0.1:8080/docs", None),
            ("http://www.shop.test:8080/docs#top", None),
        ] {
            let asked = Asked { host: "www.shop.test", authority: "www.shop.test", target: "/docs" };
            assert_eq!(without_origin(location, &site, asked).as_deref(), expected, "{location}");
        }
        // The visitor came by this port himself.
        let asked = Asked { host: "www.shop.test", authority: "www.shop.test:8080", target: "/docs" };
        assert_eq!(without_origin("http://www.shop.test:8080/docs/", &site, asked), None);
    }

    #[test]
    fn a_corrected_redirect_stands_in_the_header() {
        let asked = Asked { host: "www.shop.test", authority: "www.shop.test", target: "/docs" };
        let mut headers = HeaderMap::new();
        assert!(!correct(&mut headers, &site(), asked));
        headers.insert(LOCATION, HeaderValue::from_static("http://127.0.0.1:8080/docs/"));
        assert!(correct(&mut headers, &site(), asked) && headers[LOCATION] == "/docs/");
        assert!(!correct(&mut headers, &site(), asked));
    }

    #[test]
    fn a_redirect_within_the_site_gives_the_visitors_own_parameters_back() {
        let (site, own) = (site(), "utm_source=mail&utm_medium=a");
        for (location, expected) in [
            ("/new", Some("/new?utm_source=mail&utm_medium=a")),
            ("/new?p=1#top", Some("/new?p=1&utm_source=mail&utm_medium=a#top")),
            ("new", Some("new?utm_source=mail&utm_medium=a")),
            ("//shop.test/new", Some("//shop.test/new?utm_source=mail&utm_medium=a")),
            ("https://www.shop.test/", Some("https://www.shop.test/?utm_source=mail&utm_medium=a")),
            ("/new?utm_source=site", Some("/new?utm_source=site&utm_medium=a")),
            ("/new?utm_source=1&utm_medium=2", None),
            ("https://pay.example/", None),
            ("//pay.example/", None),
            ("mailto:a@shop.test", None),
            ("http://", None),
        ] {
            let asked = Asked { host: "www.shop.test", authority: "www.shop.test:8443", target: "/docs/a" };
            assert_eq!(with_own(location, own, asked, &site).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn the_names_of_origins_are_those_of_the_configuration() {
        let expected = [
            "127.0.0.1:8080",
            "203.0.113.10",
            "inside.example",
            "shop.test",
            "shop.test:8080",
            "www.shop.test",
            "www.shop.test:8080",
        ];
        assert_eq!(own_names(&site()), expected);
    }
}
