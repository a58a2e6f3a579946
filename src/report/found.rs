//! What was found out apart from the failed answers: of the domain, the DNS and the certificates; and whether it was known before.

use super::causes;
use super::document::Block;
use super::language::Speaker;
use super::sections::distinct;
use crate::failure::{Cause, Whose};
use crate::incident::{Finding, Incident, Moment};

/// What was known for less time than this before it happened was known too late, in seconds.
const AHEAD: u64 = 3600;
const DAY: u64 = 86_400;

/// Which of the findings say the most: what has ended, what is withheld, where it leads instead.
const ORDER: [Cause; 10] = [
    Cause::DomainExpired,
    Cause::DomainOnHold,
    Cause::SiteCertificateExpired,
    Cause::NameServersParked,
    Cause::ZoneGone,
    Cause::DnssecBroken,
    Cause::NameServersChanged,
    Cause::AddressesChanged,
    Cause::DomainUnlocked,
    Cause::OriginGettingWorse,
];

/// The findings that this version knows, those that say the most first.
fn known(incident: &Incident) -> Vec<(Cause, &Finding)> {
    let mut known: Vec<(Cause, &Finding)> =
        incident.findings.iter().filter_map(|found| Some((Cause::of(&found.cause)?, found))).collect();
    known.sort_by_key(|(cause, _)| ORDER.iter().position(|other| other == cause).unwrap_or(ORDER.len()));
    known
}

/// The finding that explains the outage: somebody was asked for the site under its name, and the name was not the site's.
fn reason(incident: &Incident) -> Option<(Cause, &Finding)> {
    let failed = distinct(incident);
    let fits = |cause: Cause| match cause.whose() {
        Whose::Name => {
            failed.iter().any(|failed| matches!(failed.whose(), Whose::Name) || *failed == Cause::Parking)
        }
        Whose::Certificate => failed.iter().any(|failed| failed.whose() == Whose::Certificate),
        Whose::Visitor | Whose::Site | Whose::Host | Whose::Operator | Whose::Katahai => false,
    };
    known(incident).into_iter().find(|(cause, _)| fits(*cause))
}

/// The reason in a sentence, for the beginning of the report.
pub(super) fn in_short(incident: &Incident, speaker: Speaker) -> Option<String> {
    let (cause, found) = reason(incident)?;
    let said = in_words(cause, found, speaker);
    Some(match announced(found, speaker) {
        Some(announced) => format!("{said}{}{announced}", speaker.language.pick(" ", "")),
        None => said,
    })
}

/// What it was, with what the registry and the name servers said, word for word.
fn in_words(cause: Cause, found: &Finding, speaker: Speaker) -> String {
    let about = &*found.subject;
    match (cause, found.ended) {
        (Cause::DomainExpired, Some(ended)) => {
            let ended = speaker.time(ended);
            speaker.say(
                format!("The registration of the domain {about} ended on {ended} and had not been renewed."),
                format!("ドメイン{about}の登録は、更新されないまま{ended}に期限が切れました。"),
            )
        }
        (Cause::DomainExpired, None) => speaker.say(
            format!("The registry did not know the domain {about} any more."),
            format!("ドメイン{about}は、登録機関（レジストリー）の登録から消えていました。"),
        ),
        (Cause::ZoneGone, _) => speaker.say(
            format!("No name server answered for the domain {about} any more."),
            format!("ドメイン{about}について応答するネームサーバーがなくなりました。"),
        ),
        (Cause::DomainOnHold, _) => speaker.say(
            format!("The registry or the registrar held the domain {about} back{}.", seen(found, speaker)),
            format!(
                "ドメイン{about}は、登録機関または登録事業者によって停止されていました{}。",
                seen(found, speaker)
            ),
        ),
        (Cause::NameServersParked, _) => speaker.say(
            format!(
                "The domain {about} led to the name servers of a parking service{}.",
                seen(found, speaker)
            ),
            format!(
                "ドメイン{about}は、パーキングサービスのネームサーバーに向けられていました{}。",
                seen(found, speaker)
            ),
        ),
        (Cause::NameServersChanged, _) => speaker.say(
            format!("The domain {about} had other name servers than before{}.", seen(found, speaker)),
            format!("ドメイン{about}のネームサーバーが、以前と異なっていました{}。", seen(found, speaker)),
        ),
        (Cause::AddressesChanged, _) if found.seen.is_empty() => speaker.say(
            format!("The name {about} led to no address any more."),
            format!("{about}の向き先のアドレスがなくなっていました。"),
        ),
        (Cause::AddressesChanged, _) => speaker.say(
            format!("The name {about} led to other addresses than before{}.", seen(found, speaker)),
            format!("{about}の向き先のアドレスが、以前と異なっていました{}。", seen(found, speaker)),
        ),
        _ => speaker.text(causes::meaning(cause)),
    }
}

fn seen(found: &Finding, speaker: Speaker) -> String {
    if found.seen.is_empty() {
        return String::new();
    }
    speaker.say(format!(" ({})", found.seen.join(", ")), format!("（{}）", found.seen.join("、")))
}

