//! The process's own log, on standard error; `KATAHAI_LOG` filters it (such as `debug` or `katahai::origin=debug`).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

use super::args::{Log, LogFormat};
use crate::access_log::{AccessLog, Format};
use crate::metrics::Metrics;

/// Sets the log up. Later calls change nothing.
pub(super) fn start(options: &Log, default: &str) {
    let filter = EnvFilter::try_from_env("KATAHAI_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_timer(SystemTime);
    _ = match options.log_format {
        LogFormat::Plain => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(colours).with_target(false).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).with_target(false).try_init(),
    };
}

/// The access log that was asked for.
///
/// # Errors
/// If its file cannot be opened.
pub(super) fn access(options: &Log, metrics: &Metrics) -> std::io::Result<AccessLog> {
    let format = match options.log_format {
        LogFormat::Plain => Format::Plain,
        LogFormat::Json => Format::Json,
    };
    let dropped = metrics.access_log_dropped.clone();
    match options.access_log.as_deref().unwrap_or("-") {
        "off" => Ok(AccessLog::off()),
        "-" => AccessLog::to_stdout(format, dropped),
        file => AccessLog::to_file(file.as_ref(), format, dropped),
    }
}
