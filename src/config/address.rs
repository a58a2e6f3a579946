//! The values of the file that say where something is: hosts, addresses, networks, origins, pages, files.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::node::{Fault, shown};
use super::ready::{AdminAddr, OriginUrl};
use super::value::texts;

texts! {
    SocketAddr: "an address such as \"[::]:80\"", socket;
    NameServer: "an address such as \"127.0.0.1:53\"", name_server;
    AdminAddr: "an address such as \"127.0.0.1:9900\"", admin;
    IpNet: "a network such as \"10.0.0.0/8\"", network;
    HostName: "a host name such as \"www.example.jp\"", host_name;
    SiteHost: "a host name such as \"www.example.jp\"", site_host;
    SiteName: "a name such as \"shop\"", site_name;
    OriginUrl: "a URL such as \"https://203.0.113.10\"", origin_url;
    PagePath: "a path such as \"/signup\"", page_path;
    PageOrNone: "a path such as \"/thanks\"", page_or_none;
    FilePath: "a file name", file_path;
}

/// An address and a port to listen on.
pub(super) fn socket(text: &str) -> Result<SocketAddr, Fault> {
    text.parse().map_err(|_| {
        let help = match text.parse::<u16>() {
            Ok(port) => format!(
                "write \"[::]:{port}\" for all addresses, \"127.0.0.1:{port}\" for this machine alone"
            ),
            Err(_) => "write a number address and a port, as in \"[::]:80\" or \"127.0.0.1:8080\"".to_owned(),
        };
        Fault::new(format!("{} is not an address with a port", shown(text)), help)
    })
}

/// Where a DNS server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameServer(pub(super) SocketAddr);

fn name_server(text: &str) -> Result<NameServer, Fault> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(NameServer(SocketAddr::new(ip, 53)));
    }
    let help = "write a number address, with a port unless it is 53: \"127.0.0.1:5353\"";
    let address: Option<SocketAddr> = text.parse().ok().filter(|address: &SocketAddr| address.port() != 0);
    address.map(NameServer).ok_or_else(|| Fault::new(format!("{} is not a name server", shown(text)), help))
}

fn admin(text: &str) -> Result<AdminAddr, Fault> {
    let help =
        "write an address and a port, \"127.0.0.1:9900\", or a socket, \"unix:/run/katahai/admin.sock\"";
    match text.strip_prefix("unix:") {
        Some("") => Err(Fault::new("the path of the socket is missing", help)),
        Some(path) => file_path(path).map(|path| AdminAddr::Unix(path.0)),
        None => socket(text).map(AdminAddr::Tcp).map_err(|fault| Fault::new(fault.message, help)),
    }
}

fn network(text: &str) -> Result<IpNet, Fault> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(ip));
    }
    let help = "write a network, \"10.0.0.0/8\", or one address, \"192.0.2.1\"";
    let network: IpNet =
        text.parse().map_err(|_| Fault::new(format!("{} is not a network", shown(text)), help))?;
    if network.addr() != network.network() {
        // Guessing here would mean believing more, or fewer, than was meant.
        let help = format!(
            "write \"{}\" for the network, \"{}\" for the one address",
            network.trunc(),
            network.addr()
        );
        return Err(Fault::new(format!("{} is not the first address of its network", shown(text)), help));
    }
    Ok(network)
}

/// A host name as it is compared: lower case, punycode, without port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct HostName(pub(super) String);

