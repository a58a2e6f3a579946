//! The reports about outages that are over, mailed to whoever gets alerts by e-mail: queued as alerts are, and sent once.

use std::sync::Arc;

use lettre::Address;

use super::{App, Settings, backups};
use crate::alert::format::Tongue;
use crate::alert::{LISTED, Member, Notice};
use crate::app::incidents::Unanswerable;
use crate::clock::Now;
use crate::config::alerts::{Channel, Destination};
use crate::failure::Cause;
use crate::incident::Incident;
use crate::messages::NotTaken;
use crate::messages::mail::{self, Letter, LetterFile};
use crate::report::{self, Document, Language};

impl App {
    /// Hands the reports that are due on to be mailed. Blocks.
    pub(in crate::app) fn mail_reports(&self, now: Now) {
        let due = self.incidents.due_reports(now.wall);
        if due.is_empty() {
            return;
        }
        let settings = self.alert_settings();
        let mailboxes = mailboxes(&settings);
        let told: Vec<Member> =
            due.iter().filter(|incident| is_worth_it(incident, &settings)).map(member).collect();
        if !mailboxes.is_empty() && !told.is_empty() {
            let mut books = self.alerts.books();
            for members in told.chunks(LISTED) {
                let notice = Notice::report(members.to_vec(), now.unix());
                for key in &mailboxes {
                    books.queue.put(key, notice.clone(), now.unix(), false);
                }
                tracing::info!(
                    reports = members.len(),
                    mailboxes = mailboxes.len(),
                    "the report is to be mailed"
                );
            }
            self.alerts.count(&books.queue, &settings);
            drop(books);
            self.alerts.news.notify_one();
        }
        // after the queue: whoever is killed in between puts them there again, under the same ids
        self.incidents.reported(&due, now);
    }

    /// Mails reports to one mailbox.
    pub(super) async fn mail_report(
        self: &Arc<Self>,
        address: &Address,
        notice: &Notice,
        tongues: &[Tongue],
    ) -> Result<(), NotTaken> {
        let Some(server) = self.running().config.mail.clone() else {
            return Err(super::send::later("no-mail-server", "[alerts.email] names no server"));
        };
        let zone = self.config().incidents.zone;
        let (mut documents, mut files) = (Vec::new(), Vec::new());
        for id in notice.members.iter().filter_map(|member| member.incident.as_ref()) {
            let Ok(id) = id.parse() else { continue };
            let incident = match self.incident_to_report(&id).await {
                Ok(incident) => incident,
                // an operator has removed it
                Err(Unanswerable::Unknown(_)) => continue,
                // alerts wait behind this letter: a disk that does not answer must not hold them up
                Err(why) => {
                    tracing::warn!(incident = %id, error = %why, "a report cannot be read, and is not mailed: see katahai report");
                    continue;
                }
            };
            for tongue in tongues {
                let document = report::document(&incident, language(*tongue), zone);
                let ending =
                    if tongues.len() > 1 { format!(".{}", document.language.code()) } else { String::new() };
                files.push(LetterFile {
                    name: format!("{id}{ending}.html"),
                    content_type: "text/html; charset=utf-8".to_owned(),
                    content: report::html(&document).into_bytes(),
                });
                documents.push(document);
            }
        }
        if documents.is_empty() {
            return Ok(());
        }
        let to = blake3::hash(address.to_string().as_bytes()).to_hex();
        let id = format!("{}.{}", notice.id, &to[..8]);
        let (subject, text) = words(&documents, notice.members.len(), self.alert_settings().link.as_ref());
        mail::send(&server, Letter { to: address.clone(), subject, text, reply_to: None, id, files }).await
    }
}

fn language(tongue: Tongue) -> Language {
    match tongue {
        Tongue::English => Language::En,
        Tongue::Japanese => Language::Ja,
    }
}

/// The mailboxes that get reports: not those that get only what others have not taken.
fn mailboxes(settings: &Settings) -> Vec<String> {
    if !settings.mails_reports {
        return Vec::new();
    }
    let backups = backups(&settings.channels);
    let mail = settings.channels.iter().filter(|channel| matches!(channel.reach, Destination::Mail(_)));
    mail.map(Channel::key).filter(|key| !backups.contains(key)).collect()
}

/// What no alert told of needs no report either.
fn is_worth_it(incident: &Incident, settings: &Settings) -> bool {
    incident.lasted_s >= settings.wait.as_secs()
}

fn member(incident: &Incident) -> Member {
    let cause = incident.cause().and_then(Cause::of).unwrap_or(Cause::KnownDown);
    let detail = incident.ended.map(|ended| ended.to_string()).unwrap_or_default();
    let (site, incident) = (incident.site.clone(), Some(incident.id.to_string()));
    Member { site, cause, detail, incident }
}

/// The subject and the text: of one incident the whole report, of several how each began and ended.
fn words(documents: &[Document], incidents: usize, link: Option<&url::Url>) -> (String, String) {
    let Some(first) = documents.first() else { return (String::new(), String::new()) };
    let is_japanese = first.language == Language::Ja;
    let pick = |en: String, ja: String| if is_japanese { ja } else { en };
    if incidents == 1 {
        let texts: Vec<String> = documents.iter().map(report::plain).collect();
        return (format!("[Katahai] {}", first.title), texts.join("\n\n"));
    }
    let subject =
        pick(format!("Outage reports: {incidents} sites"), format!("障害報告書：{incidents}サイト"));
    let mut text = pick(
        "These outages are over. A report about each is attached.\n".to_owned(),
        "以下の障害は解消しました。報告書をそれぞれ添付します。\n".to_owned(),
    );
    for document in documents {
        text.push_str(&format!("\n■ {}\n{}\n", document.title, document.lead.join("\n")));
    }
    if let Some(link) = link {
        text.push_str(&format!("\n{link}\n"));
    }
    (format!("[Katahai] {subject}"), text)
}