/// Whether it was known before it came, and whether somebody was told; `None`: nobody knew.
fn announced(found: &Finding, speaker: Speaker) -> Option<String> {
    let came = found.ended.unwrap_or(found.at);
    if came.since(found.known_since) < AHEAD {
        return None;
    }
    Some(match found.told.filter(|told| *told < came) {
        Some(told) => speaker.say(
            format!(
                "It was announced: the first warning was sent on {}, {} before.",
                speaker.time(told),
                ahead(told, came, speaker)
            ),
            format!(
                "このことは事前に警告しており、最初の警告は{}前（{}）に送信しています。",
                ahead(told, came, speaker),
                speaker.time(told)
            ),
        ),
        None => {
            let known = found.known_since;
            speaker.say(
                format!(
                    "It was foreseeable from {} on, {} before, but no warning was sent: none was set up, or none could be delivered.",
                    speaker.time(known), ahead(known, came, speaker)
                ),
                format!(
                    "{}前の{}から予測できましたが、警告は送信されていません（通知先がないか、送信できませんでした）。",
                    ahead(known, came, speaker), speaker.time(known)
                ),
            )
        }
    })
}

/// How long before, in days where that says enough.
fn ahead(from: Moment, to: Moment, speaker: Speaker) -> String {
    let seconds = to.since(from);
    if seconds < 2 * DAY {
        return speaker.duration(seconds);
    }
    // an hour more or less is nothing
    speaker.count((seconds + DAY / 2) / DAY, ["day", "days"], "日")
}

/// Whether somebody was warned of the reason days before.
pub(super) fn was_told(incident: &Incident) -> bool {
    reason(incident).is_some_and(|(_, found)| {
        let came = found.ended.unwrap_or(found.at);
        found.told.is_some_and(|told| came.since(told) >= DAY)
    })
}

/// All that was found, and since when it was so no longer.
pub(super) fn all(incident: &Incident, speaker: Speaker) -> Vec<Block> {
    let known = known(incident);
    // the beginning of the report has said it
    let first = reason(incident).map(|(cause, found)| (cause, &found.subject));
    if known.is_empty() {
        return Vec::new();
    }
    let item = |(cause, found): &(Cause, &Finding)| {
        let mut said = format!(
            "{}{}{}",
            speaker.time(found.at),
            speaker.language.pick(": ", "："),
            in_words(*cause, found, speaker)
        );
        let is_first = first == Some((*cause, &found.subject));
        if let Some(announced) = announced(found, speaker).filter(|_| !is_first) {
            said = format!("{said}{}{announced}", speaker.language.pick(" ", ""));
        }
        if let Some(over) = found.over {
            let over = speaker.time(over);
            said.push_str(&speaker.say(
                format!(" Since {over} this is no longer so."),
                format!("{over}に解消を確認しました。"),
            ));
        }
        said
    };
    vec![
        Block::Text(speaker.say(
            "What the registry, the name servers and the certificates showed at the same time:",
            "同じ時期の、登録機関・ネームサーバー・証明書の状態：",
        )),
        Block::Items(known.iter().map(item).collect()),
    ]
}

/// An entry of the course of events.
pub(super) fn happening(incident: &Incident, cause: &str, subject: &str, speaker: Speaker) -> Option<String> {
    let found = incident.findings.iter().find(|found| found.cause == cause && found.subject == subject)?;
    Some(in_words(Cause::of(cause)?, found, speaker))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::{Language, document, markdown};
    use super::*;
    use crate::incident::{CauseSpan, IncidentId, Severity};

    fn at(day: u64) -> Moment {
        Moment::from(UNIX_EPOCH + Duration::from_secs(20_000 * DAY + day * DAY))
    }

    fn lapsed(cause: Cause, told: Option<Moment>) -> Incident {
        let id = IncidentId::new(at(30), "shop", |_| false);
        let mut incident = Incident::new(id, "shop", Severity::Outage, at(30), at(30));
        incident.causes.push(CauseSpan { cause: cause.code().to_owned(), from: at(30), until: Some(at(33)) });
        incident.findings.push(Finding {
            cause: Cause::DomainExpired.code().to_owned(),
            subject: "example.com".to_owned(),
            at: at(30),
            known_since: at(9),
            told,
            ended: Some(at(30)),
            seen: Vec::new(),
            over: Some(at(33)),
        });
        (incident.ended, incident.lasted_s) = (Some(at(33)), 3 * DAY);
        incident
    }

    #[test]
    fn what_the_registry_says_is_the_reason_only_of_what_a_name_can_break() {
        let lead = |cause, told| document(&lapsed(cause, told), Language::En, None).lead.join(" ");
        let told = lead(Cause::NameMoved, Some(at(9)));
        assert!(told.contains("registration of the domain example.com ended"), "{told}");
        assert!(told.contains("the first warning was sent on 2024-10-13 00:00:00, 21 days before"), "{told}");
        let silent = lead(Cause::NameNotFound, None);
        assert!(
            silent.contains("foreseeable from 2024-10-13 00:00:00 on, 21 days before, but no warning"),
            "{silent}"
        );
        let other = lead(Cause::Refused, Some(at(9)));
        assert!(!other.contains("registration"), "a server that refuses has its own reason: {other}");
        let whole = markdown(&document(&lapsed(Cause::Refused, None), Language::En, None));
        assert!(whole.contains("registration of the domain"), "but it is told: {whole}");
    }

    #[test]
    fn what_came_by_surprise_was_announced_by_nobody() {
        let mut incident = lapsed(Cause::NameMoved, None);
        incident.findings[0].known_since = at(30);
        let lead = document(&incident, Language::En, None).lead.join(" ");
        assert!(
            lead.contains("ended on") && !lead.contains("foreseeable") && !lead.contains("announced"),
            "{lead}"
        );
    }
}
