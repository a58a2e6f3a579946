//! Turns the outcome of the command line into an exit code, and nothing else.

/// glibc's allocator took a tenth of the processor's time for a request, and is slow to give memory back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(katahai::cli::main())
}
