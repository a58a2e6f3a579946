//! What is judged, and what it is taken for.

use http::HeaderMap;
use serde::Deserialize;

/// As much of a page is looked at, in bytes. No page of a host is longer.
pub const LOOKED_AT: usize = 64 * 1024;

/// An origin's answer, as far as it has come.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// Its body, decoded from content codings: the beginning, or all of it. Never that of an answer to HEAD.
    pub body: &'a [u8],
    /// Whether that is all of it.
    pub whole: bool,
}

/// What came instead of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongPage {
    /// What it is.
    pub kind: Kind,
    /// The id of the fingerprint by which it was recognised.
    pub fingerprint: &'static str,
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
    UnknownSite: "unknown-site";
    /// The software's or host's own page for the time of maintenance.
    Maintenance: "maintenance";
}
