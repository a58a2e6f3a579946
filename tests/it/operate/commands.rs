//! Commands and the instance that they act on: found by its admin address from any folder, let in by its token; and what
//! they say where something is not as it was meant.

use std::path::Path;
use std::process::Command;

use crate::support::edge::{self, command, ports};
use crate::support::fixture::{self, UNOPENED};
use crate::support::process::{self, Process, Said};
use crate::support::{Client, Config, Edge, Origin, eventually, secs};

/// An instance that was started with relative names, in a folder where nobody else is.
struct There {
    process: Process,
    dir: tempfile::TempDir,
    _origin: Origin,
    _turn: crate::support::turn::Turn,
}

impl There {
    async fn start() -> There {
        let origin = fixture::shop().await;
        let turn = crate::support::turn::share();
        let dir = tempfile::tempdir().unwrap();
        let config = Config::before(&origin.url())
            .set("state_dir", "st")
            .set("listen.http", ["127.0.0.1:0"])
            .set("listen.admin", "127.0.0.1:0");
        std::fs::write(dir.path().join("a.toml"), config.toml()).unwrap();
        let process = Process::start(command(dir.path()).args(["serve", "-c", "a.toml"]));
        let there = There { process, dir, _origin: origin, _turn: turn };
        there.until_snapshot().await;
        there
    }

    fn admin(&self) -> Option<String> {
        ports(&self.process.lines()).admin.first().map(ToString::to_string)
    }

    async fn until_snapshot(&self) {
        let admin = eventually("its admin address", secs(10), async || self.admin()).await;
        let client = Client::new(admin.parse().unwrap()).host("localhost");
        eventually("a snapshot", secs(30), async || {
            let status: serde_json::Value =
                serde_json::from_slice(&client.get("/api/v1/status").await.body).ok()?;
            status["sites"][0]["snapshot"]["id"].is_string().then_some(())
        })
        .await;
    }

    /// A command in another folder that knows the admin address alone.
    async fn from(&self, dir: &Path, args: &[&str]) -> Said {
        let mut command = command(dir);
        command.args(args).args(["--admin", &self.admin().unwrap()]);
        process::run(command, secs(60)).await
    }
}

#[tokio::test]
async fn an_instance_says_where_its_state_is_to_commands_from_anywhere() {
    let there = There::start().await;
    let here = tempfile::tempdir().unwrap();
    let verified = there.from(here.path(), &["snapshot", "verify"]).await.must_be_ok();
    assert!(verified.out.contains("whole"), "{}", verified.out);
    there.from(here.path(), &["snapshot", "export", "1", "--to", "out"]).await.must_be_ok();
    let page = here.path().join("out").join(UNOPENED.trim_start_matches('/')).with_extension("html");
    let found: Vec<_> = std::fs::read_dir(here.path().join("out")).unwrap().flatten().collect();
    assert!(!found.is_empty(), "{}", page.display());
    let taken_in = there.from(here.path(), &["snapshot", "import", "out"]).await.must_be_ok();
    assert!(taken_in.out.contains("waits for your word"), "{}", taken_in.out);
    let list = there.from(here.path(), &["snapshot", "list", "--json"]).await.must_be_ok().json();
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    assert!(there.dir.path().join("st").is_dir());
    assert!(!here.path().join("katahai-state").exists(), "nothing was made where the commands were called");
}

#[tokio::test]
async fn a_token_is_said_by_a_file_or_the_environment() {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "let-me-in\n").unwrap();
    let config = Config::before(&origin.url()).set("admin.token_file", "token");
    let edge = Edge::start_in(dir, config).await;
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("wrong"), "let-them-in").unwrap();
    let token = edge.dir().join("token").display().to_string();
    let admin = edge.admin_addr().to_string();
    let run = async |args: &[&str], env: Option<&str>| {
        let mut command: Command = command(here.path());
        command.args(args).args(["--admin", &admin]);
        command.envs(env.map(|token| ("KATAHAI_ADMIN_TOKEN", token)));
        process::run(command, secs(30)).await
    };
    let without = run(&["status"], None).await;
    assert!(without.code == 1 && without.err.contains("--token-file"), "{}", without.err);
    for args in [&["status"][..], &["reload"], &["snapshot", "list"], &["snapshot", "take"]] {
        run(&[args, &["--token-file", &token]].concat(), None).await.must_be_ok();
        run(args, Some("let-me-in")).await.must_be_ok();
    }
    // what is said aloud goes before the environment
    run(&["status", "--token-file", &token], Some("let-them-in")).await.must_be_ok();
    let wrong = run(&["status", "--token-file", "wrong"], Some("let-me-in")).await;
    assert!(wrong.code == 1 && wrong.err.contains("does not take the token of wrong"), "{}", wrong.err);
    assert!(!wrong.err.contains("let-them-in") && !without.err.contains("does not take"), "{}", wrong.err);
    let wrong = run(&["reload"], Some("guess")).await;
    assert!(wrong.err.contains("does not take the token of KATAHAI_ADMIN_TOKEN"), "{}", wrong.err);
    std::fs::write(here.path().join("empty"), "\n").unwrap();
    let empty = run(&["status", "--token-file", "empty"], None).await;
    assert!(empty.code == 2 && empty.err.contains("there is no token in empty"), "{}", empty.err);
    let url = format!("http://{admin}/");
    let mut by_url: Command = command(here.path());
    by_url.args(["status", "--token-file", &token, "--admin", &url]);
    process::run(by_url, secs(30)).await.must_be_ok();
    for (value, code) in
        [(None, "token-missing"), (Some("Bearer guess"), "token-wrong"), (Some("bearer let-me-in"), "")]
    {
        let mut request = edge.admin().ask("GET", "/api/v1/status");
        if let Some(value) = value {
            request = request.header("authorization", value);
        }
        let answer = edge.admin().send(request.body(Default::default()).unwrap()).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["error"]["code"].as_str().unwrap_or_default(), code, "{body}");
        assert_eq!(answer.status, if code.is_empty() { 200 } else { 401 });
    }
    let unread = run(&["status", "--token-file", "nowhere"], None).await;
    assert!(unread.code == 2 && unread.err.contains("nowhere"), "{}", unread.err);
    // and a file that somebody is at work on still says where the token is
    edge.write_text(&format!("{}\n[nonsense]\n", edge.config().toml()));
    edge.cli(&["status"]).await.must_be_ok();
}

