//! The last part of `docs/alerts.md`: every alert that there is, made of the table of causes. `UPDATE=1` rewrites it.

use std::fmt::Write as _;
use std::process::Command;

use katahai::alert::Severity;
use katahai::alert::format::generic::signature;
use katahai::failure::{Cause, Side};

const BODY: &[u8] = b"{\"a\":1}\n";

const MARK: &str =
    "<!-- Below: made of the tables in the code; a test compares, and rewrites it with UPDATE=1. -->\n";

fn row(table: &mut String, cause: Cause, urgency: &str) {
    let (code, meaning, advice) = (cause.code(), cause.meaning().en, cause.advice().en);
    _ = writeln!(table, "| [`{code}`](causes.md#{code}) | {urgency} | {meaning} | {advice} |");
}

/// What is told of Katahai itself and its machine, the most urgent first.
fn own() -> Vec<(Severity, Cause)> {
    let is_own = |cause: &&Cause| cause.side() == Side::Us && Severity::of(**cause) > Severity::Info;
    let mut own: Vec<(Severity, Cause)> =
        Cause::ALL.iter().filter(is_own).map(|cause| (Severity::of(*cause), *cause)).collect();
    own.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    own
}

fn tables() -> String {
    let head = "\n| code | urgency | what it means | what to do |\n|---|---|---|---|\n";
    let mut text = String::from("\n### Katahai itself, and what it needs\n");
    text.push_str(head);
    for (severity, cause) in own() {
        row(&mut text, cause, severity.as_str());
    }
    text.push_str(
        "\n### Outages\n\n`page` when the site is down, `warn` when some of its pages are bad, or when only an origin has the\ntrouble so far.\n",
    );
    text.push_str(head);
    for cause in Cause::ALL.iter().filter(|cause| cause.side() == Side::Origin) {
        if Severity::of(*cause) > Severity::Info {
            row(&mut text, *cause, "page, warn");
        }
    }
    text
}

/// What the shell says to the lines in `docs/alerts.md` that check a signature.
fn checked(field: &str) -> String {
    let doc = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alerts.md")).unwrap();
    let (_, lines) = doc.split_once("```sh\n").expect("the lines for a shell");
    let (lines, _) = lines.split_once("```").unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("body.json"), BODY).unwrap();
    std::fs::write(dir.path().join("hook.secret"), "open sesame\nsecond line\n").unwrap();
    let mut shell = Command::new("sh");
    let out = shell.args(["-c", lines]).env("SIG", field).current_dir(dir.path()).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn the_documented_check_takes_a_signature_and_no_forgery() {
    let now = katahai::clock::now().unix();
    let good = signature("open sesame", now, BODY);
    assert_eq!(checked(&good), "good\n");
    let (old, other) = (signature("open sesame", now - 3600, BODY), signature("another", now, BODY));
    let moved = good.replace(&format!("t={now}"), &format!("t={}", now + 1));
    for forged in
        ["", "t=1,v1=", "t=1,v1=.*", "v1=", "t=,v1=", "t=1", &old, &other, &moved, &good[..good.len() - 1]]
    {
        assert_eq!(checked(forged), "", "{forged}");
    }
}

#[test]
fn the_table_is_what_the_code_says() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alerts.md");
    let written = std::fs::read_to_string(file).unwrap();
    let (head, tail) = written.split_once(MARK).expect("the mark before the table");
    let tables = tables();
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        std::fs::write(file, format!("{head}{MARK}{tables}")).unwrap();
        return;
    }
    assert!(tail == tables, "docs/alerts.md is not what the tables say; UPDATE=1 rewrites it");
}
