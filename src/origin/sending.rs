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
    /// The wait for the answer's header fields.
    pub wait: Duration,
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
pub enum Class {
    /// Probably made by a program.
    Page,
    /// Probably a file.
    Asset,
}

impl Class {
    /// What a path names, by its ending.
    pub fn of(path: &str) -> Class {
        let last = path.bytes().rposition(|b| matches!(b, b'/' | b'.')).unwrap_or_default();
        match path[last..].strip_prefix('.') {
            Some(ending) if !endings::is_of_pages(ending) => Class::Asset,
            Some(_) | None => Class::Page,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_assets_are_told_by_their_names() {
        for (path, class) in [
            ("/", Class::Page),
            ("/a/b", Class::Page),
            ("/a.html", Class::Page),
            ("/a.PHP", Class::Page),
            ("/a.css", Class::Asset),
            ("/v1.2/page", Class::Page),
            ("/a.pdf", Class::Asset),
        ] {
            assert_eq!(Class::of(path), class, "{path}");
        }
    }
}
