//! Exporting and importing snapshots: plain folders, tar, WARC and WACZ; mirrors made by other programs.
//!
//! Start reading at [`export()`] and [`import()`]. What goes out comes back the same, page by page, byte by byte: folders
//! carry a manifest beside the files (`lines`), WARC records a few fields of their own that other readers pass over.
//! What comes in from elsewhere is judged as an answer from the network is (`intake`): nothing private is stored.
//!
//! Archives are read as hostile: no name in one ever becomes a path (`files`), everything is counted against a
//! bound (`bounds`), and nothing is published before the whole of it was read. Bodies are streamed in both directions.
//! What is kept in memory is a few dozen bytes for each page: names, digests, an index.

mod base;
mod body;
mod bounds;
mod captures;
mod coded;
mod digest;
mod error;
mod export;
mod files;
mod format;
mod hosts;
mod httrack;
mod import;
mod intake;
mod lines;
mod mirror;
mod names;
mod nginx;
mod ours;
mod rules;
mod sink;
mod surt;
mod tree;
mod wacz;
mod warc;

#[cfg(test)]
mod tests;

pub use base::{Base, NotABase};
pub use body::Skipped;
pub use bounds::Unfit;
pub use error::ImportError;
pub use export::{Export, ExportError, Exported, export};
pub use format::Format;
pub use import::{Import, Imported, import};
pub use intake::{LeftOut, Reason};

/// How far an export or import is: pages (or records) and bytes done, and how many pages there are, if that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Pages or records behind us.
    pub done: u64,
    /// How many there are; 0 when that is not known yet.
    pub total: u64,
    /// Bytes of bodies behind us.
    pub bytes: u64,
}
