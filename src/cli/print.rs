//! Standard output, text that is safe on it, and where the state is.

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

/// Text from the network, without what would steer a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if steers(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// The same for a text of several lines.
pub(super) fn printable_lines(text: &str) -> String {
    let kept = |c: char| matches!(c, '\n' | '\t') || !steers(c);
    text.chars().flat_map(|c| if kept(c) { vec![c] } else { c.escape_default().collect() }).collect()
}

/// Control characters, and those that turn the direction of the text round and so may show another one.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_the_network_does_not_steer_the_terminal() {
        assert_eq!(printable("/a\u{1b}[2Jé\u{9b}\n\u{202e}x"), "/a\\u{1b}[2Jé\\u{9b}\\n\\u{202e}x");
        assert_eq!(printable_lines("a\n\tb\u{1b}\r"), "a\n\tb\\u{1b}\\r");
    }
}
