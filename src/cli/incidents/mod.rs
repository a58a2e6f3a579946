//! `katahai incidents` and `katahai report`. The running instance answers, if there is one; what is on the disk can be read
//! without.

mod place;
mod report;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::args::OfSite;
use super::language::Language;
use super::print::{printable, say};
use super::run_to_end;
use super::snapshot::tables;
use super::{FAILED, fail};
use crate::failure::Cause;
use crate::incident::Incident;
use place::Incidents;
pub(super) use report::{ReportOptions, run as run_report};

/// Incidents of the list.
const LISTED: usize = 50;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct IncidentsOptions {
    #[command(subcommand)]
    command: Option<IncidentsCommand>,
    /// The incident to show with its timeline; without it, all are listed, the newest first.
    id: Option<String>,
    /// How many to list.
    #[arg(long, value_name = "NUMBER", default_value_t = LISTED, conflicts_with = "id")]
    limit: usize,
    /// Only those that are not over.
    #[arg(long, conflicts_with = "id")]
    open: bool,
    #[command(flatten)]
    of: OfSite,
}

#[derive(Debug, Subcommand)]
enum IncidentsCommand {
    /// Say that you have seen an incident and look after it.
    Ack(AckOptions),
}

#[derive(Debug, Args)]
struct AckOptions {
    /// The incident.
    id: String,
    /// Who has seen it.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// What is to be known about it; it stands in the report.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    of: OfSite,
}

/// Runs the command.
pub(super) fn run(options: &IncidentsOptions) -> u8 {
    run_to_end(async {
        match (&options.command, &options.id) {
            (Some(IncidentsCommand::Ack(ack)), _) => acknowledge(ack).await,
            (None, Some(id)) => show(id, &options.of).await,
            (None, None) => list(options).await,
        }
    })
}

async fn list(options: &IncidentsOptions) -> u8 {
    let incidents = match Incidents::of(&options.of).await {
        Ok(incidents) => incidents,
        Err(code) => return code,
    };
    let open = options.open.then_some(true);
    match incidents.list(options.of.site.as_deref(), open, options.limit).await {
        Ok(page) if options.of.instance.json => say(&tables::json(&page)),
        Ok(page) => {
            incidents.mention();
            say(&listed(&page))
        }
        Err(why) => fail(FAILED, &why),
    }
}

async fn show(id: &str, of: &OfSite) -> u8 {
    let incidents = match Incidents::of(of).await {
        Ok(incidents) => incidents,
        Err(code) => return code,
    };
    match incidents.one(id).await {
        Ok(incident) if of.instance.json => {
            say(&tables::json(&serde_json::to_value(&incident).unwrap_or_default()))
        }
        Ok(incident) => {
            incidents.mention();
            say(&shown(&incident, Language::of_terminal()))
        }
        Err(why) => fail(FAILED, &why),
    }
}

async fn acknowledge(options: &AckOptions) -> u8 {
    let incidents = match Incidents::of(&options.of).await {
        Ok(incidents) => incidents,
        Err(code) => return code,
    };
    let by = options.by.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_default();
    match incidents.acknowledge(&options.id, &by, options.note.as_deref().unwrap_or_default()).await {
        Ok(incident) if options.of.instance.json => {
            say(&tables::json(&serde_json::to_value(&incident).unwrap_or_default()))
        }
        Ok(incident) => say(&format!("{} is acknowledged\n", incident.id)),
        Err(why) => fail(FAILED, &why),
    }
}

/// How long, in two units.
fn lasted(seconds: u64) -> String {
    let seconds = if seconds < 3600 { seconds } else { seconds / 60 * 60 };
    humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string()
}

