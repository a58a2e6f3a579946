//! Handing kept forms to those who get them besides the origin, by webhook and by e-mail: at once, while the outage goes on, so
//! that somebody can call the visitor back. Each recipient has a queue of its own, so that one that does not answer holds up no
//! other, and no form waits for it.

mod desk;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::App;
use super::form_message::{json_of, letter};
use crate::ask::key;
use crate::config::ready;
use crate::config::recipient::Recipient;
use crate::failure::chain;
use crate::forms::{Claimed, FormId, Intake, KeptForm, Listed, NotMoved, Reason, Receipt, Twice};
use crate::messages::webhook::Client;
use crate::messages::{Again, NotTaken, mail};
use crate::proxy::Site;
use crate::snapshot::rfc3339;
use crate::{clock, tasks};
use desk::{Desk, Next};

/// How often forms that wait are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked at whether there are any, though none came.
const REST: Duration = Duration::from_secs(60);
/// How long a recipient is sent forms before what is due is looked up again.
const TURN: Duration = Duration::from_secs(20);
/// Forms of a site that are read at one look.
const READ: usize = 200;
/// By which a webhook may know a form again that it has had (IETF draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What is remembered of each site. In memory: after a restart it is found out again.
pub(super) struct Recipients {
    desks: Mutex<HashMap<Arc<str>, Desk>>,
    /// Unconfirmed forms from before this are an earlier process's.
    began: SystemTime,
}

impl Default for Recipients {
    fn default() -> Recipients {
        Recipients { desks: Mutex::default(), began: clock::now().wall }
    }
}

/// A recipient that does not take the forms that wait for it, or has refused some, in the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecipientStatus {
    /// Who: the host of a webhook, an address.
    pub to: String,
    /// How many forms wait for it.
    pub waiting: usize,
    /// How many it has refused.
    pub refused: usize,
    /// Why the last one was not taken.
    pub code: String,
    /// The same in words.
    pub message: String,
    /// When that was, RFC 3339; of what was refused, `null`.
    pub at: Option<String>,
}

/// Hands forms on for as long as the application is there.
pub(super) async fn run(app: Weak<App>) {
    let Some(mut changes) = app.upgrade().map(|app| app.intake().changes()) else { return };
    while let Some(app) = app.upgrade() {
        let mut is_waiting = false;
        let table = app.table();
        app.recipients.desks().retain(|name, _| table.named(name).is_some());
        for site in table.sites.iter().filter(|site| app.may_hand_on(site)) {
            is_waiting |= app.hand_on(site).await;
        }
        drop(table);
        drop(app);
        let rest = if is_waiting { LOOK } else { REST };
        _ = tokio::time::timeout(rest, changes.changed()).await;
        if is_waiting {
            tokio::time::sleep(LOOK).await; // forms that come one after the other are looked at together
        }
    }
}

fn has_recipients(config: &ready::Site) -> bool {
    recipients(config).next().is_some()
}

/// All recipients of a site's forms; one that gets several is there as often.
pub fn recipients(site: &ready::Site) -> impl Iterator<Item = &Recipient> + Clone {
    site.forms.iter().flat_map(|form| &form.deliver.recipients)
}

impl App {
    /// Whether there may be something to be handed on: for a recipient, or from one that is configured no more.
    fn may_hand_on(&self, site: &Site) -> bool {
        has_recipients(&site.config)
            || self
                .intake()
                .opened()
                .is_some_and(|spool| spool.totals_of(&site.config.name).keys().any(|state| state.is_due()))
    }

