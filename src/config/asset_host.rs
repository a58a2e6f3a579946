//! Other hosts whose files the site's pages need: a name, or all names below one, as in `mirror.asset_hosts`.

use super::address::host_name;
use super::node::{Fault, shown};
use super::value::texts;

texts! {
    AssetHost: "a host such as \"cdn.example.com\"", asset_host;
}

/// One of `mirror.asset_hosts`. Without a port it stands for the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AssetHost {
    /// Asked without TLS: said so by `http://`.
    plain: bool,
    /// Whether it stands for all names below `host`, which itself is not one of them.
    below: bool,
    /// Lower case, in ASCII; an IPv6 address in brackets.
    host: String,
    port: Option<u16>,
}

impl AssetHost {
    /// Reads one: `cdn.example.com`, `*.cdn.example.net`, `http://old.example.com:8080`.
    ///
    /// # Errors
    /// One sentence that says what is wrong with it.
    pub fn new(text: &str) -> Result<AssetHost, String> {
        asset_host(text).map_err(|fault| fault.message)
    }

    /// Whether it is asked without TLS from the start.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether it stands for this host; `port` where it is not the scheme's own.
    pub fn matches(&self, host: &str, port: Option<u16>) -> bool {
        self.port == port
            && match self.below {
                false => self.host == host,
                true => host
                    .strip_suffix(self.host.as_str())
                    .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            }
    }
}

fn asset_host(text: &str) -> Result<AssetHost, Fault> {
    let help =
        "write the host alone, as in \"cdn.example.com\"; \"*.example.net\" stands for all names below";
    let (plain, rest) = match text.split_once("://") {
        None => (false, text),
        Some(("https", rest)) => (false, rest),
        Some(("http", rest)) => (true, rest),
        Some(_) => return Err(Fault::new(format!("{} is neither http nor https", shown(text)), help)),
    };
    let (rest, port) = match rest.rsplit_once(':') {
        Some((host, digits)) if host.ends_with(']') || !host.contains(':') => {
            let port = digits.parse::<u16>().ok().filter(|port| *port != 0);
            let fault = || Fault::new(format!("{} has an invalid port", shown(text)), help);
            (host, Some(port.ok_or_else(fault)?))
        }
        Some(_) | None => (rest, None),
    };
    let port = port.filter(|port| *port != if plain { 80 } else { 443 });
    let (below, name) = rest.strip_prefix("*.").map_or((false, rest), |name| (true, name));
    let host = host_name(name).map_err(|fault| Fault { help: help.to_owned(), ..fault })?.0;
    let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    if below && (is_address || !host.contains('.')) {
        return Err(Fault::new(format!("{} stands for hosts of too many owners", shown(text)), help));
    }
    Ok(AssetHost { plain, below, host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_itself_and_an_asterisk_for_all_below() {
        for (text, host, port, expected) in [
            ("cdn.example.com", "cdn.example.com", None, true),
            ("CDN.Example.com", "cdn.example.com", None, true),
            ("https://cdn.example.com:443", "cdn.example.com", None, true),
            ("cdn.example.com", "cdn.example.com", Some(8443), false),
            ("cdn.example.com:8443", "cdn.example.com", Some(8443), true),
            ("cdn.example.com:8443", "cdn.example.com", None, false),
            ("cdn.example.com", "evil-cdn.example.com", None, false),
            ("*.example.net", "a.example.net", None, true),
            ("*.example.net", "a.b.example.net", None, true),
            ("*.example.net", "example.net", None, false),
            ("*.example.net", ".example.net", None, false),
            ("*.example.net", "evilexample.net", None, false),
            ("http://127.0.0.1:8080", "127.0.0.1", Some(8080), true),
            ("[::1]:8080", "[::1]", Some(8080), true),
            ("::1", "[::1]", None, true),
            ("日本.jp", "xn--wgv71a.jp", None, true),
        ] {
            let read = AssetHost::new(text).unwrap();
            assert_eq!(read.matches(host, port), expected, "{text} {host} {port:?}");
            assert_eq!(read.is_plain(), text.starts_with("http://"), "{text}");
        }
    }

    #[test]
    fn what_stands_for_too_much_or_nothing_is_refused() {
        for (text, reason) in [
            ("", "is empty"),
            ("*", "is a pattern"),
            ("*.com", "too many owners"),
            ("*.127.0.0.1", "too many owners"),
            ("a.*.com", "is a pattern"),
            ("cdn.example.com/lib", "is not a host name"),
            ("cdn.example.com:0", "an invalid port"),
            ("cdn.example.com:http", "an invalid port"),
            ("ftp://cdn.example.com", "neither http nor https"),
            ("//cdn.example.com", "is not a host name"),
        ] {
            let message = AssetHost::new(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }
}
