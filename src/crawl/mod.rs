//! The crawler: takes a snapshot of a site as an anonymous visitor sees it, and does so again and again.
//!
//! Start reading at [`take`], which runs one crawl, and [`Crawler`], which runs them when they are due. Around them
//! stand the parts that do no I/O: what a page leads to (`findings`, over the readers in [`crate::content::links`]), what
//! belongs to the site (`scope`), what is fetched next and what never (`frontier`, `robots`, `traps`), what may be
//! stored (`admission`, `stored_headers`, `appraise`), what is carried over from the snapshot in service (`carry`), and
//! what may become current (`gate`). One address on its way from the origin to the disk is a `visit`; the order of
//! them all is the `course`.

mod addresses;
pub mod admission;
mod appraise;
mod broken;
mod carry;
mod coming;
mod compare;
mod course;
mod dates;
mod detour;
mod drawn;
mod eager;
mod evidence;
mod fates;
mod fetch;
mod findings;
mod frontier;
pub mod gate;
mod idle;
pub mod imported;
mod inherit;
mod item;
mod known;
mod later;
mod learned;
mod novelty;
mod outcome;
mod own_links;
mod pace;
mod patterns;
mod private;
mod progress;
mod receive;
mod refusal;
mod report;
mod resume;
pub mod robots;
mod run;
mod schedule;
pub(crate) mod scope;
mod settle;
mod shell;
pub mod sitemap;
pub(crate) mod stored_headers;
mod stray;
mod tempo;
mod traps;
mod visit;
mod w3c_date;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use fetch::{Fetch, FetchAsk, USER_AGENT_VALUE, Via};
pub use outcome::{CrawlError, Outcome};
pub use progress::{Progress, Reading};
pub use refusal::Refusal;
pub use report::{BrokenLink, Code, Example, Failed, Forbidden, Gate, Refused, Report, Resumed, Slow};
pub use run::take;
pub use schedule::{AlreadyRunning, Crawler, Ended, Seats, Tally, Ticket};
