//! Standard output, and where the state is.

use std::io::Write;
use std::path::PathBuf;

use super::args::OfSite;
use super::client::read_config;
use super::{DONE, FAILED, fail};
use crate::config::Env;
use crate::config::defaults;

/// Writes to standard output; a reader that has left (`| head`) is no failure.
pub(super) fn say(text: &str) -> u8 {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            fail(FAILED, &format!("could not write: {error}"))
        }
        Ok(()) | Err(_) => DONE,
    }
}

/// A table for people.
pub(super) fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(head).add_rows(rows);
    let lines: Vec<String> = table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Where the snapshots are: as said, as configured, or where they are by default.
pub(super) fn state_dir(options: &OfSite) -> Result<PathBuf, String> {
    if let Some(dir) = &options.state_dir {
        return Ok(dir.clone());
    }
    let config = read_config(options.instance.config.as_deref())?;
    let by_default = || Env::of_process().state_dir.unwrap_or_else(|| defaults::STATE_DIR.into());
    Ok(config.map_or_else(by_default, |config| config.state_dir))
}
