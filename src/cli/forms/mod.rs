//! `katahai forms …`, one file per command.

mod kept;
mod list;

use super::args::FormsCommand;

/// Runs the command.
pub(super) fn run(command: &FormsCommand) -> u8 {
    match command {
        FormsCommand::List(options) if options.found => list::run(options),
        FormsCommand::List(options) => kept::list(options),
        FormsCommand::Show(options) => kept::show(options),
        FormsCommand::Deliver(options) => kept::deliver(options),
        FormsCommand::Export(options) => kept::export(options),
        FormsCommand::Forget(options) => kept::forget(options),
        FormsCommand::Unknown(words) => super::unknown("forms ", words),
    }
}
