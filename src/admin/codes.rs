//! What the codes of the API mean, in both languages, as a script of the dashboard. It is made from the tables in the code, so
//! the page, the command line and the documents say the same.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Serialize;

use crate::crawl::Refusal;
use crate::failure::{Cause, Text};
use crate::snapshot::{BY_HAND, Rule};

type Words = BTreeMap<&'static str, Text>;

/// The tables, each by its codes.
#[derive(Serialize)]
struct Codes {
    causes: Words,
    refusals: Words,
    rules: Words,
    /// What became of a page of the snapshot before, where neither a refusal nor a cause says it.
    carried: Words,
    /// Why a snapshot waits, where no rule says it: by the sentence, or by the code before its colon.
    waits: Words,
}

static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let codes = Codes {
        causes: Cause::ALL.iter().map(|cause| (cause.code(), cause.meaning())).collect(),
        refusals: Refusal::ALL.iter().map(|refusal| (refusal.code(), refusal.text())).collect(),
        rules: Rule::ALL.iter().map(|rule| (rule.code(), rule.breach())).collect(),
        carried: CARRIED.into_iter().collect(),
        waits: WAITS.into_iter().collect(),
    };
    format!("export const CODES = {};\n", serde_json::to_string(&codes).unwrap_or_default())
});

/// The script.
pub(super) fn script() -> &'static str {
    &SCRIPT
}

const CARRIED: [(&str, Text); 5] = [
    (
        "not-reached",
        Text {
            en: "This crawl did not reach it.", ja: "今回のクロールでは届きませんでした。"
        },
    ),
    (
        "emptied",
        Text {
            en: "It is empty now. The next good crawl shows whether that is intended.",
            ja: "空のページになりました。意図した変更かどうかは、次の正常なクロールで判断します。",
        },
    ),
    (
        "elsewhere",
        Text {
            en: "It redirects to another site.", ja: "別のサイトへリダイレクトしています。"
        },
    ),
    ("login", Text { en: "It needs a login.", ja: "ログインが必要です。" }),
    (
        "no-copy",
        Text {
            en: "Its old copy is damaged, or the new pages leave no room for it.",
            ja: "以前のコピーが壊れているか、新しいページのために空きがありません。",
        },
    ),
];

const WAITS: [(&str, Text); 2] = [
    (
        "imported",
        Text {
            en: "It was imported, and waits for an operator to publish it.",
            ja: "取り込んだスナップショットです。管理者が使用を開始するまで待ちます。",
        },
    ),
    (
        BY_HAND,
        Text {
            en: BY_HAND,
            ja: "手動で以前のスナップショットに戻されたため、使用を開始する指示を待っています。",
        },
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_words_in_both_languages() {
        let json = script().strip_prefix("export const CODES = ").and_then(|rest| rest.strip_suffix(";\n"));
        let codes: serde_json::Value = serde_json::from_str(json.unwrap()).unwrap();
        for (table, code) in [("causes", "refused"), ("refusals", "robots"), ("rules", "shrunk")] {
            assert!(codes[table][code]["en"].is_string(), "{table} {code}");
        }
        for (table, words) in codes.as_object().unwrap() {
            for (code, text) in words.as_object().unwrap() {
                let ja = text["ja"].as_str().unwrap();
                assert!(ja.ends_with('。') && !ja.contains("控え"), "{table} {code}: {ja}");
            }
        }
    }
}
