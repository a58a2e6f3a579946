//! What is remembered of forms and of those who get them besides the origin, and what is to be done next. No I/O, no clock.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant, SystemTime};

use crate::config::ready;
use crate::config::recipient::Recipient;
use crate::forms::{FormId, KeptForm, Listed, Reason, Receipt, State, outstanding};
use crate::messages::NotTaken;

/// The first and the longest pause after a form was not taken: of the form, and of the recipient if it took no other either.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// How often a form is sent to a recipient that takes others, before it is called refused.
const TRIES: u32 = 8;
/// When a form that could not be read is tried once more.
pub(super) const UNREADABLE: Duration = Duration::from_secs(60);

/// Of one site.
#[derive(Default)]
pub(super) struct Desk {
    forms: HashMap<FormId, Known>,
    queues: HashMap<String, Queue>,
    /// Receipts that could not be written down: their forms are not sent again for that.
    pub(super) unwritten: HashMap<(FormId, String), Receipt>,
}

/// What is known of a form.
enum Known {
    Read {
        /// Where it was sent to, as the configuration names it.
        path: String,
        /// The keys of those who were to get it when it came.
        at_first: Vec<String>,
        /// Whether the origin was to get it then.
        to_origin: bool,
    },
    /// It could not be read at this time.
    Unreadable(Instant),
}

/// Of one recipient.
#[derive(Default)]
struct Queue {
    is_busy: bool,
    waiting: usize,
    pause: Option<Pause>,
    /// Forms that it did not take.
    failing: HashMap<FormId, Failing>,
    /// How many it has taken or refused.
    answered: u64,
    /// Whether it did not take the last one.
    has_failed: bool,
    trouble: Option<(NotTaken, SystemTime)>,
}

/// A form that a recipient did not take.
#[derive(Clone, Copy)]
struct Failing {
    /// When it is tried again.
    pause: Pause,
    /// How often it was not taken while others were.
    tries: u32,
    /// [`Queue::answered`] the last time.
    answered: u64,
}

/// Until when nothing is tried, and for how long that is.
#[derive(Clone, Copy)]
struct Pause(Instant, Duration);

impl Pause {
    fn after(last: Option<Pause>, now: Instant) -> Pause {
        let (first, most) = PAUSE;
        let pause = last.map_or(first, |Pause(_, pause)| (pause * 2).min(most));
        Pause(now + pause, pause)
    }
}

/// Why a form is parked that nobody is left to get.
const NO_RECIPIENT: &str = "no-recipient";

/// What follows on a form that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Others are tried.
    Another,
    /// The recipient is left alone for a while.
    Rest,
    /// It was tried often enough: it is refused.
    Refused,
}

/// A recipient, and what it is to get now, in the order in which it came.
pub(super) type Batch = (Recipient, Vec<FormId>);

impl Desk {
    /// Forgets forms that are no more, and returns those that have to be read: what is not delivered first.
    pub(super) fn unknown(&mut self, listed: &[Listed], now: Instant) -> Vec<FormId> {
        let ids: HashSet<FormId> = listed.iter().map(|form| form.id).collect();
        self.forms.retain(|id, _| ids.contains(id));
        self.unwritten.retain(|(id, _), _| ids.contains(id));
        for queue in self.queues.values_mut() {
            queue.failing.retain(|id, _| ids.contains(id));
        }
        let is_unknown = |form: &&Listed| match self.forms.get(&form.id) {
            Some(Known::Read { .. }) => false,
            Some(Known::Unreadable(since)) => now.saturating_duration_since(*since) >= UNREADABLE,
            None => true,
        };
        let mut unknown: Vec<&Listed> = listed.iter().filter(is_unknown).collect();
        // What was never tried goes before what could not be read.
        unknown.sort_by_key(|form| (self.forms.contains_key(&form.id), form.state == State::Delivered));
        unknown.into_iter().map(|form| form.id).collect()
    }

    /// A form was read; `path` is how the configuration names where it was sent to.
    pub(super) fn learn(&mut self, form: &KeptForm, path: String) {
        let known = Known::Read { path, at_first: form.recipients.clone(), to_origin: form.to_origin };
        self.forms.insert(form.id, known);
    }

    /// It could not be.
    pub(super) fn unreadable(&mut self, id: FormId, now: Instant) {
        self.forms.insert(id, Known::Unreadable(now));
    }

