//! Until when a certificate holds (RFC 5280 section 4.1.2.5), and when that is soon.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::time::Time;

/// What runs out in less than this is told; of a certificate for days, in less than a third of its life. Whoever renews by
/// machine does so before either: certbot with 30 days left, short-lived certificates after half of their life.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// A certificate of a longer life is renewed by people, who need more time.
const BY_HAND: Duration = Duration::from_secs(120 * 86_400);
const SOON_BY_HAND: Duration = Duration::from_secs(30 * 86_400);

/// From when until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: SystemTime,
    /// The last one.
    pub not_after: SystemTime,
}

/// How a moment stands to a validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not begun.
    NotYet,
    /// It holds, and there is time left.
    Good,
    /// It is valid, and for how long.
    Soon(Duration),
    /// It is over.
    Over,
}

impl Validity {
    /// That of a certificate; `None` if it cannot be read.
    pub fn of(cert: &CertificateDer<'_>) -> Option<Validity> {
        let cert = Certificate::from_der(cert).ok()?;
        let validity = cert.tbs_certificate().validity();
        let time = |time: &Time| SystemTime::UNIX_EPOCH.checked_add(time.to_unix_duration());
        Some(Validity { not_before: time(&validity.not_before)?, not_after: time(&validity.not_after)? })
    }

    /// How it stands at a moment.
    pub fn at(&self, now: SystemTime) -> Standing {
        if now < self.not_before {
            return Standing::NotYet;
        }
        let Ok(left) = self.not_after.duration_since(now) else { return Standing::Over };
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        let soon = if life > BY_HAND { SOON_BY_HAND } else { SOON };
        if left < soon.min(life / 3) { Standing::Soon(left) } else { Standing::Good }
    }

    /// Whether it holds at a moment.
    pub fn holds(&self, now: SystemTime) -> bool {
        match self.at(now) {
            Standing::Good | Standing::Soon(_) => true,
            Standing::NotYet | Standing::Over => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn the_dates_of_a_certificate_are_read() {
        let mut params = rcgen::CertificateParams::new(vec!["www.example.jp".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2126, 1, 1);
        let cert = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let validity = Validity::of(cert.der()).unwrap();
        let text = |time| humantime::format_rfc3339_seconds(time).to_string();
        assert_eq!(text(validity.not_before), "2026-01-01T00:00:00Z");
        assert_eq!(text(validity.not_after), "2126-01-01T00:00:00Z", "GeneralizedTime from 2050 on");
        assert_eq!(Validity::of(&CertificateDer::from_slice(b"nothing")), None);
    }

    #[test]
    fn soon_is_two_weeks_a_third_of_a_short_life_or_a_month_of_a_long_one() {
        let begin = SystemTime::UNIX_EPOCH + 1000 * DAY;
        for (life, age, expected) in [
            (90, 0, Standing::Good),
            (90, 75, Standing::Good),
            (90, 77, Standing::Soon(13 * DAY)),
            (90, 90, Standing::Soon(Duration::ZERO)),
            (90, 91, Standing::Over),
            (365, 335, Standing::Good),
            (365, 336, Standing::Soon(29 * DAY)),
            (6, 4, Standing::Good),
            (6, 5, Standing::Soon(DAY)),
            (47, 34, Standing::Soon(13 * DAY)),
        ] {
            let validity = Validity { not_before: begin, not_after: begin + life * DAY };
            assert_eq!(validity.at(begin + age * DAY), expected, "{age} of {life} days");
        }
        let validity = Validity { not_before: begin, not_after: begin + DAY };
        assert_eq!(validity.at(begin - DAY), Standing::NotYet);
        assert!(!validity.holds(begin - DAY) && validity.holds(begin) && !validity.holds(begin + 2 * DAY));
    }
}
