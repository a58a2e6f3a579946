//! What is worth knowing about an origin even if it is well.

use std::net::IpAddr;
use std::time::{Instant, SystemTime};

use super::Ends;
use super::one::Origin;
use super::tally::Tallied;
use crate::clock::Now;
use crate::failure::{Cause, Sighting};

impl Origin {
    /// What is worth knowing about it even if it is well, with details for the operator.
    pub fn conditions(&self, now: Now) -> Vec<(Cause, String)> {
        let mut conditions = Vec::new();
        if let Some(detail) = self.name.moved() {
            conditions.push((Cause::NameMoved, detail));
        }
        if let Some(Ok(trust)) = &self.tls {
            conditions.extend((trust.odd)());
        }
        let soon = self.certificate_ends(now.wall).and_then(|ends| ends.soon);
        conditions.extend(soon.map(|soon| (Cause::CertificateExpiring, soon)));
        if self.is_flapping(now.mono) {
            conditions.push((
                Cause::Flapping,
                "it failed three times and more within minutes, and came back each time".to_owned(),
            ));
        }
        conditions
    }

    /// The addresses in use, as far as they are known.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.name.in_use()
    }

    /// Where its name leads now and what is wrong there, if Katahai does not follow.
    pub fn name_moved(&self) -> Option<String> {
        self.name.moved()
    }

    /// What checks saw since the last good one, in the order of time.
    pub fn sightings(&self) -> Vec<Sighting> {
        self.signs.sightings.all()
    }

    /// Whether a check that began then or later was good.
    pub fn is_checked_since(&self, then: Instant) -> bool {
        self.signs.checked_since(then)
    }

    /// By how many seconds our clock is ahead of its own, if it tells.
    pub fn clock_ahead(&self, now: Now) -> Option<i64> {
        self.signs.ahead(now)
    }

    /// Counts a page that a visitor asked for and that was not the site's.
    pub fn page_failed(&self) {
        self.signs.tally.failed();
    }

    /// Adds to `sum` what its pages took since the last call.
    pub fn move_tally(&self, sum: &mut Tallied) {
        self.signs.tally.move_to(sum);
    }

    /// When the last certificate that it presented expires, if it has one and the dates matter.
    pub fn certificate_ends(&self, now: SystemTime) -> Option<Ends> {
        match &self.tls {
            Some(Ok(trust)) => (trust.ends)(now),
            Some(Err(_)) | None => None,
        }
    }
}
