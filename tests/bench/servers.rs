//! The servers that are compared, each as it comes, without an access log unless its name says so.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::load::Load;
use super::rungs::Rung;
use crate::support::certs::Leaf;
use crate::support::nginx::{Nginx, free_port};
use crate::support::process::Process;
use crate::support::{Config, Edge, Site};

/// One of them, running.
pub struct Server {
    pub name: &'static str,
    pub http: SocketAddr,
    /// Where it speaks TLS, if it does.
    pub https: Option<SocketAddr>,
    /// The loads that it cannot take.
    pub without: &'static [Load],
    /// The root of its processes.
    pub pid: u32,
    _alive: Alive,
}

enum Alive {
    Nginx(Nginx),
    Edge(Box<Edge>),
    Child(Process, tempfile::TempDir),
}

impl Server {
    fn new(name: &'static str, http: SocketAddr, pid: u32, alive: Alive) -> Server {
        Server { name, http, https: None, without: &[], pid, _alive: alive }
    }

    fn with_tls(self, https: SocketAddr) -> Server {
        Server { https: Some(https), ..self }
    }
}

/// A certificate of this machine's address, as files that stay: chain and key.
fn certificate() -> (PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap().keep();
    Leaf::self_signed("127.0.0.1").write(&dir, "bench")
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

/// The site that all of them stand before: pages of 8 KiB at `/page.html` and at every address below `/p/`, one of 100 KiB at
/// `/large.html`, which may be kept for an hour.
pub fn origin(root: &Path) -> Nginx {
    let line = "<p>The tide comes in, the tide goes out, and the coffee is still warm at the harbour.</p>\n";
    let page = |size: usize| {
        let mut page = "<!doctype html><html lang=\"en\"><title>A page</title>\n".to_owned();
        while page.len() + line.len() < size {
            page.push_str(line);
        }
        page.push_str(&" ".repeat(size - page.len()));
        page
    };
    std::fs::write(root.join("page.html"), page(8 << 10)).unwrap();
    std::fs::write(root.join("large.html"), page(100 << 10)).unwrap();
    let links = "<!doctype html><a href=\"/page.html\">A page</a> <a href=\"/large.html\">A large one</a>";
    std::fs::write(root.join("index.html"), links).unwrap();
    Nginx::with(&format!(
        "root {};\n index index.html;\n add_header Cache-Control max-age=3600;\n location /p/ {{ try_files /page.html =404; }}\n",
        root.display()
    ))
}

const PASS_ON: &str = "location / { proxy_pass http://origin; proxy_http_version 1.1; \
                       proxy_set_header Connection \"\"; proxy_set_header Host $host;";

fn nginx(name: &'static str, http: &str, server: &str, listen: SocketAddr, log: &str) -> Server {
    let (https, (cert, key)) = (free_port(), certificate());
    let log = match log {
        "off" => String::new(),
        _ => format!("access_log {};", tempfile::tempdir().unwrap().keep().join("access.log").display()),
    };
    let server = format!(
        "listen {https} ssl http2 reuseport;\n ssl_certificate {};\n ssl_certificate_key {};\n {log}\n {server}",
        cert.display(),
        key.display()
    );
    let nginx = Nginx::on(listen, http, &server);
    Server::new(name, listen, nginx.pid(), Alive::Nginx(nginx)).with_tls(https)
}

/// nginx with `proxy_cache`; its access log "on" (as it comes: buffered by nobody) or "off".
pub fn nginx_cache(origin: SocketAddr, log: &str) -> Server {
    let dir = tempfile::tempdir().unwrap().keep();
    let listen = free_port();
    let http = template("nginx-cache.conf", listen, origin, &dir);
    let server = format!("{PASS_ON} proxy_cache pages; proxy_cache_valid 200 1h; }}");
    let name = if log == "off" { "nginx, proxy_cache" } else { "nginx, proxy_cache, access log" };
    nginx(name, &http, &server, listen, log)
}

/// nginx passing on.
pub fn nginx_proxy(origin: SocketAddr, log: &str) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let listen = free_port();
    let http = template("nginx-proxy.conf", listen, origin, dir.path());
    let name = if log == "off" { "nginx, proxy_pass" } else { "nginx, proxy_pass, access log" };
    nginx(name, &http, &format!("{PASS_ON} }}"), listen, log)
}

fn child(name: &'static str, listen: SocketAddr, dir: tempfile::TempDir, mut command: Command) -> Server {
    let mut process = Process::start(&mut command);
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(listen).is_err() {
        let ended = process.ended();
        assert!(ended.is_none() && Instant::now() < deadline, "{name}: {}", process.lines().join("\n"));
        std::thread::sleep(Duration::from_millis(20));
    }
    Server::new(name, listen, process.pid(), Alive::Child(process, dir))
}

