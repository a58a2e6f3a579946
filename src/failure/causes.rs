//! The table of causes: every reason why an answer is not the site's, or why something is wrong with a site. A closed list: a
//! row is the definition, the label, the log's word and, with [`super::advice`], the documentation.

use http::StatusCode;

use super::public::Public;
use super::{Retry, Side, Whose};

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident: $code:literal, $whose:ident, $retry:ident, $status:ident, $public:ident;)+) => {
        /// Why there is no good answer, or what else is wrong. A closed list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Cause { $(#[doc = concat!("`", $code, "`")] $name,)+ }

        impl Cause {
            /// Every cause, in the table's order.
            pub const ALL: &'static [Cause] = &[$(Cause::$name,)+];

            /// The stable code: in metrics, logs and `Cache-Status`.
            pub fn code(self) -> &'static str { match self { $(Cause::$name => $code,)+ } }

            /// Who has to act.
            pub fn whose(self) -> Whose { match self { $(Cause::$name => Whose::$whose,)+ } }

            /// Whether the request may be tried again.
            pub fn retry(self) -> Retry { match self { $(Cause::$name => Retry::$retry,)+ } }

            /// The status that the visitor gets when no copy can answer.
            pub fn status(self) -> StatusCode { match self { $(Cause::$name => StatusCode::$status,)+ } }

            /// What a visitor may read about it.
            pub fn public(self) -> Public { match self { $(Cause::$name => Public::$public,)+ } }
        }
    };
}

impl Cause {
    /// Whose fault it is, as far as the request path cares.
    pub fn side(self) -> Side {
        self.whose().side()
    }

    /// What a status that is not the site's stands for.
    pub fn of_status(status: StatusCode) -> Cause {
        match status.as_u16() {
            401 | 403 => Cause::Forbidden,
            404 | 410 => Cause::Missing,
            500 => Cause::ServerError,
            502 => Cause::BadGateway,
            503 => Cause::Unavailable,
            504 => Cause::GatewayTimeout,
            508 | 509 => Cause::HostingLimit,
            520..=530 => Cause::CdnError,
            _ => Cause::BadStatus,
        }
    }

    /// Whether it says what is wrong, and not only that something is: known by what a page shows.
    pub fn is_telling(self) -> bool {
        (Cause::DatabaseError..=Cause::Defaced).contains(&self) && self != Cause::EmptyPage
    }

    /// The cause of this code.
    pub fn of(code: &str) -> Option<Cause> {
        Cause::ALL.iter().copied().find(|cause| cause.code() == code)
    }
}

