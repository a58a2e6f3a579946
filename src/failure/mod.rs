//! What can go wrong, in one closed list ([`Cause`]): a stable code, whose fault it is, whether to try again, what the visitor
//! may read about it, and what it means to the operator. The code feeds the log, the metric label, `Cache-Status`, the
//! status and the reference page, so they can never disagree.

mod advice;
mod causes;
mod public;
mod sighting;

pub use causes::Cause;
pub use public::Public;
pub use sighting::{BadAnswer, SeenBy, Sighting, Sightings, in_short, without_queries};

/// An error with what led to it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Text {
    /// English.
    pub en: &'static str,
    /// Japanese.
    pub ja: &'static str,
}

/// A text in both languages that has numbers or names in it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Said {
    /// English.
    pub en: String,
    /// Japanese.
    pub ja: String,
}

impl From<Text> for Said {
    fn from(text: Text) -> Said {
        Said { en: text.en.to_owned(), ja: text.ja.to_owned() }
    }
}

/// A cause with all that there is to say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Told {
    /// The stable code.
    pub code: &'static str,
    /// Who has to act.
    pub whose: &'static str,
    /// What it means.
    pub meaning: Text,
    /// What to do.
    pub advice: Text,
}

impl From<Cause> for Told {
    fn from(cause: Cause) -> Told {
        Told {
            code: cause.code(),
            whose: cause.whose().as_str(),
            meaning: cause.meaning(),
            advice: cause.advice(),
        }
    }
}

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The visitor: the request cannot be served as it stands.
    Visitor,
    /// Whoever makes the site: its software or its content.
    Site,
    /// Whoever runs its server: the host, its network, a CDN before it.
    Host,
    /// Whoever looks after its name: registrar, DNS.
    Name,
    /// Whoever looks after the certificate of its server.
    Certificate,
    /// Katahai's operator decided so.
    Operator,
    /// Katahai, or the machine that it runs on.
    Katahai,
}

impl Whose {
    /// As in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Whose::Visitor => "visitor",
            Whose::Site => "site",
            Whose::Host => "host",
            Whose::Name => "name",
            Whose::Certificate => "certificate",
            Whose::Operator => "operator",
            Whose::Katahai => "katahai",
        }
    }

    /// The side that it is on.
    pub fn side(self) -> Side {
        match self {
            Whose::Visitor => Side::Visitor,
            Whose::Site | Whose::Host | Whose::Name | Whose::Certificate => Side::Origin,
            Whose::Operator | Whose::Katahai => Side::Us,
        }
    }
}

/// Whose fault a failure is, as far as the request path cares.
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
    /// What came instead of the site, if anything came.
    pub answer: Option<Box<BadAnswer>>,
}

impl Failure {
    /// A failure with nothing to add to its cause.
    pub fn new(cause: Cause) -> Failure {
        Failure { cause, detail: None, source: None, answer: None }
    }

    /// The failure, with a note for the log.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Failure {
        self.detail = Some(detail.into());
        self
    }

    /// The failure, with what came instead of the site.
    #[must_use]
    pub fn answer(mut self, answer: BadAnswer) -> Failure {
        self.answer = Some(Box::new(answer));
        self
    }

    /// The same for others who waited for the same answer.
    #[must_use]
    pub fn to_others(&self) -> Failure {
        Failure { cause: self.cause, detail: self.detail.clone(), source: None, answer: self.answer.clone() }
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
                // RFC 9112 section 6.1
                Side::Visitor if cause == Cause::CodingRefused => assert_eq!(cause.status(), 501),
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
        assert!(!failure.cause.public().text().en.contains("203"));
    }
}
