//! Is this answer the site? Pure: by its status, and by fingerprints of pages that hosts, panels, walls and crashed
//! software give instead of it ([`wrong_page`]).
//!
//! Fingerprints are data, in `fingerprints.toml`, with a sample of each in `samples/`. Only what is surely not the
//! site has one: what is just suspicious is the site.

mod answer;
mod fingerprint;
mod fingerprints;
mod page;
mod pattern;
mod sight;

use http::StatusCode;

use crate::config::ready::Failover;
use crate::failure::Cause;

pub use answer::{Answer, Kind, LOOKED_AT, READ, WrongPage};
pub use fingerprints::{Fingerprints, FingerprintsError, prepare, wrong_page};
pub use page::Page;

/// What an origin's answer is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The site.
    Good,
    /// Something else.
    Bad(Cause),
}

/// Judges an answer by its status.
pub fn judge(status: StatusCode, policy: &Failover) -> Verdict {
    if policy.bad_status.contains(status) { Verdict::Bad(Cause::of_status(status)) } else { Verdict::Good }
}

#[cfg(test)]
mod tests;
