//! What is judged, and what it is taken for.

use http::HeaderMap;
use serde::Deserialize;

use crate::content::document::Document;
use crate::content::text::BEGINNING;
use crate::failure::Cause;

/// As much of a page is looked at, in bytes. No page of a host is longer.
pub const LOOKED_AT: usize = 64 * 1024;

/// As much of its text is read, in visible characters. What shows more is a page of a site.
pub const READ: u32 = BEGINNING;

/// An origin's answer, as far as it has come.
#[derive(Clone, Copy, Debug)]
pub struct ResponseView<'a> {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// Its body, decoded from content codings: the beginning, or all of it. Never that of an answer to HEAD.
    pub page: &'a Document<'a>,
    /// Whether that is all of it.
    pub whole: bool,
}

/// What came instead of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongPage<'a> {
    /// What it is.
    pub kind: Kind,
    /// The id of the fingerprint by which it was recognised.
    pub fingerprint: &'a str,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident: $code:literal;)+) => {
        /// What a wrong page is. A closed list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
        pub enum Kind { $($(#[doc = $doc])+ #[serde(rename = $code)] $name,)+ }

        impl Kind {
            /// Every kind, in the table's order.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)+];

            /// The stable code: in fingerprints, logs and metrics.
            pub fn code(self) -> &'static str { match self { $(Kind::$name => $code,)+ } }
        }
    };
}

kinds! {
    /// The site's software cannot reach its database.
    DatabaseError: "database-error";
    /// PHP broke off, and its message is the page.
    PhpError: "php-error";
    /// The site's software crashed, and its framework or application server answers.
    ApplicationError: "application-error";
    /// Nothing at all.
    Empty: "empty-page";
    /// The host has closed the account.
    Suspended: "suspended";
    /// The account has used up its traffic, requests or processes.
    QuotaExceeded: "quota-exceeded";
    /// A server, panel or host without a site: "It works!".
    DefaultPage: "default-page";
    /// The domain is parked, for sale or expired.
    Parking: "parking";
    /// The names of the files in a folder.
    DirectoryListing: "directory-listing";
    /// A bot wall, CAPTCHA or firewall answers us.
    BotWall: "bot-wall";
    /// A CDN, gateway or web server cannot reach what is behind it.
    GatewayError: "gateway-error";
    /// A CDN or platform does not know the site, or has closed it.
    UnknownToHost: "unknown-to-host";
    /// The software's or host's own page for the time of maintenance.
    Maintenance: "maintenance";
    /// The page of somebody who broke in.
    Defaced: "defaced";
    /// What an operator's own fingerprint knows, and none of these says.
    Other: "wrong-page";
}

impl Kind {
    /// Why such a page is not a good answer.
    pub fn cause(self) -> Cause {
        match self {
            Kind::DatabaseError => Cause::DatabaseError,
            Kind::PhpError => Cause::PhpError,
            Kind::ApplicationError => Cause::ApplicationError,
            Kind::Empty => Cause::EmptyPage,
            Kind::Suspended => Cause::Suspended,
            Kind::QuotaExceeded => Cause::QuotaExceeded,
            Kind::DefaultPage => Cause::DefaultPage,
            Kind::Parking => Cause::Parking,
            Kind::DirectoryListing => Cause::DirectoryListing,
            Kind::BotWall => Cause::BotWall,
            Kind::GatewayError => Cause::GatewayError,
            Kind::UnknownToHost => Cause::UnknownToHost,
            Kind::Maintenance => Cause::Maintenance,
            Kind::Defaced => Cause::Defaced,
            Kind::Other => Cause::WrongPage,
        }
    }

    /// Whether a site may have such a page on purpose: a folder of downloads, an address that only takes notice. It is
    /// wrong where the copy has another page, or where it is a key page.
    pub fn may_be_meant(self) -> bool {
        match self {
            Kind::DirectoryListing | Kind::Empty => true,
            Kind::DatabaseError
            | Kind::PhpError
            | Kind::ApplicationError
            | Kind::Suspended
            | Kind::QuotaExceeded
            | Kind::DefaultPage
            | Kind::Parking
            | Kind::BotWall
            | Kind::GatewayError
            | Kind::UnknownToHost
            | Kind::Maintenance
            | Kind::Defaced
            | Kind::Other => false,
        }
    }
}
