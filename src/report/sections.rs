//! An incident as a document. Pure. What came from the network goes into it as it is: renderers escape it.

use super::document::{Block, Document, Section};
use super::language::{Language, Speaker, grouped};
use super::{causes, found, next, visitors, words};
use crate::config::ready::UtcOffset;
use crate::failure::{Cause, Whose};
use crate::incident::{Act, Evidence, Happening, Hops, Incident, PlanKind, Planned, Severity, TimelineEntry};

/// The report about an incident, with its times in this zone, or in the one that its readers most likely live in.
pub fn document(incident: &Incident, language: Language, zone: Option<UtcOffset>) -> Document {
    let speaker = Speaker { language, zone: zone.unwrap_or(language.usual_zone()) };
    let sections = [
        why(incident, speaker),
        visitors::seen(incident, speaker),
        visitors::missed(incident, speaker),
        visitors::lost(incident, speaker),
        done(incident, speaker),
        next::ask(incident, speaker),
        next::again(incident, speaker),
        course(incident, speaker),
        evidence(incident, speaker),
    ];
    Document {
        language,
        title: title(incident, speaker),
        lead: lead(incident, speaker),
        facts: facts(incident, speaker),
        sections: sections.into_iter().filter(|section| !section.blocks.is_empty()).collect(),
        foot: speaker.text(words::FOOT),
    }
}

/// The site as its owner knows it.
fn name(incident: &Incident) -> &str {
    if incident.host.is_empty() { &incident.site } else { &incident.host }
}

fn title(incident: &Incident, speaker: Speaker) -> String {
    let name = name(incident);
    match (incident.is_planned(), incident.is_closed()) {
        (true, _) => speaker.say(format!("Planned work on {name}"), format!("{name} 計画作業のご報告")),
        (false, true) => speaker.say(format!("Outage report: {name}"), format!("{name} 障害報告書")),
        (false, false) => {
            speaker.say(format!("Outage under way: {name}"), format!("{name} 障害報告書（対応中）"))
        }
    }
}

/// What has happened, in a few sentences.
fn lead(incident: &Incident, speaker: Speaker) -> Vec<String> {
    let (name, began) = (name(incident), speaker.time(incident.began));
    let lasted = speaker.duration(incident.lasted_s);
    let first = match (incident.severity, incident.ended) {
        (_, Some(ended)) if incident.unwatched => {
            let what = match incident.severity {
                Severity::Outage => speaker.say(format!("{name} was out"), format!("{name}で障害が発生しました")),
                Severity::Partial => {
                    speaker.say(format!("Some pages of {name} failed"), format!("{name}の一部のページで異常が発生しました"))
                }
            };
            let ended = speaker.time(ended);
            speaker.say(
                format!("{what} from {began} on. Since {ended} it is no longer watched; its recovery was not seen."),
                format!("{began}から、{what}。{ended}以降は監視の対象外のため、復旧は確認していません。"),
            )
        }
        (Severity::Outage, Some(ended)) => speaker.say(
            format!("{name} was out from {began} to {}: for {lasted}.", speaker.time(ended)),
            format!("{name}で、{began}から{}まで障害が発生しました（継続時間{lasted}）。", speaker.time(ended)),
        ),
        (Severity::Outage, None) => speaker.say(
            format!("{name} has been out since {began}: for {lasted} so far."),
            format!("{name}で、{began}から障害が発生しており、現在も続いています（現在まで{lasted}）。"),
        ),
        (Severity::Partial, Some(ended)) => speaker.say(
            format!("Some pages of {name} failed from {began} to {}: for {lasted}.", speaker.time(ended)),
            format!("{name}の一部のページで、{began}から{}まで異常が発生しました（継続時間{lasted}）。", speaker.time(ended)),
        ),
        (Severity::Partial, None) => speaker.say(
            format!("Some pages of {name} have been failing since {began}: for {lasted} so far."),
            format!("{name}の一部のページで、{began}から異常が発生しており、現在も続いています（現在まで{lasted}）。"),
        ),
    };
    let mut lead = vec![first];
    if incident.reopened > 0 {
        let times = u64::from(incident.reopened);
        lead.push(speaker.say(
            format!(
                "It recovered in between and failed again {}.",
                if times == 1 { "once".into() } else { format!("{times} times") }
            ),
            format!("途中で一度復旧しましたが、その後{times}回再発しました。"),
        ));
    }
    lead.extend(incident.planned.as_ref().map(|planned| planned_in_words(planned, speaker)));
    lead.extend(found::in_short(incident, speaker));
    if let Some(cause) = main_cause(incident) {
        lead.push(speaker.text(causes::meaning(cause)));
    }
    lead.push(visitors::in_short(incident, speaker));
    lead
}

