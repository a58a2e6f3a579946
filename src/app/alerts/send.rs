//! Sending what waits, each channel by itself: one that does not answer holds up no other. When one fails, the backups get the
//! message, too.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use lettre::Address;
use serde::Serialize;
use url::Url;

use super::App;
use crate::alert::format::{self, Look, Tongue, Words};
use crate::alert::{Event, Notice, Queued};
use crate::config::alerts::{AlertFormat, AlertLanguage, Channel, Destination, HookAt, Webhook};
use crate::config::{load_hook_url, load_password};
use crate::failure::chain;
use crate::holding_page::Language;
use crate::messages::mail::{self, Letter};
use crate::messages::webhook::Client;
use crate::messages::{Again, NotTaken};
use crate::{clock, tasks};

/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(1);
/// How often the snapshots on the disk are looked at.
const LOOK_AT_DISK: Duration = Duration::from_secs(10);
/// How long a channel may take for a test: somebody waits for what it says.
const TRY: Duration = Duration::from_secs(30);
/// What is older than this comes late, in seconds.
const LATE: u64 = 300;
/// By which a webhook knows a message again that it has had (IETF draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Who has sent it, and that nobody has changed it.
const SIGNATURE: HeaderName = HeaderName::from_static("katahai-signature");
/// The same as the first for LINE.
const RETRY_KEY: HeaderName = HeaderName::from_static("x-line-retry-key");

/// What a channel said when it was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// Which.
    pub to: String,
    /// Whether it took the message.
    pub ok: bool,
    /// Why not: a code.
    pub code: Option<String>,
    /// The same in words.
    pub message: Option<String>,
}

impl Tried {
    fn of(channel: &Channel, result: Result<(), NotTaken>) -> Tried {
        let why = result.err();
        let (code, message) = why.map(|why| (why.code, why.detail)).unzip();
        Tried { to: channel.to_string(), ok: code.is_none(), code, message }
    }
}

/// Sends for as long as the application is there.
pub(in crate::app) async fn run(app: Weak<App>) {
    // a process that has just begun is still looking by itself
    let mut looked = clock::instant();
    while let Some(app) = app.upgrade() {
        let now = clock::instant();
        // what is wrong on the disk is found by looking, and perhaps nobody else does
        let is_due = now.saturating_duration_since(looked) >= LOOK_AT_DISK;
        if is_due && !app.alert_settings().channels.is_empty() {
            looked = now;
            app.look_again().await;
        }
        app.send_alerts().await;
        let alerts = app.alerts.clone();
        drop(app);
        _ = tokio::time::timeout(LOOK, alerts.news.notified()).await;
    }
}

pub(super) fn later(code: &str, detail: impl Into<String>) -> NotTaken {
    NotTaken { again: Again::Later, code: code.to_owned(), detail: detail.into() }
}

fn stopping() -> NotTaken {
    later("stopping", "the process is stopping")
}

/// The first line of the file with a secret. Blocks.
fn secret(webhook: &Webhook) -> Result<Option<String>, NotTaken> {
    let file = webhook.secret_file.as_deref().map(load_password).transpose();
    file.map_err(|problems| later("no-secret", problems.to_string().trim().to_owned()))
}

/// The webhook's URL. Blocks.
pub(in crate::app) fn url_of(webhook: &Webhook) -> Result<Url, NotTaken> {
    match &webhook.at {
        HookAt::Url(url) => Ok(url.0.clone()),
        HookAt::File(file) => load_hook_url(file)
            .map(|url| url.0)
            .map_err(|problems| later("no-url", problems.to_string().trim().to_owned())),
    }
}

