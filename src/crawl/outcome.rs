//! How a crawl ended.

use super::gate::{Broken, Rule};
use super::report::Report;
use crate::snapshot::{BeginError, PublishError, StageError, Summary};

/// The outcome of a completed crawl.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The new snapshot is in service.
    Published {
        /// The snapshot.
        summary: Summary,
        /// What was done.
        report: Box<Report>,
    },
    /// The new snapshot did not pass the gate; the one in service stays.
    Kept {
        /// The rules that it broke, with the numbers. At least one.
        broken: Vec<Broken>,
        /// The new snapshot, on the shelf: an operator may still put it in service. `None`: there was nothing in it.
        held: Option<Summary>,
        /// What was done.
        report: Box<Report>,
    },
}

impl Outcome {
    /// What was done.
    pub fn report(&self) -> &Report {
        match self {
            Outcome::Published { report, .. } | Outcome::Kept { report, .. } => report,
        }
    }

    /// Whether the site is well: the new snapshot is in service, or only waits for the operator.
    pub fn is_good(&self) -> bool {
        match self {
            Outcome::Published { .. } => true,
            Outcome::Kept { broken, .. } => broken.iter().all(|broken| broken.rule == Rule::ByHand),
        }
    }

    /// Whether the new snapshot is in service.
    pub fn is_published(&self) -> bool {
        match self {
            Outcome::Published { .. } => true,
            Outcome::Kept { .. } => false,
        }
    }
}

/// No snapshot was taken, for a reason that is not the site's fault. The one in service stays.
#[derive(Debug, thiserror::Error)]
pub enum CrawlError {
    /// One is being taken, by this or another process.
    #[error("a snapshot of this site is being taken already")]
    AlreadyRunning,
    /// It could not be begun.
    #[error("could not begin a snapshot")]
    Begin(#[source] BeginError),
    /// What was fetched could not be written.
    #[error("could not write the snapshot")]
    Stage(#[from] StageError),
    /// It could not be put in service.
    #[error("could not publish the snapshot")]
    Publish(#[from] PublishError),
    /// The program is ending.
    #[error("the program is ending")]
    Ending,
}

impl From<BeginError> for CrawlError {
    fn from(error: BeginError) -> CrawlError {
        match error {
            BeginError::AlreadyRunning => CrawlError::AlreadyRunning,
            error @ (BeginError::Full | BeginError::Io { .. }) => CrawlError::Begin(error),
        }
    }
}