fn planned_in_words(planned: &Planned, speaker: Speaker) -> String {
    let reason = if planned.reason.is_empty() {
        String::new()
    } else {
        speaker.say(format!(" ({})", planned.reason), format!("（{}）", planned.reason))
    };
    let kind = match planned.kind {
        PlanKind::Maintenance => speaker.say("a maintenance window", "予定された保守時間"),
        PlanKind::Hold | PlanKind::Unknown => speaker.say("planned work", "予定された作業"),
    };
    match planned.overran {
        None => speaker.say(
            format!("This happened during {kind}{reason}."),
            format!("これは{kind}{reason}の間のものです。"),
        ),
        Some(at) => speaker.say(
            format!("It began during {kind}{reason}, which was over on {}; since then it was not planned.", speaker.time(at)),
            format!("{kind}{reason}の間に始まりましたが、作業の終了（{}）後も続いたため、以降は計画外の障害です。", speaker.time(at)),
        ),
    }
}

/// The cause that says the most: the one that was seen for the longest time.
pub(super) fn main_cause(incident: &Incident) -> Option<Cause> {
    let mut longest: Option<(Cause, u64)> = None;
    for cause in distinct(incident) {
        let seconds = lasted(incident, cause);
        if longest.is_none_or(|(_, most)| seconds > most) {
            longest = Some((cause, seconds));
        }
    }
    longest.map(|(cause, _)| cause)
}

/// For how long a cause was seen, in seconds.
pub(super) fn lasted(incident: &Incident, cause: Cause) -> u64 {
    let spans = incident.causes.iter().filter(|span| span.cause == cause.code());
    spans.map(|span| span.until.unwrap_or(incident.as_of).since(span.from)).sum()
}

