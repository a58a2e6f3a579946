//! `katahai snapshot take`: by the running instance, or by this process if none runs.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;

use super::args::OfSite;
use super::client::{CallError, Client, message, read_config, with_instance};
use super::language::Language;
use super::print::{printable, say};
use super::progress::CrawlProgress;
use super::{DONE, FAILED, fail};
use crate::app::{crawl_once, status::LastCrawl};
use crate::config::Config;
use crate::crawl::Progress;
use crate::snapshot::Store;
use crate::tasks;

/// How often the counters are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Runs the command.
pub(super) fn run(options: &OfSite) -> u8 {
    let wanted = options.clone();
    with_instance(&options.instance, |client| async move {
        let mut config = match read_config(wanted.instance.config.as_deref()) {
            Ok(config) => config,
            Err(message) => return fail(FAILED, &message),
        };
        // A state directory that is named is meant, whatever an instance that runs has.
        let asked = match (&wanted.state_dir, &mut config) {
            (Some(dir), Some(config)) => {
                config.state_dir.clone_from(dir);
                None
            }
            (Some(_), None) | (None, _) => Some(by_instance(&client, wanted.site.as_deref()).await),
        };
        let asked = match asked {
            Some(asked) => asked,
            None => by_ourselves(config.take(), wanted.site.as_deref(), NoInstance::NotAsked)
                .await
                .map_err(Trouble::Refused),
        };
        let result = match asked {
            Err(Trouble::Call(CallError::Nobody(..))) => {
                by_ourselves(config, wanted.site.as_deref(), NoInstance::None).await
            }
            Err(Trouble::Call(error)) => Err(error.to_string()),
            Err(Trouble::Refused(message)) => Err(message),
            Ok(taken) => Ok(taken),
        };
        match result {
            Ok(Taken { last, .. }) if wanted.instance.json => {
                say(&format!("{}\n", serde_json::to_string_pretty(&last).unwrap_or_default()));
                if last["outcome"] == "published" || last["outcome"] == "held" { DONE } else { FAILED }
            }
            Ok(taken) => conclude(&taken),
            Err(message) => fail(FAILED, &message),
        }
    })
}

/// A crawl that has ended.
struct Taken {
    /// How.
    last: Value,
    /// Whether there was a snapshot in service before.
    had: bool,
    /// Where the copy lies, if no instance took it: nobody serves it yet.
    written: Option<String>,
}

/// Why this process takes it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NoInstance {
    /// None runs.
    None,
    /// The state directory was named.
    NotAsked,
}

enum Trouble {
    Call(CallError),
    Refused(String),
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Trouble {
        Trouble::Call(error)
    }
}

/// Makes the running instance take it, and waits for the end.
async fn by_instance(client: &Client, site: Option<&str>) -> Result<Taken, Trouble> {
    let get = async |path: &str| -> Result<Value, Trouble> {
        match client.call(Method::GET, path).await? {
            (StatusCode::OK, body) => Ok(serde_json::from_slice(&body).unwrap_or_default()),
            (_, body) => Err(Trouble::Refused(message(&body))),
        }
    };
    let status = get("/api/v1/status").await?;
    let of = |status: &Value, name: &str| -> Value {
        let sites = status["sites"].as_array();
        sites.into_iter().flatten().find(|site| site["name"] == name).cloned().unwrap_or_default()
    };
    let names: Vec<&str> =
        status["sites"].as_array().into_iter().flatten().filter_map(|s| s["name"].as_str()).collect();
    let site = choose(site, &names).map_err(Trouble::Refused)?;
    let path = format!("/api/v1/sites/{site}/snapshots");
    let before = of(&status, site);
    warn_of_outage(&before);
    match client.call(Method::POST, &path).await? {
        (StatusCode::ACCEPTED, body) => tell_of_another(&body),
        (_, body) => return Err(Trouble::Refused(message(&body))),
    }
    let counts = ["pages", "files", "redirects"];
    let expected = counts.iter().map(|key| before["snapshot"][key].as_u64().unwrap_or(0)).sum();
    let mut shown = CrawlProgress::new(expected);
    loop {
        // The status is short; the list brings the whole report of the last crawl along.
        let crawl = of(&get("/api/v1/status").await?, site)["crawl"].clone();
        if crawl["running"].is_null() && crawl["ended"] != before["crawl"]["ended"] {
            shown.end();
            let last = get(&path).await?["crawl"]["last"].clone();
            return Ok(Taken { last, had: !before["snapshot"].is_null(), written: None });
        }
        shown.show(&crawl["running"]);
        tokio::time::sleep(LOOK).await;
    }
}

/// Says which instance crawls otherwise.
#[expect(clippy::print_stderr, reason = "beside the result, which may be read by a program")]
fn tell_of_another(body: &[u8]) {
    let started: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(note) = started["note"].as_str() {
        eprintln!("{}", printable(note));
    }
}

/// Says before a crawl that it will hardly succeed, and why.
#[expect(clippy::print_stderr, reason = "beside the result, which may be read by a program")]
fn warn_of_outage(site: &Value) {
    if site["state"] != "down" {
        return;
    }
    let cause = &site["cause"];
    let code = printable(cause["code"].as_str().unwrap_or_default());
    let meaning = Language::English.of_text(&cause["meaning"]);
    let copy =
        if site["snapshot"].is_null() { "there is no copy yet" } else { "the old copy stays in service" };
    eprintln!("katahai: the site is down ({code}: {meaning}); {copy}, unless this crawl reaches the site");
}

