//! `katahai key new`: a key for kept forms.

use super::args::KeyCommand;
use super::print::say;
use super::{FAILED, fail};
use crate::forms::Keys;

/// Runs the command.
pub(super) fn run(command: &KeyCommand) -> u8 {
    match command {
        KeyCommand::New => match Keys::new_line() {
            Ok(line) => say(&format!("{}\n", line.trim_end())),
            Err(error) => fail(FAILED, &error.to_string()),
        },
        KeyCommand::Unknown(words) => super::unknown("key ", words),
    }
}
