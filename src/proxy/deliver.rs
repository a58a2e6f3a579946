//! Delivering kept forms: once a site is back and proven, its forms are sent in the order in which they came, one at a time.
//! Nothing is sent again once the origin may have taken it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use super::keep::delivery;
use super::recheck::prove_all;
use super::send_form::{Fresh, configured, freshen, send};
use super::site::Site;
use super::{Inner, Proxy};
use crate::clock;
use crate::config::ready::{self, Form};
use crate::failover::{Mode, State as SiteState};
use crate::failure::{Failure, Retry, Side, chain};
use crate::forms::{Claimed, FormId, Intake, KeptForm, Listed, Reason, State, TO_ORIGIN, Twice};
use crate::holding_page::Delivery;
use crate::tasks;

/// How often a site with forms to be delivered is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long one turn of a site may take before its state is looked at again.
const TURN: Duration = Duration::from_secs(1);
/// The first and the longest pause after a delivery that failed: of the site's, and of one form's.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
/// How often a form is tried that the site answers badly while it takes others.
const TRIES: u32 = 8;
/// How often what is done with is erased.
const EXPIRE: Duration = Duration::from_secs(3600);

/// Delivers the forms of all sites for as long as it lives.
#[derive(Debug)]
pub struct Deliverer(#[expect(dead_code, reason = "ends the task")] tasks::Guard);

impl Deliverer {
    /// Begins.
    pub fn start(proxy: &Proxy) -> Deliverer {
        Deliverer(tasks::guarded(run(Arc::downgrade(&proxy.0))))
    }
}

/// What is remembered between turns.
struct Rounds {
    /// Unconfirmed forms from before this are an earlier process's.
    began: SystemTime,
    intake: Arc<Intake>,
    sites: Mutex<HashMap<Arc<str>, Round>>,
}

/// Of one site.
#[derive(Default)]
struct Round {
    is_busy: bool,
    pause: Option<Pause>,
    /// How many were delivered.
    delivered: u64,
    /// Forms that could not be delivered though the site is back.
    forms: HashMap<FormId, Failing>,
    /// Interrupted ones that have been looked at.
    looked_at: HashSet<FormId>,
    /// Forms that this configuration does not send to the origin.
    elsewhere: (Option<Arc<ready::Site>>, HashSet<FormId>),
}

/// A form that could not be delivered.
#[derive(Clone, Copy)]
struct Failing {
    pause: Pause,
    /// How often the site has answered it badly while it took others.
    tries: u32,
    /// [`Round::delivered`] the last time.
    delivered: u64,
}

impl Round {
    /// One more failure of this form. It waits for twice as long as the site, so that others come first meanwhile.
    fn fails(&mut self, id: FormId) -> u32 {
        let last = self.forms.get(&id).copied();
        let pause = Pause::after(last.map(|last| last.pause));
        let pause = Pause(pause.0 + pause.1, pause.1);
        let has_taken_others = last.is_some_and(|last| self.delivered > last.delivered);
        let tries = last.map_or(0, |last| last.tries) + u32::from(has_taken_others);
        self.forms.insert(id, Failing { pause, tries, delivered: self.delivered });
        tries
    }

    /// Somebody else may be sending it, or nobody can be asked: that is no fault of the form.
    fn rests(&mut self, id: FormId) {
        let last = self.forms.get(&id).copied();
        let pause = Pause::after(last.map(|last| last.pause));
        let tries = last.map_or(0, |last| last.tries);
        self.forms.insert(id, Failing { pause, tries, delivered: self.delivered });
    }

    fn waits(&self, id: FormId) -> bool {
        self.forms.get(&id).is_some_and(|failing| !failing.pause.is_over())
    }
}

/// The site is nobody's any more, however its turn ends.
struct Busy(Arc<Rounds>, Arc<str>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.of(&self.1, |round| round.is_busy = false);
    }
}

/// Until when nothing is tried, and for how long that is.
#[derive(Clone, Copy)]
struct Pause(Instant, Duration);

impl Pause {
    /// Twice as long as the last one.
    fn after(last: Option<Pause>) -> Pause {
        let (first, most) = PAUSE;
        let pause = last.map_or(first, |Pause(_, pause)| (pause * 2).min(most));
        Pause(clock::instant() + pause, pause)
    }

    fn is_over(self) -> bool {
        self.0 <= clock::instant()
    }
}

impl Rounds {
    fn of<T>(&self, site: &Arc<str>, change: impl FnOnce(&mut Round) -> T) -> T {
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        change(sites.entry(site.clone()).or_default())
    }