/// Takes it in this process.
async fn by_ourselves(
    config: Option<Config>,
    site: Option<&str>,
    instance: NoInstance,
) -> Result<Taken, String> {
    let Some(config) = config else {
        return Err(
            "no instance runs, and there is no configuration to take a snapshot by; give one with -c".into(),
        );
    };
    let names: Vec<&str> = config.sites.iter().map(|site| &*site.name).collect();
    let site = choose(site, &names)?.to_owned();
    let progress = Progress::new();
    let summary =
        Store::look(&config.state_dir, &site).ok().and_then(|store| Some(store.current()?.summary()));
    let had = summary.is_some();
    let expected = summary.map_or(0, |summary| summary.pages + summary.files + summary.redirects);
    let alone = if instance == NoInstance::None { "no instance is running; " } else { "" };
    let written = Some(format!("{alone}the copy was written to {}", config.state_dir.display()));
    let mut shown = CrawlProgress::new(expected);
    let counted = progress.clone();
    let crawl = tasks::detached(async move { crawl_once(&config, &site, &counted).await });
    let mut crawl = std::pin::pin!(crawl);
    let ended = loop {
        match tokio::time::timeout(LOOK, &mut crawl).await {
            Ok(ended) => break ended.map_err(|error| error.to_string())??,
            Err(_) => shown.show(&serde_json::to_value(progress.read()).unwrap_or_default()),
        }
    };
    shown.end();
    let last = serde_json::to_value(LastCrawl::of(&ended)).map_err(|error| error.to_string())?;
    Ok(Taken { last, had, written })
}

/// The site that is meant.
fn choose<'a>(wanted: Option<&'a str>, names: &[&'a str]) -> Result<&'a str, String> {
    match (wanted, names) {
        (Some(wanted), _) if names.contains(&wanted) => Ok(wanted),
        (None, [only]) => Ok(only),
        (Some(wanted), _) => Err(format!("there is no site \"{wanted}\"; there are: {}", names.join(", "))),
        (None, []) => Err("the configuration has no site".to_owned()),
        (None, _) => Err(format!("which site? give one with --site: {}", names.join(", "))),
    }
}

/// How it ended, in words.
fn conclude(Taken { last, had, written }: &Taken) -> u8 {
    let snapshot = if last["snapshot"].is_null() { &last["held"] } else { &last["snapshot"] };
    let id = snapshot["id"].as_str().unwrap_or_default();
    let reasons: Vec<String> = last["reasons"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|reason| Some(format!("\n  {}", printable(reason.as_str()?))))
        .collect();
    // First: whether all of this was what the site's owner wanted.
    // In English, as all that this command says.
    let english = |text: &Value| Language::English.of_text(text);
    if !last["robots"].is_null() {
        say(&format!("{}\n", english(&last["robots"])));
    }
    let decisions = last["decisions"].as_array().into_iter().flatten();
    let decisions: String = decisions.map(|decision| format!("  {}\n", english(decision))).collect();
    match last["outcome"].as_str() {
        Some("published") => {
            let (pages, files, bytes) =
                (&snapshot["pages"], &snapshot["files"], snapshot["bytes"].as_u64().unwrap_or(0));
            let (state, written) = match written {
                Some(written) => ("", format!("\n{written}")),
                None => (" is in service", String::new()),
            };
            say(&format!(
                "snapshot {id}{state}: {pages} pages, {files} other files, {}{written}\n{decisions}",
                bytesize::ByteSize(bytes)
            ))
        }
        Some("held") => say(&format!(
            "snapshot {id} waits: \"katahai snapshot publish latest\" puts it in service{}{}\n{decisions}",
            reasons.concat(),
            written.as_ref().map(|written| format!("\n{written}")).unwrap_or_default()
        )),
        _ => {
            let what = match (written, had) {
                (None, true) => "no new snapshot is in service, the old one stays",
                (None, false) => "no snapshot is in service",
                (Some(_), true) => "there is no new snapshot, the old one stays",
                (Some(_), false) => "there is no snapshot",
            };
            let mut text = format!("{what}:{}", reasons.concat());
            if !decisions.is_empty() {
                text.push_str(&format!("\n{}", decisions.trim_end()));
            }
            if !id.is_empty() {
                text.push_str(&format!(
                    "\nThe new one is on the shelf: \"katahai snapshot show {id} --report\" says more, \"katahai snapshot publish {id} --anyway\" puts it in service all the same."
                ));
            }
            fail(FAILED, &text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn the_site_need_not_be_named_if_there_is_but_one() {
        assert_eq!(choose(None, &["a"]), Ok("a"));
        assert_eq!(choose(Some("b"), &["a", "b"]), Ok("b"));
        assert!(choose(None, &["a", "b"]).unwrap_err().contains("a, b"));
        assert!(choose(Some("c"), &["a"]).unwrap_err().contains("there are: a"));
        assert!(choose(None, &[]).is_err());
    }
}