impl App {
    /// Begins to send to each channel that something waits for and that may be tried.
    async fn send_alerts(self: &Arc<Self>) {
        let channels = self.alert_settings().channels;
        if channels.is_empty() {
            return;
        }
        let app = self.clone();
        let due = tasks::blocking(move || {
            let (books, now) = (app.alerts.books(), clock::instant());
            let due = channels.into_iter().filter_map(|channel| {
                let key = channel.key();
                let queued = books.queue.next(&key)?.clone();
                app.alerts.lane(&key, |lane| lane.begin(now)).then_some((channel, queued))
            });
            due.collect::<Vec<_>>()
        });
        for (channel, queued) in due.await.unwrap_or_default() {
            tasks::detached(self.clone().deliver(channel, queued));
        }
    }

    async fn deliver(self: Arc<Self>, channel: Channel, queued: Queued) {
        let busy = Busy { app: self.clone(), key: queued.channel.clone() };
        let result = self.send_alert(&channel, &queued).await;
        let app = self.clone();
        tasks::blocking(move || app.settle(&channel, &queued, result)).await;
        drop(busy);
        self.alerts.news.notify_one();
    }

    /// What has become of a message. Blocks.
    fn settle(&self, channel: &Channel, queued: &Queued, result: Result<(), NotTaken>) {
        let (now, key, notice) = (clock::now(), &queued.channel, &queued.notice);
        let alert = &*notice.alert;
        let mut books = self.alerts.books();
        let Err(why) = result else {
            books.queue.done(queued);
            books.ledger.reached(alert, key);
            books.save(now.mono);
            self.alerts.lane(key, |lane| lane.took(now));
            self.alerts.count(&books.queue, &self.alert_settings());
            tracing::info!(alert, event = notice.event.as_str(), to = %channel, "alert sent");
            return;
        };
        let settings = self.alert_settings();
        let (code, detail, again) = (why.code.clone(), why.detail.clone(), why.again);
        let is_news = self.alerts.lane(key, |lane| lane.failed(why, now));
        if again == Again::Never {
            // this message is at fault, and not those behind it
            if !channel.is_backup {
                books.queue.hand_on(key, &super::backups(&settings.channels), now.unix(), Some(&notice.id));
            }
            books.queue.done(queued);
            tracing::error!(alert, to = %channel, code, detail, "an alert was refused, and is not sent again");
        } else {
            self.alerts.feed_backups(&mut books.queue, &settings, now);
            books.queue.failed(queued);
            if is_news {
                tracing::warn!(alert, to = %channel, code, detail, "an alert could not be sent, trying again");
            }
        }
        self.alerts.count(&books.queue, &settings);
    }

    /// Tries all channels at once with a message that says so.
    pub async fn try_alerts(self: &Arc<Self>) -> Vec<Tried> {
        let settings = self.alert_settings();
        let now = clock::now();
        let tried = settings.channels.iter().map(|channel| async move {
            let notice = Notice::test(now.unix());
            let queued = Queued {
                channel: channel.key(),
                notice,
                queued: now.unix(),
                has_failed: false,
                tells_all: false,
            };
            let sent = tokio::time::timeout(TRY, self.send_alert(channel, &queued)).await;
            let result = sent.unwrap_or_else(|_| Err(later("silent", "it has not answered in time")));
            let now = clock::now();
            self.alerts.lane(&queued.channel, |lane| match &result {
                Ok(()) => lane.took(now),
                Err(why) => lane.refused_a_test(why.clone()),
            });
            Tried::of(channel, result)
        });
        futures_util::future::join_all(tried).await
    }

    async fn send_alert(self: &Arc<Self>, channel: &Channel, queued: &Queued) -> Result<(), NotTaken> {
        let notice = &queued.notice;
        if notice.event == Event::Report {
            return match &channel.reach {
                Destination::Mail(address) => {
                    self.mail_report(address, notice, &self.tongues(notice).await).await
                }
                // it has taken the place of a mailbox
                Destination::Webhook(_) => Ok(()),
            };
        }
        let look = self.look(queued).await.ok_or_else(stopping)?;
        let said: Vec<Words> =
            self.tongues(notice).await.into_iter().map(|tongue| Words::of(notice, &look, tongue)).collect();
        match &channel.reach {
            Destination::Mail(address) => {
                self.mail_alert(address, notice, format::mail::render(&said, &look)).await
            }
            Destination::Webhook(webhook) => self.post_alert(webhook, queued, &said, &look).await,
        }
    }

