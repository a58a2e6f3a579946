//! `katahai status`: what the running instance says of its sites.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;

use super::args::Instance;
use super::client::{message, with_instance};
use super::language::Language;
use super::print::{printable, say, table};
use super::{FAILED, fail};

mod why;

/// Runs the command.
pub(super) fn run(options: &Instance) -> u8 {
    let json = options.json;
    with_instance(options, |client| async move {
        match client.call(Method::GET, "/api/v1/status").await {
            Ok((StatusCode::OK, body)) if json => say(&String::from_utf8_lossy(&body)),
            Ok((StatusCode::OK, body)) => {
                say(&plain(&serde_json::from_slice(&body).unwrap_or_default(), Language::of_terminal()))
            }
            Ok((_, body)) => fail(FAILED, &message(&body)),
            Err(error) => fail(FAILED, &error.to_string()),
        }
    })
}

fn plain(status: &Value, language: Language) -> String {
    let mut rows = Vec::new();
    let mut notes = String::new();
    for site in each(&status["sites"]) {
        let origins: Vec<String> = each(&site["origins"]).map(origin).collect();
        let origins = if origins.is_empty() { "none".to_owned() } else { origins.join("\n") };
        rows.push(vec![text(&site["name"]), state(site), text(&site["mode"]), origins, snapshot(site)]);
        let told = why::of_site(site, language).into_iter().chain(remarks(site));
        for note in told {
            notes.push_str(&format!("\n{}: {note}", text(&site["name"])));
        }
    }
    for note in why::conditions(&status["conditions"], language) {
        notes.push_str(&format!("\nkatahai: {note}"));
    }
    let up = humantime::format_duration(Duration::from_secs(status["uptime_s"].as_u64().unwrap_or(0)));
    let head = format!("katahai {}, up {up}\n", text(&status["version"]));
    let notes = if notes.is_empty() { String::new() } else { format!("{notes}\n") };
    // Before everything else: whether the copy is what the site's owner wanted.
    let robots = each(&status["sites"]).filter_map(|site| {
        let said = site["robots"].as_str()?;
        Some(format!("{}: {}\n", text(&site["name"]), printable(said)))
    });
    let robots: String = robots.collect();
    format!("{robots}{head}{}\n{notes}", table(&["site", "state", "mode", "origins", "snapshot"], rows))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), printable)
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The state, and since when.
fn state(site: &Value) -> String {
    let since = site["since"].as_str().map(|since| format!("\nsince {}", printable(since)));
    format!("{}{}", text(&site["state"]), since.unwrap_or_default())
}

fn origin(origin: &Value) -> String {
    let cause = origin["cause"].as_str().map(|cause| format!(" ({cause})")).unwrap_or_default();
    format!("{} {}{cause}", text(&origin["url"]), text(&origin["state"]))
}

/// The snapshot in service: which, how large, how old, and how much of what visitors want it has.
fn snapshot(site: &Value) -> String {
    let snapshot = &site["snapshot"];
    if snapshot.is_null() {
        return "none".to_owned();
    }
    let mut lines = format!(
        "{}\n{} pages, taken {} ({} ago)",
        text(&snapshot["id"]),
        snapshot["pages"],
        text(&snapshot["taken_at"]),
        coarse(snapshot["age_s"].as_u64().unwrap_or(0)),
    );
    if let Some(coverage) = coverage(&site["coverage"]) {
        lines.push_str(&format!("\n{coverage}"));
    }
    if let Some(count) = site["carried"]["count"].as_u64().filter(|count| *count > 0) {
        lines.push_str(&format!("\n{count} carried over from the one before"));
    }
    lines
}

/// The share in words; what is missing can be asked for.
fn coverage(coverage: &Value) -> Option<String> {
    let share = coverage["share"].as_f64()?;
    // Rounded down: 100 % is said of all only.
    let share = (share * 1000.0).floor() / 10.0;
    let missing = match coverage["missing_paths"].as_u64() {
        None | Some(0) => String::new(),
        Some(1) => ", 1 path missing".to_owned(),
        Some(missing) => format!(", {missing} paths missing"),
    };
    Some(format!("covers {share} % of {} requests{missing}", coverage["requests"]))
}

