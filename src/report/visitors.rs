//! What visitors got, what they missed, and what was lost.

use super::document::{Block, Section};
use super::language::{Speaker, grouped};
use super::words;
use crate::failure::Text;
use crate::incident::{FormCounts, Incident};
use crate::metrics::ServedFrom;

/// What came from where, in words.
fn source(served: ServedFrom) -> Text {
    match served {
        ServedFrom::Origin => words::LIVE,
        ServedFrom::Cache => words::STILL_FRESH,
        ServedFrom::Stale => words::LAST_ANSWER,
        ServedFrom::Snapshot => words::COPY,
        ServedFrom::Holding => words::HOLDING,
        ServedFrom::Kept => words::KEPT,
        ServedFrom::Refused => words::REFUSED,
        ServedFrom::Error => words::FAULTY,
    }
}

fn count(incident: &Incident, served: ServedFrom) -> u64 {
    incident.served_from(served.as_str())
}

/// Requests that got a page from before the outage.
fn copies(incident: &Incident) -> u64 {
    [ServedFrom::Cache, ServedFrom::Stale, ServedFrom::Snapshot]
        .map(|served| count(incident, served))
        .iter()
        .sum()
}

/// In a sentence or two.
pub(super) fn in_short(incident: &Incident, speaker: Speaker) -> String {
    let (copies, holding) = (copies(incident), count(incident, ServedFrom::Holding));
    let (kept, refused) = (count(incident, ServedFrom::Kept), count(incident, ServedFrom::Refused));
    let mut said = Vec::new();
    match (copies, holding) {
        (0, 0) => said.extend(only_live(incident, speaker)),
        (copies, 0) => said.push(speaker.say(
            format!("Visitors went on getting its pages from saved copies ({}).", times(copies, speaker)),
            format!("この間、訪問者には保存してあるページを表示しました（{}）。", times(copies, speaker)),
        )),
        (0, holding) => said.push(speaker.say(
            format!("There was no saved copy of what visitors asked for; they were told so ({}).", times(holding, speaker)),
            format!("保存したコピーがないページのため、訪問者には「表示できません」とご案内しました（{}）。", times(holding, speaker)),
        )),
        (copies, holding) => said.push(speaker.say(
            format!(
                "Visitors went on getting its pages from saved copies ({}); for some pages there was none ({}).",
                times(copies, speaker), times(holding, speaker)
            ),
            format!(
                "この間、訪問者には保存してあるページを表示しました（{}）。コピーのないページでは、「表示できません」とご案内しました（{}）。",
                times(copies, speaker), times(holding, speaker)
            ),
        )),
    }
    if kept > 0 {
        said.push(speaker.say(
            format!("What they sent by forms was kept ({}).", times(kept, speaker)),
            format!("フォームからの送信はお預かりしました（{}）。", times(kept, speaker)),
        ));
    }
    if refused > 0 {
        said.push(speaker.say(
            format!(
                "Some of what they sent was not accepted, or may not have arrived ({}); they were told so at once.",
                times(refused, speaker)
            ),
            format!("一部の送信は、受け付けられないか、届いたことを確認できませんでした。その場でご案内しています（{}）。", times(refused, speaker)),
        ));
    }
    said.join(speaker.language.pick(" ", ""))
}

/// Where nothing but the live site answered: whether it did well is not known of each answer.
fn only_live(incident: &Incident, speaker: Speaker) -> Option<String> {
    let (live, faulty) = (count(incident, ServedFrom::Origin), count(incident, ServedFrom::Error));
    let forms = count(incident, ServedFrom::Kept) + count(incident, ServedFrom::Refused);
    let held = incident.live_held;
    if live + faulty + forms == 0 {
        let nobody = || {
            speaker.say(
                "Nobody visited the site during this time.",
                "この間、サイトへのアクセスはありませんでした。",
            )
        };
        return (!held).then(nobody);
    }
    let live = times(live, speaker);
    (held || forms == 0).then(|| {
        speaker.say(
            format!("Visitors were answered by the live site ({live}); whether all of these answers were good is not known."),
            format!("この間、訪問者には通常のサイトの応答を表示しました（{live}）。すべてが正常だったかどうかは、確認できていません。"),
        )
    })
}

fn times(number: u64, speaker: Speaker) -> String {
    speaker.count(number, ["time", "times"], "回")
}

/// How many requests got what.
pub(super) fn seen(incident: &Incident, speaker: Speaker) -> Section {
    let of = |served: &ServedFrom| (source(*served), count(incident, *served));
    let some = ServedFrom::ALL.iter().map(of).filter(|(_, number)| *number > 0);
    let rows: Vec<Vec<String>> =
        some.map(|(text, number)| vec![speaker.text(text), grouped(number)]).collect();
    let mut blocks = Vec::new();
    if rows.is_empty() {
        blocks.push(Block::Text(speaker.say(
            "Nobody visited the site during this time.",
            "この間、サイトへのアクセスはありませんでした。",
        )));
    } else {
        let head = [words::ANSWER, words::REQUESTS].map(|word| speaker.text(word)).to_vec();
        blocks.push(Block::Table(head, rows));
        blocks.push(Block::Text(speaker.say(
            "Pages, pictures and other files are each counted as a request; those of search engines and other programs, too.",
            "ページのほか、画像などのファイルもそれぞれ1回と数えます。検索エンジンなどのプログラムによるアクセスも含みます。",
        )));
    }
    if copies(incident) > 0
        && let Some(copy) = incident.copy_of
    {
        blocks.push(Block::Text(speaker.say(
            format!("The saved copy was taken on {}.", speaker.time(copy)),
            format!("保存コピーの取得日時：{}", speaker.time(copy)),
        )));
    }
    Section { title: speaker.text(words::VISITORS), blocks }
}

