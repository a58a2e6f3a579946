//! Commands beside the service, and without it: by root in the state folder of another user, while nothing runs, and while the
//! site is down. They say what they did, and who goes on with it.

use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::{Path, PathBuf};

use crate::support::edge::{self, command};
use crate::support::faults::Refuse;
use crate::support::fixture;
use crate::support::process::{self, Process};
use crate::support::{Config, Edge, eventually, secs};

/// A folder and all that is in it, however deep.
fn all_of(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(all_of(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

#[tokio::test]
async fn what_root_writes_belongs_to_the_services_user() {
    const USER: u32 = 4321;
    if !rustix::process::geteuid().is_root() {
        return; // nobody else can give files away
    }
    let origin = fixture::shop().await;
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.cli_offline(&["snapshot", "export", "--to", "site.wacz"]).await.must_be_ok();
    edge.sigterm();
    edge.exit_code(secs(30)).await;
    for path in all_of(&edge.state_dir()) {
        lchown(path, Some(USER), Some(USER)).unwrap();
    }
    let before = all_of(&edge.state_dir()).len();
    for args in [&["import", "site.wacz"][..], &["take"], &["pin", "latest"], &["publish", "latest"]] {
        edge.cli_offline(&[&["snapshot"], args].concat()).await.must_be_ok();
    }
    let after = all_of(&edge.state_dir());
    assert!(after.len() > before + 2, "{before} {after:?}");
    let of_others: Vec<&PathBuf> =
        after.iter().filter(|path| std::fs::symlink_metadata(path).unwrap().uid() != USER).collect();
    assert_eq!(of_others, [] as [&PathBuf; 0]);
}

#[tokio::test]
async fn a_copy_that_nobody_serves_is_not_said_to_be_in_service() {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let closed = crate::support::nginx::free_port().to_string();
    let config = Config::before(&origin.url()).set("state_dir", "state").set("listen.admin", closed.as_str());
    std::fs::write(dir.path().join("katahai.toml"), config.toml()).unwrap();
    let take = async |args: &[&str]| {
        let mut take = command(dir.path());
        take.args(["snapshot", "take", "-c", "katahai.toml"]).args(args);
        process::run(take, secs(60)).await
    };
    let said = take(&[]).await.must_be_ok().out;
    assert!(said.contains("no instance is running; the copy was written to "), "{said}");
    assert!(said.contains("state\n") && !said.contains("is in service"), "{said}");
    let said = take(&["--state-dir", "other"]).await.must_be_ok().out;
    assert!(said.contains("\nthe copy was written to other\n") && !said.contains("is in service"), "{said}");
    origin.fail(Refuse).await;
    let said = take(&[]).await;
    assert!(said.code == 1 && said.err.contains("no new snapshot, the old one stays"), "{}", said.err);
    assert!(!said.err.contains("in service:"), "{}", said.err);
}

#[tokio::test]
async fn a_crawl_of_a_dead_site_says_so_first() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let said = edge.cli(&["snapshot", "take"]).await;
    let first = said.err.lines().next().unwrap();
    assert!(
        first.contains("the site is down (refused: ") && first.contains("old copy stays in service"),
        "{first}"
    );
    assert!(
        said.code == 1 && said.err.contains("no new snapshot is in service, the old one stays"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn an_instance_says_which_one_it_is() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let file = edge.dir().join("katahai.toml");
    let said = edge.cli(&["status"]).await.must_be_ok().out;
    let line = format!("listens on http://{}; configured by {}\n", edge.http(), file.display());
    assert!(said.contains(&line), "{said}");
    let dir = tempfile::tempdir().unwrap();
    let mut serve = command(dir.path());
    serve.args(["serve", "--origin", &origin.url(), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let process = Process::start(&mut serve);
    let admin =
        eventually("its ports", secs(20), async || edge::ports(&process.lines()).admin.first().copied())
            .await;
    let mut status = command(dir.path());
    status.args(["status", "--admin", &admin.to_string()]);
    let said = process::run(status, secs(20)).await.must_be_ok().out;
    assert!(said.contains("; configured on the command line\n"), "{said}");
}

#[tokio::test]
async fn a_check_says_why_it_is_not_content() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let body = http_body_util::Full::from(r#"{"mode":"hold_snapshot","for":"10m"}"#);
    let admin = edge.admin();
    let request = admin.ask("PUT", "/api/v1/sites/shop/mode").body(body).unwrap();
    assert_eq!(admin.send(request).await.unwrap().status, 200);
    let said = edge.cli(&["status", "--check"]).await;
    assert_eq!(said.code, 3, "{}", said.out);
    for part in [
        "needs attention: Held on the snapshot by hand.",
        "hold_snapshot, set by hand, until 20",
        "No form reaches the site",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
}

#[tokio::test]
async fn the_status_of_a_bad_answer_is_told() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).site("health.path", "/health")).await;
    origin.fail_under("/health", crate::support::faults::Status(400)).await;
    edge.until("down").await;
    let said = edge.cli(&["status"]).await.must_be_ok().out;
    assert!(said.contains(" down (bad-status: 400 Bad Request)"), "{said}");
}
