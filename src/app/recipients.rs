//! Handing kept forms to those who get them besides the origin, by webhook and by e-mail: at once, while the outage goes on, so
//! that somebody can call the visitor back. Each recipient has a queue of its own, so that one that does not answer holds up no
//! other, and no form waits for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::App;
use super::form_message::{json_of, letter};
use crate::ask::key;
use crate::config::ready;
use crate::config::recipient::Recipient;
use crate::failure::chain;
use crate::forms::{FormId, Intake, KeptForm, Listed, Reason, Receipt, State, outstanding};
use crate::messages::webhook::Client;
use crate::messages::{Again, NotTaken, mail};
use crate::proxy::Site;
use crate::snapshot::rfc3339;
use crate::{clock, tasks};

/// The first and the longest pause after a recipient did not answer.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// How often forms that wait are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked at whether there are any, though none came.
const REST: Duration = Duration::from_secs(300);
/// How long a recipient is sent forms before what is due is looked up again.
const TURN: Duration = Duration::from_secs(20);
/// By which a webhook may know a form again that it has had (IETF draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What is remembered of recipients and of forms. In memory: after a restart it is found out again.
#[derive(Default)]
pub(super) struct Recipients {
    /// By site and the recipient's key.
    queues: Mutex<HashMap<(Arc<str>, String), Queue>>,
    /// Of each form, by which line of the configuration it is kept, and who was to get it when it came.
    forms: Mutex<HashMap<FormId, Known>>,
}

/// What is known of a form.
enum Known {
    Read(About),
    /// It could not be read at this time.
    Unreadable(Instant),
}

/// A recipient's queue.
#[derive(Clone, Default)]
struct Queue {
    is_busy: bool,
    waiting: usize,
    /// Until when nothing is sent, and for how long that is.
    pause: Option<(Instant, Duration)>,
    trouble: Option<(NotTaken, SystemTime)>,
}

/// Of a form that was read.
struct About {
    config: Arc<ready::Site>,
    /// The place of its `[[site.form]]`.
    place: Option<usize>,
    at_first: Vec<String>,
}

/// A recipient that forms wait for, in the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecipientStatus {
    /// Who: the host of a webhook, an address.
    pub to: String,
    /// How many forms wait for it.
    pub waiting: usize,
    /// Why the last one was not taken.
    pub code: String,
    /// The same in words.
    pub message: String,
    /// When that was, RFC 3339.
    pub at: String,
}

/// Hands forms on for as long as the application is there.
pub(super) async fn run(app: Weak<App>) {
    let Some(mut changes) = app.upgrade().map(|app| app.intake().changes()) else { return };
    while let Some(app) = app.upgrade() {
        let mut is_waiting = false;
        let table = app.table();
        for site in table.sites.iter().filter(|site| has_recipients(&site.config)) {
            is_waiting |= app.hand_on(site).await;
        }
        drop((table, app));
        let rest = if is_waiting { LOOK } else { REST };
        _ = tokio::time::timeout(rest, changes.changed()).await;
        if is_waiting {
            tokio::time::sleep(LOOK).await; // forms that come one after the other are looked at together
        }
    }
}

fn has_recipients(config: &ready::Site) -> bool {
    config.forms.iter().any(|form| !form.deliver.recipients.is_empty())
}

impl App {
    /// Sees to it that what is to be handed on is on its way. Returns whether anything waits.
    async fn hand_on(self: &Arc<Self>, site: &Arc<Site>) -> bool {
        let Some(spool) = self.intake().opened() else { return false };
        let name = &site.config.name;
        let listed = spool.list(name);
        self.recipients.learn(self.intake(), site, &listed).await;
        for (id, state, reason) in self.recipients.over(site, &listed) {
            let (intake, name) = (self.intake().clone(), name.clone());
            tasks::blocking(move || over(&intake, &name, id, state, reason)).await;
        }
        let due = self.recipients.due(site, &listed);
        let is_waiting = !due.is_empty();
        self.recipients.idle(name, &due);
        for (recipient, forms) in due {
            if let Some(busy) = self.recipients.begin(name, &recipient, forms.len()) {
                let ids = forms.iter().map(|form| form.id).collect();
                tasks::detached(self.clone().empty(site.clone(), recipient, ids, busy));
            }
        }
        is_waiting
    }