#[tokio::test]
async fn an_admin_address_of_the_command_line_is_no_change_of_the_file() {
    let origin = fixture::shop().await;
    let config =
        Config::before(&origin.url()).set("listen.admin", "127.0.0.1:1").flag("--admin", "127.0.0.1:0");
    let edge = Edge::start(config).await;
    for _ in 0..2 {
        let said = edge.cli(&["reload"]).await.must_be_ok();
        assert_eq!(said.out, "reloaded, one site\n");
    }
    let real = edge.config().set("limits.memory_cache", "1MiB");
    edge.write_text(&real.toml());
    let said = edge.cli(&["reload"]).await.must_be_ok();
    assert!(said.out.contains("limits.memory_cache was changed, which needs a restart"), "{}", said.out);
}

#[tokio::test]
async fn an_origin_that_is_our_own_listener_is_refused_with_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let ours = crate::support::nginx::free_port().to_string();
    let config = Config::before(&format!("http://{ours}")).set("listen.http", [&*ours]);
    std::fs::write(dir.path().join("k.toml"), config.toml()).unwrap();
    let url = format!("http://{ours}");
    for args in [
        &["check", "-c", "k.toml"][..],
        &["serve", "-c", "k.toml"],
        &["serve", "--origin", &url, "--listen", &ours],
    ] {
        let mut command = command(dir.path());
        command.args(args);
        let said = process::run(command, secs(10)).await;
        assert!(said.code == 2 && said.err.contains("back to Katahai itself"), "{args:?}: {}", said.err);
    }
}

#[tokio::test]
async fn what_was_hardly_meant_is_told() {
    let there = There::start().await;
    let here = there.dir.path();
    let run = async |args: &[&str]| there.from(here, args).await;
    let zip = run(&["snapshot", "export", "--to", "out.zip"]).await;
    assert!(zip.code == 2 && zip.err.contains(".zip") && zip.err.contains(".wacz"), "{}", zip.err);
    assert!(!here.join("out.zip").exists());
    run(&["snapshot", "export", "--to", "out.zip", "--format", "dir"]).await.must_be_ok();
    assert!(here.join("out.zip").is_dir());
    run(&["snapshot", "take"]).await.must_be_ok();
    let diff = run(&["snapshot", "diff", "1", "2", "about"]).await;
    assert!(diff.code == 1 && diff.err.contains("perhaps /about"), "{}", diff.err);
    let missing = run(&["snapshot", "import", "nope.warc"]).await;
    assert_eq!((missing.code, missing.err.matches("nope.warc").count()), (1, 1), "{}", missing.err);
    let foreign = run(&["snapshot", "import", "out.zip", "--host", "http://www.example.test"]).await;
    foreign.must_be_ok();
}

#[tokio::test]
async fn a_state_directory_that_is_none_is_told_before_it_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let config = Config::before("http://127.0.0.1:1").set("state_dir", "file");
    std::fs::write(dir.path().join("katahai.toml"), config.toml()).unwrap();
    let run = async |args: &[&str]| {
        let mut command = edge::command(dir.path());
        command.args(args).args(["-c", "katahai.toml"]);
        process::run(command, secs(30)).await
    };
    let said = run(&["check"]).await.must_be_ok();
    assert!(said.out.contains("file is not a folder") && said.out.contains("1 warning"), "{}", said.out);
    let closed = crate::support::nginx::free_port().to_string();
    let taken = run(&["snapshot", "take", "--admin", &closed]).await;
    assert_eq!(taken.code, 1);
    assert!(taken.err.contains("cannot be used: ") && taken.err.contains("directory"), "{}", taken.err);
}
