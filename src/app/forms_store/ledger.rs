//! What this process knows of the forms in the store, and what it is doing with them. In memory: after a restart it is looked
//! up again. No I/O, no clock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::forms::{FormId, TO_ORIGIN, Whereabouts};
use crate::offsite::Listed;
use crate::offsite::forms::decide::FormView;
use crate::offsite::forms::names::{self, FormPart};
use crate::offsite::forms::step::FormStep;

/// A form: its site and its id.
pub(super) type FormKey = (Arc<str>, FormId);

/// The objects of one form.
#[derive(Debug)]
pub(super) struct Filed {
    pub(super) has_content: bool,
    pub(super) is_told: bool,
    ways: BTreeMap<String, Way>,
    /// When it was seen first, or something was written of it here.
    pub(super) touched: Instant,
}

/// The steps towards one recipient.
#[derive(Debug)]
struct Way {
    steps: Vec<FormStep>,
    /// When the last one was seen first.
    since: Instant,
    /// How many there are.
    count: u32,
    /// When the last one was written, by the store's clock.
    written: SystemTime,
}

/// Why a form is on this machine alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alone {
    /// The store has not got it: nobody else can send it.
    Surely,
    /// It may have got it, and not said so.
    Perhaps,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct FormLedger {
    filed: HashMap<FormKey, Filed>,
    alone: BTreeMap<FormKey, Alone>,
    /// What is being sent from here now, and to whom.
    sending: HashSet<(FormKey, String)>,
    /// What is being put now.
    putting: HashSet<FormKey>,
    /// What is not there, and was not erased, as far as anybody has looked.
    looked_for: HashSet<FormKey>,
    /// Forms in the store of which the log has been told that they cannot be taken up.
    told_of: HashSet<FormKey>,
    /// Whether the store answered the last time.
    pub(super) is_answering: Option<bool>,
}

/// A step that has not been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) key: FormKey,
    pub(super) to: String,
    pub(super) number: u32,
}

impl FormLedger {
    /// Takes a listing over that was begun then. Returns the steps that have to be read, each way's in their order.
    pub(super) fn listed(
        &mut self,
        listing: Vec<(String, FormId, FormPart, Listed)>,
        began: Instant,
        now: Instant,
    ) -> Vec<Unread> {
        let mut seen: HashSet<FormKey> = HashSet::new();
        let mut with_content: HashSet<FormKey> = HashSet::new();
        for (site, id, part, object) in listing {
            let key: FormKey = (site.into(), id);
            let filed = self.filed.entry(key.clone()).or_insert_with(|| Filed::new(now));
            match part {
                FormPart::Content => {
                    filed.has_content = true;
                    with_content.insert(key.clone());
                }
                FormPart::Told => filed.is_told = true,
                FormPart::Step { to, number } => {
                    let way = filed.ways.entry(to).or_insert_with(|| Way::new(now));
                    if number >= way.count {
                        (way.count, way.written) = (number, object.modified);
                    }
                }
            }
            seen.insert(key);
        }
        // What was written while the listing was read may not be in it.
        self.filed.retain(|key, filed| seen.contains(key) || filed.touched >= began);
        for (key, filed) in &mut self.filed {
            filed.has_content &= with_content.contains(key) || filed.touched >= began;
        }
        self.told_of.retain(|key| with_content.contains(key));
        for key in with_content {
            self.alone.remove(&key);
            self.looked_for.remove(&key);
        }
        let mut unread: Vec<Unread> = Vec::new();
        for (key, filed) in &self.filed {
            for (to, way) in &filed.ways {
                let from = way.steps.len() as u32 + 1;
                let of = |number| Unread { key: key.clone(), to: to.clone(), number };
                unread.extend((from..=way.count).map(of));
            }
        }
        unread
    }

