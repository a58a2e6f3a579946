//! The self-test: walks the copy as a visitor would if the site were down, and says what would be missing, with a score.
//!
//! It asks nobody but the copy: the origin gets no request, nothing is counted as a visitor's, and nothing of the site changes.
//! The walk itself is `walk`, what it comes to `result`; a browser that tries the scripts on the same copy is `browser`.

pub mod browser;
mod finding;
pub mod forms;
mod kept;
mod result;
mod score;
mod snapshot;
pub mod walk;
#[cfg(test)]
mod walk_tests;
pub mod when;
pub mod words;

pub use finding::{Finding, FindingKind, Weight};
pub use kept::{Kept, Short};
pub use result::{DrillResult, Evidence, Scripts, judge};
pub use score::{Part, Parts};
pub use snapshot::OfSnapshot;