/// Each cause once, in the order of time.
pub(super) fn distinct(incident: &Incident) -> Vec<Cause> {
    let mut causes = Vec::new();
    for cause in incident.causes.iter().filter_map(|span| Cause::of(&span.cause)) {
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes
}

fn facts(incident: &Incident, speaker: Speaker) -> Vec<(String, String)> {
    let extent = match incident.severity {
        Severity::Outage => words::WHOLE,
        Severity::Partial => words::SOME,
    };
    let mut facts = vec![
        (words::SITE, name(incident).to_owned()),
        (words::EXTENT, speaker.text(extent)),
        (words::FIRST, speaker.time(incident.began)),
        (words::NOTICED, speaker.time(incident.noticed)),
        (words::OVER, recovered(incident, speaker)),
        (
            if incident.is_closed() { words::LASTED } else { words::SO_FAR },
            speaker.duration(incident.lasted_s),
        ),
    ];
    if let Some(seen) = incident.evidence.first() {
        facts.push((words::SEEN, by(seen, speaker)));
    }
    if let Some(ack) = incident.acknowledged.as_ref().filter(|ack| !ack.by.is_empty()) {
        facts.push((words::ACKNOWLEDGED, format!("{} ({})", ack.by, speaker.time(ack.at))));
    }
    if !incident.is_closed() {
        facts.push((words::AS_OF, speaker.time(incident.as_of)));
    }
    facts.push((words::ZONE, speaker.zone_name()));
    facts.push((words::NUMBER, incident.id.to_string()));
    facts.into_iter().map(|(name, value)| (speaker.text(name), value)).collect()
}

fn recovered(incident: &Incident, speaker: Speaker) -> String {
    match incident.ended {
        Some(_) if incident.unwatched => speaker.text(words::NOT_SEEN),
        Some(ended) => speaker.time(ended),
        None => speaker.text(words::NOT_OVER),
    }
}

fn by(seen: &Evidence, speaker: Speaker) -> String {
    speaker.text(if seen.by == "visitor" { words::BY_VISITOR } else { words::BY_CHECK })
}

/// What was wrong, when, in plain words.
fn why(incident: &Incident, speaker: Speaker) -> Section {
    let mut blocks = Vec::new();
    let rows: Vec<Vec<String>> = incident
        .causes
        .iter()
        .map(|span| {
            let until =
                span.until.map_or_else(|| speaker.say("still", "継続中"), |until| speaker.time(until));
            vec![speaker.time(span.from), until, meaning(&span.cause, speaker)]
        })
        .collect();
    if !rows.is_empty() {
        let head = [words::FROM, words::UNTIL, words::CAUSE].map(|word| speaker.text(word)).to_vec();
        blocks.push(Block::Table(head, rows));
    }
    blocks.extend(found::all(incident, speaker));
    if incident.others > 0 {
        let others = incident.others;
        blocks.push(Block::Text(speaker.say(
            format!(
                "{} on the same server failed in the same minute. The server, or the way to it, is what they have in common.",
                speaker.count(others, ["other site", "other sites"], "")
            ),
            format!("同じサーバーにあるほかの{others}サイトでも、同じ時刻に障害が発生しました。サーバー本体か、そこまでの経路に共通の原因があると考えられます。"),
        )));
    }
    if let Some(regions) = &incident.regions {
        let (en, ja) = (|places: &[String]| places.join(", "), |places: &[String]| places.join("、"));
        blocks.push(Block::Text(speaker.say(
            format!(
                "It was reached from {}, but not from {}.",
                en(&regions.reached),
                en(&regions.not_reached)
            ),
            format!(
                "{}からは接続できましたが、{}からは接続できませんでした。",
                ja(&regions.reached),
                ja(&regions.not_reached)
            ),
        )));
    }
    Section { title: speaker.text(words::WHY), blocks }
}

/// What a cause means; a code that only a newer version knows, as it is.
fn meaning(code: &str, speaker: Speaker) -> String {
    Cause::of(code).map_or_else(|| code.to_owned(), |cause| speaker.text(causes::meaning(cause)))
}

/// For the support of the host: what was seen exactly.
fn evidence(incident: &Incident, speaker: Speaker) -> Section {
    let mut blocks = Vec::new();
    for seen in &incident.evidence {
        let mut facts = vec![
            (words::TIME, speaker.time(seen.at)),
            (words::SEEN, by(seen, speaker)),
            (words::PAGE, if seen.path.is_empty() { "-".to_owned() } else { seen.path.clone() }),
            (words::CAUSE, meaning(&seen.cause, speaker)),
        ];
        facts.extend(seen.status.map(|status| (words::STATUS, status.to_string())));
        let detail = seen.detail.as_deref().and_then(causes::detail);
        facts.extend(detail.map(|detail| (words::DETAIL, detail.to_owned())));
        blocks
            .push(Block::Facts(facts.into_iter().map(|(name, value)| (speaker.text(name), value)).collect()));
        if let Some(beginning) = &seen.beginning {
            blocks.push(Block::Text(speaker.say("The answer begins with:", "応答の冒頭：")));
            blocks.push(Block::Verbatim(beginning.clone()));
        }
    }
    for origin in &incident.origins {
        let mut facts = vec![(words::SERVER, origin.url.clone())];
        if !origin.addresses.is_empty() {
            facts.push((words::ADDRESSES, origin.addresses.join(", ")));
        }
        // what stands behind the addresses is for the operator
        let moved = origin.name_moved.as_deref().map(|moved| moved.split(": ").next().unwrap_or(moved));
        facts.extend(moved.map(|moved| (words::NAME_MOVED, moved.to_owned())));
        facts.extend(origin.certificate_ends.map(|ends| (words::CERTIFICATE, speaker.time(ends))));
        blocks
            .push(Block::Facts(facts.into_iter().map(|(name, value)| (speaker.text(name), value)).collect()));
    }
    match &incident.hops {
        Some(Hops::Seen { tool, lines }) => {
            blocks.push(Block::Text(format!("{} ({tool})", speaker.text(words::WAY))));
            blocks.push(Block::Verbatim(lines.join("\n")));
        }
        Some(Hops::NotPossible) => blocks.push(Block::Text(speaker.text(words::WAY_UNKNOWN))),
        Some(Hops::Unknown) | None => {}
    }
    Section { title: speaker.text(words::EVIDENCE), blocks }
}

/// What operators did, before it or in its course.
fn done(incident: &Incident, speaker: Speaker) -> Section {
    let told = |entry: &TimelineEntry| {
        let what = if let Happening::Act { act } = &entry.what {
            act_in_words(act, speaker)
        } else if let Happening::Acknowledged { by, note } = &entry.what {
            acknowledged(by, note, speaker)
        } else {
            return None;
        };
        Some(format!("{}: {what}", speaker.time(entry.at)))
    };
    let acts: Vec<String> = incident.timeline.iter().filter_map(told).collect();
    let block =
        if acts.is_empty() { Block::Text(speaker.text(words::NOTHING_DONE)) } else { Block::Items(acts) };
    Section { title: speaker.text(words::DONE), blocks: vec![block] }
}

fn acknowledged(by: &str, note: &str, speaker: Speaker) -> String {
    let who = if by.is_empty() {
        speaker.say("The outage was acknowledged", "担当者が障害を確認しました")
    } else {
        speaker.say(format!("{by} acknowledged the outage"), format!("{by}が障害を確認しました"))
    };
    if note.is_empty() { who } else { speaker.say(format!("{who}: {note}"), format!("{who}：{note}")) }
}

fn act_in_words(act: &Act, speaker: Speaker) -> String {
    match act {
        Act::Mode { mode, reason } => {
            let what = match &**mode {
                "hold_snapshot" => speaker.say(
                    "Visitors were given the saved copies by hand",
                    "手動で、保存してあるコピーの表示に切り替えました",
                ),
                "hold_origin" => speaker.say(
                    "Visitors were given the live site by hand, whatever it answered",
                    "手動で、サーバーの応答をそのまま表示する設定にしました",
                ),
                _ => speaker.say("Switching was made automatic again", "自動切り替えに戻しました"),
            };
            if reason.is_empty() {
                what
            } else {
                speaker.say(format!("{what} ({reason})"), format!("{what}（{reason}）"))
            }
        }
        Act::Origins => speaker.say("The list of servers was changed", "接続先サーバーの設定を変更しました"),
        Act::Snapshot { id } => speaker.say(
            format!("Another saved copy of the site came into use ({id})"),
            format!("使用する保存コピーを切り替えました（{id}）"),
        ),
        Act::Reload => speaker.say("The settings were loaded again", "設定を読み込み直しました"),
        Act::Unknown => speaker.say("A change was made", "設定を変更しました"),
    }
}

/// What happened, in the order of time: when, and what.
pub fn timeline(incident: &Incident, language: Language, zone: Option<UtcOffset>) -> Vec<(String, String)> {
    let speaker = Speaker { language, zone: zone.unwrap_or(language.usual_zone()) };
    told(incident, speaker).collect()
}

fn told(incident: &Incident, speaker: Speaker) -> impl Iterator<Item = (String, String)> + '_ {
    incident.timeline.iter().filter_map(move |entry| {
        let what = if let Happening::Found { cause, subject } = &entry.what {
            found::happening(incident, cause, subject, speaker)?
        } else {
            happening(&entry.what, speaker)?
        };
        Some((speaker.time(entry.at), what))
    })
}