    /// Sees to it that what is to be handed on is on its way. Returns whether anything waits.
    async fn hand_on(self: &Arc<Self>, site: &Arc<Site>) -> bool {
        let (looking, at) = (self.clone(), site.clone());
        let looked = tasks::blocking(move || looking.look_for_recipients(&at)).await;
        let Some((due, is_waiting)) = looked else { return false };
        let now = clock::instant();
        for (recipient, ids) in due {
            let (name, key) = (site.config.name.clone(), recipient.key());
            if !ids.is_empty() && self.recipients.of(&name, |desk| desk.begin(&key, now)) {
                let queue = Queued { recipients: self.recipients.clone(), site: name, key };
                tasks::detached(self.clone().empty(site.clone(), recipient, ids, queue));
            }
        }
        is_waiting
    }

    /// Reads what is not known yet, ends what has come to its end, and finds what is due. Blocks.
    fn look_for_recipients(&self, site: &Site) -> (Vec<desk::Batch>, bool) {
        let Some(spool) = self.intake().opened() else { return (Vec::new(), self.intake().is_unopened()) };
        let (name, config, now) = (&site.config.name, &*site.config, clock::now());
        let listed = if has_recipients(config) { spool.list(name) } else { spool.due(name) };
        let unknown = self.recipients.of(name, |desk| desk.unknown(&listed, now.mono));
        for id in unknown.iter().copied().take(READ) {
            match read(self.intake(), name, id) {
                Ok(Some((_, form))) => {
                    let path = form.target.split_once('?').map_or(&*form.target, |(path, _)| path);
                    let page = key::page_key(path, None, &[]);
                    let path = key::path_of(&page).to_owned();
                    self.recipients.of(name, |desk| desk.learn(&form, path));
                }
                Ok(None) => {}
                Err(error) => self.recipients.is_unreadable(name, id, &error),
            }
        }
        self.write_again(name);
        let is_being_told = |form: &Listed| form.is_being_told(self.recipients.began, now.wall);
        let over = self.recipients.of(name, |desk| desk.over(config, &listed, is_being_told));
        for (id, state, reason) in over.into_iter().filter(|(id, ..)| self.intake().may_send(name, *id)) {
            if let Err(error) = spool.end(name, id, state, reason, now.wall) {
                tracing::warn!(site = %name, form = %id, error = chain(&error), "what has become of a kept form cannot be written down");
            }
            self.intake().decided();
        }
        let is_telling = listed.iter().any(is_being_told);
        let (mut due, is_unwritten) = self
            .recipients
            .of(name, |desk| (desk.due(config, &listed, now.mono), !desk.unwritten.is_empty()));
        for (_, ids) in &mut due {
            ids.retain(|id| self.intake().may_send(name, *id));
        }
        let is_waiting = !due.is_empty() || is_unwritten || is_telling || unknown.len() > READ;
        (due, is_waiting)
    }

    /// Writes down what could not be written before. Blocks.
    fn write_again(&self, site: &Arc<str>) {
        let unwritten = self.recipients.of(site, |desk| desk.unwritten.clone());
        for ((id, key), receipt) in unwritten {
            let written = self.intake().opened().map(|spool| spool.receive(site, id, &key, receipt));
            if matches!(written, Some(Ok(()) | Err(NotMoved::NoSuch(_)))) {
                self.recipients.of(site, |desk| desk.unwritten.remove(&(id, key)));
            }
        }
    }