    /// A step was read, or taken from here.
    pub(super) fn step(&mut self, key: &FormKey, to: &str, number: u32, step: FormStep, now: Instant) {
        let filed = self.filed.entry(key.clone()).or_insert_with(|| Filed::new(now));
        filed.touched = now;
        let way = filed.ways.entry(to.to_owned()).or_insert_with(|| Way::new(now));
        if way.steps.len() as u32 + 1 == number {
            way.steps.push(step);
            (way.since, way.count) = (now, way.count.max(number));
        }
    }

    /// The form is there.
    pub(super) fn stored(&mut self, key: &FormKey, now: Instant) {
        let filed = self.filed.entry(key.clone()).or_insert_with(|| Filed::new(now));
        (filed.has_content, filed.touched) = (true, now);
        self.alone.remove(key);
        self.looked_for.remove(key);
    }

    /// Its visitor was told.
    pub(super) fn told(&mut self, key: &FormKey) {
        if let Some(filed) = self.filed.get_mut(key) {
            filed.is_told = true;
        }
    }

    /// The store has not taken it.
    pub(super) fn not_stored(&mut self, key: FormKey, alone: Alone) {
        if !self.is_stored(&key) {
            self.alone.insert(key, alone);
        }
    }

    /// It is no more. Returns the names of what is left of it, but for the form itself.
    pub(super) fn gone(&mut self, key: &FormKey) -> Vec<String> {
        self.alone.remove(key);
        self.filed.remove(key).map(|filed| filed.others(key)).unwrap_or_default()
    }

    pub(super) fn find(&self, key: &FormKey) -> Option<&Filed> {
        self.filed.get(key)
    }

    pub(super) fn is_stored(&self, key: &FormKey) -> bool {
        self.filed.get(key).is_some_and(|filed| filed.has_content)
    }

    /// All forms of a site that are there.
    pub(super) fn of_site(&self, site: &str) -> Vec<FormKey> {
        let stored = self.filed.iter().filter(|(key, filed)| &*key.0 == site && filed.has_content);
        stored.map(|(key, _)| key.clone()).collect()
    }

    /// What is left of forms that are no more, and since when that has been so.
    pub(super) fn remains(&self) -> Vec<(FormKey, Instant)> {
        let empty = self.filed.iter().filter(|(_, filed)| !filed.has_content);
        empty.map(|(key, filed)| (key.clone(), filed.touched)).collect()
    }

    /// Forms whose way to the origin has ended, and when that was written.
    pub(super) fn ended(&self) -> Vec<(FormKey, SystemTime)> {
        let ended = |(key, filed): (&FormKey, &Filed)| {
            let way = filed.ways.get(TO_ORIGIN).filter(|way| way.is_read())?;
            let (state, _) = crate::offsite::forms::step::state_after(&way.steps, true);
            (filed.has_content && state.expires()).then(|| (key.clone(), way.written))
        };
        self.filed.iter().filter_map(ended).collect()
    }

    /// Takes the form's turn of being put, unless it is being sent, or put already.
    pub(super) fn begin_put(&mut self, key: &FormKey) -> bool {
        !self.is_sending(key) && self.putting.insert(key.clone())
    }

    pub(super) fn end_put(&mut self, key: &FormKey) {
        self.putting.remove(key);
    }

    /// Takes the form's turn of being sent, unless somebody here has it, or it is being put.
    pub(super) fn begin_sending(&mut self, key: &FormKey, to: &str) -> bool {
        !self.putting.contains(key) && self.sending.insert((key.clone(), to.to_owned()))
    }

    pub(super) fn end_sending(&mut self, key: &FormKey, to: &str) {
        self.sending.remove(&(key.clone(), to.to_owned()));
    }

    fn is_sending(&self, key: &FormKey) -> bool {
        self.sending.iter().any(|(known, _)| known == key)
    }

    pub(super) fn is_sending_to(&self, key: &FormKey, to: &str) -> bool {
        self.sending.contains(&(key.clone(), to.to_owned()))
    }

