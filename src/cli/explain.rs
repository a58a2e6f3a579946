//! `katahai explain URL`: what a visitor would get right now, and why.

use http::{Method, StatusCode};
use serde_json::Value;

use super::args::Explain;
use super::client::{message, with_instance};
use super::language::Language;
use super::print::{printable, say};
use super::{FAILED, fail};

/// Runs the command.
pub(super) fn run(options: &Explain) -> u8 {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("url", &options.url);
    if let Some(cookie) = &options.cookie {
        query.append_pair("cookie", cookie);
    }
    let (path, json) = (format!("/api/v1/explain?{}", query.finish()), options.instance.json);
    with_instance(&options.instance, |client| async move {
        match client.call(Method::GET, &path).await {
            Ok((StatusCode::OK, body)) if json => say(&String::from_utf8_lossy(&body)),
            Ok((StatusCode::OK, body)) => {
                say(&plain(&serde_json::from_slice(&body).unwrap_or_default(), Language::of_terminal()))
            }
            Ok((_, body)) => fail(FAILED, &message(&body)),
            Err(error) => fail(FAILED, &error.to_string()),
        }
    })
}

fn plain(explained: &Value, language: Language) -> String {
    let mut text = format!("{}\n\n", printable(explained["url"].as_str().unwrap_or_default()));
    for (place, step) in explained["steps"].as_array().into_iter().flatten().enumerate() {
        text.push_str(&format!("{:>2}. {}\n", place + 1, language.of_text(step)));
    }
    let cause = &explained["cause"];
    if let Some(code) = cause["code"].as_str() {
        let (meaning, advice) = (language.of_text(&cause["meaning"]), language.of_text(&cause["advice"]));
        text.push_str(&format!("\n{code}{}{meaning}\n{advice}\n", language.pick(": ", "：")));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_are_numbered_in_the_terminals_language() {
        let value = json!({
            "url": "http://h/\u{1b}",
            "steps": [{ "step": "site", "en": "One.", "ja": "一。" }, { "step": "page", "en": "Two.", "ja": "二。" }],
            "cause": { "code": "held", "meaning": { "en": "M.", "ja": "意味。" }, "advice": { "en": "A.", "ja": "対応。" } },
        });
        assert_eq!(
            plain(&value, Language::English),
            "http://h/\\u{1b}\n\n 1. One.\n 2. Two.\n\nheld: M.\nA.\n"
        );
        assert!(plain(&value, Language::Japanese).contains(" 2. 二。\n\nheld：意味。\n対応。"));
    }
}
