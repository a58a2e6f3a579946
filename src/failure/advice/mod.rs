//! What each cause means to whoever runs the site, and what to do about it. Written for somebody who was just woken up:
//! two short sentences of each, plain words, and the next thing to look at.

mod ahead;
mod answer;
mod known;
mod ours;
mod page;
mod way;

use super::{Cause, Text};

/// What an operator is told about a cause.
#[derive(Clone, Copy, Debug)]
struct Advice {
    meaning: Text,
    todo: Text,
}

/// The rows of one group: in each language what it means, then what to do.
macro_rules! advice {
    ($($name:ident: $en:literal, $todo_en:literal, $ja:literal, $todo_ja:literal;)+) => {
        $(pub(super) const $name: super::Advice = super::Advice {
            meaning: crate::failure::Text { en: $en, ja: $ja },
            todo: crate::failure::Text { en: $todo_en, ja: $todo_ja },
        };)+
    };
}
use advice;

impl Cause {
    /// What it means.
    pub fn meaning(self) -> Text {
        self.row().meaning
    }

    /// What to do about it.
    pub fn advice(self) -> Text {
        self.row().todo
    }

    /// Without a wildcard: a new cause does not compile before somebody has written what to do about it.
    #[expect(clippy::too_many_lines, reason = "a table: a line a cause")]
    fn row(self) -> Advice {
        match self {
            Cause::NameNotFound => way::NAME_NOT_FOUND,
            Cause::NameServersFail => way::NAME_SERVERS_FAIL,
            Cause::NameServersSilent => way::NAME_SERVERS_SILENT,
            Cause::NameMoved => way::NAME_MOVED,
            Cause::DomainExpiring => ahead::DOMAIN_EXPIRING,
            Cause::DomainExpired => ahead::DOMAIN_EXPIRED,
            Cause::DomainOnHold => ahead::DOMAIN_ON_HOLD,
            Cause::DomainUnlocked => ahead::DOMAIN_UNLOCKED,
            Cause::NameServersChanged => ahead::NAME_SERVERS_CHANGED,
            Cause::NameServersParked => ahead::NAME_SERVERS_PARKED,
            Cause::AddressesChanged => ahead::ADDRESSES_CHANGED,
            Cause::ZoneGone => ahead::ZONE_GONE,
            Cause::DnssecBroken => ahead::DNSSEC_BROKEN,
            Cause::DnssecExpiring => ahead::DNSSEC_EXPIRING,
            Cause::OriginGettingWorse => ahead::ORIGIN_GETTING_WORSE,
            Cause::DiskFilling => ahead::DISK_FILLING,
            Cause::SnapshotOld => ahead::SNAPSHOT_OLD,
            Cause::CoverageLow => ahead::COVERAGE_LOW,
            Cause::DrillFailed => ahead::DRILL_FAILED,
            Cause::ClockWrong => ahead::CLOCK_WRONG,
            Cause::Refused => way::REFUSED,
            Cause::Unreachable => way::UNREACHABLE,
            Cause::ConnectTimeout => way::CONNECT_TIMEOUT,
            Cause::CertificateExpired => way::CERTIFICATE_EXPIRED,
            Cause::CertificateNotYetValid => way::CERTIFICATE_NOT_YET_VALID,
            Cause::CertificateOfAnother => way::CERTIFICATE_OF_ANOTHER,
            Cause::CertificateUntrusted => way::CERTIFICATE_UNTRUSTED,
            Cause::CertificateKeyChanged => way::CERTIFICATE_KEY_CHANGED,
            Cause::CertificatePinned => way::CERTIFICATE_PINNED,
            Cause::CertificateExpiring => way::CERTIFICATE_EXPIRING,
            Cause::TlsRefused => way::TLS_REFUSED,
            Cause::Reset => answer::RESET,
            Cause::NotHttp => answer::NOT_HTTP,
            Cause::Silent => answer::SILENT,
            Cause::BodyStalled => answer::BODY_STALLED,
            Cause::BodyCut => answer::BODY_CUT,
            Cause::ServerError => answer::SERVER_ERROR,
            Cause::BadGateway => answer::BAD_GATEWAY,
            Cause::Unavailable => answer::UNAVAILABLE,
            Cause::GatewayTimeout => answer::GATEWAY_TIMEOUT,
            Cause::HostingLimit => answer::HOSTING_LIMIT,
            Cause::CdnError => answer::CDN_ERROR,
            Cause::BadStatus => answer::BAD_STATUS,
            Cause::Forbidden => answer::FORBIDDEN,
            Cause::Missing => answer::MISSING,
            Cause::AssetMissing => answer::ASSET_MISSING,
            Cause::DatabaseError => page::DATABASE_ERROR,
            Cause::PhpError => page::PHP_ERROR,
            Cause::ApplicationError => page::APPLICATION_ERROR,
            Cause::EmptyPage => page::EMPTY_PAGE,
            Cause::TruncatedPage => page::TRUNCATED_PAGE,
            Cause::Suspended => page::SUSPENDED,
            Cause::QuotaExceeded => page::QUOTA_EXCEEDED,
            Cause::DefaultPage => page::DEFAULT_PAGE,
            Cause::Parking => page::PARKING,
            Cause::DirectoryListing => page::DIRECTORY_LISTING,
            Cause::BotWall => page::BOT_WALL,
            Cause::GatewayError => page::GATEWAY_ERROR,
            Cause::UnknownToHost => page::UNKNOWN_TO_HOST,
            Cause::Maintenance => page::MAINTENANCE,
            Cause::Defaced => page::DEFACED,
            Cause::ForeignRedirect => page::FOREIGN_REDIRECT,
            Cause::RedirectLoop => page::REDIRECT_LOOP,
            Cause::SoftMissing => page::SOFT_MISSING,
            Cause::Uniform => page::UNIFORM,
            Cause::OddAnswer => page::ODD_ANSWER,
            Cause::Emptied => page::EMPTIED,
            Cause::TextMissing => page::TEXT_MISSING,
            Cause::TextRejected => page::TEXT_REJECTED,
            Cause::WrongPage => page::WRONG_PAGE,
            Cause::KnownDown => known::KNOWN_DOWN,
            Cause::Flapping => known::FLAPPING,
            Cause::Recovering => known::RECOVERING,
            Cause::Unproven => known::UNPROVEN,
            Cause::Slow => known::SLOW,
            Cause::NoOrigin => known::NO_ORIGIN,
            Cause::Drained => known::DRAINED,
            Cause::Loop => known::LOOP,
            Cause::Held => known::HELD,
            Cause::PrivateAddress => known::PRIVATE_ADDRESS,
            Cause::Busy => ours::BUSY,
            Cause::QueuedTooLong => ours::QUEUED_TOO_LONG,
            Cause::DescriptorsOut => ours::DESCRIPTORS_OUT,
            Cause::CopyDamaged => ours::COPY_DAMAGED,
            Cause::CopiesGone => ours::COPIES_GONE,
            Cause::DiskFull => ours::DISK_FULL,
            Cause::StateUnusable => ours::STATE_UNUSABLE,
            Cause::StateShared => ours::STATE_SHARED,
            Cause::InstanceNameShared => ours::INSTANCE_NAME_SHARED,
            Cause::FormsAlone => ours::FORMS_ALONE,
            Cause::NobodyCrawls => ours::NOBODY_CRAWLS,
            Cause::ConfigurationRefused => ours::CONFIGURATION_REFUSED,
            Cause::StoreUnusable => ours::STORE_UNUSABLE,
            Cause::StoreBehind => ours::STORE_BEHIND,
            Cause::StoreUnsigned => ours::STORE_UNSIGNED,
            Cause::StoreRefused => ours::STORE_REFUSED,
            Cause::AlertsUndelivered => ours::ALERTS_UNDELIVERED,
            Cause::RestartNeeded => ours::RESTART_NEEDED,
            Cause::CertificateUnreadable => ours::CERTIFICATE_UNREADABLE,
            Cause::SiteCertificateExpiring => ours::SITE_CERTIFICATE_EXPIRING,
            Cause::SiteCertificateExpired => ours::SITE_CERTIFICATE_EXPIRED,
            Cause::SiteCertificateOfAnother => ours::SITE_CERTIFICATE_OF_ANOTHER,
            Cause::ClockMoved => ours::CLOCK_MOVED,
            Cause::UncleanStop => ours::UNCLEAN_STOP,
            Cause::Internal => ours::INTERNAL,
            Cause::Malformed => ours::MALFORMED,
            Cause::UnknownSite => ours::UNKNOWN_SITE,
            Cause::HeadersTooLarge => ours::HEADERS_TOO_LARGE,
            Cause::CodingRefused => ours::CODING_REFUSED,
            Cause::BodyTooLarge => ours::BODY_TOO_LARGE,
            Cause::BodyTooSlow => ours::BODY_TOO_SLOW,
            Cause::TooManyAtOnce => ours::TOO_MANY_AT_ONCE,
            Cause::MethodRefused => ours::METHOD_REFUSED,
            Cause::VisitorGone => ours::VISITOR_GONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_says_something_of_its_own_in_both_languages() {
        let mut seen = std::collections::BTreeSet::new();
        for &cause in Cause::ALL {
            for text in [cause.meaning(), cause.advice()] {
                for one in [text.en, text.ja] {
                    assert!(seen.insert(one), "{cause:?}: said twice: {one}");
                }
                assert!(text.en.ends_with('.') && text.en.is_ascii(), "{cause:?}: {}", text.en);
                assert!(text.ja.ends_with('。'), "{cause:?}: {}", text.ja);
                assert!(text.en.len() <= 260, "{cause:?} says too much: {}", text.en);
            }
        }
    }
}