    /// What is to be delivered, in the order in which it came.
    fn due(&self, site: &Site) -> Vec<Listed> {
        let mut due = self.intake.opened().map_or_else(Vec::new, |spool| spool.due(&site.config.name));
        self.of(&site.config.name, |round| {
            if round.elsewhere.0.as_ref().is_none_or(|config| !Arc::ptr_eq(config, &site.config)) {
                round.elsewhere = (Some(site.config.clone()), HashSet::new());
            }
            due.retain(|form| !round.elsewhere.1.contains(&form.id));
        });
        due
    }

    /// What of it can be tried now: its visitor is not being told, and it has not failed just now.
    fn ready(&self, site: &Site) -> Vec<Listed> {
        let now = clock::now().wall;
        let mut due = self.due(site);
        self.of(&site.config.name, |round| {
            let all: HashSet<FormId> = due.iter().map(|form| form.id).collect();
            round.forms.retain(|id, _| all.contains(id)); // others have been erased or decided about
            due.retain(|form| !form.is_being_told(self.began, now) && !round.waits(form.id));
        });
        due.retain(|form| self.intake.may_send(&site.config.name, form.id));
        due
    }

    /// What was being sent when that was broken off: `others` say whether a task may be at it now.
    fn unsettled(&self, site: &Site, others: Others) -> Vec<Listed> {
        let name = &site.config.name;
        let mut all = self.intake.opened().map_or_else(Vec::new, |spool| spool.list(name));
        self.of(name, |round| {
            let is_sent = others == Others::MayBe && round.is_busy;
            all.retain(|form| {
                form.state == State::Sending && !is_sent
                    || was_interrupted(form) && !round.looked_at.contains(&form.id)
            });
        });
        all
    }
}

/// Whether another task may be delivering the site's forms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    /// It may.
    MayBe,
    /// It is this one that does.
    AreNone,
}

async fn run(proxy: Weak<Inner>) {
    let Some(intake) = proxy.upgrade().map(|inner| inner.intake.clone()) else { return };
    let rounds = Arc::new(Rounds { began: clock::now().wall, intake, sites: Mutex::default() });
    let mut changes = rounds.intake.changes();
    let mut expired = clock::instant();
    loop {
        let Some(current) = proxy.upgrade().map(Proxy) else { return };
        let now = clock::now();
        if now.mono.saturating_duration_since(expired) >= EXPIRE {
            expired = now.mono;
            let intake = rounds.intake.clone();
            _ = tasks::blocking(move || intake.expire(now)).await;
        }
        let table = current.table();
        drop(current);
        let waiting: Vec<_> = table.sites.iter().filter(|site| is_waiting(site, &rounds)).cloned().collect();
        drop(table);
        for site in &waiting {
            let name = &site.config.name;
            if !rounds.of(name, |round| std::mem::replace(&mut round.is_busy, true)) {
                let (site, busy) = (site.clone(), Busy(rounds.clone(), name.clone()));
                // A task of its own, so that a site that is slow holds up no other.
                tasks::detached(async move {
                    settle(&site, &busy.0).await;
                    turn(&site, &busy.0).await;
                });
            }
        }
        let rest = if waiting.is_empty() && !rounds.intake.is_unopened() { EXPIRE } else { LOOK };
        _ = tokio::time::timeout(rest, changes.changed()).await;
        if !waiting.is_empty() {
            tokio::time::sleep(LOOK).await;
        } else if rounds.intake.is_unopened() {
            // Another process may have had it, which has ended by now.
            let intake = rounds.intake.clone();
            _ = tasks::blocking(move || intake.spool().map(drop)).await;
        }
    }
}

/// Whether there is something to be done for a site.
fn is_waiting(site: &Site, rounds: &Rounds) -> bool {
    !rounds.due(site).is_empty() || !rounds.unsettled(site, Others::MayBe).is_empty()
}

/// Clears up after deliveries that were broken off: of this process, which have been forgotten, and of the last one. What was
/// being sent then may be sent again where that does no harm.
async fn settle(site: &Arc<Site>, rounds: &Rounds) {
    let (name, intake) = (&site.config.name, &rounds.intake);
    for listed in rounds.unsettled(site, Others::AreNone) {
        if listed.state == State::Sending {
            let reason = Some(Reason::INTERRUPTED.to_owned());
            if !mark(intake, name, listed.id, (State::Doubtful, reason)).await {
                continue;
            }
        }
        rounds.of(name, |round| round.looked_at.insert(listed.id));
        let Ok(form) = read(intake, name, listed.id).await else { continue };
        if configured(site, &form.target).is_some_and(|form| form.idempotent) {
            mark(intake, name, form.id, (State::Kept, None)).await;
        }
    }
}

