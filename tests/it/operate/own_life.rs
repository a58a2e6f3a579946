//! Katahai's own life: signals at any moment, rotated logs, renewed certificates, changes that take a restart.

use std::path::Path;

use rustix::process::Signal;

use crate::support::certs::Authority;
use crate::support::edge::{command, ports, spawn};
use crate::support::faults::Silent;
use crate::support::fixture::{self, MIRRORED, SEEN};
use crate::support::process;
use crate::support::{Client, Config, Edge, Origin, Page, Site, eventually, secs};

#[tokio::test]
async fn no_signal_right_after_the_start_ends_it() {
    let origin = fixture::shop().await;
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2, Signal::PIPE] {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::before(&origin.url())
            .set("listen.http", ["127.0.0.1:0"])
            .set("listen.admin", "127.0.0.1:0")
            .set("state_dir", dir.path().join("state").display().to_string());
        std::fs::write(dir.path().join("katahai.toml"), config.toml()).unwrap();
        let mut process = spawn(dir.path(), &config);
        // the process needs some milliseconds until it is its own; the first line is written before the configuration is used
        eventually("a first line", secs(20), async || (!process.lines().is_empty()).then_some(())).await;
        let http = eventually("a listener", secs(20), async || {
            process.signal(signal);
            ports(&process.lines()).http.first().copied()
        })
        .await;
        process.signal(signal);
        let client = Client::new(http).host("www.example.test");
        assert_eq!(client.get(SEEN).await.status, 200, "{signal:?}");
        assert!(process.ended().is_none(), "{signal:?}");
    }
}

#[tokio::test]
async fn sigquit_and_sigint_drain_like_sigterm() {
    let origin = fixture::shop().await;
    for signal in [Signal::QUIT, Signal::INT] {
        let mut edge = Edge::start(Config::before(&origin.url())).await;
        let lever = origin.hold("/about");
        let client = edge.client();
        let under_way = tokio::spawn(async move { client.get("/about").await });
        lever.wait_for(1, secs(10)).await;
        edge.signal(signal);
        eventually("closed doors", secs(10), async || {
            tokio::net::TcpStream::connect(edge.http()).await.is_err().then_some(())
        })
        .await;
        lever.release();
        under_way.await.unwrap().must_be(&origin.content("/about").body);
        assert_eq!(edge.exit_code(secs(15)).await, Some(0), "{signal:?}");
    }
}

#[tokio::test]
async fn a_second_signal_cuts_the_drain_short() {
    let origin = fixture::shop().await;
    let mut edge = Edge::start(Config::before(&origin.url()).site("failover.timeout", "60s")).await;
    origin.fail(Silent).await;
    let client = edge.client();
    let _hanging = tokio::spawn(async move { client.get("/nobody-knows").await });
    edge.signal(Signal::QUIT);
    edge.until_logged(&["stopping"]).await;
    edge.signal(Signal::QUIT);
    assert_eq!(edge.exit_code(secs(10)).await, Some(0));
}

#[tokio::test]
async fn a_log_that_was_renamed_is_begun_anew() {
    let origin = fixture::shop().await;
    for signal in [Signal::USR1, Signal::HUP] {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("access.log");
        let config = Config::before(&origin.url()).flag("--access-log", &log.display().to_string());
        let edge = Edge::start_in(dir, config).await;
        edge.get("/?one").await;
        until_in(&log, "/?one").await;
        let old = log.with_extension("log.1");
        std::fs::rename(&log, &old).unwrap();
        edge.signal(signal);
        eventually("a new file", secs(10), async || log.exists().then_some(())).await;
        edge.get("/?two").await;
        until_in(&log, "/?two").await;
        let (old, new) = (std::fs::read_to_string(old).unwrap(), std::fs::read_to_string(&log).unwrap());
        assert!(old.contains("/?one") && !old.contains("/?two"), "{signal:?}: {old}");
        assert!(!new.contains("/?one"), "{signal:?}: {new}");
    }
}

async fn until_in(file: &Path, text: &str) {
    eventually(text, secs(10), async || {
        std::fs::read_to_string(file).unwrap_or_default().contains(text).then_some(())
    })
    .await;
}

const HOST: &str = "www.example.test";

/// A site by TLS, with its files as certbot keeps them: links that lead to the newest version.
async fn by_links(authority: &Authority) -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = authority.leaf(HOST).write(dir.path(), "version1");
    let (cert_link, key_link) = (dir.path().join("cert.pem"), dir.path().join("privkey.pem"));
    std::os::unix::fs::symlink(cert, &cert_link).unwrap();
    std::os::unix::fs::symlink(key, &key_link).unwrap();
    let config = Config::before(&origin.url())
        .set("listen.https", ["127.0.0.1:0"])
        .site("tls.cert", cert_link.display().to_string())
        .site("tls.key", key_link.display().to_string());
    (origin, Edge::start_in(dir, config).await)
}

/// Has the link lead elsewhere, in one step.
fn relink(edge: &Edge, link: &str, to: &Path) {
    let new = edge.dir().join("new-link");
    std::os::unix::fs::symlink(to, &new).unwrap();
    std::fs::rename(new, edge.dir().join(link)).unwrap();
}