/// What the operator should know besides: the gate's word, his own, and what is wrong.
fn remarks(site: &Value) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    if let Some(since) = site["by_hand"].as_str() {
        found.push(format!(
            "somebody went back by hand at {}; new snapshots wait for \"katahai snapshot publish latest\"",
            printable(since)
        ));
    }
    for held in each(&site["held"]) {
        let reasons: Vec<String> = each(&held["reasons"]).map(text).collect();
        found.push(format!("{} is held: {}", text(&held["id"]), reasons.join("; ")));
    }
    let last = &site["crawl"]["last"];
    if last["outcome"] != "published" && each(&site["held"]).next().is_none() {
        let reasons: Vec<String> = each(&last["reasons"]).map(text).collect();
        if !reasons.is_empty() {
            let what = if site["snapshot"].is_null() {
                "the last crawl took no snapshot, and there is no older one"
            } else {
                "the last crawl left the old snapshot in service"
            };
            found.push(format!("{what}: {}", reasons.join("; ")));
        }
    }
    found.extend(each(&last["decisions"]).map(|decision| format!("the last crawl: {}", text(decision))));
    let running = &site["crawl"]["running"];
    if !running.is_null() {
        let waiting = running["queued"].as_u64().unwrap_or(0) + running["under_way"].as_u64().unwrap_or(0);
        found.push(format!(
            "a crawl is running: {} pages, {} other files, {} errors, {waiting} waiting",
            running["pages"], running["assets"], running["errors"]
        ));
    }
    found
}

/// An age in its largest unit, or two.
fn coarse(seconds: u64) -> String {
    let unit = match seconds {
        0..60 => 1,
        60..86_400 => 60,
        _ => 3600,
    };
    humantime::format_duration(Duration::from_secs(seconds / unit * unit)).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn coverage_is_in_words() {
        for (share, missing, text) in [
            (1.0, 0, "covers 100 % of 9 requests"),
            (0.99999, 1, "covers 99.9 % of 9 requests, 1 path missing"),
            (0.5, 7, "covers 50 % of 9 requests, 7 paths missing"),
        ] {
            let value = json!({ "share": share, "missing_paths": missing, "requests": 9 });
            assert_eq!(coverage(&value).as_deref(), Some(text));
        }
        assert_eq!(coverage(&json!({ "share": null })), None);
        assert_eq!(coverage(&Value::Null), None);
    }

    #[test]
    fn a_site_is_one_row() {
        let status = json!({
            "version": "0.1.0", "uptime_s": 67,
            "sites": [{ "name": "shop", "state": "down", "mode": "auto", "snapshot": null,
                "origins": [{ "url": "http://203.0.113.10", "state": "down", "cause": "refused" }] }]
        });
        let text = plain(&status, Language::English);
        assert!(text.starts_with("katahai 0.1.0, up 1m 7s\n"), "{text}");
        assert!(text.contains("http://203.0.113.10 down (refused)"), "{text}");
        assert!(text.trim_end().ends_with("none"), "{text}");
    }

    #[test]
    fn what_an_operator_should_know_is_said_below() {
        let site = json!({
            "name": "shop", "state": "up", "mode": "auto", "origins": [],
            "snapshot": { "id": "7", "pages": 12, "taken_at": "2026-11-20T01:13:34Z", "age_s": 93_700 },
            "coverage": { "share": 0.98199, "requests": 400 },
            "carried": { "count": 3 },
            "by_hand": "2026-11-20T02:00:00Z",
            "held": [{ "id": "8", "reasons": ["shrunk: 4 pages", "key-page: /"] }],
            "crawl": { "running": { "pages": 1, "assets": 2, "errors": 0, "queued": 3, "under_way": 1 }, "last": null },
        });
        for expected in ["1day 2h ago", "covers 98.1 % of 400 requests", "3 carried over"] {
            assert!(snapshot(&site).contains(expected), "{expected}: {}", snapshot(&site));
        }
        let said = remarks(&site);
        assert!(said[0].contains("publish latest"), "{said:?}");
        assert_eq!(said[1], "8 is held: shrunk: 4 pages; key-page: /");
        assert!(said[2].ends_with("1 pages, 2 other files, 0 errors, 4 waiting"), "{said:?}");
    }
}
