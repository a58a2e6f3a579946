//! `katahai status`: what the running instance says of its sites.

use std::io::IsTerminal as _;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::args::Status;
use super::client::{Client, StatusError, message, with_instance};
use super::language::Language;
use super::print::{printable, say};
use super::{DONE, FAILED, fail};
use crate::clock;
use crate::config::render::Style;
use lines::Screen;
use remarks::remarks;

mod lines;
mod regions;
mod remarks;
mod store;
mod watch;
mod why;

/// `--check`: something is to be looked after.
const WARNED: u8 = 3;
/// `--check`: visitors do not get all of a live site.
const TROUBLE: u8 = 4;

/// Runs the command.
pub(super) fn run(options: &Status) -> u8 {
    let options = options.clone();
    with_instance(&options.instance.clone(), |client| async move {
        match told(&client, &options).await {
            Ok((text, code)) if text.is_empty() => code,
            Ok((text, code)) => match say(&text) {
                DONE => code,
                failed => failed,
            },
            Err(error) => fail(FAILED, &error.to_string()),
        }
    })
}

/// What is said, and the exit code.
async fn told(client: &Client, options: &Status) -> Result<(String, u8), StatusError> {
    let query = |pairs: &[(&str, Option<&str>)]| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs.iter().filter_map(|(key, value)| Some((*key, (*value)?))));
        query.finish()
    };
    let status =
        async |site: Option<&str>| get(client, &format!("/api/v1/status?{}", query(&[("site", site)]))).await;
    let site = options.site.as_deref();
    let few = options.problems || options.check;
    if options.instance.json && !few {
        let status = status(site).await?;
        return Ok((json(&status), DONE));
    }
    let overview = query(&[("site", site), ("problems", few.then_some("true"))]);
    let overview = get(client, &format!("/api/v1/sites?{overview}")).await?;
    let code = if options.check { code(&overview) } else { DONE };
    let names: Vec<&str> = each(&overview["sites"]).filter_map(|site| site["name"].as_str()).collect();
    if options.instance.json {
        let mut status = status(site).await?;
        if let Some(sites) = status["sites"].as_array_mut() {
            sites.retain(|site| site["name"].as_str().is_some_and(|name| names.contains(&name)));
        }
        return Ok((json(&status), code));
    }
    if options.check && code == DONE {
        return Ok((String::new(), code));
    }
    let screen = screen();
    let text = match names.as_slice() {
        [one] => detailed(&overview, &status(Some(one)).await?, screen),
        _ => in_lines(&overview, screen),
    };
    Ok((text, code))
}

async fn get(client: &Client, path: &str) -> Result<Value, StatusError> {
    match client.call(Method::GET, path).await? {
        (StatusCode::OK, body) => Ok(serde_json::from_slice(&body).unwrap_or_default()),
        (_, body) => Err(StatusError::Refused(message(&body))),
    }
}

fn json(status: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(status).unwrap_or_default())
}

fn code(overview: &Value) -> u8 {
    let some = |level: &&str| overview["counts"][*level].as_u64().unwrap_or(0) > 0;
    if ["down", "degraded", "recovering"].iter().any(some) {
        TROUBLE
    } else if some(&"warning") || each(&overview["conditions"]).next().is_some() {
        WARNED
    } else {
        DONE
    }
}

/// Of the terminal. What is no terminal has no width, and gets no colours.
fn screen() -> Screen {
    let out = std::io::stdout();
    let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok()).flatten();
    let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
    Screen { language: Language::of_terminal(), width, coloured: Style::of(&out) == Style::Coloured }
}

/// Which instance speaks: one that somebody has forgotten answers as readily as the one that is meant.
fn head(status: &Value, language: Language) -> String {
    let up = humantime::format_duration(Duration::from_secs(status["uptime_s"].as_u64().unwrap_or(0)));
    let listen: Vec<String> = each(&status["listen"]).map(text).collect();
    let listen = listen.join(language.pick(", ", "、"));
    let (by, by_ja) = match status["config_file"].as_str().map(printable) {
        Some(file) => (format!("by {file}"), file),
        None => ("on the command line".to_owned(), "コマンドライン".to_owned()),
    };
    let version = text(&status["version"]);
    language.pick(
        format!("katahai {version}, up {up}\nlistens on {listen}; configured {by}\n"),
        format!("katahai {version}, up {up}\n待ち受け：{listen}、設定：{by_ja}\n"),
    )
}