/// The same as a section.
fn course(incident: &Incident, speaker: Speaker) -> Section {
    let head = [words::TIME, words::EVENT].map(|word| speaker.text(word)).to_vec();
    let rows: Vec<Vec<String>> = told(incident, speaker).map(|(time, what)| vec![time, what]).collect();
    let mut blocks = if rows.is_empty() { Vec::new() } else { vec![Block::Table(head, rows)] };
    if incident.left_out > 0 {
        let more = grouped(incident.left_out);
        blocks.push(Block::Text(speaker.say(
            format!("{more} further entries are left out here."),
            format!("ほかの{more}件は省略しました。"),
        )));
    }
    Section { title: speaker.text(words::COURSE), blocks }
}

/// An entry of the course of events; `None` for what a newer version wrote.
fn happening(what: &Happening, speaker: Speaker) -> Option<String> {
    let whose_is_nothing =
        |cause: &str| Cause::of(cause).is_some_and(|cause| cause.whose() == Whose::Operator);
    Some(match what {
        Happening::FirstFailure { cause } if whose_is_nothing(cause) => meaning(cause, speaker),
        Happening::FirstFailure { cause } => speaker.say(
            format!("First failed answer. {}", meaning(cause, speaker)),
            format!("最初の異常。{}", meaning(cause, speaker)),
        ),
        Happening::State { state } => match &**state {
            "down" => speaker.say("Recognised as an outage of the site", "サイト全体の障害と判断しました"),
            "degraded" => {
                speaker.say("Some pages are recognised as failing", "一部のページの異常と判断しました")
            }
            "recovering" => speaker.say(
                "The server answers properly again; visitors return to it little by little",
                "サーバーが正常に応答するようになり、訪問者を徐々に戻し始めました",
            ),
            _ => return None,
        },
        Happening::Cause { cause } => meaning(cause, speaker),
        Happening::Origin { origin, state, .. } => match &**state {
            "up" => speaker.say(
                format!("The server {origin} answers properly"),
                format!("サーバー {origin} が正常に応答しました"),
            ),
            "down" => speaker
                .say(format!("The server {origin} is out"), format!("サーバー {origin} が停止しました")),
            _ => return None,
        },
        Happening::Act { act } => act_in_words(act, speaker),
        Happening::SeenFrom { regions } => speaker.say(
            format!(
                "Reached from {}, not from {}",
                regions.reached.join(", "),
                regions.not_reached.join(", ")
            ),
            format!(
                "{}からは接続でき、{}からは接続できません",
                regions.reached.join("、"),
                regions.not_reached.join("、")
            ),
        ),
        Happening::Overran => speaker.say(
            "The planned work was over; the site was not back",
            "予定の作業時間が終わりましたが、復旧していません",
        ),
        Happening::Restarted { away_s } => speaker.say(
            format!("The monitoring was restarted after {}", speaker.duration(*away_s)),
            format!("監視を再起動しました（中断{}）", speaker.duration(*away_s)),
        ),
        Happening::ClockMoved { by_s } => {
            let by = speaker.duration(by_s.unsigned_abs());
            let way =
                if *by_s < 0 { speaker.say("back", "戻り") } else { speaker.say("forward", "進み") };
            speaker.say(
                format!("The clock of this machine moved {way} by {by}; the duration is not affected"),
                format!("監視側の時計が{by}{way}ました（継続時間には影響ありません）"),
            )
        }
        Happening::Again => speaker.say("The failure came back", "障害が再発しました"),
        Happening::Recovered => speaker.say(
            "Recovery confirmed: all visitors get the live site",
            "復旧を確認しました。すべての訪問者に通常のサイトを表示しています",
        ),
        Happening::Removed => speaker.say("The site is no longer watched", "監視の対象から外れました"),
        Happening::Acknowledged { by, note } => acknowledged(by, note, speaker),
        Happening::Found { .. } | Happening::Unknown => return None,
    })
}
