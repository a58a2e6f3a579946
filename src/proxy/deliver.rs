//! Delivering kept forms: once a site is back and proven, its forms are sent in the order in which they came, one at a time.
//! Nothing is sent again once the origin may have taken it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use super::attempt::{Attempt, Limits, Substitute};
use super::delivered::{FormAnswer, judged};
use super::direct::ask_alone;
use super::form_page::{self, Copied};
use super::keep::{IDEMPOTENCY_KEY, delivery};
use super::recheck::prove_all;
use super::reference::Reference;
use super::site::Site;
use super::{Inner, Proxy, Visit, rewrite};
use crate::ask::{Ask, Load, key};
use crate::clock;
use crate::config::ready::Form;
use crate::content;
use crate::content::document::Document;
use crate::content::media::content_type;
use crate::failover::{Mode, State as SiteState, Wait};
use crate::failure::{Cause, Failure, Retry, Side};
use crate::forms::fields::{fields, with_values};
use crate::forms::{FormId, Intake, KeptForm, Listed, Reason, State};
use crate::holding_page::Delivery;
use crate::http::{Body, coding, control, headers};
use crate::tasks;

/// How often a site with forms to be delivered is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long one turn of a site may take before its state is looked at again.
const TURN: Duration = Duration::from_secs(1);
/// The first and the longest pause after a delivery that failed: of the site's, and of one form's.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
/// How often a form is tried that the site answers badly while it takes others.
const TRIES: u32 = 8;
/// A form whose visitor was not told within this time is sent all the same.
const UNTOLD: Duration = Duration::from_secs(120);
/// How often what is done with is erased.
const EXPIRE: Duration = Duration::from_secs(3600);
/// Bytes of an answer that are looked at.
const READ: usize = 1 << 20;

/// When the form came.
const KEPT: HeaderName = HeaderName::from_static("katahai-kept");

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
    /// Forms that the site could not take though it is back.
    forms: HashMap<FormId, (Pause, u32)>,
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
        self.intake.opened().map_or_else(Vec::new, |spool| spool.due(&site.config.name))
    }
}

async fn run(proxy: Weak<Inner>) {
    let Some(intake) = proxy.upgrade().map(|inner| inner.intake.clone()) else { return };
    let rounds = Arc::new(Rounds { began: clock::now().wall, intake, sites: Mutex::default() });
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
            if !rounds.of(&site.config.name, |round| std::mem::replace(&mut round.is_busy, true)) {
                let (site, rounds) = (site.clone(), rounds.clone());
                // A task of its own, so that a site that is slow holds up no other.
                tasks::detached(async move {
                    revive(&site, &rounds.intake).await;
                    turn(&site, &rounds).await;
                    rounds.of(&site.config.name, |round| round.is_busy = false);
                });
            }
        }
        if waiting.is_empty() {
            _ = tokio::time::timeout(EXPIRE, rounds.intake.came.notified()).await;
        } else {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Whether there is something to be done for a site.
fn is_waiting(site: &Site, rounds: &Rounds) -> bool {
    let Some(spool) = rounds.intake.opened() else { return false };
    let has_idempotent = || site.config.forms.iter().any(|form| form.idempotent);
    !rounds.due(site).is_empty()
        || has_idempotent() && spool.list(&site.config.name).iter().any(was_interrupted)
}

fn was_interrupted(form: &Listed) -> bool {
    form.state == State::Doubtful
        && form.reason.as_ref().is_some_and(|reason| reason.as_str() == Reason::INTERRUPTED)
}

/// What was being sent when the last process ended may be sent again where that does no harm; where it would, it gets another
/// reason, and is not looked at again.
async fn revive(site: &Arc<Site>, intake: &Arc<Intake>) {
    let Some(spool) = intake.opened() else { return };
    if !site.config.forms.iter().any(|form| form.idempotent) {
        return;
    }
    for listed in spool.list(&site.config.name).into_iter().filter(was_interrupted) {
        let Ok(form) = read(intake, &site.config.name, listed.id).await else { return };
        if configured(site, &form.target).is_some_and(|form| form.idempotent) {
            mark(intake, &site.config.name, form.id, (State::Kept, None)).await;
        }
    }
}

/// The form of the configuration that is sent to this target.
fn configured<'s>(site: &'s Site, target: &str) -> Option<&'s Form> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    site.config.kept_form(key::path_of(&key::page_key(path, query, &[])))
}

