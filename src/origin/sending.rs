//! How one request is to be sent.

use std::time::Duration;

use super::health::Evidence;
use crate::content::endings;
use crate::http::client::ClientKey;

/// How one request is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// The host that the visitor asked for.
    pub host: &'a str,
    /// Whose request it is: nobody gets more than a share of the seats.
    pub client: ClientKey,
    /// How long the origin may take for the answer's header fields.
    pub timeout: Duration,
    /// The longest wait while checks say that the origin is well: some addresses are held on purpose until there is news.
    pub longest: Duration,
    /// The longest silence within the answer's body.
    pub stall: Duration,
    /// Whether the request asks for a change of protocol.
    pub upgrade: bool,
    /// What its failure would be evidence of.
    pub by: Evidence,
    /// Which origins may be asked.
    pub whom: Whom,
}

impl<'a> Sending<'a> {
    /// A request of our own, such as the crawler's, which takes no longer than `timeout` for anything.
    pub fn own(host: &'a str, timeout: Duration) -> Sending<'a> {
        Sending {
            host,
            client: ClientKey::OURSELVES,
            timeout,
            longest: timeout,
            stall: timeout,
            upgrade: false,
            by: Evidence::Own,
            whom: Whom::Usable,
        }
    }
}

/// Which origins may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Those that are not known to be down.
    Usable,
    /// Also those that are down, if there is no other: by the operator's mode.
    Any,
}

/// The kind of page that a time belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyClass {
    /// Probably made by a program.
    Page,
    /// Probably a file.
    Asset,
}

impl LatencyClass {
    /// What a path names, by its ending.
    pub fn of(path: &str) -> LatencyClass {
        let last = path.bytes().rposition(|b| matches!(b, b'/' | b'.')).unwrap_or_default();
        match path[last..].strip_prefix('.') {
            Some(ending) if !endings::is_of_pages(ending) => LatencyClass::Asset,
            Some(_) | None => LatencyClass::Page,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_assets_are_told_by_their_names() {
        for (path, class) in [
            ("/", LatencyClass::Page),
            ("/a/b", LatencyClass::Page),
            ("/a.html", LatencyClass::Page),
            ("/a.PHP", LatencyClass::Page),
            ("/a.css", LatencyClass::Asset),
            ("/v1.2/page", LatencyClass::Page),
            ("/a.pdf", LatencyClass::Asset),
        ] {
            assert_eq!(LatencyClass::of(path), class, "{path}");
        }
    }
}
