//! Katahai's own life: signals at any moment, rotated logs.

use std::path::Path;

use rustix::process::Signal;

use crate::support::edge::{ports, spawn};
use crate::support::faults::Silent;
use crate::support::fixture::{self, SEEN};
use crate::support::{Client, Config, Edge, eventually, secs};

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
    eventually("the drain", secs(10), async || {
        edge.log().iter().any(|line| line.contains("stopping")).then_some(())
    })
    .await;
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