/// Delivers forms of one site for a while, if it is back.
async fn turn(site: &Arc<Site>, rounds: &Rounds) {
    let (name, begun) = (&site.config.name, clock::now());
    let is_back = matches!(site.observe(begun), SiteState::Up | SiteState::Degraded | SiteState::Recovering);
    if !is_back || !is_automatic(site) {
        return;
    }
    let is_paused = rounds.of(name, |round| round.pause.is_some_and(|pause| !pause.is_over()));
    if is_paused && !rounds.intake.is_hastened(name) {
        return;
    }
    // The host's "account suspended" is not to get what is meant for the site.
    if prove_all(site, begun).await.is_err() {
        return rounds.of(name, |round| round.pause = Some(Pause::after(round.pause)));
    }
    for form in rounds.due(site) {
        let age = begun.wall.duration_since(form.since).unwrap_or_default();
        let is_being_told = form.state == State::Unconfirmed && form.since >= rounds.began && age < UNTOLD;
        let waits = |round: &mut Round| round.forms.get(&form.id).is_some_and(|(pause, _)| !pause.is_over());
        if is_being_told || rounds.of(name, waits) {
            continue;
        }
        if !is_automatic(site) {
            return;
        }
        match deliver_one(site, rounds, &form).await {
            Ended::Over => rounds.of(name, |round| {
                round.pause = None;
                round.forms.remove(&form.id);
            }),
            // others may be taken
            Ended::NotThis => rounds.of(name, |round| {
                let last = round.forms.get(&form.id).copied();
                let (pause, tries) = last.map_or((None, 0), |(pause, tries)| (Some(pause), tries));
                round.forms.insert(form.id, (Pause::after(pause), tries + 1));
            }),
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
    /// It is over, well or not.
    Over,
    /// The site cannot take this form now.
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
    let fresh = match freshen(site, &form).await {
        Ok(fresh) => fresh,
        Err(failure) => {
            tracing::info!(site = %name, form = %id, error = %failure, "the page of a kept form cannot be opened yet");
            return if failure.cause.retry() == Retry::Safe { Ended::NotNow } else { Ended::NotThis };
        }
    };
    if !mark(intake, name, id, (State::Sending, None)).await {
        return Ended::NotThis;
    }
    let tries = rounds.of(name, |round| round.forms.get(&id).map_or(0, |(_, tries)| *tries));
    let sent = send(site, &form, &fresh).await;
    let reaches_nobody = matches!(&sent, Err(failure) if failure.cause.retry() == Retry::Safe);
    let (mut state, mut reason) = match sent {
        Ok(judged) => judged,
        Err(failure) => failed(&failure, configured(site, &form.target)),
    };
    if (listed.state, state) == (State::Unconfirmed, State::Delivered) {
        // Its visitor may not know, and may have sent it again: whoever reads the list is to know that.
        reason = Some(State::Unconfirmed.code().to_owned());
    }
    if state == State::Kept && !reaches_nobody && tries + 1 >= TRIES {
        state = State::Parked;
    }
    for _ in 0..TRIES {
        // As long as it stays "being sent", nobody can do anything with it.
        if mark(intake, name, id, (state, reason.clone())).await {
            break;
        }
        tokio::time::sleep(LOOK).await;
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
        State::Kept if reaches_nobody => Ended::NotNow,
        State::Kept => Ended::NotThis,
        State::Unconfirmed | State::Sending | State::Doubtful | State::Parked | State::Delivered => {
            Ended::Over
        }
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

/// An error with all that is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
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

/// Sends the form as its visitor did. The state that the answer leaves it in, and why.
///
/// # Errors
/// Why there is no answer of the site's own.
async fn send(site: &Arc<Site>, form: &KeptForm, fresh: &Fresh) -> Result<(State, Option<String>), Failure> {
    let (status, headers, body) = ask(site, (form.client, form.tls), request_of(form, fresh)?).await?;
    let location = headers.get(header::LOCATION).map(headers::as_ascii).unwrap_or_default();
    let page = coding::plain(&headers, &body, READ).filter(|plain| !plain.bytes.is_empty());
    let page = page.as_ref().map(|plain| Document::new(&plain.bytes, content_type(&headers)));
    let answer = FormAnswer {
        status,
        location: &location,
        from: &format!("{}://{}{}", if form.tls { "https" } else { "http" }, form.host, form.target),
        page: page.as_ref(),
        shows_login_box: fresh.shows_login_box,
        is_idempotent: configured(site, &form.target).is_some_and(|form| form.idempotent),
    };
    Ok(judged(&answer, &fields(form.content_type(), &fresh.body)))
}

fn request_of(form: &KeptForm, fresh: &Fresh) -> Result<Request<Body>, Failure> {
    let malformed = |error: http::Error| Failure::new(Cause::Malformed).source(error);
    let scheme = if form.tls { "https" } else { "http" };
    let mut request = Request::post(format!("{scheme}://{}{}", form.host, form.target));
    for (name, value) in &form.headers {
        request = request.header(name, &value[..]);
    }
    if let Some(cookies) = &fresh.cookies {
        request = request.header(header::COOKIE, cookies);
    }
    // its sender's own, if he gave one
    if !form.headers.iter().any(|(name, _)| name == IDEMPOTENCY_KEY.as_str()) {
        request = request.header(IDEMPOTENCY_KEY, format!("\"{}\"", form.id));
    }
    request
        .header(header::CONTENT_LENGTH, fresh.body.len())
        .header(KEPT, control::date_field(form.received))
        .body(Body::whole(fresh.body.clone()))
        .map_err(malformed)
}

/// What is sent in place of what has expired since the form was opened.
struct Fresh {
    body: Bytes,
    cookies: Option<String>,
    /// Whether the form's page has another form with a password: a box to log in beside it.
    shows_login_box: bool,
}

/// Opens a form with a token afresh, and takes over its token, what else nobody has filled in, and its cookies; what the visitor
/// wrote stays. Other forms are sent as they came.
///
/// # Errors
/// Why the page cannot be opened: then nothing is sent.
async fn freshen(site: &Arc<Site>, form: &KeptForm) -> Result<Fresh, Failure> {
    let named = configured(site, &form.target).and_then(|form| form.page.as_deref());
    let copied = form_page::find(&site.mirror, (named, form.page.as_deref()), &form.target).await;
    let shows_login_box = copied.as_ref().is_none_or(Copied::shows_login_box);
    let as_it_came = || Fresh { body: form.body.clone(), cookies: None, shows_login_box };
    let Some(copied) = copied.filter(Copied::has_token) else { return Ok(as_it_came()) };
    let scheme = if form.tls { "https" } else { "http" };
    let mut request = Request::get(format!("{scheme}://{}{}", form.host, copied.key()))
        .header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
    for (name, value) in
        form.headers.iter().filter(|(name, _)| name == "user-agent" || name == "accept-language")
    {
        request = request.header(name, &value[..]);
    }
    let request = request.body(Body::Empty).map_err(|e| Failure::new(Cause::Malformed).source(e))?;
    let (_, headers, body) = ask(site, (form.client, form.tls), request).await?;
    let Some(plain) = coding::plain(&headers, &body, READ) else { return Ok(as_it_came()) };
    let page = Document::new(&plain.bytes, content_type(&headers));
    let forms = content::forms::read(&page);
    let Some(now) = form_page::of_target(&forms, copied.key(), &form.target, named == Some(copied.key()))
    else {
        return Ok(as_it_came());
    };
    let sent = fields(form.content_type(), &form.body);
    let values = copied.outdated(now, &sent);
    let body = with_values(form.content_type(), &form.body, &values).map_or(form.body.clone(), Bytes::from);
    let cookies = headers.get_all(header::SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let cookies: Vec<&str> = cookies.filter_map(|cookie| cookie.split(';').next()).map(str::trim).collect();
    Ok(Fresh { body, cookies: (!cookies.is_empty()).then(|| cookies.join("; ")), shows_login_box })
}

/// Asks the site as a visitor, and reads the answer.
async fn ask(
    site: &Arc<Site>,
    (client, tls): (IpAddr, bool),
    request: Request<Body>,
) -> Result<(StatusCode, HeaderMap, Bytes), Failure> {
    let load = if matches!(request.body(), Body::Empty) { Load::Nothing } else { Load::Body };
    let ask = Ask::read(&request, &site.config, (client, tls), load)?;
    let visit = Visit { peer: client, port: if tls { 443 } else { 80 }, tls, early: &|| None };
    let request = rewrite::outgoing(&ask, Box::new(request), &visit, &[])?;
    let limits = Limits::of(site, &ask, Wait::Timeout, Substitute::Nothing);
    let attempt = Attempt { site, ask: &ask, reference: &Reference::Nothing, limits };
    let answered = ask_alone(attempt, request, u64::MAX).await?;
    attempt.record_write(answered.response.status());
    let (parts, body) = answered.response.into_parts();
    // What it says is in its head; a body that breaks off has been sent all the same.
    let reading = Limited::new(body, READ).collect();
    let body = tokio::time::timeout(limits.reading(), reading).await;
    let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
    Ok((parts.status, parts.headers, body))
}

#[cfg(test)]
mod tests {
    use super::*;

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