/// Before everything else: where the copy may not be what the site's owner wanted.
fn robots(overview: &Value, screen: Screen) -> String {
    let robots = &overview["robots"];
    let language = screen.language;
    let named = |site: &Value| {
        format!("{}{}{}", text(&site["site"]), language.pick(": ", "："), language.of_text(&site["robots"]))
    };
    let mut told: String = each(&robots["first"]).map(|site| wrapped(&named(site), screen)).collect();
    let named = each(&robots["first"]).count();
    let others = robots["sites"].as_u64().unwrap_or(0).saturating_sub(named as u64);
    if others > 0 {
        let more = language.pick(
            format!("{others} more sites whose robots.txt forbids the whole site"),
            format!("ほか{others}サイトの robots.txt も、サイト全体の取得を禁止しています。"),
        );
        told.push_str(&wrapped(&more, screen));
    }
    told
}

/// A line a site.
fn in_lines(overview: &Value, screen: Screen) -> String {
    let language = screen.language;
    let mut told = robots(overview, screen);
    told.push_str(&format!("{}\n{}", lines::summary(&overview["counts"], screen), head(overview, language)));
    told.push_str(&regions::lines(&overview["regions"], language));
    for note in why::conditions(&overview["conditions"], language) {
        told.push_str(&format!("\n{}", wrapped(&format!("katahai: {note}"), screen)));
    }
    if each(&overview["sites"]).next().is_some() {
        told.push_str(&format!("\n{}\n", lines::lines(&overview["sites"], clock::now().wall, screen)));
        told.push_str(language.pick(
            "\"katahai status --site NAME\" tells all of one site\n",
            "「katahai status --site 名前」で、サイトごとの詳細を表示します\n",
        ));
    }
    told
}

/// All of one site.
fn detailed(overview: &Value, status: &Value, screen: Screen) -> String {
    let language = screen.language;
    let mut told = robots(overview, screen);
    told.push_str(&format!("{}\n", lines::summary(&overview["counts"], screen)));
    told.push_str(&head(status, language));
    told.push_str(&regions::lines(&status["regions"], language));
    for site in each(&status["sites"]) {
        if let Some(why) = attention(overview, site, language) {
            told.push_str(&wrapped(&why, screen));
        }
        let origins: Vec<String> = each(&site["origins"]).map(|it| origin(it, language)).collect();
        let origins =
            if origins.is_empty() { language.pick("none", "なし").to_owned() } else { origins.join("\n") };
        let mut facts = vec![
            (language.pick("site", "サイト"), text(&site["name"])),
            (language.pick("state", "状態"), state(site, language)),
            (language.pick("visitors get", "訪問者に届くもの"), language.of_text(&site["gets"]["short"])),
            (language.pick("mode", "モード"), mode(site, language)),
            (language.pick("origins", "元のサーバー"), origins),
            (language.pick("snapshot", "スナップショット"), snapshot(site, language)),
        ];
        facts
            .extend(store::fact(status, site, language).map(|fact| (language.pick("store", "ストア"), fact)));
        facts.extend(watch::fact(site, language).map(|fact| (language.pick("watched", "監視"), fact)));
        told.push_str(&format!("\n{}", list(&facts)));
        for note in why::of_site(site, language).into_iter().chain(remarks(site, language)) {
            told.push_str(&format!("\n{}", wrapped(&note, screen)));
        }
    }
    for note in why::conditions(&status["conditions"], language) {
        told.push_str(&format!("\n{}", wrapped(&format!("katahai: {note}"), screen)));
    }
    told
}

