//! The scripts of the pages, tried in a browser that has nothing but the copy: each request to the site is answered from it
//! within the browser's debugging pipe, and the site's hosts lead nowhere, so that nothing leaves for the site. Files of other hosts
//! are fetched from there, as a visitor's browser would while the site is down; but not by root, whose browser has no sandbox, nor
//! where nobody knows which hosts are the site's. Nothing is sent anywhere.

mod pipe;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};
use url::Url;

pub use pipe::installed;

use super::finding::{Finding, FindingKind};
use super::result::Scripts;
use super::walk::Copies;
use crate::ask::key::page_key;
use crate::disk::TempDir;
use crate::{clock, tasks};
use pipe::Pipe;

/// Pages that are opened.
pub const PAGES: usize = 20;
/// How long all may take.
const LONGEST: Duration = Duration::from_secs(240);
/// How long one page may take.
const PAGE: Duration = Duration::from_secs(30);
/// A page that has loaded, and for so long asks for nothing, is done.
const SETTLED: Duration = Duration::from_millis(700);
/// Complaints of one page that are told.
const COMPLAINTS: usize = 3;
/// Characters of one.
const WORDS: usize = 160;

/// What a visitor sees: characters, and pictures that have loaded.
const SHOWN: &str = "document.body ? document.body.innerText.trim().length \
    + [...document.images].filter((i) => i.naturalWidth > 1).length \
    + document.querySelectorAll('canvas, video, svg, iframe').length : 0";

/// The site as the browser is to see it.
pub struct Stage {
    /// Its hosts; the first is the one that is opened.
    pub hosts: Vec<String>,
    /// Parameters that change nothing.
    pub ignore_query: Vec<String>,
    /// The copy.
    pub copies: Arc<dyn Copies + Send + Sync>,
}

/// The first host where none is known.
pub const NO_HOST: &str = "site.invalid";

impl Stage {
    /// Whether files of other hosts are fetched from there.
    fn is_open(&self) -> bool {
        !pipe::is_root() && self.hosts.iter().any(|host| host != NO_HOST)
    }

    fn unknown(&self) -> Vec<String> {
        if !self.is_open() {
            return vec!["*".to_owned()];
        }
        // a wildcard of the configuration is one of the browser's, too
        self.hosts.iter().flat_map(|host| [host.clone(), format!("www.{}", bare(host))]).collect()
    }
}

/// What became of a request.
enum Answered {
    /// What would become of it in an outage, as far as the copy is concerned.
    Well,
    /// A script asked the site for something that is not there.
    Lacks(String),
    /// It was for a script of another host, and not let out: what the page does without it says nothing.
    Kept,
}

fn bare(host: &str) -> &str {
    host.strip_prefix("www.").unwrap_or(host)
}

/// Opens these pages of the copy. Without a browser, or when it fails, the result says why.
pub async fn walk(browser: Option<&Path>, pages: &[String], stage: &Stage) -> Scripts {
    let not_tried = |why: String| Scripts { not_tried: Some(why), ..Scripts::default() };
    let Some(browser) = browser else {
        return not_tried("there is no Chromium or Chrome on this machine".to_owned());
    };
    let folder = match tasks::blocking(|| TempDir::create("katahai-drill")).await {
        Some(Ok(folder)) => folder,
        Some(Err(error)) => return not_tried(format!("no folder for the browser: {error}")),
        None => return not_tried("the process is stopping".to_owned()),
    };
    let mut pipe = match Pipe::start(browser, folder, &stage.unknown()).await {
        Ok(pipe) => pipe,
        Err(why) => return not_tried(format!("{} cannot be used here: {why}", browser.display())),
    };
    let mut scripts = Scripts::default();
    let ended = tokio::time::timeout(LONGEST, all(&mut pipe, pages, stage, &mut scripts)).await;
    pipe.end().await;
    match ended {
        Ok(Err(why)) if scripts.pages == 0 => {
            not_tried(format!("{} cannot be used here: {why}", browser.display()))
        }
        // what it has seen until then counts
        Ok(Ok(()) | Err(_)) | Err(_) => scripts,
    }
}

async fn all(pipe: &mut Pipe, pages: &[String], stage: &Stage, scripts: &mut Scripts) -> Result<(), String> {
    for domain in ["Runtime.enable", "Page.enable", "Network.enable"] {
        pipe.call(domain, json!({})).await?;
    }
    pipe.call("Network.setBypassServiceWorker", json!({ "bypass": true })).await?;
    pipe.call("Page.setDownloadBehavior", json!({ "behavior": "deny" })).await?;
    pipe.call("Fetch.enable", json!({ "patterns": [{ "urlPattern": "*" }] })).await?;
    for page in pages.iter().take(PAGES) {
        one(pipe, page, stage, scripts).await?;
    }
    Ok(())
}

