//! Drills: an outage that is practised. Here is what a preview is allowed by: a signed token, for one site, for some time, and
//! perhaps for one snapshot; and how the versions of a page are named. What a preview shows is the business of `crate::proxy`; see
//! `docs/drills.md`.

mod key;
pub mod memento;
mod token;

pub use key::{KeyError, drawn, kept, make};
pub use token::{BadToken, LONGEST, Preview, Signer, USUAL, is_path};
