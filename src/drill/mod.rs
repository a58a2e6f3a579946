//! Drills: an outage that is practised. Here is what a preview is allowed by: a signed token, for one site, for some time, and
//! perhaps for one snapshot. What a preview shows is the business of `crate::proxy`; see `docs/drills.md`.

mod key;
mod token;

pub use key::{KeyError, drawn, kept, make};
pub use token::{BadToken, LONGEST, Preview, Signer, USUAL, is_path};
