//! `katahai forms …`, one file per command.

mod list;

use super::args::FormsCommand;

/// Runs the command.
pub(super) fn run(command: &FormsCommand) -> u8 {
    match command {
        FormsCommand::List(options) => list::run(options),
        FormsCommand::Unknown(words) => super::unknown("forms ", words),
    }
}