    /// Sends a recipient its forms, oldest first. One that is not taken holds up no other; after two, it is left alone for a while.
    async fn empty(self: Arc<Self>, site: Arc<Site>, recipient: Recipient, ids: Vec<FormId>, queue: Queued) {
        let (name, begun) = (&site.config.name, clock::instant());
        for id in ids {
            if clock::instant().saturating_duration_since(begun) > TURN {
                return;
            }
            let (intake, of) = (self.intake().clone(), name.clone());
            let form = tasks::blocking(move || read(&intake, &of, id)).await;
            let (listed, form) = match form {
                Some(Ok(Some(form))) => form,
                Some(Ok(None)) => continue,
                Some(Err(error)) => {
                    self.recipients.is_unreadable(name, id, &error);
                    continue;
                }
                None => return,
            };
            // It may have got it since it was looked up, and a reload may have decided that it shall not.
            let Some(current) = self.table().named(name).cloned() else { return };
            if !queue.desk(|desk, _| desk.is_open(&recipient, &listed, &current.config)) {
                continue;
            }
            let away = self.intake().away();
            if let Some(away) = &away
                // whoever gets it knows it again by its id
                && away.claim(name, id, &queue.key, Twice::Harmless).await != Claimed::Ours
            {
                continue;
            }
            let next = match self.send(&site, &recipient, listed, form).await {
                Ok(()) => {
                    tracing::info!(site = %name, form = %id, to = %recipient, "handed a kept form on");
                    self.receive(&queue, id, Receipt::Taken).await;
                    Next::Another
                }
                Err(why) => self.not_taken(&queue, &recipient, id, why).await,
            };
            if let Some(away) = away {
                away.over(name, id, &queue.key).await;
            }
            if next == Next::Rest {
                return;
            }
        }
    }

    async fn not_taken(&self, queue: &Queued, recipient: &Recipient, id: FormId, why: NotTaken) -> Next {
        let (site, now) = (&queue.site, clock::now());
        let (code, detail) = (why.code.clone(), why.detail.clone());
        let next = match why.again {
            Again::Never => Next::Refused,
            Again::Later | Again::After(_) => {
                queue.desk(|desk, key| desk.failed(key, id, why, (now.mono, now.wall)))
            }
        };
        match (next, code.parse::<Reason>()) {
            (Next::Refused, Ok(reason)) => {
                tracing::warn!(%site, form = %id, to = %recipient, code, detail, "a kept form was refused");
                self.receive(queue, id, Receipt::Refused(reason)).await;
            }
            (Next::Refused | Next::Another | Next::Rest, _) => {
                tracing::warn!(%site, form = %id, to = %recipient, code, detail, "a kept form was not taken, trying again");
            }
        }
        next
    }

    /// Writes down what a recipient has made of a form. If the disk does not take that, it is remembered: the form is not sent
    /// once more.
    async fn receive(&self, queue: &Queued, id: FormId, receipt: Receipt) {
        queue.desk(|desk, key| desk.answered(key, id));
        let (intake, site, key, said) =
            (self.intake().clone(), queue.site.clone(), queue.key.clone(), receipt.clone());
        let written = tasks::blocking(move || {
            let spool = intake.spool().map_err(|error| Some(chain(&error)))?;
            spool.receive(&site, id, &key, said).map_err(|error| match error {
                NotMoved::NoSuch(_) => None, // it has been erased meanwhile
                error @ (NotMoved::Io { .. } | NotMoved::NotAllowed { .. } | NotMoved::BeingSent(_)) => {
                    Some(chain(&error))
                }
            })
        });
        if let Some(Err(Some(error))) = written.await {
            tracing::error!(site = %queue.site, form = %id, error, "that a form was handed on cannot be written down");
            queue.desk(|desk, key| desk.unwritten.insert((id, key.to_owned()), receipt));
        }
    }

