//! WordPress as Debian has it: PHP behind nginx, pages out of MariaDB.

use std::path::Path;
use std::process::Command;

use super::browser::{Browser, must_lead_to, must_say};
use super::daemon::{Daemon, run};
use super::database::Database;
use super::{Application, Failure, Page, Told, copy, degraded, down, fixture};
use crate::support::nginx::Nginx;

const THEME: &str = "wp-content/themes/twentytwentyone";

/// A blog with some posts and a page where visitors sign up by a comment.
pub struct Wordpress {
    database: Database,
    php: Option<Daemon>,
    nginx: Nginx,
    style: String,
    /// Removed when nothing runs in it any more.
    folder: tempfile::TempDir,
}

impl Wordpress {
    pub fn start() -> Wordpress {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let database = Database::start(at);
        copy(Path::new("/usr/share/wordpress"), &at.join("root"));
        for name in ["wp-config.php", "install.php"] {
            copy(&fixture("wordpress").join(name), &at.join("root").join(name));
        }
        std::fs::create_dir_all(at.join("root/wp-content/mu-plugins")).unwrap();
        run(Command::new("php")
            .arg("install.php")
            .current_dir(at.join("root"))
            .env("DATABASE", database.socket()));
        let nginx = Nginx::with(&format!(
            "root {0}/root;\n index index.php;\n location / {{ try_files $uri $uri/ /index.php?$args; }}\n\
             location ~ \\.php$ {{\n include /etc/nginx/fastcgi_params;\n\
             fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n\
             fastcgi_pass unix:{0}/php.socket;\n }}\n",
            at.display()
        ));
        let header = std::fs::read_to_string(at.join("root").join(THEME).join("style.css")).unwrap();
        let version = header.lines().find_map(|line| line.strip_prefix("Version: ")).expect("a version");
        let style = format!("/{THEME}/style.css?ver={}", version.trim());
        let mut wordpress = Wordpress { folder, database, php: None, nginx, style };
        wordpress.start_php();
        wordpress
    }

    fn start_php(&mut self) {
        let at = self.folder.path();
        let socket = at.join("php.socket");
        let _ = std::fs::remove_file(&socket);
        let config = format!(
            "[global]\nerror_log = /dev/stderr\ndaemonize = no\n[www]\nuser = root\ngroup = root\n\
             listen = {}\npm = static\npm.max_children = 6\nclear_env = no\n",
            socket.display()
        );
        std::fs::write(at.join("php.conf"), config).unwrap();
        let mut command = Command::new(program());
        command.arg("-R").arg("-y").arg(at.join("php.conf")).env("DATABASE", self.database.socket());
        self.php = Some(Daemon::start(&mut command, || socket.exists()));
    }

    fn plug_in(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("root/wp-content/mu-plugins").join(name)
    }

    fn theme(&self) -> std::path::PathBuf {
        self.folder.path().join("root").join(THEME)
    }
}

/// Debian names it by PHP's version.
fn program() -> std::path::PathBuf {
    let mut names: Vec<_> = std::fs::read_dir("/usr/sbin")
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("php-fpm"))
        .map(|entry| entry.path())
        .collect();
    names.sort();
    names.pop().expect("php-fpm is missing: run tests/run once, it installs what the tests need")
}

impl Wordpress {
    /// Adds the plug-in with the contact form.
    pub fn add_contact_form(&self) {
        copy(&fixture("wordpress/contact.php"), &self.plug_in("contact.php"));
    }

    /// Makes all nonces invalid that it has given so far, as a day does.
    pub fn expire_nonces(&self) {
        let config = self.folder.path().join("root/wp-config.php");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(config, text.replace("the salt for", "another salt for")).unwrap();
    }

    /// Puts a search box at the end of each page, as many themes do.
    pub fn add_search_box(&self) {
        copy(&fixture("wordpress/search.php"), &self.plug_in("search.php"));
    }

    /// Where its pages come from.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

impl Application for Wordpress {
    fn url(&self) -> String {
        self.nginx.url()
    }

    fn pages(&self) -> Vec<Page> {
        vec![
            Page::seen("/evening-8/", &["<h1 class=\"entry-title\">Tea evening 8</h1>", "ship number 8"]),
            Page::unopened("/evening-3/", &["<h1 class=\"entry-title\">Tea evening 3</h1>", "ship number 3"]),
            Page::form(
                "/signup/",
                &["Write below which evening", "<textarea id=\"comment\"", "name=\"submit\""],
            ),
            Page::seen("/", &["Harbour Tea", "Tea evening 8", "Tea evening 1"]),
            Page::file(&self.style),
        ]
    }

    fn told(&self, failure: Failure) -> Told {
        match failure {
            Failure::DatabaseDead => down(&["database-error"]),
            Failure::ProgramDead => down(&["bad-gateway", "gateway-error"]),
            Failure::ProgramFrozen => down(&["silent"]),
            Failure::ReleaseBroken => down(&["application-error", "php-error"]),
            Failure::AssetsMissing => degraded(&["asset-missing"]),
            Failure::Slow => degraded(&["slow"]),
        }
    }

    fn fail(&mut self, failure: Failure) {
        match failure {
            Failure::DatabaseDead => self.database.kill(),
            Failure::ProgramDead => self.php = None,
            Failure::ProgramFrozen => self.php.as_ref().expect("a running PHP").freeze(),
            Failure::ReleaseBroken => copy(&fixture("wordpress/broken.php"), &self.plug_in("broken.php")),
            Failure::AssetsMissing => {
                std::fs::rename(self.theme().join("style.css"), self.theme().join("left-behind")).unwrap();
            }
            Failure::Slow => copy(&fixture("wordpress/slow.php"), &self.plug_in("slow.php")),
        }
    }

    fn mend(&mut self, failure: Failure) {
        match failure {
            Failure::DatabaseDead => self.database.revive(),
            Failure::ProgramDead => self.start_php(),
            Failure::ProgramFrozen => self.php.as_ref().expect("a running PHP").thaw(),
            Failure::ReleaseBroken => std::fs::remove_file(self.plug_in("broken.php")).unwrap(),
            Failure::AssetsMissing => {
                std::fs::rename(self.theme().join("left-behind"), self.theme().join("style.css")).unwrap();
            }
            Failure::Slow => std::fs::remove_file(self.plug_in("slow.php")).unwrap(),
        }
    }

    async fn session(&self, browser: &mut Browser) {
        browser.get("/wp-login.php").await;
        let fields = [("log", "kato"), ("pwd", "open sesame"), ("testcookie", "1")];
        let fields = [&fields[..], &[("redirect_to", "https://www.example.test/wp-admin/")]].concat();
        must_lead_to(&browser.post("/wp-login.php", &fields).await, "/wp-admin/");
        assert!(browser.cookies() > 3, "{} cookies", browser.cookies());
        must_say(&browser.get("/wp-admin/profile.php").await, "value=\"kato\"");
        must_say(&browser.get("/evening-8/").await, "Howdy, ");
    }
}