fn was_interrupted(form: &Listed) -> bool {
    form.state == State::Doubtful
        && form.reason.as_ref().is_some_and(|reason| reason.as_str() == Reason::INTERRUPTED)
}

/// Delivers forms of one site for a while, if it is back.
async fn turn(site: &Arc<Site>, rounds: &Rounds) {
    let (name, begun) = (&site.config.name, clock::now());
    let is_back = matches!(site.observe(begun), SiteState::Up | SiteState::Degraded | SiteState::Recovering);
    if !is_back || !is_automatic(site) {
        return;
    }
    if rounds.intake.is_hastened(name) {
        rounds.of(name, |round| (round.pause, _) = (None, round.forms.clear()));
    }
    let is_paused = rounds.of(name, |round| round.pause.is_some_and(|pause| !pause.is_over()));
    let ready = rounds.ready(site);
    if is_paused || ready.is_empty() {
        return;
    }
    // The host's "account suspended" is not to get what is meant for the site.
    if prove_all(site, begun).await.is_err() {
        return rounds.of(name, |round| round.pause = Some(Pause::after(round.pause)));
    }
    for form in ready {
        if !is_automatic(site) {
            return;
        }
        match deliver_one(site, rounds, &form).await {
            Ended::Delivered => rounds.of(name, |round| {
                (round.pause, round.delivered) = (None, round.delivered + 1);
                round.forms.remove(&form.id);
            }),
            Ended::Elsewhere => {
                // Unless a reload has decided otherwise by now.
                rounds.of(name, |round| {
                    let is_current =
                        round.elsewhere.0.as_ref().is_some_and(|now| Arc::ptr_eq(now, &site.config));
                    if is_current {
                        round.elsewhere.1.insert(form.id);
                    }
                });
                continue;
            }
            Ended::Over => rounds.of(name, |round| _ = round.forms.remove(&form.id)),
            Ended::Waits => rounds.of(name, |round| round.rests(form.id)),
            Ended::NotThis => rounds.of(name, |round| _ = round.fails(form.id)),
            Ended::NotNow => return rounds.of(name, |round| round.pause = Some(Pause::after(round.pause))),
        }
        // A site that has just come back gets its forms as it gets its visitors: few at first.
        let is_ramping = site.share(clock::now()) < 1.0;
        if is_ramping || clock::instant().saturating_duration_since(begun.mono) >= TURN {
            return;
        }
    }
}

/// Whether nobody holds the site: on its copies, or on an origin that is not judged.
fn is_automatic(site: &Site) -> bool {
    site.switch.mode(clock::instant()) == Mode::Auto
}

/// What became of one delivery.
enum Ended {
    /// The site has it.
    Delivered,
    /// It is for others than the site.
    Elsewhere,
    /// It is for a person.
    Over,
    /// Another instance sends it, or may.
    Waits,
    /// This one cannot be sent now.
    NotThis,
    /// The site cannot take any.
    NotNow,
}

async fn read(intake: &Arc<Intake>, site: &Arc<str>, id: FormId) -> Result<KeptForm, String> {
    let (intake, name) = (intake.clone(), site.clone());
    let read = tasks::blocking(move || {
        let keys = intake.keys()?;
        let spool = intake.spool().map_err(|error| chain(&error))?;
        spool.read(&name, id, &keys).map_err(|error| chain(&error))
    });
    read.await.unwrap_or_else(|| Err("the process is stopping".to_owned()))
}