/// Names and values, which may have several lines.
fn list(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.width()).max().unwrap_or(0) + 2;
    let mut text = String::new();
    for (name, value) in facts {
        for (at, line) in value.lines().enumerate() {
            let name = if at == 0 { *name } else { "" };
            text.push_str(&format!("{name}{}{line}\n", " ".repeat(width - name.width())));
        }
    }
    text
}

/// A text in lines that the screen has room for; between words where it has some.
fn wrapped(text: &str, screen: Screen) -> String {
    let most = screen.width.unwrap_or(usize::MAX);
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split_inclusive(' ') {
        if !line.is_empty()
            && line.width() + word.trim_end().width() > most
            && word.trim_end().width() <= most
        {
            lines.push_str(&format!("{}\n", line.trim_end()));
            line.clear();
        }
        for c in word.chars() {
            if line.width() + c.width().unwrap_or(0) > most {
                lines.push_str(&format!("{}\n", line.trim_end()));
                line.clear();
            }
            line.push(c);
        }
    }
    format!("{lines}{}\n", line.trim_end())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), printable)
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The state, and since when.
fn state(site: &Value, language: Language) -> String {
    let since = site["since"].as_str().map(printable);
    let since = since.map(|since| language.pick(format!("\nsince {since}"), format!("\n{since} から")));
    format!("{}{}", word(&site["state"], language), since.unwrap_or_default())
}

/// The mode; one that is not automatic was set by somebody, and may have been forgotten.
fn mode(site: &Value, language: Language) -> String {
    let mode = word(&site["mode"], language);
    if site["mode"] == "auto" {
        return mode;
    }
    let until = site["mode_until"].as_str().map(printable);
    let until = until.map_or_else(
        || {
            language.pick(
                "until it is set to auto or Katahai restarts".to_owned(),
                "自動に戻すか再起動するまで".to_owned(),
            )
        },
        |until| language.pick(format!("until {until}"), format!("{until} まで")),
    );
    language.pick(format!("{mode}, set by hand, {until}"), format!("{mode}（手動、{until}）"))
}

/// Why a site that is up needs attention, as far as nothing else says so.
fn attention(overview: &Value, site: &Value, language: Language) -> Option<String> {
    let line = each(&overview["sites"]).find(|line| line["name"] == site["name"])?;
    let is_told = |note: &&Value| each(&site["conditions"]).any(|it| it["cause"]["meaning"] == **note);
    let notes = each(&line["notes"]).filter(|_| line["level"] == "warning").filter(|note| !is_told(note));
    let notes: Vec<String> = notes.map(|note| language.of_text(note)).collect();
    let what = language.pick("needs attention: ", "要確認：");
    (!notes.is_empty()).then(|| format!("{what}{}", notes.join(language.pick(" ", ""))))
}

/// A state or mode: its code, which has a word in Japanese.
fn word(code: &Value, language: Language) -> String {
    let japanese = match code.as_str().unwrap_or_default() {
        "up" => "正常",
        "degraded" => "一部停止",
        "down" => "停止",
        "recovering" => "復帰中",
        "unproven" => "確認中",
        "trial" => "試行中",
        "auto" => "自動",
        "hold_origin" => "元のサイトに固定",
        "hold_snapshot" => "スナップショットに固定",
        _ => return text(code),
    };
    language.pick(text(code), japanese.to_owned())
}

fn origin(origin: &Value, language: Language) -> String {
    let detail = origin["detail"].as_str().map(|detail| format!(": {}", printable(detail)));
    let detail = detail.unwrap_or_default();
    let cause = origin["cause"].as_str();
    let cause =
        cause.map(|cause| language.pick(format!(" ({cause}{detail})"), format!("（{cause}{detail}）")));
    format!("{} {}{}", text(&origin["url"]), word(&origin["state"], language), cause.unwrap_or_default())
}

