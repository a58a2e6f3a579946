//! Django as Debian has it: Gunicorn behind nginx, which gives the static files; a login, a token in every form.

use std::path::PathBuf;
use std::process::Command;

use super::browser::{Browser, field, must_lead_to, must_say};
use super::daemon::{Daemon, run};
use super::database::Database;
use super::{Application, Failure, Page, Told, copy, degraded, down, fixture};
use crate::support::nginx::Nginx;

/// A list of evenings, a form, members' pages.
pub struct Django {
    database: Database,
    gunicorn: Option<Daemon>,
    nginx: Nginx,
    /// Removed when nothing runs in it any more.
    folder: tempfile::TempDir,
}

impl Django {
    pub fn start() -> Django {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let database = Database::start(at);
        copy(&fixture("django"), &at.join("app"));
        std::fs::create_dir(at.join("static")).unwrap();
        for name in ["harbour.css", "harbour.js"] {
            copy(&fixture("django").join(name), &at.join("static").join(name));
        }
        run(Command::new("/usr/bin/python3")
            .arg("harbour.py")
            .current_dir(at.join("app"))
            .env("DATABASE", database.socket()));
        let nginx = Nginx::with(&format!(
            "location /static/ {{ alias {0}/static/; }}\n\
             location / {{\n proxy_set_header Host $http_host;\n proxy_pass http://unix:{0}/gunicorn.socket;\n }}\n",
            at.display()
        ));
        let mut django = Django { folder, database, gunicorn: None, nginx };
        django.start_gunicorn();
        django
    }

    fn start_gunicorn(&mut self) {
        let socket = self.folder.path().join("gunicorn.socket");
        let _ = std::fs::remove_file(&socket);
        let mut command = Command::new("/usr/bin/gunicorn");
        command
            .args(["--workers", "1", "--threads", "8", "--bind", &format!("unix:{}", socket.display())])
            .arg("harbour:application")
            .current_dir(self.folder.path().join("app"))
            .env("DATABASE", self.database.socket());
        self.gunicorn = Some(Daemon::start(&mut command, || socket.exists()));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Django {
    /// Where its pages come from.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

impl Application for Django {
    fn url(&self) -> String {
        self.nginx.url()
    }

    fn pages(&self) -> Vec<Page> {
        vec![
            Page::seen("/evenings/8/", &["<h1>Tea evening 8</h1>", "Ship number 8"]),
            Page::unopened("/evenings/3/", &["<h1>Tea evening 3</h1>", "Ship number 3"]),
            Page::form("/signup/", &["<h1>Sign up</h1>", "<form", "</form>"]),
            Page::seen("/", &["<h1>Harbour Tea</h1>", "Tea evening 8"]),
            Page::file("/static/harbour.css"),
        ]
    }

    fn told(&self, failure: Failure) -> Told {
        match failure {
            // Django says to visitors that there is an error, and no more
            Failure::DatabaseDead | Failure::ReleaseBroken => down(&["server-error", "application-error"]),
            Failure::ProgramDead => down(&["bad-gateway", "gateway-error"]),
            Failure::ProgramFrozen => down(&["silent"]),
            Failure::AssetsMissing => degraded(&["asset-missing"]),
            Failure::Slow => degraded(&["slow"]),
        }
    }

    fn fail(&mut self, failure: Failure) {
        match failure {
            Failure::DatabaseDead => self.database.kill(),
            Failure::ProgramDead => self.gunicorn = None,
            Failure::ProgramFrozen => self.gunicorn.as_ref().expect("a running Gunicorn").freeze(),
            Failure::ReleaseBroken => std::fs::write(self.file("app/broken"), "").unwrap(),
            Failure::AssetsMissing => std::fs::remove_file(self.file("static/harbour.css")).unwrap(),
            Failure::Slow => std::fs::write(self.file("app/slow"), "").unwrap(),
        }
    }

    fn mend(&mut self, failure: Failure) {
        match failure {
            Failure::DatabaseDead => self.database.revive(),
            Failure::ProgramDead => self.start_gunicorn(),
            Failure::ProgramFrozen => self.gunicorn.as_ref().expect("a running Gunicorn").thaw(),
            Failure::ReleaseBroken => std::fs::remove_file(self.file("app/broken")).unwrap(),
            Failure::AssetsMissing => {
                copy(&fixture("django/harbour.css"), &self.file("static/harbour.css"));
            }
            Failure::Slow => std::fs::remove_file(self.file("app/slow")).unwrap(),
        }
    }

    async fn session(&self, browser: &mut Browser) {
        must_lead_to(&browser.get("/members/").await, "/login/?next=/members/");
        let login = browser.get("/login/?next=/members/").await;
        let token = field(&login, "csrfmiddlewaretoken");
        let fields = [("csrfmiddlewaretoken", &*token), ("username", "kato"), ("password", "open sesame")];
        must_lead_to(&browser.post("/login/?next=/members/", &fields).await, "/members/");
        assert_eq!(browser.cookies(), 3);
        must_say(&browser.get("/members/").await, "Hello, kato");
        let signup = browser.get("/signup/").await;
        let token = field(&signup, "csrfmiddlewaretoken");
        let fields = [("csrfmiddlewaretoken", &*token), ("name", "Abe"), ("evening", "3")];
        must_lead_to(&browser.post("/signup/", &fields).await, "/thanks/");
    }
}