/// Reads a host name; names in any script are turned into their ASCII form (IDNA).
pub(super) fn host_name(text: &str) -> Result<HostName, Fault> {
    let not = |what: &str, help: String| Err(Fault::new(format!("{} {what}", shown(text)), help));
    let example = "write the name alone, as in \"www.example.jp\"";
    if text.is_empty() {
        return Err(Fault::new("the host name is empty", example));
    }
    if text.contains(',') {
        let names: Vec<String> =
            text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(shown).collect();
        let help = match names.as_slice() {
            [_, _] => format!("write two names: [{}]", names.join(", ")),
            _ => format!("write a name each: [{}]", names.join(", ")),
        };
        return not("is not a host name", help);
    }
    if text.contains('/') {
        return not("is not a host name", example.to_owned());
    }
    if let Some(name) = text.strip_suffix('.') {
        return not("ends with a dot", format!("write {}", shown(name)));
    }
    if text.contains('*') {
        return not("is a pattern, not a host name", "write out every name".to_owned());
    }
    let without_port = text
        .rsplit_once(':')
        .filter(|(host, port)| port.parse::<u16>().is_ok() && (host.ends_with(']') || !host.contains(':')));
    if let Some((host, _)) = without_port {
        return not("has a port", format!("write {}", shown(host)));
    }
    // An IPv6 address stands in brackets in URLs and Host fields.
    let bracketed =
        if text.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{text}]") } else { text.to_owned() };
    if text.contains('%') {
        return not("is not a host name", example.to_owned());
    }
    match url::Host::parse(&bracketed) {
        Ok(url::Host::Domain(name)) if is_dns_name(&name) => Ok(HostName(name)),
        Ok(url::Host::Ipv4(ip)) if ip.to_string() == text => Ok(HostName(ip.to_string())),
        Ok(url::Host::Ipv6(ip)) => Ok(HostName(format!("[{ip}]"))),
        Ok(url::Host::Domain(_) | url::Host::Ipv4(_)) | Err(_) => {
            not("is not a host name", example.to_owned())
        }
    }
}

/// Labels of 1 to 63 bytes, 253 in all (RFC 1035 section 2.3.4).
fn is_dns_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

/// A host that a site answers to: a name, or `*` for all that no other site has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SiteHost(pub(super) String);

pub(super) fn site_host(text: &str) -> Result<SiteHost, Fault> {
    if text == super::ready::ANY_HOST {
        return Ok(SiteHost(text.to_owned()));
    }
    host_name(text).map(|name| SiteHost(name.0)).map_err(|fault| {
        if text.contains('*') {
            let help = "write out every name; \"*\" alone stands for every host that no other site has";
            return Fault { help: help.to_owned(), ..fault };
        }
        fault
    })
}

/// A site's name, which is also a file's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SiteName(pub(super) String);

/// So long may a site's name be: there has to be room for a suffix in a file's name.
const SITE_NAME_MOST: usize = 200;

pub(super) fn site_name(text: &str) -> Result<SiteName, Fault> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let fits = !text.is_empty()
        && text.len() <= SITE_NAME_MOST
        && !text.starts_with(['.', '-'])
        && text.bytes().all(allowed);
    if fits {
        return Ok(SiteName(text.to_owned()));
    }
    let help = "write up to 200 of a-z, 0-9, \".\", \"_\" and \"-\", beginning with neither \".\" nor \"-\": it names files and metrics too";
    Err(Fault::new(format!("{} cannot be the name of a site", shown(text)), help))
}

/// Where an origin is: scheme, host, port and nothing else.
pub(super) fn origin_url(text: &str) -> Result<OriginUrl, Fault> {
    let example = "write scheme, host and port, as in \"https://203.0.113.10\" or \"http://10.0.0.5:8080\"";
    let not = |what: &str| Fault::new(format!("{} {what}", shown(text)), example);
    if text.contains('@') {
        // The text is not shown: it may hold a password, and problems are logged.
        return Err(Fault::new("the URL of an origin cannot hold a user or a password", example));
    }
    // The parser of the URL standard mends what it can; here, what is not meant as written is refused.
    let written = |c: char| !c.is_whitespace() && !c.is_control() && c != '\\';
    let url = url::Url::parse(text).map_err(|_| not("is not a URL"))?;
    let (scheme, _) = text.split_once("://").ok_or_else(|| not("is not a URL"))?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return Err(not("is neither http nor https")),
    };
    if url.query().is_some() || url.fragment().is_some() || !matches!(url.path(), "" | "/") {
        return Err(not("has more than a scheme, a host and a port"));
    }
    if !text.chars().all(written) {
        return Err(not("is not a URL"));
    }
    let host = match url.host() {
        Some(url::Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            is_dns_name(name).then(|| name.to_owned()).ok_or_else(|| not("has no possible host name"))?
        }
        Some(url::Host::Ipv4(ip)) => ip.to_string(),
        Some(url::Host::Ipv6(ip)) => ip.to_string(),
        None => return Err(not("has no host")),
    };
    match url.port_or_known_default() {
        Some(port) if port != 0 => Ok(OriginUrl { tls, host, port }),
        Some(_) | None => Err(not("has an invalid port")),
    }
}