    /// Sends a recipient its forms, oldest first, until one is not taken.
    async fn empty(self: Arc<Self>, site: Arc<Site>, recipient: Recipient, ids: Vec<FormId>, busy: Busy) {
        let (name, begun) = (&site.config.name, clock::instant());
        for id in ids {
            if clock::instant().saturating_duration_since(begun) > TURN {
                return;
            }
            let Ok(Some((listed, form))) = read(self.intake(), name, id).await else { continue };
            let sent = self.send(&site, &recipient, &listed, &form).await;
            let receipt = match &sent {
                Ok(()) => Receipt::Taken,
                Err(NotTaken { again: Again::Never, code, .. }) => match code.parse() {
                    Ok(reason) => Receipt::Refused(reason),
                    Err(_) => return,
                },
                Err(not_taken @ NotTaken { again: Again::Later, .. }) => {
                    let NotTaken { code, detail, .. } = not_taken;
                    tracing::warn!(site = %name, form = %id, to = %recipient, code, detail, "a kept form was not taken, trying again");
                    return busy.fails(not_taken);
                }
            };
            match &sent {
                Ok(()) => tracing::info!(site = %name, form = %id, to = %recipient, "handed a kept form on"),
                Err(NotTaken { code, detail, .. }) => {
                    tracing::warn!(site = %name, form = %id, to = %recipient, code, detail, "a kept form was refused");
                }
            }
            let (intake, to, at) = (self.intake().clone(), recipient.clone(), name.clone());
            let written = tasks::blocking(move || {
                let spool = intake.spool().map_err(|error| chain(&error))?;
                spool.receive(&at, id, &to, receipt).map_err(|error| chain(&error))
            });
            if let Some(Err(error)) = written.await {
                // It would be handed on again and again: better later, when there may be room on the disk.
                tracing::error!(site = %name, form = %id, error, "that a form was handed on cannot be written down");
                let detail = format!("that it was taken cannot be written down: {error}");
                return busy.fails(&NotTaken { again: Again::Later, code: "disk".to_owned(), detail });
            }
            busy.succeeds();
        }
    }

    async fn send(
        &self,
        site: &Site,
        recipient: &Recipient,
        listed: &Listed,
        form: &KeptForm,
    ) -> Result<(), NotTaken> {
        let later =
            |code: &str, detail: String| NotTaken { again: Again::Later, code: code.to_owned(), detail };
        match recipient {
            Recipient::Webhook(url) => {
                let json = Bytes::from(json_of(listed, form).to_string());
                let mut fields = HeaderMap::new();
                fields.extend(
                    HeaderValue::from_str(&format!("\"{}\"", form.id)).ok().map(|id| (IDEMPOTENCY_KEY, id)),
                );
                let resolver = self.running().tools.resolver.clone();
                let tls = tasks::blocking(|| crate::tls::client_config(None)).await;
                let tls = tls.ok_or_else(|| later("stopping", "the process is stopping".to_owned()))?;
                let tls = tls.map_err(|error| later("tls", chain(&error)))?;
                Client { resolver, tls }.post(url, fields, json).await
            }
            Recipient::Mail(address) => {
                let Some(server) = self.running().config.mail.clone() else {
                    return Err(later("no-mail-server", "[alerts] email names no server".to_owned()));
                };
                let goes_to_origin = self.recipients.goes_to_origin(listed.id);
                let (key, language) = (recipient.key(), site.language().await);
                mail::send(&server, &letter(listed, form, (address, &key), goes_to_origin, language)).await
            }
        }
    }

    /// Has what waits for a site's recipients sent now.
    pub fn hasten_recipients(&self, site: &str) {
        self.recipients.hasten(site);
    }