/// Opens one page, and notes what is wrong with it.
async fn one(pipe: &mut Pipe, page: &str, stage: &Stage, scripts: &mut Scripts) -> Result<(), String> {
    let host = stage.hosts.first().map_or(NO_HOST, String::as_str);
    // not awaited: it answers only when the page has come, and that comes from here
    let navigation = pipe.tell("Page.navigate", json!({ "url": format!("https://{host}{page}") })).await?;
    let (mut is_begun, mut is_loaded, mut is_whole, mut complaints) = (false, false, true, Vec::new());
    let until = clock::instant() + PAGE;
    while clock::instant() < until {
        let Some(event) = pipe.next(SETTLED).await? else {
            if is_loaded {
                break;
            }
            continue;
        };
        if event["id"] == navigation {
            is_begun = true;
        }
        match event["method"].as_str() {
            Some("Fetch.requestPaused") => match answer(pipe, &event["params"], stage).await? {
                Answered::Well => {}
                Answered::Lacks(complaint) => complaints.push(complaint),
                Answered::Kept => is_whole = false,
            },
            // what the page before has left behind is not this one's
            Some("Runtime.exceptionThrown") if is_begun => {
                complaints.push(thrown(&event["params"]["exceptionDetails"]));
            }
            Some("Page.loadEventFired") if is_begun => is_loaded = true,
            // a dialog holds up everything else
            Some("Page.javascriptDialogOpening") => {
                pipe.tell("Page.handleJavaScriptDialog", json!({ "accept": false })).await?;
            }
            _ => {}
        }
    }
    if !is_whole {
        return Ok(());
    }
    scripts.pages += 1;
    let shown = pipe.call("Runtime.evaluate", json!({ "expression": SHOWN, "returnByValue": true })).await?;
    if shown["result"]["value"] == 0 {
        let detail = complaints.first().cloned();
        scripts.findings.push(Finding::new(FindingKind::PageEmpty, page).detail(detail));
    }
    complaints.dedup();
    for complaint in complaints.into_iter().take(COMPLAINTS) {
        scripts.findings.push(Finding::new(FindingKind::ScriptBroken, page).detail(Some(complaint)));
    }
    Ok(())
}

fn thrown(details: &Value) -> String {
    let words = details["exception"]["description"].as_str().or(details["text"].as_str()).unwrap_or_default();
    let line = words.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(WORDS).collect()
}

/// Answers a request of the browser.
async fn answer(pipe: &mut Pipe, paused: &Value, stage: &Stage) -> Result<Answered, String> {
    let id = &paused["requestId"];
    let request = &paused["request"];
    let (method, url) =
        (request["method"].as_str().unwrap_or_default(), request["url"].as_str().unwrap_or_default());
    let Some(url) = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
        pipe.tell("Fetch.continueRequest", json!({ "requestId": id })).await?;
        return Ok(Answered::Well);
    };
    let host = url.host_str().unwrap_or_default();
    let key = page_key(url.path(), url.query(), &stage.ignore_query).into_owned();
    let is_ours = stage.hosts.iter().any(|ours| bare(ours) == bare(host));
    let key = if is_ours { key } else { format!("//{host}{key}") };
    let copies = stage.copies.clone();
    let is_read = matches!(method, "GET" | "HEAD");
    let wanted = key.clone();
    let found = tasks::blocking(move || {
        let copied = copies.find(&wanted).filter(|_| is_read)?;
        let body = copies.body(&copied).unwrap_or_default();
        Some((copied, body))
    });
    if let Some((copied, body)) = found.await.flatten() {
        // the browser gets the bytes as they are stored, without a coding
        let fields = copied.headers.iter().filter(|(name, _)| !is_of_transfer(name.as_str()));
        let fields = fields.map(|(name, value)| {
            json!({ "name": name.as_str(), "value": String::from_utf8_lossy(value.as_bytes()) })
        });
        let params = json!({ "requestId": id, "responseCode": copied.status,
            "responseHeaders": fields.collect::<Vec<_>>(), "body": BASE64.encode(&body) });
        pipe.tell("Fetch.fulfillRequest", params).await?;
        return Ok(Answered::Well);
    }
    if !is_ours && is_read && stage.is_open() {
        pipe.tell("Fetch.continueRequest", json!({ "requestId": id })).await?;
        return Ok(Answered::Well);
    }
    // as the holding page would
    let body = BASE64.encode(b"unavailable");
    let params = json!({ "requestId": id, "responseCode": 503, "body": body,
        "responseHeaders": [{ "name": "content-type", "value": "text/html" }] });
    pipe.tell("Fetch.fulfillRequest", params).await?;
    let by_script = matches!(paused["resourceType"].as_str(), Some("XHR" | "Fetch"));
    Ok(match (is_ours, is_read && by_script) {
        (true, true) => Answered::Lacks(
            format!("asks for {key}, which the copy does not have").chars().take(WORDS).collect(),
        ),
        (false, _) if is_read && !is_picture(paused) => Answered::Kept,
        (true | false, _) => Answered::Well,
    })
}

fn is_picture(paused: &Value) -> bool {
    matches!(paused["resourceType"].as_str(), Some("Image" | "Media" | "Font" | "Ping" | "Prefetch"))
}

fn is_of_transfer(name: &str) -> bool {
    matches!(name, "content-encoding" | "content-length" | "transfer-encoding")
}
