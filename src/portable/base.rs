//! Where a site stands on the web: what turns its keys into addresses.

use url::Url;

/// Scheme and host of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    tls: bool,
    host: String,
}

/// The text is not the address of a site.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the address of a site (they look like https://www.example.com)")]
pub struct NotABase(pub String);

impl Base {
    /// The base of a site on `host` (with a port, if it is not the scheme's own).
    ///
    /// # Errors
    /// When that is no host.
    pub fn new(tls: bool, host: &str) -> Result<Base, NotABase> {
        let scheme = if tls { "https" } else { "http" };
        Base::parse(&format!("{scheme}://{host}"))
    }

    /// Reads `https://www.example.com`.
    ///
    /// # Errors
    /// When it is anything else than scheme and host.
    pub fn parse(text: &str) -> Result<Base, NotABase> {
        let bad = || NotABase(text.to_owned());
        let url = Url::parse(text).map_err(|_| bad())?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty();
        let host = authority(&url).filter(|_| plain).ok_or_else(bad)?;
        Ok(Base { tls: url.scheme() == "https", host })
    }

    /// The host, with its port if it is not the scheme's own.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The site's address, without a path.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.host)
    }

    /// The address of a page. A key that begins with `//` is another host's, over TLS.
    pub(super) fn url(&self, key: &str) -> String {
        if is_foreign(key) { format!("https:{key}") } else { format!("{}{key}", self.origin()) }
    }

    /// Host and target of a page, as a request says them.
    pub(super) fn request<'a>(&'a self, key: &'a str) -> (&'a str, &'a str) {
        match foreign(key) {
            Some((host, target)) => (host, target),
            None => (&self.host, key),
        }
    }
}

/// Whether a key is that of another host's file.
pub(super) fn is_foreign(key: &str) -> bool {
    foreign(key).is_some()
}

/// Host and target of another host's file. `//` with anything else behind it is a path of the site's own.
pub(super) fn foreign(key: &str) -> Option<(&str, &str)> {
    let rest = key.strip_prefix("//")?;
    let (host, _) = rest.split_once('/')?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':');
    let named = host.len() <= 255 && host.contains(['.', ':']) && host.bytes().all(plain);
    named.then(|| (host, &rest[host.len()..]))
}

/// The host of an address as keys and configuration spell it: with the port only where it is not the scheme's own.
pub(super) fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let host = host.strip_suffix('.').unwrap_or(host);
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_has_an_address() {
        let base = Base::parse("https://www.Example.com").unwrap();
        assert_eq!(base.url("/a?b=c"), "https://www.example.com/a?b=c");
        assert_eq!(base.url("//cdn.example.net/x.js"), "https://cdn.example.net/x.js");
        assert_eq!(base.request("//cdn.example.net/x.js"), ("cdn.example.net", "/x.js"));
        assert_eq!(base.request("//nohost/x"), ("www.example.com", "//nohost/x"));
        assert_eq!(Base::new(false, "localhost:8080").unwrap().url("/"), "http://localhost:8080/");
        for bad in [
            "",
            "example.com",
            "ftp://a.example",
            "https://a.example/x",
            "https://a.example/?q",
            "https://u@a.example",
        ] {
            assert!(Base::parse(bad).is_err(), "{bad}");
        }
    }
}
