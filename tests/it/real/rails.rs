//! Rails as Debian has it, in production: every page `private`, a session in a cookie, a token in every form.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use super::browser::{Browser, field, must_lead_to, must_say};
use super::daemon::{Daemon, run};
use super::database::Database;
use super::{Application, Failure, Page, Told, copy, degraded, down, fixture};
use crate::support::nginx::free_port;

/// A list of evenings, a form, a cart.
pub struct Rails {
    database: Database,
    addr: std::net::SocketAddr,
    puma: Option<Daemon>,
    /// Removed when nothing runs in it any more.
    folder: tempfile::TempDir,
}

impl Rails {
    pub fn start() -> Rails {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::start(folder.path());
        database.read(&fixture("evenings.sql"));
        copy(&fixture("rails"), &folder.path().join("app"));
        // the error pages that `rails new` lays down
        let gem =
            run(Command::new("ruby")
                .args(["-e", "print Gem::Specification.find_by_name('railties').gem_dir"]));
        let public = PathBuf::from(gem.trim()).join("lib/rails/generators/rails/app/templates/public");
        for name in ["404.html", "422.html", "500.html"] {
            copy(&public.join(name), &folder.path().join("app/public").join(name));
        }
        let mut rails = Rails { folder, database, addr: free_port(), puma: None };
        rails.start_puma();
        rails
    }

    fn start_puma(&mut self) {
        let mut command = Command::new("puma");
        command
            .args(["-t", "8:8", "-w", "0", "-b", &format!("tcp://{}", self.addr), "config.ru"])
            .current_dir(self.folder.path().join("app"))
            .env("RAILS_ENV", "production")
            .env("RACK_ENV", "production")
            .env("DATABASE", self.database.socket());
        self.puma = Some(Daemon::start(&mut command, || TcpStream::connect(self.addr).is_ok()));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("app").join(name)
    }

    /// Puts another layout in place, as a release does.
    fn release(&mut self, layout: &str) {
        std::fs::write(self.file("layouts/page.html.erb"), layout).unwrap();
        self.puma = None;
        self.start_puma();
    }
}

impl Application for Rails {
    fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    fn pages(&self) -> Vec<Page> {
        vec![
            Page::seen("/evenings/8", &["<h1>Tea evening 8</h1>", "Ship number 8"]),
            Page::unopened("/evenings/3", &["<h1>Tea evening 3</h1>", "Ship number 3"]),
            Page::form("/signup", &["<h1>Sign up</h1>", "<form", "</form>"]),
            Page::seen("/", &["<h1>Harbour Tea</h1>", "Tea evening 8"]),
            Page::file("/assets/harbour.css"),
        ]
    }

    fn told(&self, failure: Failure) -> Told {
        match failure {
            // Rails says to visitors that something went wrong, and no more
            Failure::DatabaseDead | Failure::ReleaseBroken => down(&["server-error", "application-error"]),
            Failure::ProgramDead => down(&["refused"]),
            Failure::ProgramFrozen => down(&["silent"]),
            Failure::AssetsMissing => degraded(&["asset-missing"]),
            Failure::Slow => degraded(&["slow"]),
        }
    }

    fn fail(&mut self, failure: Failure) {
        match failure {
            Failure::DatabaseDead => self.database.kill(),
            Failure::ProgramDead => self.puma = None,
            Failure::ProgramFrozen => self.puma.as_ref().expect("a running Puma").freeze(),
            Failure::ReleaseBroken => self.release("<html><%= opening_hours %></html>"),
            Failure::AssetsMissing => std::fs::remove_file(self.file("public/assets/harbour.css")).unwrap(),
            Failure::Slow => std::fs::write(self.file("slow"), "").unwrap(),
        }
    }

    fn mend(&mut self, failure: Failure) {
        match failure {
            Failure::DatabaseDead => self.database.revive(),
            Failure::ProgramDead => self.start_puma(),
            Failure::ProgramFrozen => self.puma.as_ref().expect("a running Puma").thaw(),
            Failure::ReleaseBroken => {
                let layout = std::fs::read_to_string(fixture("rails/layouts/page.html.erb")).unwrap();
                self.release(&layout);
            }
            Failure::AssetsMissing => {
                copy(&fixture("rails/public/assets/harbour.css"), &self.file("public/assets/harbour.css"));
            }
            Failure::Slow => std::fs::remove_file(self.file("slow")).unwrap(),
        }
    }

    async fn session(&self, browser: &mut Browser) {
        let cart = browser.get("/cart").await;
        must_say(&cart, "In your cart: nothing.");
        let token = field(&cart, "authenticity_token");
        let fields = [("authenticity_token", &*token), ("item", "two cups")];
        must_lead_to(&browser.post("/cart", &fields).await, "/cart");
        assert_eq!(browser.cookies(), 2);
        must_say(&browser.get("/cart").await, "In your cart: two cups.");
    }
}