    /// Whether it was looked for already; from now on it was.
    pub(super) fn look_for(&mut self, key: &FormKey) -> bool {
        !self.looked_for.insert(key.clone())
    }

    pub(super) fn alone(&self, key: &FormKey) -> Option<Alone> {
        self.alone.get(key).copied()
    }

    /// How many are on this machine alone.
    pub(super) fn alone_count(&self) -> usize {
        self.alone.len()
    }

    /// How many of a site are in the store, and on this machine alone.
    pub(super) fn counts(&self, site: &str) -> (usize, usize) {
        let stored = self.filed.iter().filter(|(key, filed)| &*key.0 == site && filed.has_content);
        (stored.count(), self.alone.keys().filter(|key| &*key.0 == site).count())
    }

    /// Forgets those that are here no more.
    pub(super) fn keep_alone(&mut self, is_here: impl Fn(&FormKey) -> bool) {
        self.alone.retain(|key, _| is_here(key));
        self.looked_for.retain(is_here);
    }

    /// Whether something is told of a form in the store for the first time.
    pub(super) fn is_news(&mut self, key: &FormKey) -> bool {
        self.told_of.insert(key.clone())
    }

    pub(super) fn whereabouts(&self, key: &FormKey) -> Option<Whereabouts> {
        if self.is_stored(key) {
            return Some(Whereabouts::Stored);
        }
        self.alone(key).map(|_| Whereabouts::Waiting)
    }
}

impl Filed {
    fn new(now: Instant) -> Filed {
        Filed { has_content: false, is_told: false, ways: BTreeMap::new(), touched: now }
    }

    /// All who have steps.
    pub(super) fn recipients(&self) -> impl Iterator<Item = &String> {
        self.ways.keys()
    }

    /// What its steps to somebody say; `None`: not all of them have been read.
    pub(super) fn view<'a>(&'a self, to: &str, now: Instant, run: &'a str) -> Option<FormView<'a>> {
        let way = self.ways.get(to);
        if !way.is_none_or(Way::is_read) {
            return None;
        }
        Some(FormView {
            steps: way.map_or(&[], |way| &way.steps),
            is_told: self.is_told,
            unchanged: way.map_or(Duration::ZERO, |way| now.saturating_duration_since(way.since)),
            is_being_sent: false,
            is_asked: false,
            run,
            is_holder: false,
            is_idempotent: false,
        })
    }

    fn others(&self, (site, id): &FormKey) -> Vec<String> {
        let mut names = vec![names::form_told(site, *id)];
        for (to, way) in &self.ways {
            names.extend((1..=way.count).map(|number| names::form_step(site, *id, to, number)));
        }
        names
    }
}

impl Way {
    fn new(now: Instant) -> Way {
        Way { steps: Vec::new(), since: now, count: 0, written: SystemTime::UNIX_EPOCH }
    }