/// Pages without a copy, and what was sent in vain.
pub(super) fn missed(incident: &Incident, speaker: Speaker) -> Section {
    let mut blocks = Vec::new();
    if !incident.missed.is_empty() {
        let head = [words::PAGE, words::REQUESTS].map(|word| speaker.text(word)).to_vec();
        let rows = incident.missed.iter().map(|page| vec![page.path.clone(), grouped(page.requests)]);
        blocks.push(Block::Table(head, rows.collect()));
    }
    if incident.missed_at_least {
        blocks.push(Block::Text(speaker.say(
            "There were more pages than could be counted: the numbers are the least that there were.",
            "ページの数が多く、すべては数えられませんでした。数字は、確認できた最少の数です。",
        )));
    }
    if incident.missed_more > 0 {
        let more = grouped(incident.missed_more);
        blocks
            .push(Block::Text(speaker.say(format!("And {more} more."), format!("ほかに{more}件あります。"))));
    }
    let refused = count(incident, ServedFrom::Refused);
    if refused > 0 {
        blocks.push(Block::Text(speaker.say(
            format!(
                "Forms and other input that were not accepted, or may not have arrived: {}.",
                grouped(refused)
            ),
            format!(
                "受け付けられなかった、または届いたことを確認できなかったフォームなどの送信：{}件",
                grouped(refused)
            ),
        )));
    }
    if blocks.is_empty() {
        let holding = count(incident, ServedFrom::Holding);
        blocks.push(Block::Text(if holding == 0 {
            speaker.text(words::NOTHING_MISSED)
        } else {
            speaker.say(
                format!("Requests for what had no saved copy: {}.", grouped(holding)),
                format!("保存したコピーのないものへのアクセス：{}回", grouped(holding)),
            )
        }));
    }
    Section { title: speaker.text(words::MISSED), blocks }
}

/// What has become of what was sent, as far as it is known.
pub(super) fn lost(incident: &Incident, speaker: Speaker) -> Section {
    let (kept, refused) = (count(incident, ServedFrom::Kept), count(incident, ServedFrom::Refused));
    let forms =
        incident.forms.unwrap_or(FormCounts { kept: incident.forms_waiting, ..FormCounts::default() });
    let open = forms.waiting() + forms.doubtful + forms.parked;
    let mut said =
        vec![speaker.text(if kept + open > 0 { words::NOTHING_LOST } else { words::NOTHING_ACCEPTED })];
    if kept > 0 {
        said.push(speaker.say(
            format!("{} during this time.", speaker.count(kept, ["form was kept", "forms were kept"], "")),
            format!("この間に、フォーム{}件をお預かりしました。", grouped(kept)),
        ));
    }
    if kept + open > 0 {
        said.extend(incident.forms_as_of.or(incident.ended).map(|at| {
            let at = speaker.time(at);
            speaker.say(
                format!("Of all forms that were kept for this site, as of {at}:"),
                format!("このサイトでお預かりしているすべてのフォームの状況（{at}時点）："),
            )
        }));
    }
    for (number, en, ja) in [
        (forms.waiting(), ["waits to be delivered", "wait to be delivered"], "お届けを待っています"),
        (
            forms.doubtful,
            [
                "was sent, but it is not known whether it arrived",
                "were sent, but it is not known whether they arrived",
            ],
            "送信しましたが、届いたかどうかを確認できていません",
        ),
        (
            forms.parked,
            [
                "was not accepted by the site and is kept for somebody to look at",
                "were not accepted by the site and are kept for somebody to look at",
            ],
            "サイトに受け付けられず、担当者の確認を待っています",
        ),
    ] {
        if number > 0 {
            said.push(speaker.say(
                format!("{}.", speaker.count(number, en, "")),
                format!("{}件は、{ja}。", grouped(number)),
            ));
        }
    }
    if kept > 0 && open == 0 {
        said.push(
            speaker.say("None of them waits any longer to be delivered.", "お届け待ちのものはありません。"),
        );
    }
    if refused > 0 {
        said.push(speaker.say(
            format!(
                "{} not accepted, or may not have arrived: whoever sent it was told so at once, and may have sent it again later.",
                speaker.count(refused, ["submission was", "submissions were"], "")
            ),
            format!("送信{}件は、受け付けられないか、届いたことを確認できませんでした。送信した方にはその場でご案内しましたので、後から送り直されている場合があります。", grouped(refused)),
        ));
    }
    Section { title: speaker.text(words::LOST), blocks: said.into_iter().map(Block::Text).collect() }
}
