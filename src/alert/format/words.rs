//! What a message says, in one language: a title, facts with their labels, and whom it concerns.

use std::collections::BTreeSet;

use super::{Look, Tone, Tongue, rfc3339};
use crate::alert::{Event, Member, Notice, Severity, Topic};

/// Characters of a detail: reasons of a configuration may be long.
const DETAIL: usize = 400;

/// A label, and what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is.
    pub label: &'static str,
    /// What it says.
    pub text: String,
}

/// A message in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// What has happened, in one line.
    pub title: String,
    /// What there is to know.
    pub facts: Vec<Fact>,
    /// Whom it concerns, where there are several; and how many more.
    pub list: Vec<String>,
    /// What stands between a label and its text.
    pub colon: &'static str,
    /// The words of the link to the dashboard.
    pub open: &'static str,
    /// The words of the link to the report.
    pub report: &'static str,
    /// The words of the link that acknowledges.
    pub acknowledge: &'static str,
}

impl Words {
    /// The words of a message.
    pub fn of(notice: &Notice, look: &Look, tongue: Tongue) -> Words {
        let mut words = Words {
            title: title(notice, look, tongue),
            facts: Vec::new(),
            list: Vec::new(),
            colon: tongue.pick(": ", "："),
            open: tongue.pick("Dashboard", "ダッシュボード"),
            report: tongue.pick("Report", "報告書"),
            acknowledge: tongue.pick("Acknowledge", "確認済みにする"),
        };
        if notice.event == Event::Test {
            let text = tongue.pick(
                "Alerts of Katahai arrive here. Nothing is wrong; somebody has tried it.",
                "Katahaiの通知はここに届きます。動作確認のための送信で、異常はありません。",
            );
            words.facts.push(Fact { label: tongue.pick("Test", "テスト"), text: text.to_owned() });
        } else {
            words.facts = facts(notice, look, tongue);
            words.list = list(notice, tongue);
        }
        if !look.sender.is_empty() {
            words.facts.push(Fact { label: tongue.pick("From", "送信元"), text: look.sender.clone() });
        }
        words
    }

    /// All of it as lines of plain text, without the links.
    pub fn plain(&self) -> String {
        let facts = self.facts.iter().map(|fact| format!("{}{}{}\n", fact.label, self.colon, fact.text));
        let list = self.list.iter().map(|line| format!("- {line}\n"));
        facts.chain(list).collect()
    }
}

/// What it is about, in a few words.
fn subject(notice: &Notice, tongue: Tongue) -> String {
    let name =
        |member: &Member| if member.site.is_empty() { "Katahai".to_owned() } else { member.site.clone() };
    match notice.members.as_slice() {
        [one] if notice.total <= 1 => name(one),
        [] => "Katahai".to_owned(),
        several => {
            // of one site there may be several files or origins
            let names: BTreeSet<&str> = several.iter().map(|member| &*member.site).collect();
            let total = notice.total.saturating_sub(several.len() - names.len());
            let mut first: Vec<String> = Vec::new();
            for member in several.iter().map(name) {
                if first.len() < 3 && !first.contains(&member) {
                    first.push(member);
                }
            }
            if total <= 1 {
                return first.join("");
            }
            let more = if total > first.len() { tongue.pick(", …", "ほか") } else { "" };
            let sites = first.join(tongue.pick(", ", "、"));
            tongue.pick(format!("{total} sites ({sites}{more})"), format!("{total}サイト（{sites}{more}）"))
        }
    }
}

fn title(notice: &Notice, look: &Look, tongue: Tongue) -> String {
    if notice.event == Event::Test {
        return tongue.pick("Test: alerts arrive", "テスト：通知が届きました").to_owned();
    }
    let about = subject(notice, tongue);
    let what = match (notice.topic, notice.severity) {
        (Topic::Outage, Severity::Page) => tongue.pick("Down", "停止"),
        (Topic::Outage, Severity::Warn | Severity::Info) => tongue.pick("Partly down", "一部停止"),
        (Topic::Condition(_), Severity::Page) => tongue.pick("Urgent", "至急"),
        (Topic::Condition(_), Severity::Warn | Severity::Info) => tongue.pick("Attention", "注意"),
    };
    let code = notice.cause.code();
    let lasted = notice.ended.unwrap_or(notice.at).saturating_sub(notice.since);
    let lasted = span(lasted, tongue);
    match notice.event {
        _ if notice.event != Event::Over && notice.flaps > 0 => tongue.pick(
            format!("{what}, flaps ({} times): {about} – {code}", notice.flaps),
            format!("{what}と復旧の繰り返し（{}回）：{about} – {code}", notice.flaps),
        ),
        Event::Over if look.tells_all => tongue.pick(
            format!("Was: {what}, over after {lasted}: {about} – {code}"),
            format!("{what}がありました（{lasted}後に解消）：{about} – {code}"),
        ),
        Event::Over => tongue.pick(
            format!("Over after {lasted}: {about} – {code}"),
            format!("解消（{lasted}後）：{about} – {code}"),
        ),
        Event::Still if matches!(notice.topic, Topic::Condition(_)) => {
            let what = match notice.severity {
                Severity::Page => tongue.pick("Still urgent", "至急"),
                Severity::Warn | Severity::Info => tongue.pick("Still needs attention", "要対応"),
            };
            tongue.pick(
                format!("{what}, for {lasted}: {about} – {code}"),
                format!("{what}（{lasted}継続中）：{about} – {code}"),
            )
        }
        Event::Still => tongue.pick(
            format!("Still {}, for {lasted}: {about} – {code}", what.to_lowercase()),
            format!("{what}が継続中（{lasted}）：{about} – {code}"),
        ),
        Event::Begin | Event::Worse | Event::Report | Event::Test => {
            tongue.pick(format!("{what}: {about} – {code}"), format!("{what}：{about} – {code}"))
        }
    }
}

