//! `katahai snapshot …`, one file per command. If an instance is running, it carries the command out, so that its snapshots
//! are named, judged and changed in one place; otherwise the same code works directly on the state directory.

mod change;
mod diff;
mod list;
pub(super) mod place;
mod report;
mod show;
pub(super) mod tables;
mod verify;

use serde_json::Value;

use super::args::SnapshotCommand;
use super::{FAILED, export, fail, import, take};
use place::{Place, Told};

/// Runs the command.
pub(super) fn run(command: &SnapshotCommand) -> u8 {
    match command {
        SnapshotCommand::Take(options) => take::run(options),
        SnapshotCommand::List(options) => list::run(options),
        SnapshotCommand::Show(options) => show::run(options),
        SnapshotCommand::Verify(options) => verify::run(options),
        SnapshotCommand::Export(options) => export::run(options),
        SnapshotCommand::Import(options) => import::run(options),
        SnapshotCommand::Diff(options) => diff::run(options),
        SnapshotCommand::Publish(options) => change::publish(options),
        SnapshotCommand::Rollback(options) => change::rollback(options),
        SnapshotCommand::Pin(options) => change::pin(&options.of, &options.id, !options.off),
        SnapshotCommand::Unpin(options) => change::pin(&options.of, &options.id, false),
        SnapshotCommand::Remove(options) => change::remove(&options.of, &options.id),
        SnapshotCommand::Unknown(words) => super::unknown("snapshot ", words),
    }
}

/// Says why something was not done.
fn refuse(told: &Told) -> u8 {
    fail(FAILED, &told.message)
}

/// A text of a JSON value, or nothing.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
