//! A real nginx as an origin: written into a directory of its own, in a process group of its own.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::process::Process;

/// A running nginx, workers included.
pub struct Nginx {
    dir: tempfile::TempDir,
    addr: SocketAddr,
    process: Option<Process>,
}

/// Where Debian puts it.
pub fn program() -> PathBuf {
    PathBuf::from("/usr/sbin/nginx")
}

/// A port that nobody has, and that nobody gets who does not ask for its number: it is below those that connections take.
/// Free for datagrams, too; each one is given once.
pub fn free_port() -> SocketAddr {
    const PORTS: std::ops::Range<u32> = 10_000..32_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // several of these programs may run at once: each begins somewhere else
    let from = std::process::id().wrapping_mul(7919);
    for _ in PORTS {
        let n = from.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let addr = SocketAddr::from(([127, 0, 0, 1], (PORTS.start + n % (PORTS.end - PORTS.start)) as u16));
        if TcpListener::bind(addr).is_ok() && UdpSocket::bind(addr).is_ok() {
            return addr;
        }
    }
    panic!("no port is free between {} and {}", PORTS.start, PORTS.end);
}

impl Nginx {
    /// Serves a folder.
    pub fn folder(root: &Path) -> Nginx {
        Nginx::with(&format!("root {};\n index index.html;\n", root.display()))
    }

    /// Serves what these lines of a `server` block say.
    pub fn with(server: &str) -> Nginx {
        Nginx::on(free_port(), "", server)
    }

    /// The same on a given address, with more lines for the `http` block.
    pub fn on(addr: SocketAddr, http: &str, server: &str) -> Nginx {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display();
        let config = format!(
            "daemon off;\nuser root;\nworker_processes auto;\npid {at}/pid;\nerror_log stderr warn;\n\
             events {{ worker_connections 4096; }}\n\
             http {{\n include /etc/nginx/mime.types;\n access_log off;\n sendfile on;\n tcp_nopush on;\n\
             keepalive_requests 1000000;\n client_body_temp_path {at}/body;\n proxy_temp_path {at}/proxy;\n\
             fastcgi_temp_path {at}/fastcgi;\n uwsgi_temp_path {at}/uwsgi;\n scgi_temp_path {at}/scgi;\n\
             {http}\n server {{\n listen {addr} reuseport backlog=4096;\n server_name _;\n {server}\n }}\n}}\n"
        );
        std::fs::write(dir.path().join("nginx.conf"), config).unwrap();
        let mut nginx = Nginx { dir, addr, process: None };
        nginx.start();
        nginx
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The master's id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a running nginx").pid()
    }

    /// Starts it (again) and waits until it accepts.
    pub fn start(&mut self) {
        let mut command = Command::new(program());
        command.arg("-c").arg(self.dir.path().join("nginx.conf")).arg("-p").arg(self.dir.path());
        let mut process = Process::start(command.process_group(0));
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.addr).is_err() {
            let ended = process.ended();
            assert!(ended.is_none() && Instant::now() < deadline, "nginx: {}", process.lines().join("\n"));
            std::thread::sleep(Duration::from_millis(5));
        }
        self.process = Some(process);
    }

    /// Kills master and workers at one stroke (-9), and waits until nothing listens any more: only the master is our
    /// child, and a worker that is still dying would accept (`reuseport`) what is meant for the next nginx, and reset it.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let group = Pid::from_raw(process.pid().cast_signed()).unwrap();
            let _ = kill_process_group(group, Signal::KILL);
            process.kill();
            let deadline = Instant::now() + Duration::from_secs(10);
            while TcpStream::connect(self.addr).is_ok() {
                assert!(Instant::now() < deadline, "a killed nginx still listens on {}", self.addr);
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.kill();
    }
}