fn facts(notice: &Notice, look: &Look, tongue: Tongue) -> Vec<Fact> {
    let (meaning, advice) = (notice.cause.meaning(), notice.cause.advice());
    let fact = |en, ja, text: String| Fact { label: tongue.pick(en, ja), text };
    let mut facts = vec![
        fact("What", "内容", format!("{} ({})", tongue.pick(meaning.en, meaning.ja), notice.cause.code())),
        fact("Since", "発生時刻", rfc3339(notice.since)),
    ];
    if let Some(ended) = notice.ended {
        facts.push(fact("Until", "解消時刻", rfc3339(ended)));
    }
    if let [one] = notice.members.as_slice()
        && !one.detail.is_empty()
    {
        facts.push(fact("Detail", "詳細", super::cut(&one.detail, DETAIL)));
    }
    if let [one] = notice.members.as_slice()
        && let Some(incident) = &one.incident
    {
        facts.push(fact("Incident", "障害番号", incident.clone()));
    }
    if let Some(visitors) = &notice.visitors {
        facts.push(fact("Visitors", "訪問者", tongue.pick(&visitors.en, &visitors.ja).clone()));
    }
    if notice.event == Event::Over {
        let (en, ja) = ("Nothing to do.", "対応は不要です。");
        facts.push(fact("What to do", "対応", tongue.pick(en, ja).to_owned()));
    } else {
        facts.push(fact("What to do", "対応", tongue.pick(advice.en, advice.ja).to_owned()));
    }
    if look.is_late {
        let text = tongue.pick(
            format!("This message is of {} and could not be sent before.", rfc3339(notice.at)),
            format!("{}の通知です。これまで送信できませんでした。", rfc3339(notice.at)),
        );
        facts.push(fact("Late", "遅延", text));
    }
    facts
}

/// The sites, where there are several.
fn list(notice: &Notice, tongue: Tongue) -> Vec<String> {
    if notice.total <= 1 {
        return Vec::new();
    }
    let line = |member: &Member| {
        let site = if member.site.is_empty() { "Katahai" } else { &member.site };
        match (member.cause == notice.cause, member.detail.is_empty()) {
            (true, true) => site.to_owned(),
            (false, true) => format!("{site} ({})", member.cause.code()),
            (_, false) => {
                format!("{site} ({}: {})", member.cause.code(), super::cut(&member.detail, DETAIL / 4))
            }
        }
    };
    let mut lines: Vec<String> = notice.members.iter().map(line).collect();
    let more = notice.total.saturating_sub(lines.len());
    if more > 0 {
        let count = grouped(more);
        lines.push(tongue.pick(format!("and {count} more"), format!("ほか{count}件")));
    }
    lines
}

/// A number with a comma between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let place = |(at, c): (usize, char)| {
        let comma = at > 0 && (digits.len() - at).is_multiple_of(3);
        comma.then_some(',').into_iter().chain([c])
    };
    digits.chars().enumerate().flat_map(place).collect()
}

/// How long something took: the two largest units.
fn span(seconds: u64, tongue: Tongue) -> String {
    let units = [
        (seconds / 86_400, tongue.pick("d", "日")),
        (seconds / 3600 % 24, tongue.pick("h", "時間")),
        (seconds / 60 % 60, tongue.pick("m", "分")),
        (seconds % 60, tongue.pick("s", "秒")),
    ];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let shown = units.iter().skip(first).take(2).filter(|(count, _)| *count > 0 || seconds == 0);
    let shown: Vec<String> = shown.map(|(count, unit)| format!("{count}{unit}")).collect();
    shown.join(tongue.pick(" ", ""))
}

impl Tone {
    /// That of a message.
    pub(super) fn of_notice(notice: &Notice) -> Tone {
        Tone::of(notice.event, notice.severity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Cause;

    #[test]
    fn a_title_counts_sites_and_has_words_for_conditions() {
        let member = |site: &str| Member {
            site: site.into(),
            cause: Cause::DiskFull,
            detail: String::new(),
            incident: None,
        };
        let notice = |severity, members: &[&str]| Notice {
            event: Event::Still,
            severity,
            topic: Topic::Condition(Cause::DiskFull),
            cause: Cause::DiskFull,
            at: 86_400,
            members: members.iter().map(|site| member(site)).collect(),
            total: members.len(),
            ..Notice::test(0)
        };
        for (severity, members, en, ja) in [
            (
                Severity::Warn,
                &["", ""][..],
                "Still needs attention, for 1d: Katahai – disk-full",
                "要対応（1日継続中）：Katahai – disk-full",
            ),
            (
                Severity::Page,
                &["a", "a", "b"],
                "Still urgent, for 1d: 2 sites (a, b) – disk-full",
                "至急（1日継続中）：2サイト（a、b） – disk-full",
            ),
        ] {
            let of = |tongue| title(&notice(severity, members), &Look::default(), tongue);
            assert_eq!((&*of(Tongue::English), &*of(Tongue::Japanese)), (en, ja));
        }
    }

    #[test]
    fn times_and_numbers_are_as_people_say_them() {
        for (seconds, en, ja) in [
            (0, "0s", "0秒"),
            (59, "59s", "59秒"),
            (3600, "1h", "1時間"),
            (3905, "1h 5m", "1時間5分"),
            (176_461, "2d 1h", "2日1時間"),
        ] {
            assert_eq!((&*span(seconds, Tongue::English), &*span(seconds, Tongue::Japanese)), (en, ja));
        }
        assert_eq!((&*grouped(7), &*grouped(2971), &*grouped(1_000_000)), ("7", "2,971", "1,000,000"));
    }
}
