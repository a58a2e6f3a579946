//! Why a site is as it is, in words: causes with what to do, what share of visitors got what, and what else is wrong.

use serde_json::Value;

use super::super::language::Language;
use super::super::print::printable;
use super::{each, text};

/// Pages without a copy that are shown; `--json` has all.
const SHOWN: usize = 5;

/// What there is to say of a site, a line each.
pub(super) fn of_site(site: &Value, language: Language) -> Vec<String> {
    let mut said = Vec::new();
    if !site["cause"].is_null() {
        said.push(with_place(&cause(&site["cause"], language), site));
    }
    if let Some(leads) = site["leads"].as_str() {
        said.push(moved(leads, language));
    }
    if !site["fallback"].is_null() {
        said.push(language.of_text(&site["fallback"]));
    }
    said.extend(branches(site, language));
    said.extend(returning(site, language));
    said.extend(answers(&site["answers"]["late"], language));
    said.extend(without_copy(&site["without_copy"], language));
    said.extend(conditions(&site["conditions"], language));
    said
}

/// What is wrong besides, or worth knowing.
pub(super) fn conditions(conditions: &Value, language: Language) -> Vec<String> {
    let line = |condition: &Value| {
        let (since, detail) = (text(&condition["since"]), text(&condition["detail"]));
        format!("{} [{since}: {detail}]", cause(&condition["cause"], language))
    };
    each(conditions).map(line).collect()
}

fn cause(cause: &Value, language: Language) -> String {
    let (meaning, advice) = (language.of_text(&cause["meaning"]), language.of_text(&cause["advice"]));
    language.pick(
        format!("{}: {meaning} {advice}", text(&cause["code"])),
        format!("{}：{meaning}{advice}", text(&cause["code"])),
    )
}

/// The advice with the first origin's own address and name in place of the words for them.
fn with_place(advice: &str, site: &Value) -> String {
    let origin = &site["origins"][0];
    let url = origin["url"].as_str().and_then(|url| url::Url::parse(url).ok());
    let (Some(url), Some(host)) = (url, origin["host"].as_str()) else { return advice.to_owned() };
    let (Some(at), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return advice.to_owned();
    };
    let (place, host) = (format!("{at}:{port}"), printable(host));
    [("HOST:PORT", &*place), ("-servername NAME", &*format!("-servername {host}"))]
        .iter()
        .fold(advice.to_owned(), |advice, (word, own)| advice.replace(word, own))
}

/// Where pages lead that lead to a stranger, and what to do if that is meant.
fn moved(leads: &str, language: Language) -> String {
    let leads = printable(leads);
    language.pick(
        format!(
            "its pages are redirects ({leads}), which no visitor gets; if the site has moved there, add the domain to moved_to under \
             [site.failover], or to hosts"
        ),
        format!(
            "ページが別のドメインへの転送になっています（{leads}）。訪問者は転送していません。移転したのであれば、\
             [site.failover] の moved_to か hosts にそのドメインを加えてください"
        ),
    )
}

fn branches(site: &Value, language: Language) -> Option<String> {
    let of = |branch: &Value| {
        let (path, pages, code) = (text(&branch["path"]), &branch["pages"], text(&branch["cause"]["code"]));
        language.pick(format!("{path} ({pages}, {code})"), format!("{path}（{pages}件、{code}）"))
    };
    let list: Vec<String> = each(&site["branches"]).map(of).collect();
    (!list.is_empty()).then(|| {
        let list = list.join(language.pick(", ", "、"));
        language.pick(
            format!("pages whose live version is bad: {list}"),
            format!("元のページに異常があるもの：{list}"),
        )
    })
}

/// How far a site that has come back is open again.
fn returning(site: &Value, language: Language) -> Option<String> {
    let share = site["share"].as_f64().filter(|_| site["state"] == "recovering")?;
    let share = (share * 100.0).round();
    Some(language.pick(
        format!("{share}% of visitors get the live site again"),
        format!("訪問者の{share}%に、元のサイトをお見せしています"),
    ))
}

