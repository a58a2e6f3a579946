//! The instances that share a store, a line each.

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::super::language::Language;
use super::{coarse, each, text};

/// A line for each, under a heading; nothing without a store.
pub(super) fn lines(regions: &Value, language: Language) -> String {
    if regions.is_null() {
        return String::new();
    }
    let mut rows: Vec<[String; 3]> = Vec::new();
    for one in each(&regions["instances"]) {
        let (name, place) = (text(&one["name"]), text(&one["place"]));
        let place = if place == name { String::new() } else { place };
        rows.push([name, place, how(one, language)]);
    }
    let width = |at: usize| rows.iter().map(|row| row[at].width()).max().unwrap_or(0);
    let widths = [width(0), width(1)];
    let mut told = format!("\n{}\n", language.pick("instances", "インスタンス"));
    for [name, place, how] in rows {
        let pad = |text: &str, width: usize| " ".repeat(width - text.width());
        let (after_name, after_place) = (pad(&name, widths[0]), pad(&place, widths[1]));
        let gap = if widths[1] == 0 { "" } else { "  " };
        told.push_str(&format!("  {name}{after_name}  {place}{after_place}{gap}{how}\n"));
    }
    let holder = each(&regions["instances"]).any(|one| one["holds"] == true);
    if !holder && regions["lease"]["standing"] == "free" {
        told.push_str(
            language.pick("  no instance crawls\n", "  クロールを担当するインスタンスがありません\n"),
        );
    }
    if !regions["fault"].is_null() {
        let fault = &regions["fault"];
        told.push_str(&language.pick(
            format!(
                "  the store: {}: {} {}\n",
                text(&fault["code"]),
                text(&fault["meaning"]["en"]),
                text(&fault["advice"]["en"])
            ),
            format!(
                "  ストア：{}：{}{}\n",
                text(&fault["code"]),
                text(&fault["meaning"]["ja"]),
                text(&fault["advice"]["ja"])
            ),
        ));
    }
    told
}

/// How one is.
fn how(one: &Value, language: Language) -> String {
    let mut parts = Vec::new();
    if one["own"] == true {
        parts.push(language.pick("this one", "このインスタンス").to_owned());
    } else {
        let ago = coarse(one["heard_s"].as_u64().unwrap_or(0));
        parts.push(match one["life"].as_str().unwrap_or_default() {
            "heard" => language.pick(format!("heard {ago} ago"), format!("{ago}前に受信")),
            "silent" => language.pick(format!("silent for {ago}"), format!("{ago}前から応答なし")),
            "stopped" => language.pick(format!("stopped {ago} ago"), format!("{ago}前に停止")),
            _ => language.pick(format!("unknown, heard {ago} ago"), format!("不明（{ago}前に受信）")),
        });
    }
    if one["holds"] == true {
        parts.push(language.pick("crawls", "クロール担当").to_owned());
    }
    let down: Vec<String> = each(&one["down"]).map(text).collect();
    if !down.is_empty() {
        let shown =
            if down.len() > SHOWN { format!("{}, …", down[..SHOWN].join(", ")) } else { down.join(", ") };
        parts.push(language.pick(format!("does not reach {shown}"), format!("到達できないサイト：{shown}")));
    }
    parts.join(language.pick(", ", "、"))
}

/// Sites that are named of those that an instance does not reach.
const SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_instance_has_a_line() {
        let regions = json!({
            "lease": { "standing": "follows", "holder": "tokyo-1" }, "fault": null,
            "instances": [
                { "name": "osaka-1", "place": "Osaka", "own": true, "life": "heard", "holds": false, "down": ["shop"] },
                { "name": "tokyo-1", "place": "Tokyo", "life": "heard", "heard_s": 4, "holds": true, "down": [] },
                { "name": "kyoto", "place": "kyoto", "life": "silent", "heard_s": 130, "holds": false, "down": [] },
            ]
        });
        let expected = "\ninstances\n  osaka-1  Osaka  this one, does not reach shop\n  tokyo-1  Tokyo  heard 4s ago, crawls\n  \
                        kyoto           silent for 2m\n";
        assert_eq!(lines(&regions, Language::English), expected);
        assert_eq!(lines(&Value::Null, Language::English), "");
        let alone = json!({ "lease": { "standing": "free" }, "instances": [{ "name": "a", "place": "a", "own": true }],
            "fault": { "code": "store-busy", "meaning": { "en": "It is busy." }, "advice": { "en": "Wait." } } });
        let told = lines(&alone, Language::English);
        assert!(
            told.ends_with("  no instance crawls\n  the store: store-busy: It is busy. Wait.\n"),
            "{told}"
        );
    }
}
