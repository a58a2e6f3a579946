//! What the crawler makes of the marks that a site puts on its pages: `private`, and `robots.txt`.

use http::HeaderMap;

use crate::http::personal::{Personal, personal};

/// What the crawler does with answers marked `private` or `no-store`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MirrorPrivate {
    /// Taken if two anonymous visits get the same page, apart from tokens.
    #[default]
    Auto,
    /// Taken.
    Always,
    /// Left out.
    Never,
}

impl MirrorPrivate {
    /// As written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            MirrorPrivate::Auto => "auto",
            MirrorPrivate::Always => "always",
            MirrorPrivate::Never => "never",
        }
    }

    /// Why an answer with these header fields is not for everybody, where it is left out for that. A cookie of somebody who
    /// is logged in always is a reason; what is marked, only where marks count without asking twice.
    pub fn refuses(self, response_headers: &HeaderMap) -> Option<Personal> {
        personal(response_headers).filter(|said| self == MirrorPrivate::Never || !said.is_mark())
    }
}

/// What the crawler does with `robots.txt`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MirrorRobots {
    /// Obeyed, but for what forbids the whole site: an unreadable file, or `Disallow: /` for robots in general.
    #[default]
    Auto,
    /// Obeyed, as a search engine would (RFC 9309).
    Obey,
    /// Only its site maps and its delay count.
    Ignore,
}

impl MirrorRobots {
    /// As written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            MirrorRobots::Auto => "auto",
            MirrorRobots::Obey => "obey",
            MirrorRobots::Ignore => "ignore",
        }
    }
}
