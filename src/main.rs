//! Turns the outcome of the command line into an exit code, and nothing else.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(katahai::cli::main())
}