/// Delivers one form. Before its first byte goes out it is marked as being sent, durably.
async fn deliver_one(site: &Arc<Site>, rounds: &Rounds, listed: &Listed) -> Ended {
    let (name, intake, id) = (&site.config.name, &rounds.intake, listed.id);
    let form = match read(intake, name, id).await {
        Ok(form) => form,
        Err(error) => {
            tracing::error!(site = %name, form = %id, error, "a kept form cannot be read");
            return Ended::NotThis;
        }
    };
    // Without a line it is as it was when the form came: who said "not to the site" then has not taken that back.
    if !configured(site, &form.target).map_or(form.to_origin, |line| line.deliver.origin) {
        return Ended::Elsewhere;
    }
    let fresh = match freshen(site, &form).await {
        Ok(fresh) => fresh,
        Err(failure) => {
            tracing::info!(site = %name, form = %id, error = %failure, "the page of a kept form cannot be opened yet");
            return if failure.cause.retry() == Retry::Safe { Ended::NotNow } else { Ended::NotThis };
        }
    };
    let Some(away) = intake.away() else { return send_one(site, rounds, listed, &form, &fresh).await };
    let is_idempotent = configured(site, &form.target).is_some_and(|line| line.idempotent);
    let twice = if is_idempotent { Twice::Harmless } else { Twice::Harmful };
    if away.claim(name, id, TO_ORIGIN, twice).await != Claimed::Ours {
        return Ended::Waits;
    }
    let ended = send_one(site, rounds, listed, &form, &fresh).await;
    away.over(name, id, TO_ORIGIN).await;
    ended
}

/// Sends one form that nobody else sends.
async fn send_one(
    site: &Arc<Site>,
    rounds: &Rounds,
    listed: &Listed,
    form: &KeptForm,
    fresh: &Fresh,
) -> Ended {
    let (name, intake, id) = (&site.config.name, &rounds.intake, listed.id);
    if !mark(intake, name, id, (State::Sending, None)).await {
        return Ended::NotThis;
    }
    let (mut state, mut reason) = match send(site, form, fresh).await {
        Ok(judged) => judged,
        Err(failure) => failed(&failure, configured(site, &form.target)),
    };
    if (listed.state, state) == (State::Unconfirmed, State::Delivered) {
        // Its visitor may not know, and may have sent it again: whoever reads the list is to know that.
        reason = Some(State::Unconfirmed.code().to_owned());
    }
    if state == State::Kept && rounds.of(name, |round| round.fails(id)) >= TRIES {
        state = State::Parked;
    }
    if !mark(intake, name, id, (state, reason.clone())).await {
        // It is "being sent" until that can be written, and doubtful then.
        return Ended::NotNow;
    }
    let reason = reason.unwrap_or_default();
    match state {
        State::Delivered => tracing::info!(site = %name, form = %id, "delivered a kept form"),
        State::Kept => {
            tracing::info!(site = %name, form = %id, reason, "the site cannot take a kept form yet")
        }
        State::Unconfirmed | State::Sending | State::Doubtful | State::Parked => {
            tracing::warn!(site = %name, form = %id, state = state.code(), reason, "a kept form needs a person's decision");
        }
    }
    match state {
        State::Delivered => Ended::Delivered,
        State::Kept => Ended::NotNow,
        State::Unconfirmed | State::Sending | State::Doubtful | State::Parked => Ended::Over,
    }
}

/// Whether it is written down. A form that has been erased, or decided about, meanwhile is no failure.
async fn mark(
    intake: &Arc<Intake>,
    site: &Arc<str>,
    id: FormId,
    (state, reason): (State, Option<String>),
) -> bool {
    let (intake, name) = (intake.clone(), site.clone());
    let marked = tasks::blocking(move || {
        let reason = reason.and_then(|reason| reason.parse::<Reason>().ok());
        let spool = intake.spool().map_err(|error| chain(&error))?;
        spool.mark(&name, id, state, reason, clock::now().wall).map_err(|error| chain(&error))
    });
    match marked.await {
        Some(Ok(())) => true,
        Some(Err(error)) => {
            tracing::warn!(%site, form = %id, error, "what has become of a kept form cannot be written down");
            false
        }
        None => false,
    }
}

/// What a failure means.
fn failed(failure: &Failure, form: Option<&Form>) -> (State, Option<String>) {
    let reason = Some(failure.cause.code().to_owned());
    let delivery = form.map_or_else(|| Delivery::of(failure.cause), |form| delivery(failure, form));
    match delivery {
        _ if failure.cause.side() == Side::Visitor => (State::Parked, reason),
        Delivery::NotArrived => (State::Kept, reason),
        Delivery::Unknown => (State::Doubtful, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Cause;

    #[test]
    fn what_may_have_arrived_is_for_a_person() {
        for (cause, state) in [
            (Cause::Refused, State::Kept),
            (Cause::KnownDown, State::Kept),
            (Cause::Suspended, State::Doubtful),
            (Cause::Reset, State::Doubtful),
            (Cause::Silent, State::Doubtful),
            (Cause::BodyTooLarge, State::Parked),
        ] {
            let failure = Failure::new(cause);
            assert_eq!(failed(&failure, None), (state, Some(cause.code().to_owned())), "{cause:?}");
        }
    }
}