    /// The line of the configuration that keeps a form, if one still does.
    fn line<'c>(&self, id: FormId, config: &'c ready::Site) -> Option<&'c ready::Form> {
        match self.forms.get(&id)? {
            Known::Read { path, .. } => config.kept_form(path),
            Known::Unreadable(_) => None,
        }
    }

    /// Whether the origin is to get a form; `None` if that is not known.
    pub(super) fn goes_to_origin(&self, id: FormId, config: &ready::Site) -> Option<bool> {
        match self.forms.get(&id)? {
            Known::Read { to_origin, .. } => {
                Some(self.line(id, config).map_or(*to_origin, |line| line.deliver.origin))
            }
            Known::Unreadable(_) => None,
        }
    }

    /// What each recipient is still to get and may be sent now. How many wait for it in all is remembered.
    pub(super) fn due(&mut self, config: &ready::Site, listed: &[Listed], now: Instant) -> Vec<Batch> {
        let mut due: Vec<Batch> = Vec::new();
        let mut waiting: HashMap<String, usize> = HashMap::new();
        for form in listed {
            let Some(Known::Read { at_first, .. }) = self.forms.get(&form.id) else { continue };
            let Some(line) = self.line(form.id, config) else { continue };
            for (key, recipient) in
                outstanding(form.state, &form.receipts, at_first, &line.deliver.recipients)
            {
                if self.unwritten.contains_key(&(form.id, key.clone())) {
                    continue;
                }
                let failing = self.queues.get(&key).and_then(|queue| queue.failing.get(&form.id));
                let is_ready = failing.is_none_or(|Failing { pause: Pause(until, _), .. }| *until <= now);
                *waiting.entry(key).or_default() += 1;
                match due.iter_mut().find(|(known, _)| known == recipient) {
                    Some((_, forms)) => forms.extend(is_ready.then_some(form.id)),
                    None => due.push((recipient.clone(), is_ready.then_some(form.id).into_iter().collect())),
                }
            }
        }
        // What it has not been able to digest comes behind what it has not seen.
        for (recipient, forms) in &mut due {
            if let Some(queue) = self.queues.get(&recipient.key()) {
                forms.sort_by_key(|id| queue.failing.contains_key(id));
            }
        }
        self.queues.retain(|key, queue| queue.is_busy || waiting.contains_key(key));
        for (key, waiting) in waiting {
            self.queues.entry(key).or_default().waiting = waiting;
        }
        due
    }

    /// Whether a recipient is still to get a form, which is as it is `listed` now.
    pub(super) fn is_open(&self, recipient: &Recipient, listed: &Listed, config: &ready::Site) -> bool {
        let Some(Known::Read { at_first, .. }) = self.forms.get(&listed.id) else { return false };
        let Some(line) = self.line(listed.id, config) else { return false };
        outstanding(listed.state, &listed.receipts, at_first, &line.deliver.recipients)
            .into_iter()
            .any(|(key, open)| open == recipient && !self.unwritten.contains_key(&(listed.id, key)))
    }

    /// Forms that do not go to the origin, and that nobody else is still to get: what becomes of them. Not those whose visitor is
    /// just being told.
    pub(super) fn over(
        &self,
        config: &ready::Site,
        listed: &[Listed],
        is_being_told: impl Fn(&Listed) -> bool,
    ) -> Vec<(FormId, State, Option<Reason>)> {
        let end = |form: &Listed| {
            if !form.state.is_due() || is_being_told(form) || self.goes_to_origin(form.id, config)? {
                return None;
            }
            // Somebody has taken its line away, and nobody is left to get it.
            let Some(line) = self.line(form.id, config) else {
                return Some((form.id, State::Parked, NO_RECIPIENT.parse().ok()));
            };
            let mut answers =
                line.deliver.recipients.iter().map(|recipient| form.receipts.get(&*recipient.key()));
            if answers.clone().any(|answer| answer.is_none()) {
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

    /// Takes a recipient's queue, unless somebody is at it, or it is to be left alone for a while.
    pub(super) fn begin(&mut self, key: &str, now: Instant) -> bool {
        let queue = self.queues.entry(key.to_owned()).or_default();
        let is_paused = queue.pause.is_some_and(|Pause(until, _)| now < until);
        !is_paused && !std::mem::replace(&mut queue.is_busy, true)
    }

    /// Nobody is at it any more.
    pub(super) fn end(&mut self, key: &str) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.is_busy = false;
        }
    }

    /// It has answered about this form, for good.
    pub(super) fn answered(&mut self, key: &str, id: FormId) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.failing.remove(&id);
            queue.pause = None;
            queue.has_failed = false;
            queue.answered += 1;
            queue.waiting = queue.waiting.saturating_sub(1);
            if queue.failing.is_empty() {
                queue.trouble = None;
            }
        }
    }

    /// It did not take this form. If it is the second in a row, the recipient is left alone for a while. Returns what is to be done.
    pub(super) fn failed(
        &mut self,
        key: &str,
        id: FormId,
        why: NotTaken,
        (now, wall): (Instant, SystemTime),
    ) -> Next {
        let queue = self.queues.entry(key.to_owned()).or_default();
        let last = queue.failing.get(&id).copied();
        let has_taken_others = last.is_some_and(|last| queue.answered > last.answered);
        let tries = last.map_or(0, |last| last.tries) + u32::from(has_taken_others);
        if tries >= TRIES {
            return Next::Refused;
        }
        let pause = Pause::after(last.map(|last| last.pause), now);
        queue.failing.insert(id, Failing { pause, tries, answered: queue.answered });
        queue.trouble = Some((why, wall));
        if !std::mem::replace(&mut queue.has_failed, true) {
            return Next::Another;
        }
        queue.pause = Some(Pause::after(queue.pause, now));
        Next::Rest
    }

    /// What waits may be sent now.
    pub(super) fn hasten(&mut self) {
        for queue in self.queues.values_mut() {
            queue.pause = None;
            for Failing { pause: Pause(until, pause), .. } in queue.failing.values_mut() {
                *until = until.checked_sub(*pause).unwrap_or(*until);
            }
        }
    }

    /// How many forms wait for a recipient, why it did not take the last one, and when that was.
    pub(super) fn trouble(&self, key: &str) -> Option<(usize, NotTaken, SystemTime)> {
        let queue = self.queues.get(key).filter(|queue| queue.waiting > 0)?;
        queue.trouble.clone().map(|(why, at)| (queue.waiting, why, at))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::config::{Env, from_text};
    use crate::forms::Receipts;
    use crate::messages::Again;

    fn config(deliver: &str) -> Arc<ready::Site> {
        let text = format!(
            "[alerts]\nemail = {{ smtp = \"smtp://localhost\", from = \"a@example.jp\" }}\n[[site]]\nhosts = [\"www.example.jp\"]\n\
             [[site.origin]]\nurl = \"https://203.0.113.10\"\n[[site.form]]\npath = \"/f\"\ndeliver = {deliver}\n"
        );
        from_text(&text, std::path::Path::new("/etc/k.toml"), &Env::default()).unwrap().0.sites[0].clone()
    }

    fn id(n: u64) -> FormId {
        format!("20261130T1152{n:02}Z-k7f3x9q2").parse().unwrap()
    }

    fn listed(n: u64, state: State) -> Listed {
        Listed { id: id(n), state, reason: None, bytes: 9, receipts: Receipts::new(), since: UNIX_EPOCH }
    }

    fn known(desk: &mut Desk, n: u64, to_origin: bool) {
        let known = Known::Read { path: "/f".to_owned(), at_first: Vec::new(), to_origin };
        desk.forms.insert(id(n), known);
    }

    fn not_taken() -> NotTaken {
        NotTaken { again: Again::Later, code: "status-500".to_owned(), detail: String::new() }
    }

    const MAIL: &str = "\"mailto:owner@example.jp\"";

    #[test]
    fn a_form_that_is_not_taken_holds_up_no_other() {
        let (config, mut desk, now) = (config(MAIL), Desk::default(), crate::clock::instant());
        let forms = [listed(1, State::Kept), listed(2, State::Kept), listed(3, State::Kept)];
        (1..=3).for_each(|n| known(&mut desk, n, false));
        let recipient = config.forms[0].deliver.recipients[0].clone();
        let key = recipient.key();
        assert_eq!(desk.due(&config, &forms, now), [(recipient.clone(), vec![id(1), id(2), id(3)])]);
        assert!(desk.begin(&key, now) && !desk.begin(&key, now), "one at a time");
        assert_eq!(desk.failed(&key, id(1), not_taken(), (now, UNIX_EPOCH)), Next::Another);
        desk.answered(&key, id(2));
        desk.end(&key);
        assert!(desk.trouble(&key).is_some(), "one still waits");
        let soon = now + Duration::from_secs(1);
        assert_eq!(desk.due(&config, &[listed(1, State::Kept), listed(3, State::Kept)], soon)[0].1, [id(3)]);
        assert!(desk.begin(&key, soon), "it is not left alone for one form");
        assert_eq!(desk.failed(&key, id(3), not_taken(), (soon, UNIX_EPOCH)), Next::Another);
        assert_eq!(desk.failed(&key, id(1), not_taken(), (soon, UNIX_EPOCH)), Next::Rest);
        desk.end(&key);
        assert!(!desk.begin(&key, soon + Duration::from_secs(4)));
        let later = soon + Duration::from_secs(20);
        assert!(desk.begin(&key, later));
        known(&mut desk, 4, false);
        let rest = [listed(1, State::Kept), listed(3, State::Kept), listed(4, State::Kept)];
        assert_eq!(desk.due(&config, &rest, later)[0].1, [id(4), id(1), id(3)], "what is new goes first");
        assert!(desk.is_open(&recipient, &rest[2], &config));
        let receipts = Receipts::from([(key.clone().into(), Receipt::Taken)]);
        assert!(!desk.is_open(&recipient, &Listed { receipts, ..rest[2].clone() }, &config));
        desk.answered(&key, id(1));
        desk.answered(&key, id(3));
        assert!(desk.trouble(&key).is_none());
    }

    #[test]
    fn a_form_ends_with_its_recipients_only_if_the_origin_is_not_to_get_it() {
        let taken = |n: u64, state: State, key: String| {
            let receipts = Receipts::from([(key.into(), Receipt::Taken)]);
            Listed { receipts, ..listed(n, state) }
        };
        for (deliver, told, expected) in [
            (MAIL.to_owned(), true, Some((State::Delivered, None))),
            (MAIL.to_owned(), false, None),
            (format!("[\"origin\", {MAIL}]"), true, None),
            (format!("[\"https://example.com/\", {MAIL}]"), true, None),
        ] {
            let (config, mut desk) = (config(&deliver), Desk::default());
            known(&mut desk, 1, false);
            let mail = config.forms[0].deliver.recipients.last().unwrap().key();
            let over = desk.over(&config, &[taken(1, State::Kept, mail.clone())], |_| !told);
            assert_eq!(
                over.into_iter().map(|(_, state, reason)| (state, reason)).next(),
                expected,
                "{deliver}"
            );
            assert!(desk.over(&config, &[taken(1, State::Sending, mail)], |_| false).is_empty());
        }
    }

    #[test]
    fn what_a_recipient_never_digests_is_refused_in_the_end() {
        let (mut desk, now) = (Desk::default(), crate::clock::instant());
        for n in 0..TRIES {
            assert_ne!(desk.failed("k", id(1), not_taken(), (now, UNIX_EPOCH)), Next::Refused, "{n}");
            desk.answered("k", id(2));
        }
        assert_ne!(desk.failed("k", id(3), not_taken(), (now, UNIX_EPOCH)), Next::Refused);
        assert_eq!(desk.failed("k", id(1), not_taken(), (now, UNIX_EPOCH)), Next::Refused);
        // where nothing is taken, nothing is refused
        for _ in 0..50 {
            assert_ne!(desk.failed("l", id(1), not_taken(), (now, UNIX_EPOCH)), Next::Refused);
        }
    }

    #[test]
    fn without_a_line_it_is_as_it_was_when_the_form_came() {
        let (config, mut desk) = (config("\"origin\""), Desk::default());
        known(&mut desk, 1, false);
        let elsewhere = Known::Read { path: "/g".to_owned(), at_first: Vec::new(), to_origin: false };
        desk.forms.insert(id(2), elsewhere);
        assert_eq!(desk.goes_to_origin(id(1), &config), Some(true), "the line says so");
        assert_eq!(desk.goes_to_origin(id(2), &config), Some(false));
        assert_eq!(desk.goes_to_origin(id(3), &config), None);
        assert!(desk.due(&config, &[listed(2, State::Kept)], crate::clock::instant()).is_empty());
        let over = desk.over(&config, &[listed(1, State::Kept), listed(2, State::Kept)], |_| false);
        assert_eq!(over, [(id(2), State::Parked, NO_RECIPIENT.parse().ok())]);
    }

    #[test]
    fn what_is_read_is_forgotten_with_its_form_and_what_is_not_delivered_is_read_first() {
        let (mut desk, now) = (Desk::default(), crate::clock::instant());
        let all = [listed(1, State::Delivered), listed(2, State::Kept), listed(3, State::Doubtful)];
        assert_eq!(desk.unknown(&all, now), [id(2), id(3), id(1)]);
        (1..=2).for_each(|n| known(&mut desk, n, true));
        desk.unreadable(id(3), now);
        assert!(desk.unknown(&all, now).is_empty());
        assert_eq!(desk.unknown(&all, now + UNREADABLE), [id(3)]);
        desk.unwritten.insert((id(1), "k".to_owned()), Receipt::Taken);
        assert!(desk.unknown(&all[1..2], now).is_empty());
        assert!(desk.forms.len() == 1 && desk.unwritten.is_empty());
    }

    #[test]
    fn what_is_taken_and_not_written_down_is_not_sent_again() {
        let (config, mut desk, now) = (config(MAIL), Desk::default(), crate::clock::instant());
        known(&mut desk, 1, false);
        let key = config.forms[0].deliver.recipients[0].key();
        desk.unwritten.insert((id(1), key), Receipt::Taken);
        assert!(desk.due(&config, &[listed(1, State::Kept)], now).is_empty());
    }
}
