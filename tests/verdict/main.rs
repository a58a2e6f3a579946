//! The verdict over real pages: good ones by the thousand, none of which may be taken for anything else, and the pages of
//! hosts, servers, panels and frameworks that must be. This is the sample of every run; many more are judged by the
//! commands `good` and `bad` in this folder (`gathered.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod bad;
mod good;
mod own;
mod question;
mod redesign;

use std::path::Path;

#[test]
fn a_sample_of_real_pages_is_good() {
    let (mut count, mut alarms) = (0, Vec::new());
    for folder in ["doc/postgresql-doc-15", "doc/apache2-doc", "debian-reference"] {
        let folder = Path::new("/usr/share").join(folder);
        let shown = folder.display();
        assert!(folder.exists(), "{shown} is missing: run tests/run once, it installs what the tests need");
        // in one of the further ways at a time: all take a minute
        let (pages, said) = good::judged(&folder, 1);
        count += pages;
        alarms.extend(said);
    }
    assert!(count >= 2000, "{count} pages");
    assert!(alarms.is_empty(), "of {count} pages:\n{}", alarms.join("\n"));
}

#[test]
fn failure_pages_are_recognised() {
    let samples = bad::pages(&bad::samples());
    assert!(samples.len() >= 150, "{} pages", samples.len());
    // a list of files is one only where the copy is a page, and so is nothing at all: both have one here
    bad::judged("samples of the fingerprints", &samples).hold(100.0);
    let folder = bad::gathered();
    assert!(folder.exists(), "{} is missing: run tests/run once, it gathers the pages", folder.display());
    let gathered = bad::pages(&folder);
    assert!(gathered.len() >= 100, "{} pages", gathered.len());
    bad::judged("pages of software itself", &gathered).hold(bad::AT_LEAST);
}