/// A lower rung of the ladder.
pub fn rung(rung: Rung, origin: SocketAddr) -> Server {
    let (dir, listen) = (tempfile::tempdir().unwrap(), free_port());
    let server = child(rung.name(), listen, dir, rung.command(listen, origin));
    match rung {
        Rung::Epoll | Rung::Hyper => Server { without: &[Load::Large], ..server },
        Rung::Shared | Rung::PerCore => server,
    }
}

/// HAProxy passing on.
pub fn haproxy(origin: SocketAddr) -> Server {
    let (dir, listen, https, (cert, key)) =
        (tempfile::tempdir().unwrap(), free_port(), free_port(), certificate());
    let (file, pem) = (dir.path().join("haproxy.cfg"), dir.path().join("both.pem"));
    let both = [std::fs::read(cert).unwrap(), std::fs::read(key).unwrap()].concat();
    std::fs::write(&pem, both).unwrap();
    let bind = format!("{https} ssl crt {} alpn h2,http/1.1", pem.display());
    std::fs::write(&file, template("haproxy.cfg", listen, origin, dir.path()).replace("@TLS@", &bind))
        .unwrap();
    let mut command = Command::new("/usr/sbin/haproxy");
    command.arg("-db").arg("-f").arg(file);
    child("HAProxy", listen, dir, command).with_tls(https)
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

/// The configuration of a Katahai before an origin, host names left to the visitor.
pub fn config(origin: &str) -> Config {
    let site = Site::bare("bench", "127.0.0.1").set("mirror.rate", "off").origin(origin);
    Config::new(site).flag("--access-log", "off")
}

/// The same over TLS, too, its access log "off" or "on": into a file.
fn both(origin: &str, log: &str) -> Config {
    let log = match log {
        "off" => PathBuf::from("off"),
        _ => tempfile::tempdir().unwrap().keep().join("access.log"),
    };
    let (cert, key) = certificate();
    let site = Site::bare("bench", "127.0.0.1").set("mirror.rate", "off").origin(origin);
    Config::new(site)
        .flag("--access-log", &log.display().to_string())
        .set("listen.https", ["127.0.0.1:0"])
        // all of the load is one client
        .set("limits.connections_per_client", 10_000)
        .site("tls.cert", cert.display().to_string())
        .site("tls.key", key.display().to_string())
}

fn edge(name: &'static str, edge: Edge) -> Server {
    let https = edge.https();
    Server { https, ..Server::new(name, edge.http(), edge.pid(), Alive::Edge(Box::new(edge))) }
}

/// Katahai answering from its cache, its access log "off" or "on".
pub async fn katahai_cache(origin: &Nginx, log: &str) -> Server {
    let name = if log == "off" { "Katahai, cache" } else { "Katahai, cache, access log" };
    edge(name, Edge::start(both(&origin.url(), log).site("mirror.exclude", ["/*"])).await)
}

/// Katahai answering from a snapshot: its origin is killed here, and known to be down.
pub async fn katahai_snapshot(origin: &mut Nginx) -> Server {
    let quick = both(&origin.url(), "off").site("health.interval", "200ms").route("/*", "off", "on");
    let started = Edge::start(quick).await;
    started.until_snapshot().await;
    origin.kill();
    started.until("down").await;
    // what no crawl finds is not in it
    Server { without: &[Load::Many], ..edge("Katahai, snapshot", started) }
}

/// Katahai passing on pages of which it has no copy, its access log "off" or "on".
pub async fn katahai_passing(origin: &Nginx, log: &str) -> Server {
    let name = if log == "off" { "Katahai" } else { "Katahai, access log" };
    edge(name, Edge::start(both(&origin.url(), log).route("/*", "off", "off")).await)
}

/// Katahai passing on, told by its operator to judge nothing.
pub async fn katahai_unjudged(origin: &Nginx) -> Server {
    let started = Edge::start(both(&origin.url(), "off").route("/*", "off", "off")).await;
    let admin = started.admin();
    let body = http_body_util::Full::from(r#"{"mode": "hold_origin"}"#);
    let said = admin.send(admin.ask("PUT", "/api/v1/sites/bench/mode").body(body).unwrap()).await.unwrap();
    assert_eq!(said.status, 200);
    edge("Katahai, nothing judged", started)
}

/// Katahai passing on pages that it holds back until they are compared with their copies.
pub async fn katahai_beside_copy(origin: &Nginx) -> Server {
    let started = Edge::start(both(&origin.url(), "off").route("/*", "off", "on")).await;
    started.until_snapshot().await;
    edge("Katahai, beside its copy", started)
}
