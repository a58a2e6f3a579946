//! What is sent in an outage. A form that the operator has named is kept, and delivered once; of all others nothing is
//! accepted, nothing is lost in silence, and nothing is sent twice: a refusal (503) says what has become of it.

use http_body_util::Full;

use super::check::{lasts, ready, shop};
use super::sheet::{Column, Sheet};
use super::{Row, row};
use crate::support::faults::{Refuse, ResetInHeaders};
use crate::support::fixture::{self, SIGNUP};
use crate::support::{Answer, Config, Edge, Origin, Page, eventually, secs};

const FORM: &str = "application/x-www-form-urlencoded";

pub fn rows() -> Vec<Row> {
    vec![
        row("a form that the operator has named (kept, and delivered once)", named),
        row("POST in an outage (not kept: refused, and said so)", |sheet| {
            outage(sheet, FORM, "name=abe".into())
        }),
        row("killed in between (not kept: nothing to deliver)", killed),
        row("the origin dies after taking the body (no second try)", dies_after),
        row("a file upload (not kept: refused, and said so)", |sheet| {
            let file = "x".repeat(300 << 10);
            let body = format!(
                "--b\r\nContent-Disposition: form-data; name=f; filename=a.bin\r\n\r\n{file}\r\n--b--\r\n"
            );
            outage(sheet, "multipart/form-data; boundary=b", body)
        }),
        row("too large", too_large),
        row("a login or a payment form (never kept)", never_kept),
        row("a token in the form that has expired by then (the origin's own answer)", expired_token),
    ]
}

/// Sends a form; whatever comes of it.
async fn send(edge: &Edge, path: &str, kind: &str, body: &str) -> Result<Answer, String> {
    let client = edge.client();
    let request = client.ask("POST", path).header("content-type", kind);
    client.send(request.body(Full::from(body.to_owned())).unwrap()).await
}

/// The refusal says that it did not arrive, and when to come again.
fn refused(sheet: &Sheet, answer: &Result<Answer, String>, words: &str) {
    let said = answer.as_ref().is_ok_and(|answer| {
        answer.status == 503 && answer.header("retry-after").is_some() && answer.text().contains(words)
    });
    let text = answer.as_ref().map(|answer| format!("{} {:.80}", answer.status, answer.text()));
    sheet.must(Column::Further, said, "refused, said so", format!("not refused as it should be: {text:?}"));
}

fn sent(origin: &Origin, path: &str) -> usize {
    origin.asked_for(path).iter().filter(|asked| asked.method == "POST").count()
}

fn posts(sheet: &Sheet, origin: &Origin, path: &str, expected: usize) {
    let sent = sent(origin, path);
    sheet.must(
        Column::Further,
        sent == expected,
        &format!("arrived {expected} times"),
        format!("arrived {sent} times"),
    );
}

const NOT_ARRIVED: &str = "届いていません";
const NOT_YET: &str = "まだ処理されていません";
const UNKNOWN: &str = "確認できませんでした";

async fn returns(sheet: &Sheet, origin: &Origin, edge: &Edge) {
    origin.heal().await;
    fixture::stock(origin, 2);
    sheet.back(edge, 2).await;
}

async fn outage(sheet: Sheet, kind: &'static str, body: String) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    origin.fail(Refuse).await;
    refused(&sheet, &send(&edge, SIGNUP, kind, &body).await, NOT_ARRIVED);
    lasts(&sheet, &edge, &["down"], &["refused"]).await;
    refused(&sheet, &send(&edge, SIGNUP, kind, &body).await, NOT_ARRIVED);
    returns(&sheet, &origin, &edge).await;
    posts(&sheet, &origin, SIGNUP, 0);
}