    async fn send(
        &self,
        site: &Site,
        recipient: &Recipient,
        listed: Listed,
        form: KeptForm,
    ) -> Result<(), NotTaken> {
        let later =
            |code: &str, detail: String| NotTaken { again: Again::Later, code: code.to_owned(), detail };
        let stopping = || later("stopping", "the process is stopping".to_owned());
        match recipient {
            Recipient::Webhook(url) => {
                let mut fields = HeaderMap::new();
                let id = HeaderValue::from_str(&format!("\"{}\"", form.id)).ok();
                fields.extend(id.map(|id| (IDEMPOTENCY_KEY, id)));
                let made = tasks::blocking(move || {
                    (Bytes::from(json_of(&listed, &form).to_string()), crate::tls::client_config(None))
                });
                let (json, tls) = made.await.ok_or_else(stopping)?;
                let tls = tls.map_err(|error| later("tls", chain(&error)))?;
                let resolver = self.running().tools.resolver.clone();
                Client { resolver, tls }.post(url, fields, json).await
            }
            Recipient::Mail(address) => {
                let Some(server) = self.running().config.mail.clone() else {
                    return Err(later("no-mail-server", "[alerts.email] names no server".to_owned()));
                };
                let to_origin = self
                    .recipients
                    .of(&site.config.name, |desk| desk.goes_to_origin(listed.id, &site.config));
                let line = site.config.form(key::path_of(&key::page_key(
                    form.target.split('?').next().unwrap_or("/"),
                    None,
                    &[],
                )));
                let called = line.map_or_else(String::new, |line| line.path.as_str().to_owned());
                let (address, key, language) = (address.clone(), recipient.key(), site.language().await);
                let made = tasks::blocking(move || {
                    letter(&listed, &form, (&address, &key, &called), to_origin.unwrap_or(true), language)
                });
                mail::send(&server, made.await.ok_or_else(stopping)?).await
            }
        }
    }

    /// Has what waits for a site's recipients sent now.
    pub fn hasten_recipients(&self, site: &str) {
        if let Some(desk) = self.recipients.desks().get_mut(site) {
            desk.hasten();
        }
    }

    /// The recipients of a site that do not take what waits for them, or have refused something.
    pub(super) fn recipients_in_trouble(&self, site: &ready::Site) -> Vec<RecipientStatus> {
        let all: BTreeMap<String, &Recipient> = recipients(site).map(|to| (to.key(), to)).collect();
        if all.is_empty() {
            return Vec::new();
        }
        let mut refused = self.intake().opened().map(|spool| spool.refusals(&site.name)).unwrap_or_default();
        let desks = self.recipients.desks();
        let status = |(key, recipient): (String, &Recipient)| {
            let trouble = desks.get(&site.name).and_then(|desk| desk.trouble(&key));
            let (refused, reason) = refused.remove(&*key).unwrap_or_default();
            let (waiting, code, message, at) = match (trouble, reason) {
                (Some((waiting, why, at)), _) => (waiting, why.code, why.detail, Some(rfc3339(at))),
                (None, Some(reason)) => (0, reason.as_str().to_owned(), String::new(), None),
                (None, None) => return None,
            };
            Some(RecipientStatus { to: recipient.to_string(), waiting, refused, code, message, at })
        };
        all.into_iter().filter_map(status).collect()
    }
}

/// Somebody is at a recipient's queue, until this is dropped.
struct Queued {
    recipients: Arc<Recipients>,
    site: Arc<str>,
    key: String,
}

impl Queued {
    fn desk<T>(&self, change: impl FnOnce(&mut Desk, &str) -> T) -> T {
        self.recipients.of(&self.site, |desk| change(desk, &self.key))
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.desk(Desk::end);
    }
}

impl Recipients {
    fn desks(&self) -> MutexGuard<'_, HashMap<Arc<str>, Desk>> {
        // Nobody who panics leaves it half changed.
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of<T>(&self, site: &Arc<str>, change: impl FnOnce(&mut Desk) -> T) -> T {
        change(self.desks().entry(site.clone()).or_default())
    }

    fn is_unreadable(&self, site: &Arc<str>, id: FormId, error: &str) {
        tracing::error!(%site, form = %id, error, "a kept form cannot be read");
        self.of(site, |desk| desk.unreadable(id, clock::instant()));
    }
}

/// A form as it is now; `None`: it is there no more. Blocks.
fn read(intake: &Intake, site: &str, id: FormId) -> Result<Option<(Listed, KeptForm)>, String> {
    let spool = intake.spool().map_err(|error| chain(&error))?;
    let Some(listed) = spool.listed(site, id) else { return Ok(None) };
    let keys = intake.keys()?;
    let form = spool.read(site, id, &keys).map_err(|error| chain(&error))?;
    Ok(Some((listed, form)))
}
