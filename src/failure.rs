//! What can go wrong, in one table: a stable code, whose fault it is, whether to try again, and what the visitor
//! may read about it. The code feeds the log, the metric label and `Cache-Status`, so they can never disagree.

use http::StatusCode;

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The visitor's request cannot be served as it stands.
    Visitor,
    /// The origin, its name, its certificate or the way to it.
    Origin,
    /// Katahai itself.
    Us,
}

/// Whether the same request may be sent again, to this origin or to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing of it reached an origin: always safe.
    Safe,
    /// It may have been carried out: only methods that may be repeated.
    IfIdempotent,
    /// Trying again changes nothing.
    No,
}

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident: $code:literal, $side:ident, $retry:ident, $status:ident, $public:literal;)+) => {
        /// Why there is no good answer. A closed list: one row is the definition, the label and the documentation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Cause { $(#[doc = $public] $name,)+ }

        impl Cause {
            /// Every cause, in the table's order.
            pub const ALL: &'static [Cause] = &[$(Cause::$name,)+];

            /// The stable code: in metrics, logs and `Cache-Status`.
            pub fn code(self) -> &'static str { match self { $(Cause::$name => $code,)+ } }

            /// Whose fault it is.
            pub fn side(self) -> Side { match self { $(Cause::$name => Side::$side,)+ } }

            /// Whether the request may be tried again.
            pub fn retry(self) -> Retry { match self { $(Cause::$name => Retry::$retry,)+ } }

            /// The status that the visitor gets when no copy can answer.
            pub fn status(self) -> StatusCode { match self { $(Cause::$name => StatusCode::$status,)+ } }

            /// One sentence that a visitor may read: no address, no path.
            pub fn public(self) -> &'static str { match self { $(Cause::$name => $public,)+ } }
        }
    };
}

causes! {
    // the way to the origin
    NameUnresolved: "name-unresolved", Origin, Safe, SERVICE_UNAVAILABLE, "The name of the site's server could not be resolved.";
    Refused: "refused", Origin, Safe, SERVICE_UNAVAILABLE, "The site's server refused the connection.";
    Unreachable: "unreachable", Origin, Safe, SERVICE_UNAVAILABLE, "The site's server cannot be reached.";
    ConnectTimeout: "connect-timeout", Origin, Safe, SERVICE_UNAVAILABLE, "The site's server did not accept the connection in time.";
    Tls: "tls", Origin, Safe, SERVICE_UNAVAILABLE, "No trusted connection to the site's server could be made.";
    // its answer
    Reset: "reset", Origin, IfIdempotent, SERVICE_UNAVAILABLE, "The site's server broke the connection off.";
    NotHttp: "not-http", Origin, IfIdempotent, SERVICE_UNAVAILABLE, "The site's server answered with something that is not HTTP.";
    Silent: "silent", Origin, IfIdempotent, SERVICE_UNAVAILABLE, "The site's server did not answer in time.";
    BadStatus: "bad-status", Origin, IfIdempotent, SERVICE_UNAVAILABLE, "The site's server reported an error.";
    BodyStalled: "body-stalled", Origin, IfIdempotent, SERVICE_UNAVAILABLE, "The site's server stopped in the middle of its answer.";
    BodyCut: "body-cut", Origin, IfIdempotent, SERVICE_UNAVAILABLE, "The site's server broke off in the middle of its answer.";
    WrongPage: "wrong-page", Origin, IfIdempotent, SERVICE_UNAVAILABLE, "The site's server answered with something that is not the site.";
    // what we know of it
    KnownDown: "known-down", Origin, No, SERVICE_UNAVAILABLE, "The site's server is not answering at the moment.";
    NoOrigin: "no-origin", Origin, No, SERVICE_UNAVAILABLE, "The site has no server at the moment.";
    Slow: "slow", Origin, No, SERVICE_UNAVAILABLE, "The site's server is slow; a copy was given instead.";
    Busy: "busy", Us, Safe, SERVICE_UNAVAILABLE, "Too many requests are waiting for the site's server.";
    Unproven: "unproven", Origin, No, SERVICE_UNAVAILABLE, "It is not known yet whether the site's server answers.";
    Held: "held", Us, No, SERVICE_UNAVAILABLE, "The operator has taken the site's server out of service.";
    PrivateAddress: "private-address", Us, No, SERVICE_UNAVAILABLE, "The file is on a server that is not asked.";
    // the visitor's request
    Malformed: "malformed", Visitor, No, BAD_REQUEST, "The request is malformed.";
    UnknownSite: "unknown-site", Visitor, No, MISDIRECTED_REQUEST, "No such site is served here.";
    HeadersTooLarge: "headers-too-large", Visitor, No, REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's header fields are too large.";
    BodyTooLarge: "body-too-large", Visitor, No, PAYLOAD_TOO_LARGE, "What you sent is too large.";
    MethodRefused: "method-refused", Visitor, No, METHOD_NOT_ALLOWED, "This method is not allowed here.";
    VisitorGone: "visitor-gone", Visitor, No, BAD_REQUEST, "The visitor left before the request was complete.";
    // ourselves
    Internal: "internal", Us, No, INTERNAL_SERVER_ERROR, "Something went wrong here.";
}

/// A cause with what led to it. The chain is for the log; visitors see [`Cause::public`].
#[derive(Debug, thiserror::Error)]
#[error("{}{}", cause.code(), detail.as_deref().map(|d| format!(": {d}")).unwrap_or_default())]
pub struct Failure {
    /// What is wrong.
    pub cause: Cause,
    /// What was being done and to what, for the log only.
    pub detail: Option<String>,
    /// What brought it about.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    /// A failure with nothing to add to its cause.
    pub fn new(cause: Cause) -> Failure {
        Failure { cause, detail: None, source: None }
    }

    /// The failure, with a note for the log.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Failure {
        self.detail = Some(detail.into());
        self
    }

    /// The failure, with the error that brought it about.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
        self.source = Some(source.into());
        self
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Failure {
        Failure::new(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_fit_a_label() {
        let mut seen = std::collections::BTreeSet::new();
        for &cause in Cause::ALL {
            assert!(seen.insert(cause.code()), "{} twice", cause.code());
            assert!(cause.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        }
    }

    #[test]
    fn what_is_the_visitors_fault_is_a_4xx_and_the_origins_a_503() {
        for &cause in Cause::ALL {
            match cause.side() {
                Side::Visitor => assert!(cause.status().is_client_error(), "{cause:?}"),
                Side::Origin => assert_eq!(cause.status(), 503, "{cause:?}"),
                Side::Us => assert!(cause.status().is_server_error(), "{cause:?}"),
            }
        }
    }

    #[test]
    fn the_public_text_never_carries_the_detail() {
        let failure = Failure::new(Cause::Refused).detail("203.0.113.10:443");
        assert!(failure.to_string().contains("203.0.113.10"));
        assert!(!failure.cause.public().contains("203"));
    }
}