    /// The links of a message, each with a token of its own, and what else changes how it is told.
    async fn look(self: &Arc<Self>, queued: &Queued) -> Option<Look> {
        let Some(link) = self.alert_settings().link else {
            return Some(self.bare_look(queued));
        };
        let (app, queued) = (self.clone(), queued.clone());
        tasks::blocking(move || {
            let look = app.bare_look(&queued);
            let notice = &queued.notice;
            let mut books = app.alerts.books();
            let token = match notice.event {
                Event::Begin | Event::Worse | Event::Still => app.alerts.tokens.as_ref(),
                Event::Over | Event::Report | Event::Test => None,
            };
            let token = token.map(|maker| maker.token(&notice.id, &queued.channel));
            let token = token.filter(|token| books.ledger.take_token(&notice.alert, token));
            // before anybody has it: after a restart it is to be good
            books.save(clock::instant());
            let page = match notice.members.as_slice() {
                [one] if !one.site.is_empty() && notice.total == 1 => format!("sites/{}", one.site),
                _ => String::new(),
            };
            let ack = token.and_then(|token| link.join(&format!("ack/{token}")).ok());
            let ids = notice.members.iter().filter_map(|member| member.incident.clone());
            let reports: BTreeMap<String, Url> = ids
                .filter_map(|id| Some((id.clone(), link.join(&format!("incidents/{id}")).ok()?)))
                .collect();
            let report = reports.values().next().filter(|_| notice.total == 1).cloned();
            Look { link: link.join(&page).ok(), report, reports, ack, ..look }
        })
        .await
    }

    fn bare_look(&self, queued: &Queued) -> Look {
        let is_old = clock::now().unix().saturating_sub(queued.notice.at) > LATE;
        let (is_late, sender) = (queued.has_failed || is_old, self.alerts.sender.clone());
        Look { is_late, tells_all: queued.tells_all, sender, ..Look::default() }
    }

    /// The languages that a message is in.
    async fn tongues(&self, notice: &Notice) -> Vec<Tongue> {
        match self.alert_settings().language {
            AlertLanguage::English => vec![Tongue::English],
            AlertLanguage::Japanese => vec![Tongue::Japanese],
            AlertLanguage::Both => vec![Tongue::English, Tongue::Japanese],
            AlertLanguage::Auto => {
                let table = self.table();
                let named = notice.members.first().and_then(|member| table.named(&member.site));
                let language = match named.or_else(|| table.sites.first()) {
                    Some(site) => site.language().await,
                    None => Language::En,
                };
                vec![match language {
                    Language::En => Tongue::English,
                    Language::Ja => Tongue::Japanese,
                }]
            }
        }
    }

    async fn mail_alert(
        &self,
        address: &Address,
        notice: &Notice,
        (subject, text): (String, String),
    ) -> Result<(), NotTaken> {
        let Some(server) = self.running().config.mail.clone() else {
            return Err(later("no-mail-server", "[alerts.email] names no server"));
        };
        let to = blake3::hash(address.to_string().as_bytes()).to_hex();
        let id = format!("{}.{}", notice.id, &to[..8]);
        let letter = Letter { to: address.clone(), subject, text, reply_to: None, id, files: Vec::new() };
        mail::send(&server, letter).await
    }

