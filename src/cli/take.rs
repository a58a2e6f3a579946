//! `katahai snapshot take`: by the running instance, or by this process if none runs.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;

use super::args::OfSite;
use super::client::{CallError, Client, message, read_config, with_instance};
use super::print::say;
use super::{DONE, FAILED, fail};
use crate::app::{crawl_once, status::LastCrawl};
use crate::config::Config;
use crate::crawl::Progress;
use crate::tasks;

/// How often the counters are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// Runs the command.
pub(super) fn run(options: &OfSite) -> u8 {
    let wanted = options.clone();
    with_instance(&options.instance, |client| async move {
        let config = match read_config(wanted.instance.config.as_deref()) {
            Ok(config) => config,
            Err(message) => return fail(FAILED, &message),
        };
        let result = match by_instance(&client, wanted.site.as_deref()).await {
            Err(Trouble::Call(CallError::Nobody(..))) => by_ourselves(config, wanted.site.as_deref()).await,
            Err(Trouble::Call(error)) => Err(error.to_string()),
            Err(Trouble::Refused(message)) => Err(message),
            Ok(last) => Ok(last),
        };
        match result {
            Ok(last) if wanted.instance.json => {
                say(&format!("{}\n", serde_json::to_string_pretty(&last).unwrap_or_default()));
                if last["outcome"] == "published" { DONE } else { FAILED }
            }
            Ok(last) => conclude(&last),
            Err(message) => fail(FAILED, &message),
        }
    })
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

/// Has the running instance take it, and waits for its end.
async fn by_instance(client: &Client, site: Option<&str>) -> Result<Value, Trouble> {
    let get = async |path: &str| -> Result<Value, Trouble> {
        match client.call(Method::GET, path).await? {
            (StatusCode::OK, body) => Ok(serde_json::from_slice(&body).unwrap_or_default()),
            (_, body) => Err(Trouble::Refused(message(&body))),
        }
    };
    let status = get("/api/v1/status").await?;
    let names: Vec<&str> =
        status["sites"].as_array().into_iter().flatten().filter_map(|s| s["name"].as_str()).collect();
    let site = choose(site, &names).map_err(Trouble::Refused)?;
    let path = format!("/api/v1/sites/{site}/snapshots");
    let before = get(&path).await?["crawl"]["last"].clone();
    match client.call(Method::POST, &path).await? {
        (StatusCode::ACCEPTED, _) => {}
        (_, body) => return Err(Trouble::Refused(message(&body))),
    }
    let shown = Shown::new();
    loop {
        let crawl = get(&path).await?["crawl"].clone();
        if crawl["running"].is_null() && crawl["last"] != before {
            shown.end();
            return Ok(crawl["last"].clone());
        }
        shown.show(&crawl["running"]);
        tokio::time::sleep(LOOK).await;
    }
}

/// Takes it in this process.
async fn by_ourselves(config: Option<Config>, site: Option<&str>) -> Result<Value, String> {
    let Some(config) = config else {
        return Err(
            "no instance runs, and there is no configuration to take a snapshot by; give one with -c".into(),
        );
    };
    let names: Vec<&str> = config.sites.iter().map(|site| &*site.name).collect();
    let site = choose(site, &names)?.to_owned();
    let progress = Progress::new();
    let shown = Shown::new();
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
    serde_json::to_value(LastCrawl::of(&ended)).map_err(|error| error.to_string())
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

fn conclude(last: &Value) -> u8 {
    match last["outcome"].as_str() {
        Some("published") => {
            let snapshot = &last["snapshot"];
            let id = snapshot["id"].as_str().unwrap_or_default();
            let (pages, files, bytes) =
                (&snapshot["pages"], &snapshot["files"], snapshot["bytes"].as_u64().unwrap_or(0));
            say(&format!(
                "snapshot {id} is in service: {pages} pages, {files} other files, {}\n",
                bytesize::ByteSize(bytes)
            ))
        }
        _ => {
            let reasons: Vec<&str> =
                last["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            fail(FAILED, &format!("no new snapshot, the old one stays: {}", reasons.join("; ")))
        }
    }
}

/// A bar on a terminal, lines elsewhere.
struct Shown {
    bar: Option<indicatif::ProgressBar>,
    last: std::cell::Cell<std::time::Instant>,
}

impl Shown {
    fn new() -> Shown {
        use std::io::IsTerminal;
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = indicatif::ProgressBar::new(0);
            let style = indicatif::ProgressStyle::with_template(
                "{bar:32} {pos}/{len} {msg}, {elapsed} gone, {eta} left",
            );
            bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()));
            bar
        });
        Shown { bar, last: std::cell::Cell::new(crate::clock::instant()) }
    }

    #[expect(clippy::print_stderr, reason = "progress goes where it does not mix with the result")]
    fn show(&self, counters: &Value) {
        let count = |key: &str| counters[key].as_u64().unwrap_or(0);
        let done = count("pages") + count("assets") + count("redirects") + count("refused") + count("errors");
        let bytes = bytesize::ByteSize(count("bytes"));
        let text = format!(
            "{} pages, {} other files, {bytes}, {} errors",
            count("pages"),
            count("assets"),
            count("errors")
        );
        if let Some(bar) = &self.bar {
            bar.set_length(done + count("queued") + count("under_way"));
            bar.set_position(done);
            bar.set_message(text);
        } else if crate::clock::instant() - self.last.get() >= LINE {
            self.last.set(crate::clock::instant());
            eprintln!("{text}, {} waiting", count("queued"));
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
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
