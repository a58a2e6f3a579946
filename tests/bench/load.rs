//! The loads that servers are put under, and what one run of them costs: requests per second of the server's own processor
//! time, because then the load, the origin and the machine's mood drop out.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::median;
use super::servers::Server;
use crate::support::process::{cpu, run};

const ROUNDS: usize = 3;
const SECONDS: u64 = 2;
/// Connections, all of them kept.
pub const CONNECTIONS: u32 = 32;
/// Distinct addresses of [`Load::Many`].
pub const ADDRESSES: u32 = 10_000;

/// What is asked for, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// One page of 8 KiB, over HTTP/1.1.
    Plain,
    /// One page of 100 KiB.
    Large,
    /// Pages of 8 KiB at ten thousand addresses.
    Many,
    /// One page of 8 KiB over TLS, HTTP/1.1.
    Tls,
    /// The same over HTTP/2, ten streams on each connection.
    Http2,
}

impl Load {
    /// All of them, as columns of a table.
    pub const ALL: [Load; 5] = [Load::Plain, Load::Large, Load::Many, Load::Tls, Load::Http2];

    /// Its column.
    pub fn name(self) -> &'static str {
        match self {
            Load::Plain => "8 KiB",
            Load::Large => "100 KiB",
            Load::Many => "10,000 URLs",
            Load::Tls => "TLS",
            Load::Http2 => "HTTP/2",
        }
    }

    fn path(self) -> &'static str {
        if self == Load::Large { "/large.html" } else { "/page.html" }
    }

    /// The address that is asked; `None` if the server does not offer this.
    fn url(self, server: &Server) -> Option<String> {
        let path = self.path();
        match self {
            _ if server.without.contains(&self) => None,
            Load::Plain | Load::Large | Load::Many => Some(format!("http://{}{path}", server.http)),
            Load::Tls | Load::Http2 => server.https.map(|https| format!("https://{https}{path}")),
        }
    }

    fn command(self, url: &str, seconds: u64, dir: &Path) -> Command {
        if self == Load::Http2 {
            let mut h2load = Command::new("/usr/bin/h2load");
            let (connections, seconds) = (CONNECTIONS.to_string(), seconds.to_string());
            h2load.args(["-t", "1", "-m", "10", "-c", &connections, "-D", &seconds, url]);
            return h2load;
        }
        let mut wrk = Command::new("/usr/bin/wrk");
        wrk.args([
            "-t",
            "1",
            "-c",
            &CONNECTIONS.to_string(),
            "-d",
            &format!("{seconds}s"),
            "--timeout",
            "10s",
        ]);
        if self == Load::Many {
            let script = dir.join("many.lua");
            let lines = format!(
                "local n = 0\nrequest = function()\n n = (n + 7919) % {ADDRESSES}\n \
                 return wrk.format(nil, \"/p/\" .. n .. \".html\")\nend\n"
            );
            std::fs::write(&script, lines).unwrap();
            wrk.arg("-s").arg(script);
        }
        wrk.arg(url);
        wrk
    }

    /// Requests answered and the server's processor time for them; `None` if the server does not offer this.
    async fn run(self, server: &Server, seconds: u64) -> Option<(f64, Duration)> {
        let url = self.url(server)?;
        let dir = tempfile::tempdir().unwrap();
        let before = cpu(server.pid);
        let said = run(self.command(&url, seconds, dir.path()), Duration::from_secs(seconds + 30))
            .await
            .must_be_ok();
        let spent = cpu(server.pid) - before;
        let wrong = ["Non-2xx", "Socket errors", " 0 done"];
        let bad = said.out.lines().find(|line| wrong.iter().any(|wrong| line.contains(wrong)));
        assert!(bad.is_none(), "{}, {}: {}", server.name, self.name(), bad.unwrap_or_default());
        Some((answered(&said.out), spent))
    }
}

/// The total in what wrk ("  123456 requests in 4.00s, 1.00GB read") and h2load ("requests: … 123456 succeeded, …") say.
fn answered(said: &str) -> f64 {
    let before = |mark: &str| {
        let words: Vec<&str> = said.lines().find(|line| line.contains(mark))?.split([' ', ',']).collect();
        let at = words.iter().position(|word| *word == mark.trim())?;
        words.get(at.checked_sub(1)?)?.parse().ok()
    };
    before(" succeeded").or_else(|| before(" requests")).expect("the total of the load")
}

/// What each load costs each server: requests per processor second, a row for each server, a column for each load.
pub async fn compare(servers: &[Server], loads: &[Load]) -> Vec<Vec<Option<f64>>> {
    let mut rows = vec![vec![Vec::new(); loads.len()]; servers.len()];
    for server in servers {
        // the caches are filled
        Load::Many.run(server, 1).await;
        Load::Large.run(server, 1).await;
    }
    for _ in 0..ROUNDS {
        for (column, load) in loads.iter().enumerate() {
            for (server, row) in servers.iter().zip(&mut rows) {
                if let Some((requests, spent)) = load.run(server, SECONDS).await {
                    row[column].push(requests / spent.as_secs_f64());
                }
            }
        }
    }
    let middle = |values: Vec<f64>| (!values.is_empty()).then(|| median(values));
    rows.into_iter().map(|row| row.into_iter().map(middle).collect()).collect()
}

/// Requests a second that a server answers at most.
pub async fn most(server: &Server, load: Load) -> f64 {
    load.run(server, 1).await;
    load.run(server, SECONDS).await.map_or(f64::NAN, |(requests, _)| requests / SECONDS as f64)
}

/// What the figures are.
pub fn terms() -> String {
    format!("{CONNECTIONS} kept connections, medians of {ROUNDS} alternating runs of {SECONDS} s")
}
