//! Is this answer the site? Pure: [`judge`] compares its status, its header fields and as much of its body as has come with
//! the copy at that address and with what good crawls have learned about the site.
//!
//! Only what is surely not the site is bad; what might be the site's own will is doubtful, and what is just odd is the
//! site.

mod case;
mod character;
mod hosts;
mod look;
mod rules;
mod uniform;

pub use crate::fingerprint::{
    Fingerprints, FingerprintsError, Kind, LOOKED_AT, READ, ResponseView, WrongPage, prepare, wrong_page,
};
pub use case::{Asked, Case, Finding, Known, Shape, Verdict, Wanted, Wishes};
pub use character::{Character, Learning, Lesson, Missing};
pub use look::Look;
pub use rules::{judge, judge_missing_page, wanted};
pub use uniform::{ENOUGH, Uniform};
