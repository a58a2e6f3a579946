//! What is worth knowing about an origin even if it is well.

use std::time::SystemTime;

use super::Ends;
use super::one::Origin;
use crate::clock::Now;
use crate::failure::Cause;

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

    /// When the last certificate that it presented expires, if it has one and the dates matter.
    pub fn certificate_ends(&self, now: SystemTime) -> Option<Ends> {
        match &self.tls {
            Some(Ok(trust)) => (trust.ends)(now),
            Some(Err(_)) | None => None,
        }
    }
}
