//! `katahai alerts`: what was told and is not over, whether alerts arrive, and the word that somebody has seen one.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::args::{AckAlerts, Alerts, AlertsCommand, Instance};
use super::client::{message, with_instance};
use super::language::Language;
use super::print::{printable, say};
use super::snapshot::{tables, text};
use super::{DONE, FAILED, USAGE, fail, unknown};

/// Runs the command.
pub(super) fn run(options: &Alerts) -> u8 {
    match &options.command {
        None => list(&options.instance),
        Some(AlertsCommand::Test(instance)) => test(instance),
        Some(AlertsCommand::Ack(options)) => acknowledge(options),
        Some(AlertsCommand::Unknown(words)) => unknown("alerts ", words),
    }
}

fn list(instance: &Instance) -> u8 {
    let as_json = instance.json;
    with_instance(instance, |client| async move {
        match client.call(Method::GET, "/api/v1/alerts").await {
            Ok((StatusCode::OK, body)) if as_json => say(&String::from_utf8_lossy(&body)),
            Ok((StatusCode::OK, body)) => {
                say(&listed(&serde_json::from_slice(&body).unwrap_or_default(), Language::of_terminal()))
            }
            Ok((_, body)) => fail(FAILED, &message(&body)),
            Err(error) => fail(FAILED, &error.to_string()),
        }
    })
}

fn test(instance: &Instance) -> u8 {
    let as_json = instance.json;
    with_instance(instance, |client| async move {
        match client.call(Method::POST, "/api/v1/alerts/test").await {
            Ok((StatusCode::OK, body)) => {
                let found: Value = serde_json::from_slice(&body).unwrap_or_default();
                say(&if as_json { String::from_utf8_lossy(&body).into_owned() } else { tried(&found) });
                if found["ok"] == true { DONE } else { FAILED }
            }
            Ok((_, body)) => fail(FAILED, &message(&body)),
            Err(error) => fail(FAILED, &error.to_string()),
        }
    })
}

fn acknowledge(options: &AckAlerts) -> u8 {
    let body = match (&options.id, &options.site) {
        (Some(id), None) => json!({ "alert": id }),
        (None, Some(site)) => json!({ "site": site, "cause": options.cause }),
        _ => {
            return fail(
                USAGE,
                "name an alert by its id (\"katahai alerts\" lists them), or a site with --site",
            );
        }
    };
    let as_json = options.instance.json;
    with_instance(&options.instance, |client| async move {
        match client.send(Method::POST, "/api/v1/alerts/ack", Bytes::from(body.to_string())).await {
            Ok((StatusCode::OK, body)) if as_json => say(&String::from_utf8_lossy(&body)),
            Ok((StatusCode::OK, body)) => {
                let done: Value = serde_json::from_slice(&body).unwrap_or_default();
                let ids = done["acknowledged"].as_array().into_iter().flatten();
                say(&ids.map(|id| format!("acknowledged {}\n", printable(text(id)))).collect::<String>())
            }
            Ok((_, body)) => fail(FAILED, &message(&body)),
            Err(error) => fail(FAILED, &error.to_string()),
        }
    })
}

/// What each channel said.
fn tried(found: &Value) -> String {
    let line = |tried: &Value| {
        let to = printable(text(&tried["to"]));
        match tried["ok"] == true {
            true => format!("{to}: arrived\n"),
            false => format!(
                "{to}: {} ({})\n",
                printable(text(&tried["message"])),
                printable(text(&tried["code"]))
            ),
        }
    };
    found["channels"].as_array().into_iter().flatten().map(line).collect()
}

