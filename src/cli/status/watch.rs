//! What is looked at weeks before it stops a site.

use serde_json::Value;

use super::super::language::Language;
use super::{each, text};

/// What has an end, and what is not well or not known; `None` if there is nothing of the kind.
pub(super) fn fact(site: &Value, language: Language) -> Option<String> {
    let is_told = |one: &&Value| one["state"] != "ok" || !one["until"].is_null();
    let lines: Vec<String> = each(&site["watch"]).filter(is_told).map(|one| line(one, language)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn line(one: &Value, language: Language) -> String {
    let subject = match one["subject"].as_str() {
        None | Some("") => String::new(),
        Some(_) => format!(" {}", text(&one["subject"])),
    };
    let (what, state, detail) =
        (what(&one["what"], language), state(&one["state"], language), text(&one["detail"]));
    language
        .pick(format!("{what}{subject} {state}: {detail}"), format!("{what}{subject} {state}（{detail}）"))
}

fn what(what: &Value, language: Language) -> String {
    let (english, japanese) = match what.as_str().unwrap_or_default() {
        "domain" => ("domain", "ドメイン"),
        "hold" => ("hold on", "停止の有無"),
        "transfer-lock" => ("transfer lock of", "移管ロック"),
        "name-servers" => ("name servers of", "ネームサーバー"),
        "addresses" => ("addresses of", "IPアドレス"),
        "dnssec" => ("DNSSEC of", "DNSSEC"),
        "certificate" => ("certificate", "証明書"),
        "answers" => ("answers", "応答の傾向"),
        "snapshot" => ("snapshot", "スナップショット"),
        "coverage" => ("coverage", "網羅率"),
        _ => return text(what),
    };
    language.pick(english, japanese).to_owned()
}

fn state(state: &Value, language: Language) -> String {
    let (english, japanese) = match state.as_str().unwrap_or_default() {
        "ok" => ("ok", "正常"),
        "soon" => ("soon", "期限間近"),
        "past" => ("past", "期限切れ"),
        "bad" => ("bad", "異常"),
        "unknown" => ("unknown", "未確認"),
        _ => return text(state),
    };
    language.pick(english, japanese).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_well_and_has_no_date_is_left_out() {
        let one = |what: &str, subject: &str, state: &str, until: Value| json!({ "what": what, "subject": subject, "state": state, "until": until, "detail": "so it is" });
        let site = json!({ "watch": [
            one("domain", "example.jp", "soon", "2027-03-01T00:00:00Z".into()),
            one("hold", "example.jp", "ok", Value::Null),
            one("coverage", "", "unknown", Value::Null),
        ] });
        let told = fact(&site, Language::English);
        assert_eq!(told.as_deref(), Some("domain example.jp soon: so it is\ncoverage unknown: so it is"));
        let told = fact(&site, Language::Japanese).unwrap();
        assert!(told.starts_with("ドメイン example.jp 期限間近（so it is）\n"), "{told}");
        assert_eq!(fact(&json!({ "watch": [one("hold", "x", "ok", Value::Null)] }), Language::English), None);
        assert_eq!(fact(&json!({}), Language::English), None);
    }
}