    fn is_read(&self) -> bool {
        self.steps.len() as u32 == self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::offsite::forms::step::StepKind;

    fn key() -> FormKey {
        ("shop".into(), "20261130T115251Z-k7f3x9q2".parse().unwrap())
    }

    fn object(part: FormPart) -> (String, FormId, FormPart, Listed) {
        let listed = Listed { name: String::new(), bytes: 1, modified: SystemTime::UNIX_EPOCH };
        (key().0.to_string(), key().1, part, listed)
    }

    fn step(number: u32) -> FormPart {
        FormPart::Step { to: TO_ORIGIN.to_owned(), number }
    }

    fn sending() -> FormStep {
        FormStep { kind: StepKind::Sending, reason: None, run: "us".to_owned() }
    }

    #[test]
    fn steps_are_read_once_and_in_their_order() {
        let (mut ledger, now) = (FormLedger::default(), clock::instant());
        let unread =
            ledger.listed(vec![object(step(2)), object(FormPart::Content), object(step(1))], now, now);
        assert_eq!(unread.iter().map(|unread| unread.number).collect::<Vec<_>>(), [1, 2]);
        assert!(ledger.find(&key()).unwrap().view(TO_ORIGIN, now, "us").is_none(), "not all are read");
        ledger.step(&key(), TO_ORIGIN, 2, sending(), now);
        ledger.step(&key(), TO_ORIGIN, 1, sending(), now);
        ledger.step(&key(), TO_ORIGIN, 2, sending(), now);
        ledger.step(&key(), TO_ORIGIN, 2, sending(), now);
        assert_eq!(ledger.find(&key()).unwrap().view(TO_ORIGIN, now, "us").unwrap().steps.len(), 2);
        let later = now + Duration::from_secs(1);
        assert_eq!(
            ledger.listed(vec![object(FormPart::Content), object(step(1)), object(step(2))], later, later),
            []
        );
        assert_eq!(ledger.gone(&key()).len(), 3);
    }

    #[test]
    fn what_is_no_longer_listed_is_no_longer_there_unless_it_came_meanwhile() {
        let (mut ledger, began) = (FormLedger::default(), clock::instant());
        let later = began + Duration::from_secs(1);
        ledger.stored(&key(), later);
        ledger.listed(Vec::new(), began, later);
        assert_eq!(ledger.whereabouts(&key()), Some(Whereabouts::Stored), "it was put while that was read");
        ledger.listed(Vec::new(), later + Duration::from_secs(1), later + Duration::from_secs(2));
        assert_eq!(ledger.whereabouts(&key()), None);
        ledger.not_stored(key(), Alone::Perhaps);
        assert_eq!((ledger.whereabouts(&key()), ledger.alone_count()), (Some(Whereabouts::Waiting), 1));
        ledger.listed(vec![object(FormPart::Content)], later, later);
        assert_eq!((ledger.whereabouts(&key()), ledger.alone_count()), (Some(Whereabouts::Stored), 0));
    }

    /// By the clock of whoever looks, from when he has seen the claim first; a claim that is seen again is no new one.
    #[test]
    fn a_claim_is_abandoned_after_two_minutes_without_a_next_step() {
        use crate::offsite::forms::decide::{FormTask, with_origin};
        let (mut ledger, seen) = (FormLedger::default(), clock::instant());
        let listing = || vec![object(FormPart::Content), object(step(1))];
        let after = |seconds| seen + Duration::from_secs(seconds);
        ledger.listed(listing(), seen, seen);
        let theirs = FormStep { run: "them".to_owned(), ..sending() };
        ledger.step(&key(), TO_ORIGIN, 1, theirs, seen);
        for seconds in [10, 60, 119, 120] {
            ledger.listed(listing(), after(seconds), after(seconds));
            let filed = ledger.find(&key()).unwrap();
            let view = FormView { is_holder: true, ..filed.view(TO_ORIGIN, after(seconds), "us").unwrap() };
            let is_abandoned =
                matches!(with_origin(None, &view), FormTask::Publish(StepKind::Doubtful, Some(_)));
            assert_eq!(is_abandoned, seconds >= 120, "{seconds}");
        }
    }

    #[test]
    fn a_form_is_not_put_while_it_is_sent_nor_sent_while_it_is_put() {
        let mut ledger = FormLedger::default();
        assert!(ledger.begin_sending(&key(), TO_ORIGIN) && !ledger.begin_sending(&key(), TO_ORIGIN));
        assert!(ledger.begin_sending(&key(), "0a1b2c3d") && !ledger.begin_put(&key()));
        ledger.end_sending(&key(), TO_ORIGIN);
        assert!(!ledger.begin_put(&key()));
        ledger.end_sending(&key(), "0a1b2c3d");
        assert!(ledger.begin_put(&key()) && !ledger.begin_put(&key()));
        assert!(!ledger.begin_sending(&key(), TO_ORIGIN));
        ledger.end_put(&key());
        assert!(ledger.begin_sending(&key(), TO_ORIGIN));
    }
}
