//! Katahai's own life: signals, rotated logs, certificates that are renewed, of another name, or over, loops, very many sites.

use rustix::process::Signal;

use super::check::{ready, shop};
use super::sheet::{self, Column, IN_TIME, Sheet, right};
use super::{Row, row};
use crate::support::certs::{Authority, Leaf};
use crate::support::fixture::{self, FOUR, SEEN};
use crate::support::{Client, Config, Edge, Origin, eventually, secs};

pub fn rows() -> Vec<Row> {
    vec![
        row("signals at once after the start", signals),
        row("the access log is rotated", rotated),
        row("the site's certificate is renewed", renewed),
        row("the new certificate is of another name", |sheet| {
            no_better(sheet, |authority| authority.leaf("other.example.test"), "site-certificate-of-another")
        }),
        row("the new certificate has expired", |sheet| {
            no_better(sheet, |authority| authority.expired(HOST), "site-certificate-expired")
        }),
        row("the certificate is about to expire", about_to_expire),
    ]
}

const HOST: &str = "www.example.test";

/// A site by TLS, and a visitor who trusts the authority.
async fn by_tls(leaf: &Leaf) -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = leaf.write(dir.path(), "www");
    let config = Config::before(&origin.url())
        .set("listen.https", ["127.0.0.1:0"])
        .site("tls.cert", cert.display().to_string())
        .site("tls.key", key.display().to_string());
    let edge = Edge::start_in(dir, config).await;
    ready(&edge).await;
    (origin, edge)
}

async fn all_by_tls(sheet: &Sheet, tls: &Client) {
    for path in FOUR {
        match sheet::ask(tls, path).await {
            Ok(answer) => drop(sheet.judge(path, &answer, &right(&[1]), IN_TIME)),
            Err(why) => sheet.bad(Column::Further, format!("{path} by TLS: {why}")),
        }
    }
}

async fn nothing_is_wrong(sheet: &Sheet, edge: &Edge) {
    let site = edge.site().await;
    let well = site["state"] == "up" && site["conditions"].as_array().is_some_and(Vec::is_empty);
    sheet.must(Column::Cause, well, "none: all is well", format!("{} {}", site["state"], site["conditions"]));
}

async fn signals(sheet: Sheet) {
    let (origin, mut edge) = shop().await;
    sheet.begin(&edge).await;
    edge.restart().await;
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2, Signal::PIPE] {
        edge.signal(signal);
    }
    sheet.restarted();
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    sheet.cause(&edge, &["unclean-stop"]).await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
    edge.signal(Signal::QUIT);
    let code = edge.exit_code(secs(15)).await;
    sheet.must(Column::Further, code == Some(0), "SIGQUIT drains", format!("SIGQUIT: {code:?}"));
}

async fn rotated(sheet: Sheet) {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let config = Config::before(&origin.url()).flag("--access-log", &log.display().to_string());
    let edge = Edge::start_in(dir, config).await;
    ready(&edge).await;
    sheet.begin(&edge).await;
    std::fs::rename(&log, log.with_extension("1")).unwrap();
    edge.signal(Signal::USR1);
    eventually("a new file", secs(10), async || log.exists().then_some(())).await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    eventually("its lines", secs(10), async || {
        std::fs::read_to_string(&log).unwrap().contains(SEEN).then_some(())
    })
    .await;
    sheet.good(Column::Further, "the new file has the new lines");
    nothing_is_wrong(&sheet, &edge).await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn renewed(sheet: Sheet) {
    let [old, new] = [Authority::new(), Authority::new()];
    let (origin, edge) = by_tls(&old.leaf(HOST)).await;
    sheet.begin(&edge).await;
    all_by_tls(&sheet, &edge.tls(old.roots())).await;
    new.leaf(HOST).write(edge.dir(), "www");
    let tls = edge.tls(new.roots());
    eventually("the new certificate", secs(20), async || sheet::ask(&tls, SEEN).await.ok()).await;
    all_by_tls(&sheet, &tls).await;
    sheet.good(Column::Further, "taken over by itself");
    nothing_is_wrong(&sheet, &edge).await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

/// A certificate that browsers would refuse does not take the place of one that is good, and is told.
async fn no_better(sheet: Sheet, new: impl Fn(&Authority) -> Leaf, cause: &str) {
    let authority = Authority::new();
    let (origin, edge) = by_tls(&authority.leaf(HOST)).await;
    sheet.begin(&edge).await;
    new(&authority).write(edge.dir(), "www");
    let answer = edge.reload().await;
    let warned = answer.status == 200 && answer.text().contains("the one before stays in service");
    sheet.must(Column::Further, warned, "the reload says so", format!("{} {}", answer.status, answer.text()));
    all_by_tls(&sheet, &edge.tls(authority.roots())).await;
    sheet.cause(&edge, &[cause]).await;
    authority.leaf(HOST).write(edge.dir(), "www");
    eventually("the end of the condition", secs(20), async || {
        let conditions = edge.site().await["conditions"].clone();
        conditions.as_array().unwrap().is_empty().then_some(())
    })
    .await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn about_to_expire(sheet: Sheet) {
    let authority = Authority::new();
    let (origin, edge) = by_tls(&authority.ending_in(HOST, 5)).await;
    sheet.begin(&edge).await;
    all_by_tls(&sheet, &edge.tls(authority.roots())).await;
    sheet.cause(&edge, &["site-certificate-expiring"]).await;
    let said = edge.cli(&["check"]).await;
    let warned = said.code == 0 && format!("{}{}", said.out, said.err).contains("4 days left");
    sheet.must(Column::Further, warned, "check warns", format!("check: {}{}", said.out, said.err));
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}
