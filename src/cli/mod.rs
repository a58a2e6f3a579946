//! The command line, one file per command. Exit codes: 0 done, 1 it could not be done, 2 wrong usage or configuration.

mod alerts;
mod args;
pub mod check;
mod client;
mod demo;
mod drill;
mod explain;
mod export;
mod forms;
mod hint;
mod hold;
mod import;
mod incidents;
mod instance;
mod key;
mod language;
mod logging;
mod origin;
mod portable;
mod print;
mod progress;
mod reload;
mod selftest;
mod serve;
mod signals;
mod snapshot;
mod status;
mod take;

use clap::Parser;

use args::{Args, Command};

/// Done.
pub const DONE: u8 = 0;
/// It could not be done.
pub const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub const USAGE: u8 = 2;

/// Runs the command line and returns the exit code.
pub fn main() -> u8 {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { DONE };
            _ = error.print();
            if let Some(hint) =
                hint::of(&std::env::args_os().skip(1).collect::<Vec<_>>()).filter(|_| code == USAGE)
            {
                return fail(code, &hint);
            }
            return code;
        }
    };
    match args.command {
        Command::Demo(options) => demo::run(&options),
        Command::Serve(options) => serve::run(&options),
        Command::Check(options) => check::command(&options),
        Command::Status(options) => status::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Reload(options) => reload::run(&options),
        Command::Snapshot(options) => snapshot::run(&options.command),
        Command::Origin(options) => origin::run(&options.command),
        Command::Forms(options) => forms::run(&options.command),
        Command::Incidents(options) => incidents::run(&options),
        Command::Report(options) => incidents::run_report(&options),
        Command::Hold(options) => hold::run(&options),
        Command::Drill(options) => drill::run(&options),
        Command::Alerts(options) => alerts::run(&options),
        Command::Key(options) => key::run(&options.command),
        Command::Unknown(words) => unknown("", &words),
    }
}

/// What is no command of the group (`""` or such as `"snapshot "`).
fn unknown(group: &str, words: &[std::ffi::OsString]) -> u8 {
    let word = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
    let hint = hint::of(&std::env::args_os().skip(1).collect::<Vec<_>>());
    let hint = hint.unwrap_or_else(|| "\"katahai help\" lists them".to_owned());
    fail(USAGE, &format!("there is no command \"katahai {group}{word}\"; {hint}"))
}

/// Says on standard error why something could not be done.
#[expect(clippy::print_stderr, reason = "the one place where commands complain")]
fn fail(code: u8, message: &str) -> u8 {
    eprintln!("katahai: {message}");
    code
}

/// Runs a command's work to its exit code.
fn run_to_end(work: impl Future<Output = u8>) -> u8 {
    match runtime() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => fail(FAILED, &format!("could not start: {error}")),
    }
}

/// Runs work that lasts until a signal says to stop, to its exit code. The signals are taken over before anything else is
/// done.
fn with_signals(work: impl AsyncFnOnce(signals::Signals) -> u8) -> u8 {
    run_to_end(async {
        match signals::Signals::install() {
            Ok(signals) => work(signals).await,
            Err(error) => fail(FAILED, &format!("signals cannot be received: {error}")),
        }
    })
}

/// The runtime for commands that talk or serve.
fn runtime() -> Result<tokio::runtime::Runtime, std::io::Error> {
    tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("katahai").build()
}
