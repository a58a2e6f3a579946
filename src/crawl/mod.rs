//! The crawler: takes a snapshot of a site as an anonymous visitor sees it, and does so again and again.
//!
//! Start reading at [`take`], which runs one crawl, and [`Crawler`], which runs them when they are due. The rooms below use
//! only those above them: what may become current, what the rooms say to each other, which addresses are the site's, which
//! answers may be kept, one address on its way from the origin to the disk, all addresses in their order, and what is carried
//! over from the snapshot in service. `tests/tidy.rs` checks the order.

// room 0: may a snapshot become current
pub mod gate;
// room 1: what the rooms say to each other
mod item;
mod outcome;
mod progress;
mod refusal;
mod report;
mod transport;
// room 2: which addresses are the site's, and worth asking for
mod scope;
// room 3: may this answer be kept, and what does it lead to
pub mod accept;
// room 4: one address, politely
mod fetch;
// room 5: all addresses, in order
mod walk;
// room 6: beside the snapshot in service
mod merge;
// room 7: one crawl, and when
mod early;
mod leave;
mod run;
mod schedule;
mod scrub;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use leave::Leave;
pub use outcome::{CrawlError, Outcome};
pub use progress::{Progress, Reading};
pub use refusal::Refusal;
pub use report::{BrokenLink, Code, Example, Failed, Forbidden, Gate, Refused, Report, Resumed, Slow};
pub use run::take;
pub use schedule::{AlreadyRunning, Crawler, Ended, Seats, Tally, Ticket};
pub use transport::{Fetch, FetchAsk, USER_AGENT_VALUE, Whose};
