//! `katahai drill …`: a practised outage, for one browser or for all; without more words, the self-test.

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::{Method, StatusCode};
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};

use super::args::Instance;
use super::client::{Client, message, with_instance};
use super::hold::only_site;
use super::print::{printable, say};
use super::snapshot::place::ESCAPED;
use super::{FAILED, fail};

#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct DrillOptions {
    #[command(subcommand)]
    command: Option<DrillCommand>,
    #[command(flatten)]
    walk: super::selftest::SelftestOptions,
}

#[derive(Clone, Debug, Subcommand)]
enum DrillCommand {
    /// Print a link that shows the site as in an outage, to the browser that opens it. Nothing changes for anybody else.
    Preview(PreviewOptions),
    /// Give all visitors what they would get in an outage, for some time.
    Everyone(EveryoneOptions),
    /// End a drill for all at once.
    End(EndOptions),
}

#[derive(Clone, Debug, Args)]
struct PreviewOptions {
    /// The site's name; needed only if there are several.
    #[arg(value_name = "SITE")]
    site: Option<String>,
    /// Show this snapshot alone, in service or not: an id, or "latest" for the one that was taken last.
    #[arg(long, value_name = "ID")]
    snapshot: Option<String>,
    /// The page to begin with, such as /signup.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// How long the link is good, at most 24h [default: 1h].
    #[arg(long = "for", value_name = "TIME")]
    time: Option<String>,
    /// The host of the link, such as localhost:8080, in place of the site's first.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    #[command(flatten)]
    instance: Instance,
}

#[derive(Clone, Debug, Args)]
struct EveryoneOptions {
    /// The site's name; needed only if there are several.
    #[arg(value_name = "SITE")]
    site: Option<String>,
    /// For how long, at most 2h, such as 10m.
    #[arg(long = "for", value_name = "TIME")]
    time: String,
    /// What for; it stands in the history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Although the site is not up.
    #[arg(long)]
    anyway: bool,
    #[command(flatten)]
    instance: Instance,
}

#[derive(Clone, Debug, Args)]
struct EndOptions {
    /// The site's name; needed only if there are several.
    #[arg(value_name = "SITE")]
    site: Option<String>,
    #[command(flatten)]
    instance: Instance,
}

/// Runs the command.
pub(super) fn run(options: &DrillOptions) -> u8 {
    match options.command.clone() {
        None => super::selftest::run(&options.walk),
        Some(DrillCommand::Preview(options)) => preview(options),
        Some(DrillCommand::Everyone(options)) => everyone(options),
        Some(DrillCommand::End(options)) => end(options),
    }
}

fn preview(options: PreviewOptions) -> u8 {
    let PreviewOptions { site, snapshot, path, time, host, instance } = options;
    let body = json!({ "snapshot": snapshot, "path": path, "for": time, "host": host });
    told(instance, site, (Method::POST, "preview", body), |_, answer| {
        format!("{}\n", answer["url"].as_str().unwrap_or_default())
    })
}

fn everyone(options: EveryoneOptions) -> u8 {
    let EveryoneOptions { site, time, reason, anyway, instance } = options;
    let body = json!({ "mode": "hold_snapshot", "drill": true, "for": time, "reason": reason.unwrap_or_default(), "anyway": anyway });
    told(instance, site, (Method::PUT, "mode", body), move |site, _| {
        format!("visitors of {site} get copies for {time}; \"katahai drill end {site}\" ends it at once\n")
    })
}

fn end(options: EndOptions) -> u8 {
    let body = json!({ "mode": "auto", "drill": true });
    told(options.instance, options.site, (Method::PUT, "mode", body), |site, _| {
        format!("the drill has ended: visitors of {site} get the live site while it works\n")
    })
}

/// Sends it to the instance, and says what it answers.
fn told(
    instance: Instance,
    site: Option<String>,
    (method, what, body): (Method, &'static str, Value),
    words: impl FnOnce(&str, &Value) -> String + 'static,
) -> u8 {
    let is_json = instance.json;
    with_instance(&instance, |client| async move {
        match sent(&client, site, (method, what, body)).await {
            Ok((_, answer)) if is_json => say(&String::from_utf8_lossy(&answer)),
            Ok((site, answer)) => {
                let answer = serde_json::from_slice(&answer).unwrap_or_default();
                say(&words(&printable(&site), &answer))
            }
            Err(why) => fail(FAILED, &why),
        }
    })
}

async fn sent(
    client: &Client,
    site: Option<String>,
    (method, what, body): (Method, &str, Value),
) -> Result<(String, Bytes), String> {
    let site = match site {
        Some(site) => site,
        None => only_site(client).await?,
    };
    let path = format!("/api/v1/sites/{}/{what}", utf8_percent_encode(&site, ESCAPED));
    let sent = client.send(method, &path, Bytes::from(body.to_string())).await;
    let (status, answer) = sent.map_err(|error| error.to_string())?;
    if status == StatusCode::OK { Ok((site, answer)) } else { Err(message(&answer)) }
}
