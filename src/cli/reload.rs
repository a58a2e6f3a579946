//! `katahai reload`: makes the running instance reload its configuration, and reports the result.

use http::{Method, StatusCode};

use super::args::Instance;
use super::client::{message, with_instance};
use super::print::{printable, say};
use super::{DONE, FAILED, fail};

/// Runs the command.
pub(super) fn run(options: &Instance) -> u8 {
    let json = options.json;
    with_instance(options, |client| async move {
        match client.call(Method::POST, "/api/v1/reload").await {
            Ok((StatusCode::OK, body)) => {
                if json {
                    return say(&String::from_utf8_lossy(&body));
                }
                let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                let mut text = match value["sites"].as_u64() {
                    Some(1) => "reloaded, one site\n".to_owned(),
                    _ => format!("reloaded, {} sites\n", value["sites"]),
                };
                for key in value["needs_restart"].as_array().into_iter().flatten() {
                    text.push_str(&format!(
                        "{} was changed, which needs a restart\n",
                        key.as_str().unwrap_or_default()
                    ));
                }
                for warning in value["warnings"].as_array().into_iter().flatten() {
                    text.push_str(&format!("warning: {}\n", printable(&line(warning))));
                }
                say(&text);
                DONE
            }
            Ok((_, body)) => {
                if json {
                    say(&String::from_utf8_lossy(&body));
                }
                for problem in problems(&body) {
                    fail(FAILED, &problem);
                }
                FAILED
            }
            Err(error) => fail(FAILED, &error.to_string()),
        }
    })
}

/// Every reason of a refusal, one a line.
fn problems(body: &bytes::Bytes) -> Vec<String> {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let each = value["error"]["problems"].as_array().cloned().unwrap_or_default();
    if each.is_empty() {
        return vec![message(body)];
    }
    let mut lines = vec!["the configuration was refused, the one in use stays:".to_owned()];
    lines.extend(each.iter().map(line));
    lines
}

/// A problem in one line.
pub(super) fn line(problem: &serde_json::Value) -> String {
    let text = |key: &str| {
        let value = &problem[key];
        let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if value.is_null() { String::new() } else { plain }
    };
    let place =
        if problem["line"].is_null() { text("file") } else { format!("{}:{}", text("file"), text("line")) };
    format!("{place}: {}: {}; {}", text("key"), text("message"), text("help"))
}
