//! The case for a verdict: an answer, with what is known of the page and of the site.

use http::{HeaderMap, HeaderName, header};

use crate::config::ready::Failover;

use super::character::Character;
use http::HeaderValue;

use super::look::Look;
use crate::failure::Cause;
use crate::fingerprint::ResponseView;

/// What an origin's answer is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The site.
    Good,
    /// It may be the site's own will (a page removed, a page that leads elsewhere): it is, if the rest of the site stands.
    Doubtful(Finding),
    /// Something else.
    Bad(Finding),
}

/// What speaks against an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub cause: Cause,
    /// By what it was recognised: a fingerprint's id, or the numbers. For the operator only.
    pub why: String,
}

/// What is judged.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The page's key: path and query.
    pub key: &'a str,
    /// The host that was asked for, lower case and without port.
    pub host: &'a str,
    /// All hosts of the site.
    pub hosts: &'a [String],
    /// What the answer could lead back to; `None` where it may: a form that ends on its own page.
    pub asked: Option<Asked<'a>>,
    /// Whether the owner named it as a page that must always work.
    pub is_key_page: bool,
    /// The answer, as far as it has come. Its body is decoded.
    pub answer: ResponseView<'a>,
    /// What the origin was asked for besides the page as it is.
    pub wishes: Wishes,
    /// The newest good copy of the page.
    pub known: Option<Known<'a>>,
    /// What good crawls have taught about the site.
    pub character: &'a Character,
    /// The operator's words.
    pub policy: &'a Failover,
}

/// What was asked, as far as a redirect could lead back to it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The whole address in normal form.
    pub url: &'a str,
    /// Query parameters that do not change the page.
    pub ignore: &'a [String],
    /// The cookies that came with the request.
    pub cookies: Option<&'a HeaderValue>,
}

/// The copy of a page, as far as a verdict looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What it is.
    pub shape: Shape,
    /// Its status.
    pub status: u16,
    /// What kind of file it says it is.
    pub content_type: Option<&'a str>,
    /// Where it leads, if it is a redirect.
    pub location: Option<&'a str>,
    /// What it shows, if it is a page.
    pub look: Option<&'a Look>,
    /// Its bytes without content codings, if it is a file for programs and at hand.
    pub body: Option<&'a [u8]>,
}

/// What a request asked for besides the page as it is: the answers to it are odd where nobody did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// A part of it (Range).
    pub part: bool,
    /// Whether it has changed (If-None-Match, If-Modified-Since).
    pub change: bool,
}

impl Wishes {
    /// Those of a request with these fields.
    pub fn of(request_headers: &HeaderMap) -> Wishes {
        let has = |name: HeaderName| request_headers.contains_key(name);
        Wishes {
            part: has(header::RANGE),
            change: has(header::IF_NONE_MATCH) || has(header::IF_MODIFIED_SINCE),
        }
    }
}

impl Known<'_> {
    /// Whether a verdict beside it takes its bytes.
    pub fn wants_body(&self) -> bool {
        super::rules::is_data(self.content_type)
    }
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A page that a visitor opens.
    Page,
    /// A document that a visitor opens or downloads: PDF, a spreadsheet, an archive.
    Document,
    /// What pages need to be drawn.
    Asset,
    /// The way to another address.
    Redirect,
}

/// How much of an answer has to be there for its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Status and header fields are enough: see [`super::judge`] with an empty, incomplete body.
    Head,
    /// The first [`super::LOOKED_AT`] bytes, or all of it if it is shorter.
    Beginning,
    /// All of it, if it can be held back.
    Whole,
}

impl Finding {
    /// A finding.
    pub fn new(cause: Cause, why: impl Into<String>) -> Finding {
        Finding { cause, why: why.into() }
    }
}
