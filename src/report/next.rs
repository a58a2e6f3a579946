//! What to ask, whom, and how to keep it from happening again.

use super::document::{Block, Section};
use super::language::Speaker;
use super::sections::{distinct, lasted};
use super::{found, words};
use crate::failure::Whose;
use crate::incident::{Incident, Severity};
use crate::metrics::ServedFrom;

/// A cause that was seen for less than this part of the time explains nothing: while a name is taken away, a server may refuse
/// for a second.
const PASSING: u64 = 100;

/// Whose matters the causes were, each once; nobody is asked about what passed at once where something else did not.
fn parties(incident: &Incident) -> Vec<Whose> {
    let mut parties: Vec<(Whose, u64)> = Vec::new();
    for cause in distinct(incident) {
        let lasted = lasted(incident, cause);
        match parties.iter_mut().find(|(whose, _)| *whose == cause.whose()) {
            Some((_, seconds)) => *seconds += lasted,
            None => parties.push((cause.whose(), lasted)),
        }
    }
    let all: u64 = parties.iter().map(|(_, seconds)| seconds).sum();
    let lasting = parties.iter().filter(|(_, seconds)| seconds.saturating_mul(PASSING) >= all);
    lasting.map(|(whose, _)| *whose).collect()
}

/// Questions to those who can answer them, with what they need to look it up.
pub(super) fn ask(incident: &Incident, speaker: Speaker) -> Section {
    let mut blocks = Vec::new();
    let from = speaker.time(incident.began);
    let until = incident.ended.unwrap_or(incident.as_of);
    let span = speaker.say(
        format!("between {from} and {} ({})", speaker.time(until), speaker.zone_name()),
        format!("{from}から{}まで（{}）", speaker.time(until), speaker.zone_name()),
    );
    for whose in parties(incident) {
        let (who, questions) = match whose {
            Whose::Host => (
                speaker.say("The hosting company:", "ホスティング会社へ"),
                vec![
                    speaker.say(
                        format!("What happened on the server or its network {span}?"),
                        format!("{span}、サーバーやネットワークで何が起きていましたか。"),
                    ),
                    speaker.say(
                        "Is it resolved for good, or may it come back?",
                        "恒久的に解決済みですか。再発の可能性はありますか。",
                    ),
                    speaker.say(
                        "Were other customers affected, and is there a notice about it?",
                        "ほかのお客様にも影響がありましたか。障害情報は公開されていますか。",
                    ),
                    speaker.say(
                        "Is any data of the site damaged or lost?",
                        "サイトのデータに破損や消失はありませんか。",
                    ),
                ],
            ),
            Whose::Site => (
                speaker.say("Whoever makes the site:", "サイトの制作・保守担当へ"),
                vec![
                    speaker.say(
                        format!("Was anything changed or updated shortly before {from}?"),
                        format!("{from}の直前に、更新や設定変更を行いましたか。"),
                    ),
                    speaker.say(
                        format!("What do the logs of the application and of the web server say {span}?"),
                        format!("{span}のアプリケーションとWebサーバーのログには、何が記録されていますか。"),
                    ),
                ],
            ),
            Whose::Name => (
                speaker.say("The registrar, and whoever runs the DNS:", "ドメインとDNSの管理会社へ"),
                vec![
                    speaker.say(
                        "Is the domain paid for, and until when?",
                        "ドメインの契約は有効ですか。期限はいつまでですか。",
                    ),
                    speaker.say(
                        format!("Was anything changed in the DNS shortly before {from}, and by whom?"),
                        format!("{from}の直前に、DNSの設定が変更されましたか。変更したのは誰ですか。"),
                    ),
                ],
            ),
            Whose::Certificate => (
                speaker.say("Whoever looks after the certificate:", "証明書の担当へ"),
                vec![speaker.say(
                    "Why was the certificate not renewed in time, and is automatic renewal working now?",
                    "証明書が期限までに更新されなかった原因は何ですか。自動更新は正常に動いていますか。",
                )],
            ),
            Whose::Visitor | Whose::Operator | Whose::Katahai => continue,
        };
        blocks.push(Block::Text(who));
        blocks.push(Block::Items(questions));
    }
    Section { title: speaker.text(words::ASK), blocks }
}

/// What would have helped.
pub(super) fn again(incident: &Incident, speaker: Speaker) -> Section {
    let mut items = Vec::new();
    if found::was_told(incident) {
        items.push(speaker.say(
            "The warnings came in time, and nobody acted on them: let them go to whoever can renew, and agree on who does it.",
            "警告は事前に届いていましたが、対応に至りませんでした。更新手続きのできる方に警告が届くようにし、担当者を決めておいてください。",
        ));
    }
    for whose in parties(incident) {
        match whose {
            Whose::Host => items.push(speaker.say(
                "If the server fails more often, ask the host for a plan with more capacity, or add a second server elsewhere.",
                "サーバーの障害が繰り返される場合は、上位プランへの変更や、別の場所への予備サーバーの設置をご検討ください。",
            )),
            Whose::Site => items.push(speaker.say(
                "Try updates on a test site first, and keep a way back to the version before.",
                "更新は先にテスト環境で確認し、以前の状態に戻せる準備をしておいてください。",
            )),
            Whose::Name => items.push(speaker.say(
                "Let the domain renew automatically, keep the payment and contact details up to date, and prepare a second domain name.",
                "ドメインは自動更新にし、支払い方法と連絡先を最新の状態に保ってください。予備のドメイン名のご用意もお勧めします。",
            )),
            Whose::Certificate => items.push(speaker.say(
                "Have the certificate renewed automatically, and let somebody be told when that fails.",
                "証明書は自動更新にし、更新に失敗したときに担当者へ通知が届くようにしてください。",
            )),
            Whose::Visitor | Whose::Operator | Whose::Katahai => {}
        }
    }
    if !incident.missed.is_empty() {
        items.push(speaker.say(
            "Have the pages listed above saved as well, if they are meant for everybody: link to them from the site, or name them in its sitemap.",
            "上記の「表示できなかったもの」のうち公開ページは、サイト内からリンクするか、サイトマップに記載すると、今後は保存の対象になります。",
        ));
    }
    if incident.served_from(ServedFrom::Refused.as_str()) > 0 {
        items.push(speaker.say(
            "Have forms kept while the server is out, so that nobody has to send them twice.",
            "障害中もフォームの送信をお預かりする設定にすると、送り直しが不要になります。",
        ));
    }
    if incident.severity == Severity::Outage && incident.origins.len() == 1 {
        items.push(speaker.say(
            "The live site depends on one server. A second one, with another company, could take over.",
            "通常のサイトは1台のサーバーで動いています。別の会社に予備のサーバーがあれば、切り替えて運用を続けられます。",
        ));
    }
    let blocks = if items.is_empty() { Vec::new() } else { vec![Block::Items(items)] };
    Section { title: speaker.text(words::AGAIN), blocks }
}