/// A path of the site with its query, in ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PagePath(pub(super) String);

fn page_path(text: &str) -> Result<PagePath, Fault> {
    let help = "write what follows the host, as in \"/signup\" or \"/events?page=2\"";
    if !text.starts_with('/') {
        return Err(Fault::new(format!("{} does not begin with \"/\"", shown(text)), help));
    }
    let strange = |c: char| c.is_whitespace() || c.is_control() || c == '#';
    let ascii = utf8_percent_encode(text, CONTROLS).to_string();
    if text.contains(strange) || ascii.parse::<http::uri::PathAndQuery>().is_err() {
        return Err(Fault::new(format!("{} is not the path of a page", shown(text)), help));
    }
    Ok(PagePath(ascii))
}

/// A page's path; `None` for an empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PageOrNone(pub(super) Option<String>);

fn page_or_none(text: &str) -> Result<PageOrNone, Fault> {
    if text.is_empty() {
        Ok(PageOrNone(None))
    } else {
        page_path(text).map(|PagePath(path)| PageOrNone(Some(path)))
    }
}

/// A file's name as written; empty where that means "none".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilePath(pub(super) PathBuf);

fn file_path(text: &str) -> Result<FilePath, Fault> {
    if text.contains(char::is_control) {
        return Err(Fault::new(format!("{} cannot be a file", shown(text)), "write the file's path"));
    }
    Ok(FilePath(PathBuf::from(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Result<String, String> {
        host_name(text).map(|name| name.0).map_err(|fault| fault.message)
    }

    #[test]
    fn hosts_have_one_spelling() {
        for (text, expected) in [
            ("WWW.Example.JP", "www.example.jp"),
            ("日本語.jp", "xn--wgv71a119e.jp"),
            ("xn--wgv71a119e.jp", "xn--wgv71a119e.jp"),
            ("localhost", "localhost"),
            ("my_host.local", "my_host.local"),
            ("203.0.113.10", "203.0.113.10"),
            ("2001:DB8::1", "[2001:db8::1]"),
            ("[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(host(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "is empty"),
            ("example.jp.", "ends with a dot"),
            ("example.jp:8080", "has a port"),
            ("[::1]:80", "has a port"),
            ("*.example.jp", "is a pattern"),
            ("https://example.jp", "is not a host name"),
            ("a b.jp", "is not a host name"),
            ("a..jp", "is not a host name"),
            ("a%41.jp", "is not a host name"),
            ("127.1", "is not a host name"),
            ("user@example.jp", "is not a host name"),
            ("a.jp,b.jp", "is not a host name"),
        ] {
            let message = host(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
        assert!(host(&format!("{}.jp", "a".repeat(64))).is_err());
        assert!(host(&vec!["abcdefgh"; 32].join(".")).is_err());
    }

    #[test]
    fn two_names_in_one_are_parted() {
        let help = |text: &str| host_name(text).unwrap_err().help;
        assert_eq!(help("a.jp, b.jp"), "write two names: [\"a.jp\", \"b.jp\"]");
        assert_eq!(help("a.jp,b.jp,c.jp"), "write a name each: [\"a.jp\", \"b.jp\", \"c.jp\"]");
    }

    #[test]
    fn only_an_asterisk_alone_stands_for_every_host() {
        assert_eq!(site_host("*"), Ok(SiteHost("*".to_owned())));
        assert!(site_host("*.example.jp").unwrap_err().help.contains("alone"));
        assert!(host_name("*").is_err());
    }

    #[test]
    fn origins_are_scheme_host_and_port() {
        for (text, expected) in [
            ("https://203.0.113.10", "https://203.0.113.10"),
            ("HTTP://Shop.Example.JP:8080/", "http://shop.example.jp:8080"),
            ("http://[2001:db8::1]:80", "http://[2001:db8::1]"),
            ("https://日本語.jp", "https://xn--wgv71a119e.jp"),
            ("https://example.jp.", "https://example.jp"),
        ] {
            assert_eq!(origin_url(text).map(|url| url.to_string()), Ok(expected.to_owned()), "{text}");
        }
        for bad in [
            "",
            "203.0.113.10",
            "example.jp:80",
            "ftp://example.jp",
            "https:example.jp",
            "https://",
            "https://a/b",
            "https://a/?",
            "https://a#x",
            "https://a:0",
            "https://a:99999",
            " https://a",
            "https://a\n",
            "https:\\\\a",
            "https://a..b",
        ] {
            assert!(origin_url(bad).is_err(), "{bad}");
        }
        for secret in ["https://me:hunter2@a", "https://:hunter2@a", "https://@a", "https://me:hunter2@a b"] {
            let fault = origin_url(secret).unwrap_err();
            assert!(fault.message.contains("password") && !fault.message.contains("hunter2"), "{secret}");
        }
    }

    #[test]
    fn addresses_and_networks_are_numbers() {
        assert!(socket("[::]:80").is_ok() && socket("127.0.0.1:0").is_ok());
        assert!(socket("80").unwrap_err().help.contains("[::]:80"));
        assert!(socket("localhost:80").is_err() && socket(":80").is_err());
        assert_eq!(name_server("9.9.9.9"), Ok(NameServer(SocketAddr::from(([9, 9, 9, 9], 53)))));
        assert!(name_server("9.9.9.9:0").is_err() && name_server("dns.example").is_err());
        assert_eq!(admin("unix:/run/k.sock"), Ok(AdminAddr::Unix("/run/k.sock".into())));
        assert!(admin("unix:").is_err() && admin("/run/k.sock").is_err());
        assert!(network("10.0.0.0/8").is_ok() && network("2001:db8::1").is_ok());
        assert!(network("10.0.0.1/8").unwrap_err().help.contains("10.0.0.0/8"));
        assert!(network("10.0.0.0/33").is_err() && network("all").is_err());
    }

    #[test]
    fn pages_are_paths_in_ascii() {
        let page = |text: &str| page_path(text).map(|page| page.0);
        assert_eq!(page("/events?page=2"), Ok("/events?page=2".to_owned()));
        assert_eq!(page("/店"), Ok("/%E5%BA%97".to_owned()));
        for bad in ["", "signup", "https://a/", "/a b", "/a#b", "/a\n"] {
            assert!(page(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_files_name_has_no_control_characters() {
        assert_eq!(file_path("証明書/a b.pem").map(|file| file.0), Ok("証明書/a b.pem".into()));
        assert!(file_path("a\0").is_err() && file_path("a\u{1b}[31m").is_err());
    }

    #[test]
    fn a_sites_name_is_safe_as_a_files() {
        assert!(site_name("shop-2.example_jp").is_ok());
        for bad in ["", ".", "..", ".hidden", "-x", "a/b", "Shop", "店", "a b"] {
            assert!(site_name(bad).is_err(), "{bad}");
        }
        assert!(site_name(&"a".repeat(201)).is_err());
    }
}
