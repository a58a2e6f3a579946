//! `katahai drill`: walks the copies as visitors would in an outage, and says what would be missing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::{Method, StatusCode};
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};

use super::args::Instance;
use super::client::{Client, message, read_config, with_instance};
use super::language::Language;
use super::print::{printable, say};
use super::snapshot::place::ESCAPED;
use super::{FAILED, USAGE, fail};
use crate::config::ready::ANY_HOST;
use crate::selftest::browser::{self, Stage};
use crate::selftest::words::{self, Tongue};
use crate::selftest::{DrillResult, OfSnapshot, Scripts};
use crate::snapshot::Store;
use crate::tasks;

#[derive(Clone, Debug, Args)]
pub(super) struct SelftestOptions {
    /// The site's name [default: all, one after another].
    #[arg(value_name = "SITE")]
    site: Option<String>,
    /// The Chromium or Chrome that tries the scripts, or "off" [default: the first that is installed].
    #[arg(long, value_name = "PATH")]
    browser: Option<String>,
    /// The language [default: that of the terminal].
    #[arg(long, value_enum)]
    lang: Option<DrillLanguage>,
    #[command(flatten)]
    instance: Instance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DrillLanguage {
    /// English.
    En,
    /// Japanese.
    Ja,
}

/// Who tries the scripts.
enum Tries {
    Browser(PathBuf),
    Nobody(String),
}

/// Runs the command. The code is 0 if a visitor of none of the sites would miss something important, else 1.
pub(super) fn run(options: &SelftestOptions) -> u8 {
    let tries = match options.browser.as_deref() {
        Some("off") => Tries::Nobody("--browser off".to_owned()),
        named => match (browser::installed(named.map(Path::new)), named) {
            (Some(browser), _) => Tries::Browser(browser),
            (None, Some(named)) => {
                return fail(
                    USAGE,
                    &format!("there is no browser {named:?}: give its whole path, or \"off\""),
                );
            }
            (None, None) => Tries::Nobody("there is no Chromium or Chrome on this machine".to_owned()),
        },
    };
    let options = options.clone();
    with_instance(&options.instance.clone(), |client| async move {
        match drilled(&client, &options, &tries).await {
            Ok((text, true)) => say(&text),
            Ok((text, false)) => say(&text).max(FAILED),
            Err(why) => fail(FAILED, &why),
        }
    })
}

async fn drilled(
    client: &Client,
    options: &SelftestOptions,
    tries: &Tries,
) -> Result<(String, bool), String> {
    let status = client.status().await.map_err(|error| error.to_string())?;
    let names = status["sites"].as_array().into_iter().flatten().filter_map(|site| site["name"].as_str());
    let names: Vec<String> = match &options.site {
        Some(site) => vec![site.clone()],
        None => names.map(str::to_owned).collect(),
    };
    let state_dir = PathBuf::from(status["state_dir"].as_str().unwrap_or_default());
    let tongue = match options.lang {
        Some(DrillLanguage::En) => Tongue::En,
        Some(DrillLanguage::Ja) => Tongue::Ja,
        None => Language::of_terminal().pick(Tongue::En, Tongue::Ja),
    };
    let (mut texts, mut all, mut is_well) = (Vec::new(), Vec::new(), true);
    for name in &names {
        let scripts = scripts(client, name, &state_dir, options, tries).await?;
        let answer = post(client, name, &json!({ "scripts": scripts })).await?;
        let result: DrillResult = serde_json::from_value(answer["result"].clone())
            .map_err(|error| format!("the answer of the instance cannot be read: {error}"))?;
        is_well &= result.is_well;
        let text = words::text(name, &result, tongue);
        texts.push(text.lines().map(|line| printable(line) + "\n").collect::<String>());
        all.push(json!({ "site": name, "result": result }));
    }
    if options.instance.json {
        return Ok((format!("{}\n", json!({ "is_well": is_well, "sites": all })), is_well));
    }
    Ok((texts.join("\n"), is_well))
}

/// What a browser of this machine makes of the pages. It opens them from the state directory: nothing is asked of the site.
async fn scripts(
    client: &Client,
    name: &str,
    state_dir: &Path,
    options: &SelftestOptions,
    tries: &Tries,
) -> Result<Scripts, String> {
    let nobody = |why: &str| Ok(Scripts { not_tried: Some(why.to_owned()), ..Scripts::default() });
    let browser = match tries {
        Tries::Browser(browser) => browser,
        Tries::Nobody(why) => return nobody(why),
    };
    let (dir, site) = (state_dir.to_owned(), name.to_owned());
    let opened = tasks::blocking(move || {
        let store = Store::look(&dir, &site).ok()?;
        let current = store.current()?;
        Some(OfSnapshot::new(&store, current, |_| None))
    });
    let Some(copies) = opened.await.flatten() else {
        return nobody("there is no copy in the state directory, or it cannot be read from here");
    };
    let planned = post(client, name, &json!({ "dry": true })).await?;
    let pages: Vec<String> = serde_json::from_value(planned["pages"].clone()).unwrap_or_default();
    let config = read_config(options.instance.config.as_deref()).ok().flatten();
    let site = config.as_ref().and_then(|config| config.sites.iter().find(|site| &*site.name == name));
    let mut hosts: Vec<String> = site
        .iter()
        .flat_map(|site| site.all_hosts())
        .filter(|host| *host != ANY_HOST)
        .map(str::to_owned)
        .collect();
    if hosts.is_empty() {
        hosts.push(browser::NO_HOST.to_owned());
    }
    let ignore_query = site.map(|site| site.cache.ignore_query.clone()).unwrap_or_default();
    let stage = Stage { hosts, ignore_query, copies: Arc::new(copies) };
    Ok(browser::walk(Some(browser), &pages, &stage).await)
}

async fn post(client: &Client, site: &str, body: &Value) -> Result<Value, String> {
    let path = format!("/api/v1/sites/{}/selftest", utf8_percent_encode(site, ESCAPED));
    let sent = client.send(Method::POST, &path, Bytes::from(body.to_string())).await;
    match sent.map_err(|error| error.to_string())? {
        (StatusCode::OK, answer) => serde_json::from_slice(&answer).map_err(|error| error.to_string()),
        (_, answer) => Err(message(&answer)),
    }
}
