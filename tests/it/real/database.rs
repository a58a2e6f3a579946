//! A MariaDB of the test's own: data, socket and all in a folder, no port, nothing of the machine's settings.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::daemon::{Daemon, run};

/// A database server with the database `site`, and a user `root` without a password.
pub struct Database {
    /// Where temporary files are, too: a server that starts removes those of others from a shared place.
    place: PathBuf,
    folder: PathBuf,
    server: Option<Daemon>,
}

/// Who the server is to run as: as root it refuses to unless told.
fn user() -> String {
    run(Command::new("id").arg("-un")).trim().to_owned()
}

impl Database {
    /// A new one below this folder.
    pub fn start(folder: &Path) -> Database {
        let (place, folder) = (folder.to_owned(), folder.join("database"));
        run(Command::new("mariadb-install-db")
            .env("TMPDIR", &place)
            .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"])
            .arg(format!("--user={}", user()))
            .arg(format!("--datadir={}", folder.display())));
        let mut database = Database { place, folder, server: None };
        database.revive();
        database.tell("CREATE DATABASE site");
        database
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    fn client(&self) -> Command {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "-u", "root", "-S"]).arg(self.socket());
        client
    }

    /// Runs a statement.
    pub fn tell(&self, sql: &str) {
        run(self.client().args(["-e", sql]));
    }

    /// What one value is.
    pub fn value(&self, sql: &str) -> String {
        run(self.client().args(["--skip-column-names", "site", "-e", sql])).trim().to_owned()
    }

    /// Runs the statements of a file.
    pub fn read(&self, file: &Path) {
        run(self.client().args(["site", "-e"]).arg(format!("source {}", file.display())));
    }

    /// Kills it (-9).
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Starts it again, on the data that it had.
    pub fn revive(&mut self) {
        let mut server = Command::new("/usr/sbin/mariadbd");
        server
            .env("TMPDIR", &self.place)
            .args(["--no-defaults", "--skip-networking", "--skip-log-bin", "--innodb-buffer-pool-size=16M"])
            .args(["--innodb-flush-log-at-trx-commit=2", "--skip-name-resolve"])
            .arg(format!("--user={}", user()))
            .arg(format!("--datadir={}", self.folder.display()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--pid-file={}", self.folder.join("pid").display()));
        let ready =
            || self.client().args(["-e", "SELECT 1"]).output().is_ok_and(|said| said.status.success());
        self.server = Some(Daemon::start(&mut server, ready));
    }
}
