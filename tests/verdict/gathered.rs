//! The verdict over all pages that the commands `good` and `bad` in this folder have gathered; they call it with their name
//! and the folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod bad;
mod good;
mod question;
mod redesign;

use std::path::Path;

fn main() {
    let said: Vec<String> = std::env::args().skip(1).collect();
    match said.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["good", folder] => pages_are_good(Path::new(folder)),
        ["bad", folder] => failure_pages_are_recognised(Path::new(folder)),
        _ => panic!("run tests/verdict/good or tests/verdict/bad"),
    }
}

fn pages_are_good(folder: &Path) {
    let (count, alarms) = good::judged(folder, good::FURTHER);
    println!("{count} good pages, {} false alarms", alarms.len());
    assert!(count >= 20_000, "{count} pages are too few");
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
}

fn failure_pages_are_recognised(folder: &Path) {
    let gathered = bad::judged("pages of software itself", &bad::pages(folder));
    println!("not recognised:\n{}", gathered.missed.join("\n"));
    assert!(gathered.count >= 100, "{} pages are too few", gathered.count);
    gathered.hold(bad::AT_LEAST);
}
