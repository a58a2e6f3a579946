//! Which forms are kept, in memory: what the names and sizes of the files say, and how much more may be kept. No I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::id::FormId;
use super::receipt::{Receipt, Receipts};
use super::state::{Reason, State};

/// How much is kept at most, of all sites together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Forms.
    pub most: usize,
    /// Bytes of their files.
    pub size: u64,
}

/// A kept form, without what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub id: FormId,
    /// What has become of it.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// The size of its file.
    pub bytes: u64,
    /// What its recipients besides the origin have made of it.
    pub receipts: Receipts,
    /// When it came; of one that was parked or delivered, when that was.
    pub since: SystemTime,
}

/// A form whose visitor was not told within this time is sent all the same.
const UNTOLD: Duration = Duration::from_secs(120);

impl Listed {
    /// Whether its visitor is just being told that it is kept, by this process, which `began` then.
    pub fn is_being_told(&self, began: SystemTime, now: SystemTime) -> bool {
        self.state == State::Unconfirmed
            && self.since >= began
            && now.duration_since(self.since).is_ok_and(|age| age < UNTOLD)
    }
}

/// A kept form, and the name of its file. That is nearly always what [`Listed`] says; not where it could not be renamed.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) listed: Listed,
    pub(super) file: String,
}

/// So many forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// How many.
    pub forms: usize,
    /// The bytes of their files.
    pub bytes: u64,
}

/// How many forms of a site are in each state; states that none is in are left out.
pub type Totals = BTreeMap<State, Total>;

/// There is no place for a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Its name has been given to another.
    Taken,
    /// There is none, but for this one of those that are delivered.
    Full,
    /// There is none even where nothing is kept.
    Size,
}

/// What is kept and what is being written.
#[derive(Debug, Default)]
pub(super) struct Index {
    sites: BTreeMap<Arc<str>, BTreeMap<FormId, Entry>>,
    /// The names of those that are being written.
    drawn: BTreeSet<FormId>,
    /// Of those, too.
    all: Total,
    /// Bytes that are being written.
    writing: u64,
}

impl Index {
    /// Reserves the place of a form before it is written. [`Index::settle`] or [`Index::give_back`] follows.
    pub(super) fn reserve(&mut self, id: FormId, bytes: u64, bounds: Bounds) -> Result<(), NoPlace> {
        if bytes > bounds.size || bounds.most == 0 {
            return Err(NoPlace::Size);
        }
        // Of all sites: a visitor who reads out a number does not say the site.
        if self.drawn.contains(&id) || self.sites.values().any(|forms| forms.contains_key(&id)) {
            return Err(NoPlace::Taken);
        }
        if self.all.forms >= bounds.most || self.all.bytes.saturating_add(bytes) > bounds.size {
            return Err(NoPlace::Full);
        }
        self.drawn.insert(id);
        self.all.forms += 1;
        self.all.bytes += bytes;
        self.writing += bytes;
        Ok(())
    }

    /// What was reserved is not needed.
    pub(super) fn give_back(&mut self, id: FormId, bytes: u64) {
        if self.drawn.remove(&id) {
            self.writing = self.writing.saturating_sub(bytes);
            self.all.forms = self.all.forms.saturating_sub(1);
            self.all.bytes = self.all.bytes.saturating_sub(bytes);
        }
    }

    /// What was reserved is written.
    pub(super) fn settle(&mut self, site: &str, entry: Entry) {
        self.give_back(entry.listed.id, entry.listed.bytes);
        self.put(site, entry);
    }

    /// Bytes that are being written.
    pub(super) fn writing(&self) -> u64 {
        self.writing
    }

    /// Puts one in, or in the place of the one with the same name.
    pub(super) fn put(&mut self, site: &str, entry: Entry) {
        self.remove(site, entry.listed.id);
        self.all.forms += 1;
        self.all.bytes += entry.listed.bytes;
        match self.sites.get_mut(site) {
            Some(forms) => _ = forms.insert(entry.listed.id, entry),
            None => _ = self.sites.insert(site.into(), [(entry.listed.id, entry)].into()),
        }
    }

    /// Takes one out, with its place.
    pub(super) fn remove(&mut self, site: &str, id: FormId) {
        let Some(forms) = self.sites.get_mut(site) else { return };
        if let Some(gone) = forms.remove(&id) {
            self.all.forms = self.all.forms.saturating_sub(1);
            self.all.bytes = self.all.bytes.saturating_sub(gone.listed.bytes);
        }
        if forms.is_empty() {
            self.sites.remove(site);
        }
    }

    pub(super) fn find(&self, site: &str, id: FormId) -> Option<&Entry> {
        self.sites.get(site)?.get(&id)
    }

    /// Those of a site that are chosen, in the order in which they came.
    pub(super) fn chosen(&self, site: &str, choose: impl Fn(&Listed) -> bool) -> Vec<Listed> {
        let forms = self.sites.get(site).into_iter().flat_map(BTreeMap::values);
        let mut chosen: Vec<Listed> =
            forms.map(|entry| &entry.listed).filter(|form| choose(form)).cloned().collect();
        // Names know the second only.
        chosen.sort_by_key(|form| (form.id.second(), form.since, form.id));
        chosen
    }

