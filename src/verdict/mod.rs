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
mod hosts;
mod look;
mod media;
mod page;
mod pattern;
mod rules;
mod sight;

pub use answer::{Answer, Kind, LOOKED_AT, READ, WrongPage};
pub use case::{Case, Finding, Known, Shape, Verdict, Wanted};
pub use character::Character;
pub use fingerprints::{Fingerprints, FingerprintsError, prepare, wrong_page};
pub use look::Look;
pub use page::Page;
pub use rules::{judge, wanted};

#[cfg(test)]
mod tests;
