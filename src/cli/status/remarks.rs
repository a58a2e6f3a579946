//! What the operator should know besides: which snapshots wait for his word, and what crawls do and did.

use serde_json::Value;

use super::super::language::Language;
use super::super::print::printable;
use super::{each, text};
use crate::snapshot::Rule;

/// What the operator should know besides: the gate's word, his own, and what is wrong.
pub(super) fn remarks(site: &Value, language: Language) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    // of a site that is up it is the reason why it needs attention
    if site["state"] != "up" && site["disagreement"].is_object() {
        found.push(language.of_text(&site["disagreement"]["said"]));
    }
    if let Some(since) = site["by_hand"].as_str() {
        let since = printable(since);
        found.push(language.pick(
            format!(
                "somebody went back by hand at {since}; new snapshots wait for \"katahai snapshot publish latest\""
            ),
            format!(
                "手動で以前のスナップショットに戻されています（{since}）。新しいスナップショットは\
                 「katahai snapshot publish latest」を待っています"
            ),
        ));
    }
    // What is older than the one in service has been overtaken. Ids sort by their times.
    let current = site["snapshot"]["id"].as_str();
    let is_newer = |held: &&Value| current.is_none_or(|current| held["id"].as_str() > Some(current));
    for held in each(&site["held"]).filter(is_newer) {
        let (id, reasons) = (text(&held["id"]), why_held(&held["reasons"], language));
        found
            .push(language.pick(format!("{id} is held: {reasons}"), format!("{id} は保留中です：{reasons}")));
    }
    let last = &site["crawl"]["last"];
    let is_overtaken = |id: &str| current.is_some_and(|current| id < current);
    let is_over = last["outcome"] == "published" || last["held"]["id"].as_str().is_some_and(is_overtaken);
    if !is_over && !each(&site["held"]).any(|held| is_newer(&held)) {
        let reasons = why_held(&last["reasons"], language);
        if !reasons.is_empty() {
            let what = if site["snapshot"].is_null() {
                language.pick(
                    "the last crawl took no snapshot, and there are no snapshots yet: ",
                    "前回のクロールではスナップショットを取得できず、まだ1つもありません：",
                )
            } else {
                language.pick(
                    "the last crawl left the old snapshot in service: ",
                    "前回のクロールの後も、以前のスナップショットを使っています：",
                )
            };
            found.push(format!("{what}{reasons}"));
        }
    }
    found.extend(each(&last["decisions"]).map(|decision| {
        format!("{}{}", language.pick("the last crawl: ", "前回のクロール："), language.of_text(decision))
    }));
    found.extend(forms(&site["forms"], language));
    if site["forms_store"]["is_used"] == false {
        found.push(language.pick(
            "kept forms stay on this machine: key_file in [store] names no key to seal them with",
            "[store] の key_file に鍵の指定がないため、お預かりしたフォームはこのサーバーにのみ保存されます",
        ).to_owned());
    }
    found.extend(each(&site["recipients"]).flat_map(|recipient| not_taken(recipient, language)));
    let running = &site["crawl"]["running"];
    if !running.is_null() {
        let waiting = running["queued"].as_u64().unwrap_or(0) + running["under_way"].as_u64().unwrap_or(0);
        let (pages, files, errors) = (&running["pages"], &running["assets"], &running["errors"]);
        found.push(language.pick(
            format!(
                "a crawl is running: {pages} pages, {files} other files, {errors} errors, {waiting} waiting"
            ),
            format!(
                "クロールを実行中です：{pages}ページ、その他のファイル{files}件、エラー{errors}件、待ち{waiting}件"
            ),
        ));
    }
    found
}

/// What waits of kept forms: for the site, and for a person.
fn forms(counts: &Value, language: Language) -> Vec<String> {
    let count = |states: &[&str]| states.iter().filter_map(|state| counts[*state].as_u64()).sum::<u64>();
    let (waiting, undecided) = (count(&["unconfirmed", "kept", "sending"]), count(&["doubtful", "parked"]));
    let mut found = Vec::new();
    if waiting > 0 {
        found.push(language.pick(
            match waiting {
                1 => "1 kept form will be delivered when the site can take it".to_owned(),
                _ => format!("{waiting} kept forms will be delivered when the site can take them"),
            },
            format!(
                "お預かりしているフォーム{waiting}件は、サイトが受け取れるようになりしだい、お届けします"
            ),
        ));
    }
    if undecided > 0 {
        found.push(language.pick(
            match undecided {
                1 => "1 kept form needs your decision: \"katahai forms list\"".to_owned(),
                _ => format!("{undecided} kept forms need your decision: \"katahai forms list\""),
            },
            format!(
                "お預かりしているフォームのうち{undecided}件は、ご判断が必要です（「katahai forms list」）"
            ),
        ));
    }
    found
}

/// A recipient that does not take what waits for it, or has refused something.
fn not_taken(recipient: &Value, language: Language) -> Vec<String> {
    let count = |name: &str| recipient[name].as_u64().unwrap_or(0);
    let (to, waiting, refused) = (text(&recipient["to"]), count("waiting"), count("refused"));
    let code = text(&recipient["code"]);
    let why = recipient["message"].as_str().filter(|message| !message.is_empty()).unwrap_or(&code);
    let waits = (waiting > 0).then(|| {
        language.pick(
            format!("kept forms cannot be handed on to {to} ({waiting} waiting): {why}"),
            format!("お預かりしているフォームを {to} へ送れません（{waiting}件待ち）：{why}"),
        )
    });
    let refuses = (refused > 0).then(|| {
        language.pick(
            format!("{to} has refused {refused} of the kept forms: \"katahai forms list\""),
            format!("{to} は、お預かりしているフォームのうち{refused}件を受け付けませんでした（「katahai forms list」）"),
        )
    });
    waits.into_iter().chain(refuses).collect()
}

/// Why a snapshot is held. The rules have Japanese words; their numbers, and what is no rule, stand in the log's.
fn why_held(reasons: &Value, language: Language) -> String {
    let reason = |reason: &Value| match (language, Rule::of_reason(reason.as_str().unwrap_or_default())) {
        (Language::Japanese, Some(rule)) => rule.breach().ja.to_owned(),
        (Language::Japanese | Language::English, _) => text(reason),
    };
    let of_key_page =
        |reason: &Value| Rule::of_reason(reason.as_str().unwrap_or_default()) == Some(Rule::KeyPage);
    let advice = if each(reasons).any(of_key_page) {
        language.pick(
            " (if the site has no such page any more, correct key_pages)",
            "（なくなったページであれば、設定の key_pages を直してください）",
        )
    } else {
        ""
    };
    let reasons: Vec<String> = each(reasons).map(reason).collect();
    format!("{}{advice}", reasons.join(language.pick("; ", "")))
}
