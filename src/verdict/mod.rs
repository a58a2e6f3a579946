//! Is this answer the site? Pure: [`judge`] looks at its status, its header fields and as much of its body as has come, beside
//! what the copy has at that address and what good crawls have taught about the site.
//!
//! Pages that hosts, panels, walls and crashed software give are recognised by fingerprints, which are data: in
//! `fingerprints.toml`, with a sample of each in `samples/`. Only what is surely not the site is bad; what might be the
//! site's own will is doubtful, and what is just odd is the site.

mod answer;
mod case;
mod character;
mod fingerprint;
mod fingerprints;
mod look;
mod page;
mod pattern;
mod sight;

use crate::failure::Cause;
use http::StatusCode;

pub use answer::{Answer, Kind, LOOKED_AT, READ, WrongPage};
pub use case::{Case, Finding, Known, Shape, Verdict, Wanted};
pub use character::Character;
pub use fingerprints::{Fingerprints, FingerprintsError, prepare, wrong_page};
pub use look::Look;
pub use page::Page;

/// Judges an answer, as far as it has come. An answer that is judged again when more of it is there may only get worse.
pub fn judge(case: &Case<'_>) -> Verdict {
    let status = StatusCode::from_u16(case.answer.status).unwrap_or_default();
    if case.policy.bad_status.contains(status) {
        let why = format!("status {}", status.as_u16());
        return Verdict::Bad(Finding::new(Cause::of_status(status), why));
    }
    Verdict::Good
}

/// How much of the answer's body is wanted before its verdict, judging by status and header fields.
pub fn wanted(_case: &Case<'_>) -> Wanted {
    Wanted::Head
}

#[cfg(test)]
mod tests;
