//! The command line: `check` with every problem at once, a set-up by flags alone, exit codes that scripts rely on.

use std::process::Command;

use crate::support::certs::Authority;
use crate::support::edge::{self, command, ports};
use crate::support::fixture::{self, SEEN};
use crate::support::process::{Process, Said, run};
use crate::support::{Client, Config, eventually, secs};

async fn check(text: &str) -> Said {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("katahai.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = command(dir.path());
    command.args(["check", "-c"]).arg(&file);
    run(command, secs(10)).await
}

#[tokio::test]
async fn a_good_file_is_said_to_be_good() {
    let said = check(&Config::before("http://127.0.0.1:8080").toml()).await;
    assert_eq!((said.code, &*said.err), (0, ""), "{}", said.out);
    let smallest =
        "[[site]]\nhosts = [\"www.example.jp\"]\n[[site.origin]]\nurl = \"https://203.0.113.10\"\n";
    check(smallest).await.must_be_ok();
}

#[tokio::test]
async fn the_shipped_file_passes_its_own_check() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(dir.path());
    command.args(["check", "-c", concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/katahai.toml")]);
    let said = run(command, secs(10)).await.must_be_ok();
    assert!(said.out.contains("katahai.toml: ok, 2 sites"), "{}", said.out);
}

#[tokio::test]
async fn every_problem_is_named_with_its_line() {
    let text = "\
state_dri = \"/var/lib/katahai\"

[limits]
header_size = \"thirty\"
connections = -1

[telemetry]
rate = \"2y\"

[[site]]
hosts = [\"www.example.jp\", \"www example\"]
[[site.origin]]
url = \"ftp://203.0.113.10\"
[site.failover]
patience = \"soon\"
bad_status = [\"5xx\"]
";
    let said = check(text).await;
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    let all = format!("{}{}", said.out, said.err);
    for (line, what) in [
        (1, "state_dri"),
        (4, "thirty"),
        (5, "-1"),
        (11, "www example"),
        (13, "ftp://203.0.113.10"),
        (15, "soon"),
        (16, "5xx"),
    ] {
        assert!(all.contains(what), "{what} is missing: {all}");
        assert!(all.contains(&format!("katahai.toml:{line}:")), "line {line} is missing: {all}");
    }
    assert!(all.contains("state_dir"), "the nearest known name: {all}");
    assert!(all.contains("unknown key \"telemetry\""), "a table that nobody reads is refused: {all}");
}

#[tokio::test]
async fn a_key_that_belongs_to_another_certificate_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (cert, _) = authority.leaf("www.example.jp").write(dir.path(), "one");
    let (_, key) = authority.leaf("www.example.jp").write(dir.path(), "other");
    let text = format!(
        "[[site]]\nhosts = [\"www.example.jp\"]\n[site.tls]\ncert = {cert:?}\nkey = {key:?}\n\
         [[site.origin]]\nurl = \"http://127.0.0.1:8080\"\n"
    );
    let said = check(&text).await;
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(said.err.contains("certificate of www.example.jp"), "{}", said.err);
}

#[tokio::test]
async fn wrong_usage_is_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    for args in
        [&["no-such-command"][..], &["serve", "--no-such-flag"], &["check", "-c", "no-such-file.toml"]]
    {
        let mut command = command(dir.path());
        command.args(args);
        let said = run(command, secs(10)).await;
        assert_eq!(said.code, 2, "{args:?}: {}{}", said.out, said.err);
        assert!(!said.err.is_empty() || !said.out.is_empty(), "{args:?}");
    }
}

#[tokio::test]
async fn slips_get_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("k.toml"), "").unwrap();
    for (args, hint) in [
        (&["k.toml"][..], "did you mean \"katahai serve -c k.toml\"?"),
        (&["check", "k.toml"], "did you mean \"katahai check -c k.toml\"?"),
        (&["stauts"], "did you mean \"katahai status\"?"),
        (&["snapshot", "lsit"], "there is no command \"katahai snapshot lsit\""),
    ] {
        let mut command = command(dir.path());
        command.args(args);
        let said = run(command, secs(10)).await;
        assert!(said.code == 2 && said.err.contains(hint), "{args:?}: {}", said.err);
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_exit_code_1() {
    let dir = tempfile::tempdir().unwrap();
    let closed = crate::support::nginx::free_port();
    for args in [&["status"][..], &["reload"]] {
        let mut command = command(dir.path());
        command.args(args).args(["--admin", &closed.to_string()]);
        let said = run(command, secs(10)).await;
        assert_eq!(said.code, 1, "{args:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(&closed.to_string()), "{}", said.err);
    }
}

#[tokio::test]
async fn what_is_not_built_yet_says_so() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["forms", "list"][..], &["drill"], &["report"], &["purge"]] {
        let mut command = command(dir.path());
        command.args(args);
        let said = run(command, secs(10)).await;
        assert_ne!(said.code, 0, "{args:?}");
        assert!(!said.err.contains("panicked"), "{}", said.err);
    }
}

#[tokio::test]
async fn flags_alone_make_a_set_up() {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let _turn = crate::support::turn::share();
    let mut command = command(dir.path());
    command.args(["serve", "--origin", &origin.url(), "--host", "www.example.test"]);
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let process = Process::start(&mut command);
    let found = eventually("its port", secs(10), async || {
        let found = ports(&process.lines());
        (!found.http.is_empty()).then_some(found)
    })
    .await;
    Client::new(found.http[0]).get(SEEN).await.must_be(&origin.content(SEEN).body);
    assert_eq!(origin.last(SEEN).await.header("host").as_deref(), Some("www.example.test"));
}

#[tokio::test]
async fn help_names_every_command() {
    let mut command = Command::new(edge::binary());
    command.arg("--help");
    let said = run(command, secs(10)).await.must_be_ok();
    for name in ["demo", "serve", "check", "snapshot", "status", "reload", "drill"] {
        assert!(said.out.contains(name), "{name}: {}", said.out);
    }
}

#[tokio::test]
async fn flags_open_the_admin_api_to_strangers_no_more_than_files_do() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["serve", "--origin", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0"][..],
        &["demo", "--admin", "0.0.0.0:0"],
    ] {
        let mut command = command(dir.path());
        command.args(args);
        let said = run(command, secs(10)).await;
        assert_eq!(said.code, 2, "{args:?}: {}{}", said.out, said.err);
        assert!(said.err.contains("token_file"), "{args:?}: {}", said.err);
    }
}
