//! The way to a server, as a tool of the machine sees it: `tracepath` or `traceroute`, whichever is there, in a bounded time.

use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::failure::{Cause, in_short};
use crate::incident::Hops;

/// How long it may take.
const LONGEST: Duration = Duration::from_secs(30);
/// Bytes of its output that are read, and lines and characters that are kept.
const OUTPUT: u64 = 8 << 10;
const LINES: usize = 32;
const LINE: usize = 120;

/// Whether the way to the server may be what is wrong.
pub(super) fn is_about_the_way(cause: Cause) -> bool {
    use Cause as C;
    matches!(cause, C::Refused | C::Unreachable | C::ConnectTimeout | C::Reset | C::Silent | C::TlsRefused)
}

/// The way to an address.
pub(super) async fn way_to(address: IpAddr) -> Hops {
    let to = address.to_string();
    let tools: [(&str, &[&str]); 2] =
        [("tracepath", &["-n", "-m", "20"]), ("traceroute", &["-n", "-m", "20", "-w", "1", "-q", "1"])];
    for (tool, options) in tools {
        let ran = tokio::time::timeout(LONGEST, output(tool, options, &to)).await;
        if let Ok(Some(text)) = ran {
            let lines = text.lines().map(|line| in_short(line, LINE)).filter(|line| !line.is_empty());
            let lines: Vec<String> = lines.take(LINES).collect();
            if !lines.is_empty() {
                return Hops::Seen { tool: format!("{tool} {to}"), lines };
            }
        }
    }
    Hops::NotPossible
}

/// What a tool prints; `None` if it is not there, or fails.
async fn output(tool: &str, options: &[&str], to: &str) -> Option<String> {
    let mut command = Command::new(tool);
    command.args(options).arg(to).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.kill_on_drop(true).spawn().ok()?;
    let mut text = Vec::new();
    child.stdout.take()?.take(OUTPUT).read_to_end(&mut text).await.ok()?;
    child.wait().await.ok()?.success().then(|| String::from_utf8_lossy(&text).into_owned())
}
