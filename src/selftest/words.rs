//! A result in words: for the terminal and for the mail. Pure.

use std::fmt::Write as _;

use super::finding::{Finding, FindingKind, Weight};
use super::result::DrillResult;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tongue {
    /// English.
    En,
    /// Japanese.
    Ja,
}

impl Tongue {
    fn say<T>(self, en: T, ja: T) -> T {
        match self {
            Tongue::En => en,
            Tongue::Ja => ja,
        }
    }
}

/// Findings of one kind that are named.
const NAMED: usize = 5;

/// The subject of the mail.
pub fn subject(site: &str, result: &DrillResult, tongue: Tongue) -> String {
    let score = result.score;
    match (result.is_well, tongue) {
        (true, Tongue::En) => format!("{site}: self-test {score} of 100, all well"),
        (true, Tongue::Ja) => format!("{site}：自己診断 {score}点（異常なし）"),
        (false, Tongue::En) => format!("{site}: self-test {score} of 100, something would be missing"),
        (false, Tongue::Ja) => format!("{site}：自己診断 {score}点（停止時に不足があります）"),
    }
}

/// The whole, in lines.
pub fn text(site: &str, result: &DrillResult, tongue: Tongue) -> String {
    let mut out = String::new();
    let was = result.was.map(|was| tongue.say(format!(", was {was}"), format!("（前回 {was}点）")));
    let was = was.unwrap_or_default();
    let score = result.score;
    _ = match tongue {
        Tongue::En => writeln!(out, "{site}: {score} of 100{was}"),
        Tongue::Ja => writeln!(out, "{site}：100点中 {score}点{was}"),
    };
    let verdict = if result.is_well {
        tongue.say(
            "If the site went down now, a visitor would miss nothing important.",
            "いま通常のサイトが停止しても、訪問者は必要なものを利用できます。",
        )
    } else {
        tongue.say(
            "If the site went down now, visitors would miss something.",
            "いま通常のサイトが停止すると、訪問者が利用できないものがあります。",
        )
    };
    _ = writeln!(out, "{verdict}\n");
    for (place, (name, part)) in result.parts.rows().into_iter().enumerate() {
        let ja = ["重要ページ", "フォーム", "ページ", "ファイル", "新しさ"];
        let name = tongue.say(name, ja.get(place).copied().unwrap_or_default());
        let points = format!("{}/{}", part.points, part.of);
        _ = match (part.all, tongue) {
            (0, Tongue::En) => writeln!(out, "  {points:>6}  {name} (none)"),
            (0, Tongue::Ja) => writeln!(out, "  {points:>6}  {name}（なし）"),
            (all, Tongue::En) => writeln!(out, "  {points:>6}  {name} ({} of {all})", part.good),
            (all, Tongue::Ja) => writeln!(out, "  {points:>6}  {name}（{all}中 {}）", part.good),
        };
    }
    _ = writeln!(out, "\n{}", scripts(result, tongue));
    if result.is_cut {
        let cut = tongue.say(
            "The walk ended at its bound; what lies behind was not looked at.",
            "上限に達したため、残りは確認していません。",
        );
        _ = writeln!(out, "{cut}");
    }
    for kind in FindingKind::ALL.iter().filter(|kind| kind.weight() > Weight::Note) {
        of_kind(&mut out, *kind, result, tongue);
    }
    let notes: Vec<&Finding> =
        result.findings.iter().filter(|finding| finding.kind.weight() == Weight::Note).collect();
    if !notes.is_empty() {
        _ = writeln!(out, "\n{}", tongue.say("Good to know:", "参考："));
        for finding in notes.iter().take(NAMED) {
            let meaning = finding.kind.meaning();
            _ = writeln!(out, "  {}: {}", finding.path, tongue.say(meaning.en, meaning.ja));
        }
    }
    out
}

fn scripts(result: &DrillResult, tongue: Tongue) -> String {
    let pages = result.pages;
    match (&result.scripts_not_tried, tongue) {
        (None, Tongue::En) => format!("{pages} pages walked, {} of them in a browser.", result.scripts),
        (None, Tongue::Ja) => {
            format!("{pages}ページを確認し、うち{}ページをブラウザーで開きました。", result.scripts)
        }
        (Some(why), Tongue::En) => format!("{pages} pages walked. Scripts were not tried: {why}."),
        (Some(_), Tongue::Ja) => {
            format!(
                "{pages}ページを確認しました。スクリプトは試していません（ブラウザーを使えませんでした）。"
            )
        }
    }
}

fn of_kind(out: &mut String, kind: FindingKind, result: &DrillResult, tongue: Tongue) {
    let found: Vec<&Finding> = result.findings.iter().filter(|finding| finding.kind == kind).collect();
    if found.is_empty() {
        return;
    }
    let (meaning, advice) = (kind.meaning(), kind.advice());
    let count = result.counts.get(kind.code()).copied().unwrap_or_default();
    _ = writeln!(out, "\n{} ({count})", tongue.say(meaning.en, meaning.ja));
    for finding in found.iter().take(NAMED) {
        let is_new = result.new.contains(&(finding.kind, finding.path.clone()));
        let new = if is_new { tongue.say(" [new]", "［新］") } else { "" };
        let on = finding.on.as_deref().filter(|on| *on != finding.path);
        let on = on.map(|on| tongue.say(format!(", on {on}"), format!("（{on} 内）"))).unwrap_or_default();
        let detail = finding.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        _ = writeln!(out, "  - {}{on}{detail}{new}", finding.path);
    }
    if count > NAMED as u64 {
        _ = writeln!(out, "  {}", tongue.say("and more (--json has them)", "ほか（--json で一覧できます）"));
    }
    _ = writeln!(out, "  {} {}", tongue.say("To do:", "対応："), tongue.say(advice.en, advice.ja));
    for lines in found.iter().filter_map(|finding| finding.lines.as_deref()).take(NAMED) {
        for line in lines.lines() {
            _ = writeln!(out, "      {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_says_what_is_missing_and_what_to_do() {
        let mut lost = Finding::new(FindingKind::FormLost, "/send").on(Some("/contact"));
        lost.lines = Some("[[site.form]]\npath = \"/send\"\n".to_owned());
        let result = DrillResult {
            score: 71,
            was: Some(97),
            pages: 3,
            counts: [("form-lost".to_owned(), 1)].into(),
            findings: vec![lost],
            new: vec![(FindingKind::FormLost, "/send".to_owned())],
            scripts_not_tried: Some("no browser".to_owned()),
            ..DrillResult::default()
        };
        let en = text("shop", &result, Tongue::En);
        for part in
            ["shop: 71 of 100, was 97", "- /send, on /contact [new]", "[[site.form]]", "no browser", "To do:"]
        {
            assert!(en.contains(part), "{part}\n{en}");
        }
        let ja = text("shop", &result, Tongue::Ja);
        assert!(ja.contains("前回 97点") && ja.contains("対応："), "{ja}");
        assert!(subject("shop", &result, Tongue::Ja).contains("71点"));
    }
}