fn listed(page: &Value) -> String {
    let text = |value: &Value| tables::plain(value);
    let mut rows = Vec::new();
    for one in page["incidents"].as_array().into_iter().flatten() {
        let mut notes = Vec::new();
        if one["planned"] == true {
            notes.push("planned".to_owned());
        }
        if let Some(others) = one["others"].as_u64().filter(|others| *others > 0) {
            notes.push(format!("with {others} more on the same server"));
        }
        if let Some(by) = one["acknowledged"]["by"].as_str() {
            let by = if by.is_empty() { String::new() } else { format!(" by {}", printable(by)) };
            notes.push(format!("acknowledged{by}"));
        }
        let state = if one["state"] == "open" { "open".to_owned() } else { text(&one["severity"]) };
        let lasted = lasted(one["lasted_s"].as_u64().unwrap_or_default());
        let first = [text(&one["id"]), text(&one["site"]), state, text(&one["began"]), lasted];
        rows.push(first.into_iter().chain([text(&one["cause"]), notes.join(", ")]).collect());
    }
    if rows.is_empty() {
        return "no incidents\n".to_owned();
    }
    let mut out = tables::table(&["INCIDENT", "SITE", "", "BEGAN", "LASTED", "CAUSE", ""], &[], rows);
    if !page["next"].is_null() {
        out.push_str("\nThere may be older ones: --limit shows more.\n");
    }
    for damaged in page["damaged"].as_array().into_iter().flatten() {
        out.push_str(&format!("could not be read, and was set aside: {}\n", text(damaged)));
    }
    out
}

fn shown(incident: &Incident, language: Language) -> String {
    let spoken = language.pick(crate::report::Language::En, crate::report::Language::Ja);
    let word = if incident.is_closed() { "closed" } else { "open" };
    let mut out = format!(
        "{}  {} ({}, {word}{})\nbegan {}, ",
        incident.id,
        printable(&incident.site),
        incident.severity.as_str(),
        if incident.is_planned() { ", planned" } else { "" },
        incident.began,
    );
    let lasted = lasted(incident.lasted_s);
    match incident.ended {
        Some(ended) => out.push_str(&format!("ended {ended}, lasted {lasted}\n")),
        None => out.push_str(&format!("not over, {lasted} so far\n")),
    }
    if let Some(cause) = incident.cause() {
        let meaning = Cause::of(cause).map(|cause| cause.meaning());
        let meaning = meaning.map(|text| language.pick(text.en, text.ja)).unwrap_or_default();
        out.push_str(&format!("{}: {meaning}\n", printable(cause)));
    }
    let served: Vec<String> =
        incident.served.iter().map(|(from, n)| format!("{} {n}", printable(from))).collect();
    if !served.is_empty() {
        out.push_str(&format!("answers: {}\n", served.join(", ")));
    }
    out.push('\n');
    let rows = crate::report::timeline(incident, spoken, None).into_iter();
    let rows = rows.map(|(time, text)| vec![time, printable(&text)]).collect();
    out.push_str(&tables::table(&[], &[], rows));
    out.push_str(&format!("\nThe report: katahai report {}\n", incident.id));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_tells_what_is_under_way_and_what_was() {
        let open = json!({ "id": "20261201T013000Z-shop", "site": "shop", "state": "open", "severity": "outage",
            "began": "2026-12-01T01:30:00Z", "lasted_s": 65, "cause": "refused", "planned": true, "others": 2,
            "acknowledged": { "at": "2026-12-01T01:31:00Z", "by": "Abe\u{1b}", "note": "" } });
        let closed = json!({ "id": "20261130T013000Z-shop", "site": "shop", "state": "closed", "severity": "partial",
            "began": "2026-11-30T01:30:00Z", "lasted_s": 7265, "cause": null, "planned": false, "others": 0, "acknowledged": null });
        let text = listed(
            &json!({ "incidents": [open, closed], "next": "20261130T013000Z-shop", "damaged": ["x.json.damaged"] }),
        );
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[0], "INCIDENT SITE BEGAN LASTED CAUSE");
        assert_eq!(
            lines[1],
            "20261201T013000Z-shop shop open 2026-12-01T01:30:00Z 1m 5s refused planned, with 2 more on the same server, \
             acknowledged by Abe\\u{1b}"
        );
        assert_eq!(lines[2], "20261130T013000Z-shop shop partial 2026-11-30T01:30:00Z 2h 1m");
        assert!(text.ends_with("set aside: x.json.damaged\n") && text.contains("--limit"), "{text}");
        assert_eq!(listed(&json!({ "incidents": [] })), "no incidents\n");
    }
}
