//! Another machine, as the kernel makes one (a network namespace), and the wires that lead there, each of which can be pulled.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::Command;

use super::process::Process;
use super::wait::ms;

/// A machine with some wires; gone with all of them when dropped. Needs root.
pub struct Machine {
    process: Process,
    wires: u8,
}

impl Machine {
    /// With so many wires; `None`: that needs root.
    pub fn with(wires: u8) -> Option<Machine> {
        let may = Command::new("unshare").args(["--net", "true"]).status();
        if !may.is_ok_and(|status| status.success()) {
            return None;
        }
        let process = Process::start(Command::new("unshare").args(["--net", "sleep", "infinity"]));
        let machine = Machine { process, wires };
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        while std::fs::read_link(machine.namespace()).ok().is_none_or(|one| one == own) {
            std::thread::sleep(ms(5));
        }
        machine.on("ip link set lo up");
        for n in 0..wires {
            let (near, far) = (machine.address(n, 1), machine.address(n, 2));
            let (name, pid) = (machine.near(n), machine.process.pid());
            sh(&format!(
                "ip link add {name} type veth peer name wire{n} netns {pid} && ip addr add {near}/30 dev {name} && ip link set {name} up"
            ));
            machine.on(&format!("ip addr add {far}/30 dev wire{n} && ip link set wire{n} up"));
        }
        Some(machine)
    }

    fn namespace(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.process.pid()))
    }

    fn near(&self, wire: u8) -> String {
        format!("kh{:x}w{wire}", self.process.pid())
    }

    /// Of the range for measurements between networks (RFC 2544): nobody else has it.
    fn address(&self, wire: u8, end: u8) -> Ipv4Addr {
        let [.., high, low] = self.process.pid().to_be_bytes();
        Ipv4Addr::new(198, 18 + (high & 1), low, 4 * wire + end)
    }

    /// Its address at the end of a wire.
    pub fn by(&self, wire: u8) -> IpAddr {
        assert!(wire < self.wires);
        self.address(wire, 2).into()
    }

    /// A command that runs on it.
    pub fn runs(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.namespace().display())).arg(program);
        command
    }

    /// Pulls a wire, at its far end: packets go nowhere, and nobody is told.
    pub fn pull(&self, wire: u8) {
        self.on(&format!("ip link set wire{wire} down"));
    }

    /// Puts it back.
    pub fn mend(&self, wire: u8) {
        self.on(&format!("ip link set wire{wire} up"));
    }

    fn on(&self, line: &str) {
        let ended = self.runs("sh".as_ref()).args(["-c", line]).status().unwrap();
        assert!(ended.success(), "{line}");
    }
}

fn sh(line: &str) {
    let ended = Command::new("sh").args(["-c", line]).status().unwrap();
    assert!(ended.success(), "{line}");
}
