//! Forms that are handed on by e-mail, through a real mail server.

use std::path::Path;
use std::process::Command;

use http_body_util::Full;
use serde_json::Value;

use super::fixture;
use crate::support::certs::Authority;
use crate::support::faults::Refuse;
use crate::support::fixture::{self as site, SIGNUP};
use crate::support::process::Process;
use crate::support::{Config, Edge, Origin, eventually, secs};

/// A mail server, and the folder in which it keeps what it takes.
pub struct MailServer {
    process: Process,
    pub port: u16,
    folder: tempfile::TempDir,
}

impl MailServer {
    /// `tls`: the files of its certificate and key.
    pub async fn start(tls: Option<(&Path, &Path)>) -> MailServer {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("/usr/bin/python3");
        command.arg(fixture("mail").join("server.py")).arg(folder.path());
        if let Some((cert, key)) = tls {
            command.args([cert, key]);
        }
        let process = Process::start(&mut command);
        let port = eventually("the mail server is ready", secs(60), async || {
            let lines = process.lines();
            lines.iter().find_map(|line| line.strip_prefix("ready ")?.parse().ok())
        });
        MailServer { port: port.await, process, folder }
    }

    /// What it has taken.
    pub fn taken(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path());
        let mail = files.filter(|path| path.extension().is_some_and(|end| end == "mail"));
        let mut mail: Vec<String> =
            mail.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect();
        mail.sort();
        mail
    }

    pub async fn until_taken(&self, count: usize) -> Vec<String> {
        let what = format!("{count} messages were taken");
        eventually(&what, secs(60), async || Some(self.taken()).filter(|taken| taken.len() >= count)).await
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.process.kill();
    }
}

fn config(origin: &Origin, smtp: &str, form: &str) -> Config {
    Config::before(&origin.url())
        .site("failover.recovery_ramp", "0s")
        .site("health.interval", "100ms")
        .set("alerts.email.smtp", smtp)
        .set("alerts.email.from", "Harbour Tea <shop@example.jp>")
        .form(&format!("path = \"{SIGNUP}\"\n{form}"))
}

async fn send(edge: &Edge, kind: &str, body: &str) {
    let request = edge.client().ask("POST", SIGNUP).header("content-type", kind);
    let answer = edge.client().send(request.body(Full::from(body.to_owned())).unwrap()).await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text());
}

async fn forms(edge: &Edge) -> Vec<Value> {
    let list = edge.cli(&["forms", "list", "--json"]).await.must_be_ok().json();
    list.as_array().unwrap().clone()
}

/// What the one receipt of the one form says.
async fn until_receipt(edge: &Edge, state: &str) -> Value {
    eventually(&format!("the receipt says {state}"), secs(60), async || {
        let receipt = forms(edge).await.first()?["receipts"][0].clone();
        (receipt["state"] == state).then_some(receipt)
    })
    .await
}

const URLENCODED: &str = "application/x-www-form-urlencoded";

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_mailed_at_once_over_tls_and_delivered_later() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (cert, key) = authority.leaf("localhost").write(dir.path(), "mail");
    let trusted = authority.write(dir.path());
    let server = MailServer::start(Some((&cert, &key))).await;
    let password = dir.path().join("password");
    std::fs::write(&password, "open sesame\n").unwrap();
    let origin = site::shop().await;
    let smtp = format!("smtps://shop@localhost:{}", server.port);
    let config = config(&origin, &smtp, "deliver = [\"origin\", \"mailto:owner@example.jp\"]")
        .set("alerts.email.password_file", password.display().to_string())
        .env("SSL_CERT_FILE", &trusted.display().to_string());
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    let file = "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nHanako\r\n\
                --b\r\nContent-Disposition: form-data; name=\"mail\"\r\n\r\nhanako@example.jp\r\n\
                --b\r\nContent-Disposition: form-data; name=\"cv\"; filename=\"cv.txt\"\r\nContent-Type: text/plain\r\n\r\nI pour tea.\r\n--b--\r\n";
    send(&edge, "multipart/form-data; boundary=b", file).await;
    let mail = server.until_taken(1).await.remove(0);
    let id = forms(&edge).await[0]["id"].as_str().unwrap().to_owned();
    let key = until_receipt(&edge, "taken").await;
    assert_eq!(key["to"], "mail owner@example.jp");
    for part in [
        "shop@example.jp -> owner@example.jp\n",
        "Reply-To: hanako@example.jp",
        &format!("Message-ID: <{id}.{}@example.jp>", key["recipient"].as_str().unwrap()),
        "filename=\"cv.txt\"",
    ] {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    assert_eq!(edge.state().await, "down", "it was mailed during the outage");
    origin.heal().await;
    eventually("it is delivered", secs(60), async || {
        (forms(&edge).await[0]["state"] == "delivered").then_some(())
    })
    .await;
    assert_eq!(server.taken().len(), 1);
    assert!(!edge.log().iter().any(|line| line.contains("hanako@") || line.contains("open sesame")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_closed_is_asked_again_and_an_unknown_mailbox_is_a_refusal() {
    let server = MailServer::start(None).await;
    let closed = server.folder.path().join("closed");
    std::fs::write(&closed, "").unwrap();
    let origin = site::shop().await;
    let smtp = format!("smtp://127.0.0.1:{}", server.port);
    let mut edge = Edge::start(config(&origin, &smtp, "deliver = \"mailto:owner@example.jp\"")).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    send(&edge, URLENCODED, "name=Hanako").await;
    let told = eventually("the status says so", secs(60), async || {
        let recipient = edge.site().await["recipients"][0].clone();
        recipient.is_object().then_some(recipient)
    });
    let told = told.await;
    assert_eq!((&told["code"], &told["waiting"]), (&"smtp-451".into(), &1.into()), "{told}");
    let said = edge.cli(&["status", "--site", "shop"]).await.must_be_ok().out;
    assert!(said.contains("cannot be handed on to mail owner@example.jp (1 waiting)"), "{said}");
    // whoever is killed in between knows nothing of the pause, and nothing is lost
    edge.kill();
    std::fs::remove_file(&closed).unwrap();
    edge.restart().await;
    server.until_taken(1).await;
    eventually("it has come to its end", secs(60), async || {
        (forms(&edge).await[0]["state"] == "delivered").then_some(())
    })
    .await;
    origin.forget();
    origin.heal().await;
    edge.until("up").await;
    assert_eq!(origin.asked_for(SIGNUP).iter().filter(|asked| asked.method == "POST").count(), 0);

    let id = forms(&edge).await[0]["id"].as_str().unwrap().to_owned();
    edge.cli(&["forms", "forget", &id]).await.must_be_ok();
    assert_eq!(
        std::fs::read_dir(edge.state_dir().join("forms/shop")).unwrap().count(),
        0,
        "receipts go, too"
    );
    edge.restart_with(config(&origin, &smtp, "deliver = \"mailto:nobody@example.jp\"")).await;
    edge.until("up").await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    send(&edge, URLENCODED, "name=Jiro").await;
    let receipt = until_receipt(&edge, "refused").await;
    assert_eq!(receipt["reason"], "smtp-550", "{receipt}");
    let parked = eventually("it is parked", secs(60), async || {
        let form = forms(&edge).await.remove(0);
        (form["state"] == "parked").then_some(form)
    });
    assert_eq!(parked.await["reason"], "smtp-550");
}
