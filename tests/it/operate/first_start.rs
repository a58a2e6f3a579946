//! A state directory that cannot be written to: whoever starts Katahai for the first time is refused with a word; in an outage it
//! starts all the same, serves what it has, and says so.

use std::process::Command;

use crate::support::edge::{binary, command, ports};
use crate::support::faults::Refuse;
use crate::support::fixture::{self, MIRRORED};
use crate::support::process::{self, Process};
use crate::support::{Client, Config, Edge, eventually, secs};

#[tokio::test]
async fn a_first_start_refuses_with_a_word() {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    for place in ["file", "file/below", "/proc/katahai"] {
        let config = Config::before(&origin.url())
            .set("listen.http", ["127.0.0.1:0"])
            .set("listen.admin", "127.0.0.1:0")
            .set("state_dir", place);
        std::fs::write(dir.path().join("k.toml"), config.toml()).unwrap();
        let mut serve = command(dir.path());
        serve.args(["serve", "-c", "k.toml"]);
        let said = process::run(serve, secs(20)).await;
        assert_eq!(said.code, 1, "{place}: {}", said.err);
        let last = said.err.lines().last().unwrap();
        assert!(
            last.contains("state directory") && last.contains(place) && last.contains("state_dir"),
            "{last}"
        );
    }
}

#[tokio::test]
async fn a_start_in_an_outage_serves_what_is_there_and_says_so() {
    let origin = fixture::shop().await;
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.sigterm();
    edge.exit_code(secs(30)).await;
    origin.fail(Refuse).await;
    // its own view of the folder, read-only; it ends with the process
    let script = "mount --bind state state && mount -o remount,bind,ro state && exec \"$0\" \"$@\"";
    let mut serve = Command::new("unshare");
    serve.args(["-m", "sh", "-c", script]).arg(binary()).args(["serve", "-c", "katahai.toml"]);
    serve.args(["--admin", "127.0.0.1:0"]).current_dir(edge.dir());
    let process = Process::start(&mut serve);
    let found = eventually("its ports", secs(20), async || {
        let found = ports(&process.lines());
        (!found.http.is_empty() && !found.admin.is_empty()).then_some(found)
    })
    .await;
    let client = Client::new(found.http[0]).host("www.example.test");
    for path in MIRRORED {
        let answer = client.get(path).await;
        assert!(answer.is_from_snapshot(), "{path}: {}", process.lines().join("\n"));
        answer.must_be(&origin.content(path).body);
    }
    assert!(process.lines().iter().any(|line| line.contains("taking no new ones")));
    let mut status = command(edge.dir());
    status.args(["status", "--admin", &found.admin[0].to_string()]);
    let said = process::run(status, secs(20)).await;
    assert!(said.out.contains("state-unusable"), "{}{}", said.out, said.err);
}