#[tokio::test]
async fn a_certificate_is_renewed_when_its_files_are_a_pair_again() {
    let [first, second] = [Authority::new(), Authority::new()];
    let (_origin, edge) = by_links(&first).await;
    let (old, new) = (edge.tls(first.roots()), edge.tls(second.roots()));
    assert_eq!(old.get(SEEN).await.status, 200);
    let (cert, key) = second.leaf(HOST).write(edge.dir(), "version2");
    relink(&edge, "privkey.pem", &key);
    eventually("word of the key that belongs to no certificate", secs(20), async || {
        let site = edge.site().await["conditions"].to_string();
        site.contains("certificate-unreadable").then_some(())
    })
    .await;
    assert_eq!(old.get(SEEN).await.status, 200, "the last good pair stays");
    relink(&edge, "cert.pem", &cert);
    eventually("the new certificate", secs(20), async || {
        let request = new.ask("GET", SEEN).body(Default::default()).unwrap();
        new.send(request).await.ok().filter(|answer| answer.status == 200)
    })
    .await;
    eventually("nothing is wrong any more", secs(10), async || {
        edge.site().await["conditions"].as_array().is_some_and(Vec::is_empty).then_some(())
    })
    .await;
    let metrics = edge.admin().get("/metrics").await.text();
    let line = format!("katahai_certificate_not_after_seconds{{site=\"shop\"}} {}", 4_102_444_800_u64);
    assert!(metrics.contains(&line), "{metrics}");
}

#[tokio::test]
async fn a_change_that_takes_a_restart_is_told_until_the_restart() {
    let origin = fixture::shop().await;
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    let told = async |edge: &Edge| edge.status().await["conditions"].to_string().contains("restart-needed");
    assert!(!told(&edge).await);
    let config = edge.config().set("limits.memory_cache", "8MiB");
    edge.write(config.clone());
    eventually("the watcher takes the file", secs(20), async || told(&edge).await.then_some(())).await;
    for _ in 0..2 {
        let said = edge.cli(&["reload"]).await.must_be_ok();
        assert!(said.out.contains("limits.memory_cache was changed, which needs a restart"), "{}", said.out);
    }
    let said = edge.cli(&["status"]).await.must_be_ok().out;
    assert!(said.contains("restart-needed") && said.contains("limits.memory_cache"), "{said}");
    edge.restart_with(config).await;
    assert!(!told(&edge).await);
    let said = edge.cli(&["reload"]).await.must_be_ok();
    assert!(!said.out.contains("restart"), "{}", said.out);
}

#[tokio::test]
async fn a_file_that_is_written_right_after_the_start_is_taken_over() {
    let origin = fixture::shop().await;
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    let config = edge.config().site("hosts", [HOST, "more.example.test"]);
    for _ in 0..3 {
        edge.restart_with(Config::before(&origin.url())).await;
        edge.write(config.clone());
        let more = edge.client().host("more.example.test");
        eventually("the new host", secs(20), async || (more.get(SEEN).await.status == 200).then_some(()))
            .await;
    }
}

/// The status as people and programs read it.
async fn all_said(edge: &Edge) -> String {
    let plain = edge.cli(&["status"]).await.must_be_ok().out;
    format!("{plain}\n{}", edge.status().await)
}

#[tokio::test]
async fn nothing_speaks_of_copies_where_there_are_none() {
    let refusing = "http://127.0.0.1:9";
    for site in [Site::new().origin(refusing), Site::new()] {
        let edge = Edge::start(Config::new(site)).await;
        edge.until("down").await;
        eventually("the end of the first crawl", secs(20), async || {
            (!edge.site().await["crawl"]["last"].is_null()).then_some(())
        })
        .await;
        edge.get(SEEN).await.must_be_holding_page();
        let said = all_said(&edge).await;
        for word in ["isitors get cop", "old snapshot", "stays in service"] {
            assert!(!said.contains(word), "{word}: {said}");
        }
        assert!(said.contains("There is no snapshot: visitors get the holding page"), "{said}");
    }
}

#[tokio::test]
async fn a_site_that_has_moved_is_let_through_by_the_operators_word() {
    let origin = fixture::shop().await;
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    for path in MIRRORED {
        let to = format!("https://www.newshop.test{path}");
        origin.page(path, Page::html("moved").status(301).header("location", &to));
    }
    edge.until("down").await;
    let kept = edge.get(SEEN).await;
    assert_eq!(kept.status, 200, "until somebody says so nobody is sent there: {kept:?}");
    let said = all_said(&edge).await;
    for word in ["foreign-redirect", "leads to www.newshop.test", "moved_to"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let config = edge.config().site("failover.moved_to", ["www.newshop.test"]);
    edge.write(config.clone());
    for again in 0..2 {
        eventually("the way to the new domain", secs(20), async || {
            (edge.get(SEEN).await.status == 301).then_some(())
        })
        .await;
        if again == 0 {
            edge.restart_with(config.clone()).await;
        }
    }
    edge.until("up").await;
}

#[tokio::test]
async fn a_start_that_failed_is_not_told_as_a_stop_that_was_not_clean() {
    let origin = fixture::shop().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let config = Config::before(&origin.url())
        .set("listen.http", ["127.0.0.1:0"])
        .set("listen.admin", taken.as_str())
        .set("state_dir", "state");
    std::fs::write(dir.path().join("k.toml"), config.toml()).unwrap();
    let mut serve = command(dir.path());
    serve.args(["serve", "-c", "k.toml"]);
    let said = process::run(serve, secs(20)).await;
    assert_eq!(said.code, 1, "{}", said.err);
    let port = taken.rsplit(':').next().unwrap();
    for part in [&format!("sport = :{port}"), "--admin"] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    let edge = Edge::start_in(dir, Config::before(&origin.url())).await;
    let status = edge.status().await;
    assert_eq!(status["conditions"], serde_json::json!([]), "{status}");
}