fn listed(found: &Value, language: Language) -> String {
    let of = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let alerts = of(&found["alerts"]);
    let mut told = String::new();
    if alerts.is_empty() {
        told.push_str("no alerts\n");
    } else {
        let rows = alerts.iter().map(|alert| {
            let seen = if alert["acknowledged"].is_null() { "no" } else { "yes" };
            vec![
                text(&alert["id"]).to_owned(),
                text(&alert["severity"]).to_owned(),
                text(&alert["since"]).to_owned(),
                text(&alert["cause"]["code"]).to_owned(),
                printable(&sites(alert)),
                seen.to_owned(),
            ]
        });
        let header = ["ID", "SEVERITY", "SINCE", "CAUSE", "SITES", "ACKNOWLEDGED"];
        told.push_str(&tables::table(&header, &[], rows.collect()));
        for alert in &alerts {
            told.push_str(&format!(
                "\n{}: {}\n",
                text(&alert["cause"]["code"]),
                language.of_text(&alert["cause"]["advice"])
            ));
        }
    }
    told.push('\n');
    for channel in of(&found["channels"]) {
        let backup = if channel["backup"] == true { ", backup" } else { "" };
        let state = match (channel["failing_since"].as_str(), channel["last_sent"].as_str()) {
            (Some(since), _) => {
                format!(
                    "fails since {since}: {} ({})",
                    printable(text(&channel["message"])),
                    printable(text(&channel["code"]))
                )
            }
            (None, Some(sent)) => format!("took the last one at {sent}"),
            (None, None) => "not used since the start".to_owned(),
        };
        let waiting = channel["waiting"].as_u64().unwrap_or_default();
        let waiting = if waiting > 0 { format!(", {waiting} waiting") } else { String::new() };
        told.push_str(&format!("{}{backup}: {state}{waiting}\n", printable(text(&channel["to"]))));
    }
    if found["channels"].as_array().is_none_or(Vec::is_empty) {
        told.push_str("nobody is told: there is neither webhook nor email.to in [alerts]\n");
    }
    let heartbeat = &found["heartbeat"];
    if let Some(trouble) = heartbeat["trouble"].as_str() {
        told.push_str(&format!(
            "heartbeat {}: none, {}\n",
            printable(text(&heartbeat["to"])),
            printable(trouble)
        ));
    } else if let Some(sent) = heartbeat["last_sent"].as_str() {
        told.push_str(&format!("heartbeat {}: last at {sent}\n", printable(text(&heartbeat["to"]))));
    }
    told
}

/// The first of the sites, and how many more.
fn sites(alert: &Value) -> String {
    let all: Vec<&str> = alert["sites"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let named = all.iter().take(3).map(|site| if site.is_empty() { "Katahai" } else { site });
    let named = named.collect::<Vec<_>>().join(", ");
    let more = alert["total"].as_u64().unwrap_or_default().saturating_sub(3);
    if more > 0 { format!("{named} and {more} more") } else { named }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_and_channels_are_told() {
        let alert = json!({ "id": "20261201T013000Z-1a2b3c4d", "severity": "page", "since": "2026-12-01T01:30:00Z",
            "cause": { "code": "refused", "advice": { "en": "Start it.", "ja": "x" } }, "sites": ["a", "b", "c", "d"], "total": 5,
            "acknowledged": null });
        let channels = json!([
            { "to": "slack hooks.slack.com", "backup": false, "waiting": 2, "failing_since": "2026-12-01T01:30:30Z",
              "code": "refused", "message": "no", "last_sent": null },
            { "to": "mail owner@example.jp", "backup": true, "waiting": 0, "failing_since": null, "last_sent": null },
        ]);
        let text =
            listed(&json!({ "alerts": [alert], "channels": channels, "heartbeat": null }), Language::English);
        for part in [
            "20261201T013000Z-1a2b3c4d",
            "a, b, c and 2 more",
            "refused: Start it.",
            "slack hooks.slack.com: fails since 2026-12-01T01:30:30Z: no (refused), 2 waiting\n",
            "mail owner@example.jp, backup: not used since the start\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(listed(&json!({}), Language::English).starts_with("no alerts\n\nnobody is told"));
    }
}
