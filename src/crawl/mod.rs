//! The crawler: takes a snapshot of a site as an anonymous visitor sees it, and does so again and again.
//!
//! Start reading at [`take`], which runs one crawl, and [`Crawler`], which runs them when they are due. Around them
//! stand the parts that do no I/O: what a page leads to (`findings`, with a reader for each kind of file), what
//! belongs to the site (`scope`), what is fetched next and what never (`frontier`, `robots`, `traps`), what may be
//! stored (`admission`, `stored_headers`, `appraise`), what is carried over from the snapshot in service (`carry`), and
//! what may become current (`gate`). One address on its way from the origin to the disk is a `visit`; the order of
//! them all is the `course`.

pub mod admission;
mod appraise;
mod broken;
mod carry;
mod compare;
mod course;
pub mod css;
mod drawn;
mod eager;
mod evidence;
mod fates;
mod fetch;
mod findings;
mod frontier;
pub mod gate;
pub mod html;
mod inherit;
mod known;
mod learned;
mod links;
pub mod manifest;
mod outcome;
mod pace;
mod progress;
mod receive;
mod report;
mod resume;
pub mod robots;
mod run;
mod schedule;
mod scope;
mod settle;
pub mod sitemap;
pub mod srcset;
mod stored_headers;
mod tempo;
mod text;
mod traps;
mod unpack;
mod visit;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

// Readers of text that the verdict uses, too.
pub use crate::http::{charset, entity};
pub use fetch::{Fetch, FetchAsk, USER_AGENT_VALUE};
pub use links::{Link, Need};
pub use outcome::{CrawlError, Outcome};
pub use progress::{Progress, Reading};
pub use report::{BrokenLink, Code, Example, Failed, Gate, Refused, Report, Resumed, Slow};
pub use run::take;
pub use schedule::{AlreadyRunning, Crawler, Ended, Tally, Ticket};
