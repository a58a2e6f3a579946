//! Real applications as they are put on the web every day, with a database of their own, and what really happens to
//! them: the database dies, the program dies or freezes, a release goes wrong, everything takes too long. Through all of it
//! each page is right, whole and in time; what has happened is told; and the live site comes back. While all is well,
//! logins and carts work over https and HTTP/2.

mod browser;
mod daemon;
mod database;
mod django;
mod forms;
pub mod mail;
mod rails;
mod release;
mod search;
mod trial;
mod visitors;
mod vite;
mod wordpress;

use std::path::{Path, PathBuf};

use browser::Browser;

use crate::support::turn;

/// What happens to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    DatabaseDead,
    ProgramDead,
    ProgramFrozen,
    /// The new code has an error.
    ReleaseBroken,
    /// A release has removed files that pages need.
    AssetsMissing,
    /// Every page takes 2.6 s more than it did.
    Slow,
}

impl Failure {
    const ALL: [Failure; 6] = [
        Failure::DatabaseDead,
        Failure::ProgramDead,
        Failure::ProgramFrozen,
        Failure::ReleaseBroken,
        Failure::AssetsMissing,
        Failure::Slow,
    ];

    fn name(self) -> &'static str {
        match self {
            Failure::DatabaseDead => "database dead",
            Failure::ProgramDead => "program dead",
            Failure::ProgramFrozen => "program frozen",
            Failure::ReleaseBroken => "release broken",
            Failure::AssetsMissing => "assets missing",
            Failure::Slow => "slow",
        }
    }
}

/// A page or file that visitors want all the time.
pub struct Page {
    pub target: String,
    /// What it says; for a file nothing, it is known by its octets.
    pub says: Option<Vec<String>>,
    /// Whether somebody has opened it before the failures.
    pub is_opened: bool,
    pub is_form: bool,
}

impl Page {
    pub fn seen(target: &str, says: &[&str]) -> Page {
        let says = says.iter().map(|text| (*text).to_owned()).collect();
        Page { target: target.to_owned(), says: Some(says), is_opened: true, is_form: false }
    }

    pub fn unopened(target: &str, says: &[&str]) -> Page {
        Page { is_opened: false, ..Page::seen(target, says) }
    }

    pub fn form(target: &str, says: &[&str]) -> Page {
        Page { is_form: true, ..Page::seen(target, says) }
    }

    pub fn file(target: &str) -> Page {
        Page { says: None, ..Page::seen(target, &[]) }
    }
}

/// What the operator is to read of a failure: one of the states with one of the causes.
pub struct Told {
    pub states: &'static [&'static str],
    pub causes: &'static [&'static str],
}

/// The usual: the whole site.
fn down(causes: &'static [&'static str]) -> Told {
    Told { states: &["down"], causes }
}

/// A part of it.
fn degraded(causes: &'static [&'static str]) -> Told {
    Told { states: &["degraded"], causes }
}

/// An application that runs, and can fail.
pub trait Application {
    /// Where it is.
    fn url(&self) -> String;

    /// What visitors want of it; the first is what a returning site is known by.
    fn pages(&self) -> Vec<Page>;

    /// What the operator must be told.
    fn told(&self, failure: Failure) -> Told;

    /// Brings a failure about, at once.
    fn fail(&mut self, failure: Failure);

    /// Ends it.
    fn mend(&mut self, failure: Failure);

    /// A visitor with an account or a cart, while all is well.
    async fn session(&self, browser: &mut Browser);
}

/// The files of an application.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/real").join(name)
}

/// Copies a folder with all below it, what links point to included.
fn copy(from: &Path, to: &Path) {
    daemon::run(std::process::Command::new("cp").arg("-rL").arg(from).arg(to));
}

/// The application's own start is work, too, which would be in the way of a test that is alone.
async fn outlives<A: Application>(start: fn() -> A) {
    let _share = turn::share();
    trial::outlives(start()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wordpress_outlives_its_failures() {
    outlives(wordpress::Wordpress::start).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rails_outlives_its_failures() {
    outlives(rails::Rails::start).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn django_outlives_its_failures() {
    outlives(django::Django::start).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_page_application_outlives_its_failures() {
    outlives(vite::Vite::start).await;
}
