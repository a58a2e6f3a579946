//! The way to a server, as a tool of the machine sees it: `tracepath` or `traceroute`, whichever is there, in a bounded time.

use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
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
        let lines = output(tool, options, &to, LONGEST).await;
        if !lines.is_empty() {
            return Hops::Seen { tool: format!("{tool} {to}"), lines };
        }
    }
    Hops::NotPossible
}

/// What a tool prints in that time; nothing if it is not there. What came before it was cut off, or failed, tells, too.
async fn output(tool: &str, options: &[&str], to: &str, longest: Duration) -> Vec<String> {
    let mut kept = Vec::new();
    let mut command = Command::new(tool);
    command.args(options).arg(to).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = command.kill_on_drop(true).spawn() else { return kept };
    let Some(stdout) = child.stdout.take() else { return kept };
    let mut lines = BufReader::new(stdout.take(OUTPUT)).lines();
    let all = async {
        while let Ok(Some(line)) = lines.next_line().await {
            let line = in_short(&line, LINE);
            if !line.is_empty() && kept.len() < LINES {
                kept.push(line);
            }
        }
    };
    // a target that does not answer takes longer than anybody waits
    _ = tokio::time::timeout(longest, all).await;
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_came_before_the_end_is_kept() {
        let script = "echo ' 1: 192.0.2.1'; echo; echo ' 2: no reply'; exec sleep 600";
        let options = ["-c", script];
        let lines = output("sh", &options, "x", Duration::from_secs(2)).await;
        assert_eq!(lines, ["1: 192.0.2.1", "2: no reply"]);
        let lines = output("sh", &["-c", "echo a; exit 1"], "x", LONGEST).await;
        assert_eq!(lines, ["a"], "of a tool that fails, too");
        assert!(output("no-such-tool", &[], "x", LONGEST).await.is_empty());
    }
}