    async fn post_alert(
        &self,
        webhook: &Webhook,
        queued: &Queued,
        said: &[Words],
        look: &Look,
    ) -> Result<(), NotTaken> {
        let notice = &queued.notice;
        let of = webhook.clone();
        let read = tasks::blocking(move || Ok((url_of(&of)?, secret(&of)?)));
        let (mut url, secret) = read.await.ok_or_else(stopping)??;
        let json = match webhook.format {
            AlertFormat::Json => format::generic::render(notice, look),
            AlertFormat::Slack => format::slack::render(said, look),
            AlertFormat::Discord => format::discord::render(said, notice, look),
            AlertFormat::Teams => format::teams::render(said, notice, look),
            AlertFormat::Line => format::line::render(said, look, &webhook.to),
            AlertFormat::Ntfy => {
                let (root, json) = format::ntfy::render(said, notice, look, &url);
                url = root;
                json
            }
        };
        let body = Bytes::from(json.to_string());
        let fields = fields(webhook.format, notice, secret.as_deref(), &body);
        let posted = self.hook_client().await?.post(&url, fields, body).await;
        match posted {
            // it has had it: a second one with the same key is none
            Err(why) if has_had(webhook.format, &why.code, queued.has_failed) => Ok(()),
            Err(why) if webhook.format == AlertFormat::Json && why.code == "status-409" => {
                Err(NotTaken { again: Again::Later, ..why })
            }
            posted => posted,
        }
    }

    pub(super) async fn hook_client(&self) -> Result<Client, NotTaken> {
        let tls = tasks::blocking(|| crate::tls::client_config(None)).await.ok_or_else(stopping)?;
        let tls = tls.map_err(|error| later("tls", chain(&error)))?;
        Ok(Client { resolver: self.running().tools.resolver.clone(), tls })
    }
}

/// Whether a status says that the receiver has had the message under the key that we gave it. Of our own JSON a second one may
/// differ from the first, because it says that it is late.
fn has_had(format: AlertFormat, code: &str, has_failed: bool) -> bool {
    match format {
        AlertFormat::Line => code == "status-409",
        AlertFormat::Json => has_failed && code == "status-422",
        AlertFormat::Slack | AlertFormat::Discord | AlertFormat::Teams | AlertFormat::Ntfy => false,
    }
}

/// The header fields by which the receiver knows the message, and us.
fn fields(format: AlertFormat, notice: &Notice, secret: Option<&str>, body: &Bytes) -> HeaderMap {
    let mut fields = HeaderMap::new();
    let mut put = |name: HeaderName, text: String| {
        if let Ok(mut value) = HeaderValue::from_str(&text) {
            value.set_sensitive(name == header::AUTHORIZATION);
            fields.insert(name, value);
        }
    };
    match format {
        AlertFormat::Json => {
            put(IDEMPOTENCY_KEY, format!("\"{}\"", notice.id));
            if let Some(secret) = secret {
                put(SIGNATURE, format::generic::signature(secret, clock::now().unix(), body));
            }
        }
        AlertFormat::Line => {
            put(RETRY_KEY, format::line::retry_key(&notice.id));
            put(header::AUTHORIZATION, format!("Bearer {}", secret.unwrap_or_default()));
        }
        AlertFormat::Ntfy => {
            if let Some(secret) = secret {
                put(header::AUTHORIZATION, format!("Bearer {secret}"));
            }
        }
        AlertFormat::Slack | AlertFormat::Discord | AlertFormat::Teams => {}
    }
    fields
}

/// Somebody sends to a channel, until this is dropped.
struct Busy {
    app: Arc<App>,
    key: String,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.app.alerts.lane(&self.key, super::lane::Lane::end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_knows_the_key_has_had_the_message() {
        for (format, code, has_failed, expected) in [
            (AlertFormat::Line, "status-409", false, true),
            (AlertFormat::Json, "status-422", true, true),
            (AlertFormat::Json, "status-422", false, false),
            (AlertFormat::Json, "status-409", true, false),
            (AlertFormat::Slack, "status-422", true, false),
        ] {
            assert_eq!(has_had(format, code, has_failed), expected, "{format:?} {code}");
        }
    }
}