/// The snapshot in service: which, how large, how old, and how much of what visitors want it has.
fn snapshot(site: &Value, language: Language) -> String {
    let snapshot = &site["snapshot"];
    if snapshot.is_null() {
        return language.pick("none", "なし").to_owned();
    }
    let (id, pages, taken) = (text(&snapshot["id"]), &snapshot["pages"], text(&snapshot["taken_at"]));
    let age = coarse(snapshot["age_s"].as_u64().unwrap_or(0));
    let mut lines = language.pick(
        format!("{id}\n{pages} pages, taken {taken} ({age} ago)"),
        format!("{id}\n{pages}ページ、{taken} 取得（{age}前）"),
    );
    if let Some(coverage) = coverage(&site["coverage"], language) {
        lines.push_str(&format!("\n{coverage}"));
    }
    if let Some(count) = site["carried"]["count"].as_u64().filter(|count| *count > 0) {
        lines.push_str(&language.pick(
            format!("\n{count} carried over from the one before"),
            format!("\n前のスナップショットから引き継いだもの：{count}件"),
        ));
    }
    lines
}

/// The share in words; what is missing can be asked for.
fn coverage(coverage: &Value, language: Language) -> Option<String> {
    let share = coverage["share"].as_f64()?;
    // Rounded down: 100 % is said of all only.
    let share = (share * 100.0).floor();
    let requests = &coverage["requests"];
    let missing = match coverage["missing_paths"].as_u64() {
        None | Some(0) => (String::new(), String::new()),
        Some(1) => (", 1 path missing".to_owned(), "（不足1件）".to_owned()),
        Some(missing) => (format!(", {missing} paths missing"), format!("（不足{missing}件）")),
    };
    Some(language.pick(
        format!("covers {share} % of {requests} requests{}", missing.0),
        format!("リクエスト{requests}件のうち{share}％が含まれています{}", missing.1),
    ))
}

