//! The servers that are compared, each as it comes, without an access log unless its name says so.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::nginx::{Nginx, free_port};
use crate::support::process::Process;
use crate::support::{Config, Edge, Site};

/// One of them, running.
pub struct Server {
    pub name: &'static str,
    pub addr: SocketAddr,
    /// The root of its processes.
    pub pid: u32,
    _alive: Alive,
}

enum Alive {
    Nginx(Nginx),
    Edge(Edge),
    Child(Process, tempfile::TempDir),
}

fn template(name: &str, listen: SocketAddr, origin: SocketAddr, dir: &Path) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/bench").join(name);
    std::fs::read_to_string(path)
        .unwrap()
        .replace("@LISTEN@", &listen.to_string())
        .replace("@ORIGIN@", &origin.to_string())
        .replace("@ORIGIN_HOST@", &origin.ip().to_string())
        .replace("@ORIGIN_PORT@", &origin.port().to_string())
        .replace("@DIR@", &dir.display().to_string())
}

/// The site that all of them stand before: one page of 8 KiB at `/page.html`, which may be kept for an hour.
pub fn origin(root: &Path) -> Nginx {
    let line = "<p>The tide comes in, the tide goes out, and the coffee is still warm at the harbour.</p>\n";
    let mut page = "<!doctype html><html lang=\"en\"><title>A page</title>\n".to_owned();
    while page.len() + line.len() < 8 << 10 {
        page.push_str(line);
    }
    page.push_str(&" ".repeat((8 << 10) - page.len()));
    std::fs::write(root.join("page.html"), &page).unwrap();
    std::fs::write(root.join("index.html"), "<!doctype html><a href=\"/page.html\">A page</a>").unwrap();
    Nginx::with(&format!(
        "root {};\n index index.html;\n add_header Cache-Control max-age=3600;\n",
        root.display()
    ))
}

const PASS_ON: &str = "location / { proxy_pass http://origin; proxy_http_version 1.1; \
                       proxy_set_header Connection \"\"; proxy_set_header Host $host;";

/// nginx with `proxy_cache`.
pub fn nginx_cache(origin: SocketAddr) -> Server {
    let dir = tempfile::tempdir().unwrap().keep();
    let listen = free_port();
    let http = template("nginx-cache.conf", listen, origin, &dir);
    let server = format!("{PASS_ON} proxy_cache pages; proxy_cache_valid 200 1h; }}");
    let nginx = Nginx::on(listen, &http, &server);
    Server { name: "nginx, proxy_cache", addr: listen, pid: nginx.pid(), _alive: Alive::Nginx(nginx) }
}

/// nginx passing on.
pub fn nginx_proxy(origin: SocketAddr) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let listen = free_port();
    let http = template("nginx-proxy.conf", listen, origin, dir.path());
    let nginx = Nginx::on(listen, &http, &format!("{PASS_ON} }}"));
    Server { name: "nginx, proxy_pass", addr: listen, pid: nginx.pid(), _alive: Alive::Nginx(nginx) }
}

fn child(name: &'static str, listen: SocketAddr, dir: tempfile::TempDir, mut command: Command) -> Server {
    let mut process = Process::start(&mut command);
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(listen).is_err() {
        let ended = process.ended();
        assert!(ended.is_none() && Instant::now() < deadline, "{name}: {}", process.lines().join("\n"));
        std::thread::sleep(Duration::from_millis(20));
    }
    Server { name, addr: listen, pid: process.pid(), _alive: Alive::Child(process, dir) }
}

/// HAProxy passing on.
pub fn haproxy(origin: SocketAddr) -> Server {
    let (dir, listen) = (tempfile::tempdir().unwrap(), free_port());
    let file = dir.path().join("haproxy.cfg");
    std::fs::write(&file, template("haproxy.cfg", listen, origin, dir.path())).unwrap();
    let mut command = Command::new("/usr/sbin/haproxy");
    command.arg("-db").arg("-f").arg(file);
    child("HAProxy", listen, dir, command)
}

/// Varnish.
pub fn varnish(origin: SocketAddr) -> Server {
    let (dir, listen) = (tempfile::tempdir().unwrap(), free_port());
    let file = dir.path().join("varnish.vcl");
    std::fs::write(&file, template("varnish.vcl", listen, origin, dir.path())).unwrap();
    let mut command = Command::new("/usr/sbin/varnishd");
    command.args(["-F", "-j", "none", "-s", "malloc,256m", "-a", &listen.to_string(), "-f"]).arg(file);
    command.arg("-n").arg(dir.path().join("run"));
    child("Varnish", listen, dir, command)
}

fn edge(name: &'static str, edge: Edge) -> Server {
    Server { name, addr: edge.http(), pid: edge.pid(), _alive: Alive::Edge(edge) }
}

/// The configuration of a Katahai before an origin, host names left to the visitor.
pub fn config(origin: &str) -> Config {
    logging(origin, "off")
}

/// The same, with the access log in this place.
fn logging(origin: &str, log: &str) -> Config {
    let site = Site::bare("bench", "127.0.0.1").set("mirror.rate", "off").origin(origin);
    Config::new(site).flag("--access-log", log)
}

/// Katahai answering from its cache.
pub async fn katahai_cache(origin: &Nginx) -> Server {
    let started = Edge::start(config(&origin.url()).site("mirror.exclude", ["/*"])).await;
    edge("Katahai, cache", started)
}

/// The same with a line for each answer in a file.
pub async fn katahai_cache_logged(origin: &Nginx) -> Server {
    let log = tempfile::tempdir().unwrap().keep().join("access.log");
    let logged = logging(&origin.url(), &log.display().to_string());
    edge("Katahai, cache, access log", Edge::start(logged.site("mirror.exclude", ["/*"])).await)
}

/// Katahai answering from a snapshot: its origin is killed here, and known to be down.
pub async fn katahai_snapshot(origin: &mut Nginx) -> Server {
    let quick = config(&origin.url()).site("health.interval", "200ms").route("/*", "off", "on");
    let started = Edge::start(quick).await;
    started.until_snapshot().await;
    origin.kill();
    started.until("down").await;
    edge("Katahai, snapshot", started)
}

/// Katahai passing on.
pub async fn katahai_passing(origin: &Nginx) -> Server {
    let started = Edge::start(config(&origin.url()).route("/*", "off", "off")).await;
    edge("Katahai", started)
}