    /// The recipients of a site that do not take what waits for them.
    pub(super) fn recipients_in_trouble(&self, site: &ready::Site) -> Vec<RecipientStatus> {
        let queues = lock(&self.recipients.queues);
        let all: BTreeMap<String, &Recipient> =
            recipients(site).map(|recipient| (recipient.key(), recipient)).collect();
        let status = |(key, recipient): (String, &Recipient)| {
            let queue = queues.get(&(site.name.clone(), key)).filter(|queue| queue.waiting > 0)?;
            let (not_taken, at) = queue.trouble.as_ref()?;
            Some(RecipientStatus {
                to: recipient.to_string(),
                waiting: queue.waiting,
                code: not_taken.code.clone(),
                message: not_taken.detail.clone(),
                at: rfc3339(*at),
            })
        };
        all.into_iter().filter_map(status).collect()
    }
}

/// All recipients of a site's forms; one that gets several is there as often.
pub fn recipients(site: &ready::Site) -> impl Iterator<Item = &Recipient> + Clone {
    site.forms.iter().flat_map(|form| &form.deliver.recipients)
}

/// Somebody is at a recipient's queue, until this is dropped.
struct Busy(Arc<Recipients>, (Arc<str>, String));

impl Busy {
    fn fails(&self, why: &NotTaken) {
        let now = clock::now();
        if let Some(queue) = lock(&self.0.queues).get_mut(&self.1) {
            let (first, most) = PAUSE;
            let pause = queue.pause.map_or(first, |(_, pause)| (pause * 2).min(most));
            queue.pause = Some((now.mono + pause, pause));
            queue.trouble = Some((why.clone(), now.wall));
        }
    }

    fn succeeds(&self) {
        if let Some(queue) = lock(&self.0.queues).get_mut(&self.1) {
            (queue.pause, queue.trouble) = (None, None);
            queue.waiting = queue.waiting.saturating_sub(1);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(queue) = lock(&self.0.queues).get_mut(&self.1) {
            queue.is_busy = false;
        }
    }
}

impl Recipients {
    /// Reads which line of the configuration keeps each form. Those that are not there any more are forgotten.
    async fn learn(&self, intake: &Arc<Intake>, site: &Arc<Site>, listed: &[Listed]) {
        let now = clock::instant();
        let is_known = |form: &&Listed| match lock(&self.forms).get(&form.id) {
            Some(Known::Read(about)) => Arc::ptr_eq(&about.config, &site.config),
            Some(Known::Unreadable(since)) => now.saturating_duration_since(*since) < REST,
            None => false,
        };
        let unknown: Vec<FormId> = listed.iter().filter(|form| !is_known(form)).map(|form| form.id).collect();
        for id in unknown {
            let known = match read(intake, &site.config.name, id).await {
                Ok(Some((_, form))) => Known::Read(About::of(site, &form)),
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(site = %site.config.name, form = %id, error, "a kept form cannot be read");
                    Known::Unreadable(now)
                }
            };
            lock(&self.forms).insert(id, known);
        }
    }

    /// What each recipient is still to get, in the order in which it came.
    fn due(&self, site: &Site, listed: &[Listed]) -> Vec<(Recipient, Vec<Listed>)> {
        let forms = lock(&self.forms);
        let mut due: Vec<(Recipient, Vec<Listed>)> = Vec::new();
        for form in listed {
            let Some((about, line)) = about(&forms, form.id, site) else { continue };
            for recipient in
                outstanding(form.state, &form.receipts, &about.at_first, &line.deliver.recipients)
            {
                match due.iter_mut().find(|(known, _)| known == recipient) {
                    Some((_, forms)) => forms.push(form.clone()),
                    None => due.push((recipient.clone(), vec![form.clone()])),
                }
            }
        }
        due
    }

    /// Forms that do not go to the origin, and whose recipients have all answered: what becomes of them.
    fn over(&self, site: &Site, listed: &[Listed]) -> Vec<(FormId, State, Option<Reason>)> {
        let forms = lock(&self.forms);
        let end = |form: &Listed| {
            let (_, line) = about(&forms, form.id, site).filter(|(_, line)| !line.deliver.origin)?;
            let mut answers =
                line.deliver.recipients.iter().map(|recipient| form.receipts.get(&*recipient.key()));
            if !form.state.is_due() || answers.clone().any(|answer| answer.is_none()) {
                return None;
            }
            let refused = answers.find_map(|answer| match answer {
                Some(Receipt::Refused(reason)) => Some(reason.clone()),
                Some(Receipt::Taken) | None => None,
            });
            let untold = (form.state == State::Unconfirmed).then(|| State::Unconfirmed.code().parse().ok());
            let state = if refused.is_some() { State::Parked } else { State::Delivered };
            Some((form.id, state, refused.or(untold.flatten())))
        };
        listed.iter().filter_map(end).collect()
    }