async fn named(sheet: Sheet) {
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url()).form(&format!("path = \"{SIGNUP}\""));
    let mut edge = Edge::start(config).await;
    ready(&edge).await;
    sheet.begin(&edge).await;
    origin.fail(Refuse).await;
    let answer = send(&edge, SIGNUP, FORM, "name=abe").await;
    let status = format!("{:?}", answer.as_ref().map(|answer| answer.status));
    let is_kept = answer.is_ok_and(|answer| answer.status == 202 && answer.text().contains(NOT_YET));
    sheet.must(Column::Further, is_kept, "kept, said so", format!("not kept as it should be: {status}"));
    edge.restart().await;
    sheet.restarted();
    lasts(&sheet, &edge, &["down"], &["refused"]).await;
    returns(&sheet, &origin, &edge).await;
    eventually("the form arrives", secs(20), async || {
        (origin.count(SIGNUP) > 0 && sent(&origin, SIGNUP) > 0).then_some(())
    })
    .await;
    posts(&sheet, &origin, SIGNUP, 1);
}

async fn killed(sheet: Sheet) {
    let (origin, mut edge) = shop().await;
    sheet.begin(&edge).await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    refused(&sheet, &send(&edge, SIGNUP, FORM, "name=abe").await, NOT_ARRIVED);
    edge.restart().await;
    sheet.restarted();
    lasts(&sheet, &edge, &["down"], &["refused"]).await;
    returns(&sheet, &origin, &edge).await;
    posts(&sheet, &origin, SIGNUP, 0);
}

async fn dies_after(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    origin.fail(ResetInHeaders).await;
    refused(&sheet, &send(&edge, SIGNUP, FORM, "name=abe").await, UNKNOWN);
    posts(&sheet, &origin, SIGNUP, 1);
    lasts(&sheet, &edge, &["down"], &["reset"]).await;
    returns(&sheet, &origin, &edge).await;
    posts(&sheet, &origin, SIGNUP, 1);
}

async fn too_large(sheet: Sheet) {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url()).set("limits.body_size", "64KiB")).await;
    ready(&edge).await;
    sheet.begin(&edge).await;
    origin.fail(Refuse).await;
    lasts(&sheet, &edge, &["down"], &["refused"]).await;
    let answer = send(&edge, SIGNUP, FORM, &"x".repeat(100 << 10)).await;
    // 413 as when the site lives, or the outage's refusal: both say that it was not taken
    let status = answer.as_ref().map(|answer| answer.status);
    let text = format!("{status:?}");
    sheet.must(Column::Further, matches!(status, Ok(413 | 503)), &text, &*text);
    returns(&sheet, &origin, &edge).await;
    posts(&sheet, &origin, SIGNUP, 0);
}

/// Nothing of what was typed is on the disk afterwards.
async fn never_kept(sheet: Sheet) {
    const SECRET: &str = "4929-secret-0007";
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    origin.fail(Refuse).await;
    for path in ["/login", "/payment"] {
        refused(&sheet, &send(&edge, path, FORM, &format!("password={SECRET}")).await, NOT_ARRIVED);
    }
    lasts(&sheet, &edge, &["down"], &["refused"]).await;
    let files = super::own::files(&edge.state_dir());
    let kept = files.iter().any(|file| {
        let bytes = std::fs::read(file).unwrap_or_default();
        crate::support::wire::find(&bytes, SECRET.as_bytes()).is_some()
    });
    let logged = edge.log().iter().any(|line| line.contains(SECRET));
    sheet.must(Column::Further, !kept && !logged, "nowhere on the disk", "what was typed is on the disk");
    returns(&sheet, &origin, &edge).await;
    posts(&sheet, &origin, "/login", 0);
}

/// The page of an outage carries an old token; sent after the return, the site itself says that it is over.
async fn expired_token(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    origin.fail(Refuse).await;
    lasts(&sheet, &edge, &["down"], &["refused"]).await;
    origin.page("/order", Page::html("<title>Expired</title>Please load the page again").status(419));
    returns(&sheet, &origin, &edge).await;
    let answer = send(&edge, "/order", FORM, "token=old").await;
    let own = answer
        .as_ref()
        .is_ok_and(|answer| answer.status == 419 && answer.text().contains("load the page again"));
    sheet.must(Column::Further, own, "its own 419", format!("{:?}", answer.map(|answer| answer.status)));
    posts(&sheet, &origin, "/order", 1);
}