    /// The forms of all sites that are chosen.
    pub(super) fn everywhere(&self, choose: impl Fn(&Listed) -> bool) -> Vec<(Arc<str>, Listed)> {
        let all = self.sites.iter().flat_map(|(site, forms)| forms.values().map(move |entry| (site, entry)));
        let chosen = all.filter(|(_, entry)| choose(&entry.listed));
        chosen.map(|(site, entry)| (Arc::clone(site), entry.listed.clone())).collect()
    }

    /// The one that has been delivered for the longest time.
    pub(super) fn longest_delivered(&self) -> Option<(Arc<str>, FormId)> {
        let delivered = self.everywhere(|form| form.state == State::Delivered);
        delivered
            .into_iter()
            .min_by_key(|(_, form)| (form.since, form.id))
            .map(|(site, form)| (site, form.id))
    }

    pub(super) fn totals(&self) -> BTreeMap<Arc<str>, Totals> {
        self.sites.iter().map(|(site, forms)| (Arc::clone(site), totals(forms))).collect()
    }

    pub(super) fn refusals(&self, site: &str) -> BTreeMap<Box<str>, (usize, Option<Reason>)> {
        let mut refusals: BTreeMap<Box<str>, (usize, Option<Reason>)> = BTreeMap::new();
        let forms = self.sites.get(site).into_iter().flat_map(BTreeMap::values);
        for (recipient, receipt) in forms.flat_map(|entry| &entry.listed.receipts) {
            if let Receipt::Refused(reason) = receipt {
                let (count, last) = refusals.entry(recipient.clone()).or_default();
                (*count, *last) = (*count + 1, Some(reason.clone()));
            }
        }
        refusals
    }

    pub(super) fn totals_of(&self, site: &str) -> Totals {
        self.sites.get(site).map(totals).unwrap_or_default()
    }
}

fn totals(forms: &BTreeMap<FormId, Entry>) -> Totals {
    let mut totals = Totals::new();
    for entry in forms.values() {
        let total = totals.entry(entry.listed.state).or_default();
        total.forms += 1;
        total.bytes += entry.listed.bytes;
    }
    totals
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn entry(id: FormId, state: State, bytes: u64, since: SystemTime) -> Entry {
        Entry {
            listed: Listed { id, state, reason: None, bytes, receipts: Receipts::new(), since },
            file: id.to_string(),
        }
    }

    const THREE: Bounds = Bounds { most: 3, size: 100 };

    #[test]
    fn a_place_is_reserved_used_and_given_back() {
        let mut index = Index::default();
        let id = |n| FormId::new(at(n), n);
        index.reserve(id(1), 40, THREE).unwrap();
        assert_eq!(index.reserve(id(1), 1, THREE), Err(NoPlace::Taken));
        index.reserve(id(2), 40, THREE).unwrap();
        assert_eq!(index.reserve(id(3), 21, THREE), Err(NoPlace::Full));
        index.reserve(id(3), 20, THREE).unwrap();
        assert_eq!(index.reserve(id(4), 0, THREE), Err(NoPlace::Full));
        assert_eq!(index.writing(), 100);
        index.give_back(id(2), 40);
        index.give_back(id(2), 40);
        index.settle("shop", entry(id(1), State::Unconfirmed, 40, at(1)));
        assert_eq!((index.writing(), index.all), (20, Total { forms: 2, bytes: 60 }));
        assert_eq!(index.reserve(id(1), 1, THREE), Err(NoPlace::Taken));
        index.put("shop", entry(id(1), State::Kept, 40, at(1)));
        assert_eq!(index.all, Total { forms: 2, bytes: 60 });
        index.remove("shop", id(1));
        index.remove("shop", id(1));
        index.give_back(id(3), 20);
        assert_eq!((index.writing(), index.all), (0, Total::default()));
        assert_eq!(index.reserve(id(5), 101, THREE), Err(NoPlace::Size));
        assert_eq!(index.reserve(id(5), 0, Bounds { most: 0, size: 100 }), Err(NoPlace::Size));
    }

    #[test]
    fn they_are_listed_as_they_came_and_counted_by_site_and_state() {
        let mut index = Index::default();
        let (early, second, third) = (FormId::new(at(5), 99), FormId::new(at(9), 7), FormId::new(at(9), 1));
        index.put("shop", entry(third, State::Kept, 3, at(9) + Duration::from_millis(200)));
        index.put("shop", entry(second, State::Unconfirmed, 2, at(9) + Duration::from_millis(100)));
        index.put("shop", entry(early, State::Delivered, 1, at(60)));
        index.put("bar", entry(FormId::new(at(1), 1), State::Delivered, 9, at(50)));
        let ids = |listed: Vec<Listed>| listed.into_iter().map(|form| form.id).collect::<Vec<_>>();
        assert_eq!(ids(index.chosen("shop", |_| true)), [early, second, third]);
        assert_eq!(ids(index.chosen("shop", |form| form.state.is_due())), [second, third]);
        assert!(index.chosen("none", |_| true).is_empty());
        assert_eq!(index.longest_delivered(), Some(("bar".into(), FormId::new(at(1), 1))));
        let totals = index.totals();
        assert_eq!(totals["shop"][&State::Kept], Total { forms: 1, bytes: 3 });
        assert_eq!(totals["bar"], [(State::Delivered, Total { forms: 1, bytes: 9 })].into());
        index.remove("bar", FormId::new(at(1), 1));
        assert!(!index.totals().contains_key("bar"));
    }
}