    /// Recipients that nothing waits for.
    fn idle(&self, site: &Arc<str>, due: &[(Recipient, Vec<Listed>)]) {
        let waiting: Vec<String> = due.iter().map(|(recipient, _)| recipient.key()).collect();
        lock(&self.queues).retain(|(of, key), queue| of != site || queue.is_busy || waiting.contains(key));
    }

    /// Takes a recipient's queue, unless somebody is at it, or it is to be left alone for a while.
    fn begin(self: &Arc<Self>, site: &Arc<str>, recipient: &Recipient, waiting: usize) -> Option<Busy> {
        let name = (site.clone(), recipient.key());
        let mut queues = lock(&self.queues);
        let queue = queues.entry(name.clone()).or_default();
        queue.waiting = waiting;
        let is_paused = queue.pause.is_some_and(|(until, _)| clock::instant() < until);
        if is_paused || std::mem::replace(&mut queue.is_busy, true) {
            return None;
        }
        Some(Busy(self.clone(), name))
    }

    /// Sends again at once what waits.
    pub(super) fn hasten(&self, site: &str) {
        lock(&self.queues)
            .iter_mut()
            .filter(|((of, _), _)| &**of == site)
            .for_each(|(_, queue)| queue.pause = None);
    }

    fn goes_to_origin(&self, id: FormId) -> bool {
        let forms = lock(&self.forms);
        let Some(Known::Read(About { config, place, .. })) = forms.get(&id) else { return true };
        place.and_then(|place| config.forms.get(place)).is_none_or(|line| line.deliver.origin)
    }
}

impl About {
    fn of(site: &Site, form: &KeptForm) -> About {
        let path = form.target.split_once('?').map_or(&*form.target, |(path, _)| path);
        let path = key::page_key(path, None, &[]);
        let place = site.config.forms.iter().position(|line| line.path.matches(key::path_of(&path)));
        let is_kept = |place: &usize| site.config.forms.get(*place).is_some_and(|line| line.keep);
        About { config: site.config.clone(), place: place.filter(is_kept), at_first: form.recipients.clone() }
    }
}

/// What is known of a form, and its line of the configuration.
fn about<'a>(
    forms: &'a HashMap<FormId, Known>,
    id: FormId,
    site: &'a Site,
) -> Option<(&'a About, &'a ready::Form)> {
    match forms.get(&id)? {
        Known::Read(about) => Some((about, site.config.forms.get(about.place?)?)),
        Known::Unreadable(_) => None,
    }
}

/// A form that only its recipients were to get has come to its end. Blocks.
fn over(intake: &Intake, site: &str, id: FormId, state: State, reason: Option<Reason>) {
    let marked = intake.spool().map_err(|error| chain(&error));
    let marked = marked.and_then(|spool| {
        spool.mark(site, id, state, reason, clock::now().wall).map_err(|error| chain(&error))
    });
    if let Err(error) = marked {
        tracing::warn!(site, form = %id, error, "what has become of a kept form cannot be written down");
    }
}

/// A form as it is now; `None`: it is there no more.
async fn read(
    intake: &Arc<Intake>,
    site: &Arc<str>,
    id: FormId,
) -> Result<Option<(Listed, KeptForm)>, String> {
    let (intake, site) = (intake.clone(), site.clone());
    let reading = tasks::blocking(move || {
        let spool = intake.spool().map_err(|error| chain(&error))?;
        let Some(listed) = spool.listed(&site, id) else { return Ok(None) };
        let keys = intake.keys()?;
        let form = spool.read(&site, id, &keys).map_err(|error| chain(&error))?;
        Ok(Some((listed, form)))
    });
    reading.await.unwrap_or(Ok(None))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
