//! A server of the test's own with all that it forks: stopped, frozen and thawed together, by their group's id.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::process::Process;

/// How long a server may take to be ready, on a machine that is busy with other tests.
const READY: Duration = Duration::from_secs(60);

/// A running server, its children included.
pub struct Daemon {
    process: Process,
}

impl Daemon {
    /// Starts it, and waits until `ready`.
    pub fn start(command: &mut Command, mut ready: impl FnMut() -> bool) -> Daemon {
        let mut daemon = Daemon { process: Process::start(command.process_group(0)) };
        let end = Instant::now() + READY;
        while !ready() {
            let over = daemon.process.ended().is_some() || Instant::now() > end;
            assert!(!over, "{command:?}:\n{}", daemon.process.lines().join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
        daemon
    }

    /// None of its processes runs on, and none ends.
    pub fn freeze(&self) {
        signal(self.process.pid(), Signal::STOP);
    }

    /// They run on.
    pub fn thaw(&self) {
        signal(self.process.pid(), Signal::CONT);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        signal(self.process.pid(), Signal::KILL);
    }
}

/// Sends a signal to the group that this process leads.
pub fn signal(leader: u32, signal: Signal) {
    let group = Pid::from_raw(leader.cast_signed()).expect("a process");
    let _ = kill_process_group(group, signal);
}

/// Runs a command to its end, which must be good; returns what it said.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}; run tests/run once, it installs what the tests need"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}
