//! `katahai hold`: what visitors of a site get, by the operator's word: copies, or the live site whatever it answers.

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::{Method, StatusCode};
use percent_encoding::utf8_percent_encode;
use serde_json::json;

use super::args::Instance;
use super::client::{Client, message, with_instance};
use super::print::{printable, say};
use super::snapshot::place::ESCAPED;
use super::{FAILED, USAGE, fail};

#[derive(Clone, Debug, Args)]
pub(super) struct HoldOptions {
    /// What visitors get.
    #[arg(value_enum)]
    what: Hold,
    /// The site's name; needed only if there are several.
    #[arg(value_name = "SITE")]
    site: Option<String>,
    /// For how long, such as 1h; without it, until somebody sets it again.
    #[arg(long = "for", value_name = "TIME")]
    time: Option<String>,
    /// What for; it stands in the report about an outage in that time.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    instance: Instance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Hold {
    /// Pages of the snapshot, although the live site may work.
    Snapshot,
    /// The live site, whatever it answers.
    Origin,
    /// As the site's state says.
    Off,
}

impl Hold {
    fn mode(self) -> &'static str {
        match self {
            Hold::Snapshot => "hold_snapshot",
            Hold::Origin => "hold_origin",
            Hold::Off => "auto",
        }
    }
}

/// Runs the command.
pub(super) fn run(options: &HoldOptions) -> u8 {
    if let Some(time) = &options.time
        && humantime::parse_duration(time).is_err()
    {
        return fail(USAGE, &format!("{time:?} is not a time: write it like \"--for 1h\" or \"--for 30m\""));
    }
    if options.what == Hold::Off && options.time.is_some() {
        return fail(USAGE, "\"hold off\" ends a hold at once: leave out --for");
    }
    let options = options.clone();
    with_instance(&options.instance.clone(), |client| async move {
        match held(&client, &options).await {
            Ok(text) => say(&text),
            Err(why) => fail(FAILED, &why),
        }
    })
}

async fn held(client: &Client, options: &HoldOptions) -> Result<String, String> {
    let site = match &options.site {
        Some(site) => site.clone(),
        None => only_site(client).await?,
    };
    let mut body =
        json!({ "mode": options.what.mode(), "reason": options.reason.as_deref().unwrap_or_default() });
    if let Some(time) = &options.time {
        body["for"] = json!(time);
    }
    let path = format!("/api/v1/sites/{}/mode", utf8_percent_encode(&site, ESCAPED));
    let (status, answer) = client
        .send(Method::PUT, &path, Bytes::from(body.to_string()))
        .await
        .map_err(|error| error.to_string())?;
    if status != StatusCode::OK {
        return Err(message(&answer));
    }
    if options.instance.json {
        return Ok(String::from_utf8_lossy(&answer).into_owned());
    }
    let until = options.time.as_deref().map(|time| format!(" for {time}")).unwrap_or_default();
    let site = printable(&site);
    Ok(match options.what {
        Hold::Snapshot => format!("visitors of {site} get copies{until}\n"),
        Hold::Origin => format!("visitors of {site} get the live site{until}, whatever it answers\n"),
        Hold::Off => format!("visitors of {site} get the live site while it works\n"),
    })
}

/// The one site, if there is no other.
pub(super) async fn only_site(client: &Client) -> Result<String, String> {
    let status = client.status().await.map_err(|error| error.to_string())?;
    let names = status["sites"].as_array().into_iter().flatten().filter_map(|site| site["name"].as_str());
    let names: Vec<&str> = names.collect();
    match names[..] {
        [only] => Ok(only.to_owned()),
        _ => {
            let some = names.iter().take(20).map(|name| printable(name)).collect::<Vec<_>>().join(", ");
            Err(format!("which site? name one of them behind the mode: {some}"))
        }
    }
}
