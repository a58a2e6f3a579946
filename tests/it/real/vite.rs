//! A single-page application as Vite builds it: one page for every address behind nginx, scripts named by what is in them, and
//! what the pages show from a server of its own.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::browser::{Browser, must_say};
use super::daemon::{Daemon, run};
use super::database::Database;
use super::{Application, Failure, Page, Told, copy, degraded, down, fixture};
use crate::support::nginx::{Nginx, free_port};

/// A list of evenings out of an API, a form in a script of its own, a login.
pub struct Vite {
    database: Database,
    port: u16,
    api: Option<Daemon>,
    nginx: Nginx,
    assets: Vec<String>,
    /// Removed when nothing runs in it any more.
    folder: tempfile::TempDir,
}

impl Vite {
    /// Where nginx answers a file that is not there with the page of the application, as with any other address.
    pub fn start() -> Vite {
        Vite::with("")
    }

    /// Where it says that there is no such file.
    pub fn strict() -> Vite {
        Vite::with(" location /assets/ { try_files $uri =404; }\n")
    }

    fn with(files: &str) -> Vite {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let database = Database::start(at);
        database.read(&fixture("evenings.sql"));
        copy(&fixture("vite"), &at.join("app"));
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/vite/node_modules");
        assert!(modules.exists(), "Vite is missing: run tests/run once, it installs what the tests need");
        std::os::unix::fs::symlink(modules, at.join("app/node_modules")).unwrap();
        build(at);
        let port = free_port().port();
        let nginx = Nginx::with(&format!(
            "root {0}/app/dist;\n location / {{ try_files $uri /index.html; }}\n{files}\
             location /api/ {{ proxy_pass http://127.0.0.1:{port}; }}\n",
            at.display()
        ));
        let dist = at.join("app/dist");
        let names = std::fs::read_dir(dist.join("assets")).unwrap().flatten();
        let mut assets: Vec<String> = names.map(|entry| entry.file_name().into_string().unwrap()).collect();
        assets.sort();
        let mut vite = Vite { folder, database, port, api: None, nginx, assets };
        vite.start_api();
        vite
    }

    fn start_api(&mut self) {
        let mut command = Command::new("node");
        command
            .arg("server.js")
            .current_dir(self.folder.path().join("app"))
            .env("NODE_ENV", "production")
            .env("PORT", self.port.to_string())
            .env("DATABASE", self.database.socket());
        let port = self.port;
        self.api = Some(Daemon::start(&mut command, || TcpStream::connect(("127.0.0.1", port)).is_ok()));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("app").join(name)
    }

    fn asset(&self, start: &str, end: &str) -> &str {
        let found = self.assets.iter().find(|name| name.starts_with(start) && name.ends_with(end));
        found.expect("a file that Vite built")
    }
}

/// Releases.
impl Vite {
    /// Puts a release under another name in place of the one before; without its files if it is not whole. Returns these.
    pub fn release(&self, name: &str, whole: Whole) -> Vec<String> {
        for file in ["app/src/main.jsx", "app/src/harbour.css"] {
            let path = self.folder.path().join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            let change = match file.ends_with("css") {
                true => format!("\nh6 {{ content: \"{name}\"; }}\n"),
                false => format!("\nwindow.release = \"{name}\";\n"),
            };
            std::fs::write(&path, text + &change).unwrap();
        }
        build(self.folder.path());
        let files = std::fs::read_dir(self.file("dist/assets")).unwrap().flatten();
        let files = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
        if whole == Whole::No {
            std::fs::rename(self.file("dist/assets"), self.file("assets")).unwrap();
        }
        files
    }

    /// What a release lacks arrives.
    pub fn complete(&self) {
        std::fs::rename(self.file("assets"), self.file("dist/assets")).unwrap();
    }
}

/// Whether a release has its files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    Yes,
    No,
}

fn build(at: &Path) {
    run(Command::new("node").args(["node_modules/vite/bin/vite.js", "build"]).current_dir(at.join("app")));
}

impl Application for Vite {
    fn url(&self) -> String {
        self.nginx.url()
    }

    fn pages(&self) -> Vec<Page> {
        let script = format!("/assets/{}", self.asset("index-", ".js"));
        vec![
            Page::seen("/", &["<div id=\"root\">", &script]),
            Page::unopened("/evenings/3", &["<div id=\"root\">", &script]),
            Page::form("/signup", &["<div id=\"root\">", &script]),
            Page::file(&script),
            Page::file(&format!("/assets/{}", self.asset("index-", ".css"))),
            // only a browser puts the name of this one together
            Page::file(&format!("/assets/{}", self.asset("SignUp-", ".js"))),
            Page::file("/api/evenings"),
        ]
    }

    fn told(&self, failure: Failure) -> Told {
        match failure {
            Failure::DatabaseDead | Failure::ReleaseBroken => degraded(&["server-error", "database-error"]),
            Failure::ProgramDead => down(&["refused"]),
            Failure::ProgramFrozen => down(&["silent"]),
            Failure::AssetsMissing => degraded(&["asset-missing"]),
            Failure::Slow => degraded(&["slow"]),
        }
    }

    fn fail(&mut self, failure: Failure) {
        match failure {
            Failure::DatabaseDead => self.database.kill(),
            Failure::ProgramDead => self.nginx.kill(),
            Failure::ProgramFrozen => super::daemon::signal(self.nginx.pid(), rustix::process::Signal::STOP),
            Failure::ReleaseBroken => std::fs::write(self.file("broken"), "").unwrap(),
            // whose address nginx then answers with the page of the application
            Failure::AssetsMissing => std::fs::rename(self.file("dist/assets"), self.file("assets")).unwrap(),
            Failure::Slow => std::fs::write(self.file("slow"), "").unwrap(),
        }
    }

    fn mend(&mut self, failure: Failure) {
        match failure {
            Failure::DatabaseDead => self.database.revive(),
            Failure::ProgramDead => self.nginx.start(),
            Failure::ProgramFrozen => super::daemon::signal(self.nginx.pid(), rustix::process::Signal::CONT),
            Failure::ReleaseBroken => std::fs::remove_file(self.file("broken")).unwrap(),
            Failure::AssetsMissing => std::fs::rename(self.file("assets"), self.file("dist/assets")).unwrap(),
            Failure::Slow => std::fs::remove_file(self.file("slow")).unwrap(),
        }
    }

    async fn session(&self, browser: &mut Browser) {
        assert_eq!(browser.get("/api/me").await.status, 401);
        must_say(&browser.post("/api/login", &[("name", "kato")]).await, "kato");
        assert_eq!(browser.cookies(), 2);
        must_say(&browser.get("/api/me").await, "\"name\":\"kato\"");
    }
}