fn answers(late: &Value, language: Language) -> Option<String> {
    let requests = late["requests"].as_u64().filter(|requests| *requests > 0)?;
    let mut shares: Vec<(&str, f64)> = late["shares"]
        .as_object()?
        .iter()
        .filter_map(|(rung, share)| Some((rung.as_str(), share.as_f64()?)))
        .collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    // Rounded, but never to all or nothing of what is neither.
    let percent = |share: f64| if share < 1.0 { (share * 100.0).round().clamp(1.0, 99.0) } else { 100.0 };
    let list: Vec<String> = shares
        .into_iter()
        .map(|(rung, share)| format!("{} {}%", word(rung, language), percent(share)))
        .collect();
    let minutes = late["seconds"].as_u64().unwrap_or(0).div_ceil(60).max(1);
    let list = list.join(language.pick(", ", "、"));
    Some(language.pick(
        format!("{requests} answers in {minutes} min: {list}"),
        format!("直近{minutes}分の応答{requests}件：{list}"),
    ))
}

fn word(rung: &str, language: Language) -> String {
    let word = match rung {
        "cache" => ("cache", "キャッシュ"),
        "origin" => ("live", "元のサイト"),
        "stale" => ("stale cache", "期限切れのキャッシュ"),
        "snapshot" => ("snapshot", "スナップショット"),
        "holding" => ("holding page", "お知らせのページ"),
        "refused" => ("form refused", "送信の受付不可"),
        "error" => ("bad request", "不正なリクエスト"),
        other => return printable(other),
    };
    language.pick(word.0, word.1).to_owned()
}

fn without_copy(pages: &Value, language: Language) -> Option<String> {
    let all = each(pages).count();
    let first: Vec<String> =
        each(pages).take(SHOWN).map(|page| format!("{} ({})", text(&page["path"]), page["asked"])).collect();
    (all > 0).then(|| {
        let list = first.join(", ");
        let more = all.saturating_sub(SHOWN);
        let (more, more_ja) = if more > 0 {
            (format!(", and {more} more"), format!("、ほか{more}件"))
        } else {
            Default::default()
        };
        language.pick(
            format!("not available in the copy: {list}{more}"),
            format!("スナップショットに含まれていないページ：{list}{more_ja}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::failure::Cause;

    #[test]
    fn advice_names_the_origin_that_it_is_about() {
        let site = json!({ "origins": [{ "url": "https://203.0.113.10", "host": "www.example.jp" }] });
        for (advice, expected) in [
            (Cause::TlsRefused.advice().en, "-connect 203.0.113.10:443 -servername www.example.jp"),
            (Cause::TlsRefused.advice().ja, "-connect 203.0.113.10:443 -servername www.example.jp"),
            ("Call NAME.", "Call NAME."),
        ] {
            let told = with_place(advice, &site);
            assert!(told.contains(expected), "{told}");
            assert_eq!(with_place(advice, &json!({ "origins": [] })), advice);
        }
    }

    #[test]
    fn a_site_in_trouble_is_told_in_words() {
        let told = |code: &str| {
            let text = |it: &str| json!({ "en": format!("{it}."), "ja": format!("{it}。") });
            json!({ "code": code, "meaning": text("M"), "advice": text("A") })
        };
        let pages: Vec<Value> =
            (0..7).map(|n| json!({ "path": format!("/{n}\u{1b}"), "asked": 9 - n })).collect();
        let site = json!({
            "state": "recovering", "share": 0.25, "cause": told("refused"),
            "branches": [{ "path": "/shop", "pages": 3, "cause": told("database-error") }],
            "answers": { "late": { "seconds": 290, "requests": 8, "shares": { "origin": 0.25, "snapshot": 0.75 } } },
            "without_copy": pages,
            "conditions": [{ "cause": told("disk-full"), "since": "2026-11-28T09:00:00Z", "detail": "no room" }],
        });
        assert_eq!(
            of_site(&site, Language::English),
            [
                "refused: M. A.",
                "pages whose live version is bad: /shop (3, database-error)",
                "25% of visitors get the live site again",
                "8 answers in 5 min: snapshot 75%, live 25%",
                "not available in the copy: /0\\u{1b} (9), /1\\u{1b} (8), /2\\u{1b} (7), /3\\u{1b} (6), \
                 /4\\u{1b} (5), and 2 more",
                "disk-full: M. A. [2026-11-28T09:00:00Z: no room]",
            ]
        );
        assert_eq!(of_site(&site, Language::Japanese)[0], "refused：M。A。");
        assert_eq!(of_site(&json!({}), Language::English), [] as [String; 0]);
    }
}
