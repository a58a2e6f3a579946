//! How a site stands with the copy outside this machine.

use serde_json::Value;

use super::super::language::Language;
use super::super::print::printable;
use super::text;

/// Where the store is, and whether it has what is in service; `None`: there is no store.
pub(super) fn fact(status: &Value, site: &Value, language: Language) -> Option<String> {
    let (store, standing) = (&status["store"], &site["store"]);
    let url = printable(store["url"].as_str()?);
    if !store["fault"].is_null() {
        let (meaning, advice) =
            (language.of_text(&store["fault"]["meaning"]), language.of_text(&store["fault"]["advice"]));
        let since = text(&store["fault"]["since"]);
        return Some(language.pick(
            format!("{url}\n{meaning}\n{advice}\nsince {since}"),
            format!("{url}\n{meaning}\n{advice}\n{since} から"),
        ));
    }
    let doing = match standing["doing"].as_str().unwrap_or_default() {
        "pushing" => language.pick("sending a snapshot there", "スナップショットを送信中"),
        "pulling" => language.pick("fetching a snapshot from there", "スナップショットを取得中"),
        "arriving" => language.pick(
            "in service, and the rest of it is being fetched",
            "公開中（残りのファイルを取得しています）",
        ),
        _ if standing["lag_s"].as_u64().unwrap_or(0) > 0 => language.pick("not in step", "未同期"),
        _ if standing["generation"].as_u64().unwrap_or(0) == 0 => language.pick("empty so far", "まだ空です"),
        _ => language.pick("in step", "同期済み"),
    };
    let trouble = standing["trouble"].as_str().map(|why| format!("\n{}", printable(why)));
    Some(format!("{url}\n{doing}{}", trouble.unwrap_or_default()))
}