/// An age in its largest unit, or two.
fn coarse(seconds: u64) -> String {
    let unit = match seconds {
        0..60 => 1,
        60..86_400 => 60,
        _ => 3600,
    };
    humantime::format_duration(Duration::from_secs(seconds / unit * unit)).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn coverage_is_in_words() {
        for (share, missing, text) in [
            (1.0, 0, "covers 100 % of 9 requests"),
            (0.99999, 1, "covers 99 % of 9 requests, 1 path missing"),
            (0.5, 7, "covers 50 % of 9 requests, 7 paths missing"),
        ] {
            let value = json!({ "share": share, "missing_paths": missing, "requests": 9 });
            assert_eq!(coverage(&value, Language::English).as_deref(), Some(text));
        }
        assert_eq!(coverage(&json!({ "share": null }), Language::English), None);
        assert_eq!(coverage(&Value::Null, Language::English), None);
    }

    const PIPE: Screen = Screen { language: Language::English, width: None, coloured: false };

    #[test]
    fn texts_are_wrapped() {
        let at = |width, text: &str| wrapped(text, Screen { width: Some(width), ..PIPE });
        assert_eq!(at(10, "one two three four"), "one two\nthree four\n");
        assert_eq!(at(6, "サイトの名前"), "サイト\nの名前\n");
        assert_eq!(at(4, "a longword"), "a lo\nngwo\nrd\n");
        assert_eq!(wrapped("one two", PIPE), "one two\n");
    }

    #[test]
    fn the_exit_code_says_how_bad_it_is() {
        for (overview, expected) in [
            (json!({ "counts": { "sites": 3, "well": 2, "unproven": 1 }, "conditions": [] }), DONE),
            (json!({ "counts": { "sites": 3, "warning": 1 }, "conditions": [] }), WARNED),
            (json!({ "counts": { "sites": 3, "well": 3 }, "conditions": [{}] }), WARNED),
            (json!({ "counts": { "sites": 3, "recovering": 1, "warning": 1 }, "conditions": [] }), TROUBLE),
            (json!({ "counts": { "sites": 3, "down": 1 }, "conditions": [{}] }), TROUBLE),
        ] {
            assert_eq!(code(&overview), expected, "{overview}");
        }
    }

    #[test]
    fn one_site_is_told_in_full() {
        let overview = json!({ "counts": { "sites": 1, "down": 1 } });
        let status = json!({
            "version": "0.1.0", "uptime_s": 67,
            "listen": ["http://[::]:80", "https://[::]:443"], "config_file": "/etc/k.toml",
            "sites": [{ "name": "shop", "state": "down", "mode": "auto", "snapshot": null,
                "origins": [{ "url": "http://203.0.113.10", "state": "down", "cause": "bad-status",
                    "detail": "400 Bad Request" }] }]
        });
        let text = detailed(&overview, &status, PIPE);
        let head = "1 site: 1 down\nkatahai 0.1.0, up 1m 7s\nlistens on http://[::]:80, https://[::]:443; configured by /etc/k.toml\n";
        assert!(text.starts_with(head), "{text}");
        assert!(
            text.contains("origins       http://203.0.113.10 down (bad-status: 400 Bad Request)\n"),
            "{text}"
        );
        assert!(text.trim_end().ends_with("snapshot      none"), "{text}");
    }

    #[test]
    fn a_mode_that_somebody_has_set_is_told_with_its_end_and_its_effect() {
        let told = |site: &Value| {
            let overview = json!({ "counts": { "sites": 1, "warning": 1 }, "sites": [{ "name": "shop", "level": "warning",
                "notes": [{ "en": "Held by hand.", "ja": "固定。" }, { "en": "Expires.", "ja": "期限。" }] }] });
            detailed(&overview, &json!({ "config_file": null, "sites": [site] }), PIPE)
        };
        let mut site = json!({ "name": "shop", "state": "up", "mode": "hold_snapshot", "mode_until": "2026-11-20T01:13:34Z",
            "conditions": [{ "cause": { "meaning": { "en": "Expires.", "ja": "期限。" } } }] });
        let text = told(&site);
        assert!(
            text.contains("; configured on the command line\nneeds attention: Held by hand.\n"),
            "{text}"
        );
        assert!(
            text.contains("mode          hold_snapshot, set by hand, until 2026-11-20T01:13:34Z\n"),
            "{text}"
        );
        site["mode_until"] = Value::Null;
        assert!(told(&site).contains("set by hand, until it is set to auto"), "{}", told(&site));
        site["mode"] = "auto".into();
        assert!(told(&site).contains("mode          auto\n"), "{}", told(&site));
    }

    #[test]
    fn what_an_operator_should_know_is_said_below() {
        let site = json!({
            "name": "shop", "state": "up", "mode": "auto", "origins": [],
            "snapshot": { "id": "7", "pages": 12, "taken_at": "2026-11-20T01:13:34Z", "age_s": 93_700 },
            "coverage": { "share": 0.98199, "requests": 400 },
            "carried": { "count": 3 },
            "by_hand": "2026-11-20T02:00:00Z",
            "held": [{ "id": "8", "reasons": ["shrunk: 4 pages", "key-page: /"] }],
            "crawl": { "running": { "pages": 1, "assets": 2, "errors": 0, "queued": 3, "under_way": 1 }, "last": null },
        });
        for expected in ["1day 2h ago", "covers 98 % of 400 requests", "3 carried over"] {
            let told = snapshot(&site, Language::English);
            assert!(told.contains(expected), "{expected}: {told}");
        }
        let said = remarks(&site, Language::English);
        assert!(said[0].contains("publish latest"), "{said:?}");
        assert_eq!(
            said[1],
            "8 is held: shrunk: 4 pages; key-page: / (if the site has no such page any more, correct key_pages)"
        );
        assert!(said[2].ends_with("1 pages, 2 other files, 0 errors, 4 waiting"), "{said:?}");
        let said = remarks(&site, Language::Japanese);
        assert!(said[1].starts_with("8 は保留中です：ページ数が") && !said[1].contains("shrunk"), "{said:?}");
        let overtaken = json!({ "snapshot": { "id": "9" }, "held": site["held"], "crawl": { "last": null } });
        assert_eq!(remarks(&overtaken, Language::English), [] as [String; 0]);
    }
}