causes! {
    // the origin's name
    NameNotFound: "name-not-found", Name, Safe, SERVICE_UNAVAILABLE, Name;
    NameServersFail: "name-servers-fail", Name, Safe, SERVICE_UNAVAILABLE, Name;
    NameServersSilent: "name-servers-silent", Name, Safe, SERVICE_UNAVAILABLE, Name;
    NameMoved: "name-moved", Name, Safe, SERVICE_UNAVAILABLE, NotTheSite;
    // its domain, weeks before
    DomainExpiring: "domain-expiring", Name, Safe, SERVICE_UNAVAILABLE, Name;
    DomainExpired: "domain-expired", Name, Safe, SERVICE_UNAVAILABLE, Name;
    DomainOnHold: "domain-on-hold", Name, Safe, SERVICE_UNAVAILABLE, Name;
    DomainUnlocked: "domain-unlocked", Name, Safe, SERVICE_UNAVAILABLE, Name;
    NameServersChanged: "name-servers-changed", Name, Safe, SERVICE_UNAVAILABLE, NotTheSite;
    NameServersParked: "name-servers-parked", Name, Safe, SERVICE_UNAVAILABLE, NotTheSite;
    AddressesChanged: "addresses-changed", Name, Safe, SERVICE_UNAVAILABLE, NotTheSite;
    ZoneGone: "zone-gone", Name, Safe, SERVICE_UNAVAILABLE, Name;
    DnssecBroken: "dnssec-broken", Name, Safe, SERVICE_UNAVAILABLE, Name;
    DnssecExpiring: "dnssec-expiring", Name, Safe, SERVICE_UNAVAILABLE, Name;
    // the way to the origin
    Refused: "refused", Host, Safe, SERVICE_UNAVAILABLE, Refused;
    Unreachable: "unreachable", Host, Safe, SERVICE_UNAVAILABLE, Unreachable;
    ConnectTimeout: "connect-timeout", Host, Safe, SERVICE_UNAVAILABLE, NotAccepted;
    // its certificate
    CertificateExpired: "certificate-expired", Certificate, Safe, SERVICE_UNAVAILABLE, Untrusted;
    CertificateNotYetValid: "certificate-not-yet-valid", Certificate, Safe, SERVICE_UNAVAILABLE, Untrusted;
    CertificateOfAnother: "certificate-of-another", Certificate, Safe, SERVICE_UNAVAILABLE, Untrusted;
    CertificateUntrusted: "certificate-untrusted", Certificate, Safe, SERVICE_UNAVAILABLE, Untrusted;
    CertificateKeyChanged: "certificate-key-changed", Certificate, Safe, SERVICE_UNAVAILABLE, Untrusted;
    CertificatePinned: "certificate-pinned", Certificate, Safe, SERVICE_UNAVAILABLE, Untrusted;
    CertificateExpiring: "certificate-expiring", Certificate, Safe, SERVICE_UNAVAILABLE, Untrusted;
    TlsRefused: "tls-refused", Certificate, Safe, SERVICE_UNAVAILABLE, Untrusted;
    // its answer breaks
    Reset: "reset", Host, IfIdempotent, SERVICE_UNAVAILABLE, Reset;
    NotHttp: "not-http", Host, IfIdempotent, SERVICE_UNAVAILABLE, NotHttp;
    Silent: "silent", Host, IfIdempotent, SERVICE_UNAVAILABLE, Silent;
    BodyStalled: "body-stalled", Host, IfIdempotent, SERVICE_UNAVAILABLE, Stalled;
    BodyCut: "body-cut", Host, IfIdempotent, SERVICE_UNAVAILABLE, Cut;
    // its status
    ServerError: "server-error", Site, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    BadGateway: "bad-gateway", Host, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    Unavailable: "unavailable", Site, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    GatewayTimeout: "gateway-timeout", Host, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    HostingLimit: "hosting-limit", Host, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    CdnError: "cdn-error", Host, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    BadStatus: "bad-status", Site, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    Forbidden: "forbidden", Site, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    Missing: "missing", Site, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    AssetMissing: "asset-missing", Site, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    // it answers with something else
    DatabaseError: "database-error", Site, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    PhpError: "php-error", Site, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    ApplicationError: "application-error", Site, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    EmptyPage: "empty-page", Site, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    TruncatedPage: "truncated-page", Site, IfIdempotent, SERVICE_UNAVAILABLE, Cut;
    Suspended: "suspended", Host, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    QuotaExceeded: "quota-exceeded", Host, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    DefaultPage: "default-page", Host, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    Parking: "parking", Name, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    DirectoryListing: "directory-listing", Site, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    BotWall: "bot-wall", Host, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    GatewayError: "gateway-error", Host, IfIdempotent, SERVICE_UNAVAILABLE, Error;
    UnknownToHost: "unknown-to-host", Host, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    Maintenance: "maintenance", Site, IfIdempotent, SERVICE_UNAVAILABLE, Maintenance;
    Defaced: "defaced", Site, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    ForeignRedirect: "foreign-redirect", Site, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    RedirectLoop: "redirect-loop", Site, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    SoftMissing: "soft-missing", Site, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    Uniform: "uniform", Site, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    OddAnswer: "odd-answer", Site, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    Emptied: "emptied", Site, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    TextMissing: "text-missing", Site, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    TextRejected: "text-rejected", Site, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    WrongPage: "wrong-page", Site, IfIdempotent, SERVICE_UNAVAILABLE, NotTheSite;
    // what we know of it
    KnownDown: "known-down", Host, No, SERVICE_UNAVAILABLE, Down;
    Flapping: "flapping", Host, No, SERVICE_UNAVAILABLE, Down;
    Recovering: "recovering", Host, No, SERVICE_UNAVAILABLE, Down;
    Unproven: "unproven", Host, No, SERVICE_UNAVAILABLE, Unproven;
    Slow: "slow", Host, No, SERVICE_UNAVAILABLE, Slow;
    OriginGettingWorse: "origin-getting-worse", Host, No, SERVICE_UNAVAILABLE, Slow;
    NoOrigin: "no-origin", Operator, No, SERVICE_UNAVAILABLE, NoServer;
    Drained: "drained", Operator, No, SERVICE_UNAVAILABLE, NoServer;
    Held: "held", Operator, No, SERVICE_UNAVAILABLE, Held;
    Loop: "loop", Operator, No, LOOP_DETECTED, Loop;
    PrivateAddress: "private-address", Operator, No, SERVICE_UNAVAILABLE, Private;
    // ourselves
    Busy: "busy", Katahai, Safe, SERVICE_UNAVAILABLE, Busy;
    QueuedTooLong: "queued-too-long", Katahai, IfIdempotent, SERVICE_UNAVAILABLE, Busy;
    DescriptorsOut: "descriptors-out", Operator, Safe, SERVICE_UNAVAILABLE, Busy;
    CopyDamaged: "copy-damaged", Katahai, No, SERVICE_UNAVAILABLE, Internal;
    CopiesGone: "copies-gone", Katahai, No, SERVICE_UNAVAILABLE, Internal;
    DiskFull: "disk-full", Katahai, No, SERVICE_UNAVAILABLE, Internal;
    DiskFilling: "disk-filling", Operator, No, SERVICE_UNAVAILABLE, Internal;
    SnapshotOld: "snapshot-old", Operator, No, SERVICE_UNAVAILABLE, Internal;
    CoverageLow: "coverage-low", Operator, No, SERVICE_UNAVAILABLE, Internal;
    DrillFailed: "drill-failed", Operator, No, SERVICE_UNAVAILABLE, Internal;
    StateUnusable: "state-unusable", Katahai, No, SERVICE_UNAVAILABLE, Internal;
    StateShared: "state-shared", Operator, No, SERVICE_UNAVAILABLE, Internal;
    InstanceNameShared: "instance-name-shared", Operator, No, SERVICE_UNAVAILABLE, Internal;
    FormsAlone: "forms-alone", Operator, No, SERVICE_UNAVAILABLE, Internal;
    NobodyCrawls: "nobody-crawls", Operator, No, SERVICE_UNAVAILABLE, Internal;
    ConfigurationRefused: "configuration-refused", Operator, No, SERVICE_UNAVAILABLE, Internal;
    StoreUnusable: "store-unusable", Operator, No, SERVICE_UNAVAILABLE, Internal;
    StoreBehind: "store-behind", Operator, No, SERVICE_UNAVAILABLE, Internal;
    StoreUnsigned: "store-unsigned", Operator, No, SERVICE_UNAVAILABLE, Internal;
    StoreRefused: "store-refused", Operator, No, SERVICE_UNAVAILABLE, Internal;
    AlertsUndelivered: "alerts-undelivered", Operator, No, SERVICE_UNAVAILABLE, Internal;
    RestartNeeded: "restart-needed", Operator, No, SERVICE_UNAVAILABLE, Internal;
    CertificateUnreadable: "certificate-unreadable", Operator, No, SERVICE_UNAVAILABLE, Internal;
    SiteCertificateExpiring: "site-certificate-expiring", Operator, No, SERVICE_UNAVAILABLE, Internal;
    SiteCertificateExpired: "site-certificate-expired", Operator, No, SERVICE_UNAVAILABLE, Internal;
    SiteCertificateOfAnother: "site-certificate-of-another", Operator, No, SERVICE_UNAVAILABLE, Internal;
    ClockMoved: "clock-moved", Katahai, No, SERVICE_UNAVAILABLE, Internal;
    ClockWrong: "clock-wrong", Operator, No, SERVICE_UNAVAILABLE, Internal;
    UncleanStop: "unclean-stop", Katahai, No, SERVICE_UNAVAILABLE, Internal;
    Internal: "internal", Katahai, No, INTERNAL_SERVER_ERROR, Internal;
    // the visitor's request
    Malformed: "malformed", Visitor, No, BAD_REQUEST, Malformed;
    UnknownSite: "unknown-site", Visitor, No, MISDIRECTED_REQUEST, UnknownSite;
    HeadersTooLarge: "headers-too-large", Visitor, No, REQUEST_HEADER_FIELDS_TOO_LARGE, HeadersTooLarge;
    CodingRefused: "coding-refused", Visitor, No, NOT_IMPLEMENTED, Malformed;
    BodyTooLarge: "body-too-large", Visitor, No, PAYLOAD_TOO_LARGE, BodyTooLarge;
    BodyTooSlow: "body-too-slow", Visitor, No, REQUEST_TIMEOUT, TooSlow;
    TooManyAtOnce: "too-many-at-once", Visitor, No, TOO_MANY_REQUESTS, TooMany;
    MethodRefused: "method-refused", Visitor, No, METHOD_NOT_ALLOWED, MethodRefused;
    VisitorGone: "visitor-gone", Visitor, No, BAD_REQUEST, Gone;
}
