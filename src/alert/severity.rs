//! How urgent each cause is where it is a condition of its own. Outages of a site are judged by its state instead.

use super::Severity;
use crate::failure::Cause;

impl Severity {
    /// That of a condition. Without a wildcard: a new cause does not compile before somebody has decided.
    #[expect(clippy::too_many_lines, reason = "a table: a line a cause")]
    pub fn of(cause: Cause) -> Severity {
        match cause {
            // visitors lose something now, or soon will, and no copy helps
            Cause::SiteCertificateExpired
            | Cause::StateUnusable
            | Cause::CopiesGone
            | Cause::DescriptorsOut
            | Cause::StoreRefused
            | Cause::DomainExpired
            | Cause::DomainOnHold
            | Cause::ZoneGone
            | Cause::NameServersParked
            | Cause::DnssecBroken => Severity::Page,
            // nobody has to do anything, or the operator has just done it
            Cause::RestartNeeded
            | Cause::Held
            | Cause::Drained
            | Cause::Recovering
            | Cause::Unproven
            | Cause::Malformed
            | Cause::UnknownSite
            | Cause::HeadersTooLarge
            | Cause::CodingRefused
            | Cause::BodyTooLarge
            | Cause::BodyTooSlow
            | Cause::TooManyAtOnce
            | Cause::MethodRefused
            | Cause::VisitorGone => Severity::Info,
            Cause::NameNotFound
            | Cause::NameServersFail
            | Cause::NameServersSilent
            | Cause::NameMoved
            | Cause::Refused
            | Cause::Unreachable
            | Cause::ConnectTimeout
            | Cause::CertificateExpired
            | Cause::CertificateNotYetValid
            | Cause::CertificateOfAnother
            | Cause::CertificateUntrusted
            | Cause::CertificateKeyChanged
            | Cause::CertificatePinned
            | Cause::CertificateExpiring
            | Cause::TlsRefused
            | Cause::Reset
            | Cause::NotHttp
            | Cause::Silent
            | Cause::BodyStalled
            | Cause::BodyCut
            | Cause::ServerError
            | Cause::BadGateway
            | Cause::Unavailable
            | Cause::GatewayTimeout
            | Cause::HostingLimit
            | Cause::CdnError
            | Cause::BadStatus
            | Cause::Forbidden
            | Cause::Missing
            | Cause::AssetMissing
            | Cause::DatabaseError
            | Cause::PhpError
            | Cause::ApplicationError
            | Cause::EmptyPage
            | Cause::TruncatedPage
            | Cause::Suspended
            | Cause::QuotaExceeded
            | Cause::DefaultPage
            | Cause::Parking
            | Cause::DirectoryListing
            | Cause::BotWall
            | Cause::GatewayError
            | Cause::UnknownToHost
            | Cause::Maintenance
            | Cause::Defaced
            | Cause::ForeignRedirect
            | Cause::RedirectLoop
            | Cause::SoftMissing
            | Cause::Uniform
            | Cause::OddAnswer
            | Cause::Emptied
            | Cause::TextMissing
            | Cause::TextRejected
            | Cause::WrongPage
            | Cause::KnownDown
            | Cause::Flapping
            | Cause::Slow
            | Cause::NoOrigin
            | Cause::Loop
            | Cause::PrivateAddress
            | Cause::Busy
            | Cause::QueuedTooLong
            | Cause::CopyDamaged
            | Cause::DiskFull
            | Cause::StateShared
            | Cause::InstanceNameShared
            | Cause::FormsAlone
            | Cause::NobodyCrawls
            | Cause::ConfigurationRefused
            | Cause::StoreUnusable
            | Cause::StoreBehind
            | Cause::StoreUnsigned
            | Cause::CertificateUnreadable
            | Cause::SiteCertificateExpiring
            | Cause::SiteCertificateOfAnother
            | Cause::ClockMoved
            | Cause::UncleanStop
            | Cause::AlertsUndelivered
            | Cause::DomainExpiring
            | Cause::DomainUnlocked
            | Cause::NameServersChanged
            | Cause::AddressesChanged
            | Cause::DnssecExpiring
            | Cause::OriginGettingWorse
            | Cause::DiskFilling
            | Cause::SnapshotOld
            | Cause::CoverageLow
            | Cause::DrillFailed
            | Cause::ClockWrong
            | Cause::Internal => Severity::Warn,
        }
    }
}
