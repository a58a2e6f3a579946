//! `katahai status`: what the running instance says of its sites.

use http::{Method, StatusCode};
use serde_json::Value;

use super::args::Instance;
use super::client::{message, with_instance};
use super::print::{say, table};
use super::{FAILED, fail};

/// Runs the command.
pub(super) fn run(options: &Instance) -> u8 {
    let json = options.json;
    with_instance(options, |client| async move {
        match client.call(Method::GET, "/api/v1/status").await {
            Ok((StatusCode::OK, body)) if json => say(&String::from_utf8_lossy(&body)),
            Ok((StatusCode::OK, body)) => say(&plain(&serde_json::from_slice(&body).unwrap_or_default())),
            Ok((_, body)) => fail(FAILED, &message(&body)),
            Err(error) => fail(FAILED, &error.to_string()),
        }
    })
}

fn plain(status: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut rows = Vec::new();
    for site in status["sites"].as_array().into_iter().flatten() {
        let origins: Vec<String> = site["origins"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|origin| {
                let cause = origin["cause"].as_str().map(|cause| format!(" ({cause})")).unwrap_or_default();
                format!("{} {}{cause}", text(&origin["url"]), text(&origin["state"]))
            })
            .collect();
        let snapshot = &site["snapshot"];
        let (id, taken) = (text(&snapshot["id"]), text(&snapshot["taken_at"]));
        let snapshot = if snapshot.is_null() {
            "none".to_owned()
        } else {
            format!("{id}, {} pages, taken {taken}", snapshot["pages"])
        };
        let coverage = coverage(&site["coverage"]);
        let origins = if origins.is_empty() { "none".to_owned() } else { origins.join("\n") };
        rows.push(vec![
            text(&site["name"]),
            text(&site["state"]),
            text(&site["mode"]),
            origins,
            snapshot,
            coverage,
        ]);
    }
    let head = format!("katahai {}, up {} s\n", text(&status["version"]), status["uptime_s"]);
    format!("{head}{}\n", table(&["site", "state", "mode", "origins", "snapshot", "coverage"], rows))
}

/// The share in words; what is missing can be asked for.
fn coverage(coverage: &Value) -> String {
    let Some(share) = coverage["share"].as_f64() else { return "no visits yet".to_owned() };
    // Rounded down: 100 % is said of all only.
    let share = (share * 1000.0).floor() / 10.0;
    match coverage["missing_paths"].as_u64() {
        None | Some(0) => format!("{share} %"),
        Some(1) => format!("{share} %, 1 path missing"),
        Some(missing) => format!("{share} %, {missing} paths missing"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn coverage_is_in_words() {
        for (share, missing, text) in [
            (serde_json::Value::Null, 0, "no visits yet"),
            (1.0.into(), 0, "100 %"),
            (0.99999.into(), 1, "99.9 %, 1 path missing"),
            (0.5.into(), 7, "50 %, 7 paths missing"),
        ] {
            let value = serde_json::json!({ "share": share, "missing_paths": missing });
            assert_eq!(super::coverage(&value), text);
        }
        assert_eq!(super::coverage(&serde_json::Value::Null), "no visits yet");
    }

    #[test]
    fn a_site_is_one_row() {
        let status = serde_json::json!({
            "version": "0.1.0", "uptime_s": 7,
            "sites": [{ "name": "shop", "state": "down", "mode": "auto", "snapshot": null,
                "origins": [{ "url": "http://203.0.113.10", "state": "down", "cause": "refused" }] }]
        });
        let text = super::plain(&status);
        assert!(text.starts_with("katahai 0.1.0, up 7 s\n"), "{text}");
        assert!(text.contains("http://203.0.113.10 down (refused)"), "{text}");
    }
}
