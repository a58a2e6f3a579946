//! Which entries of the cache are known to be the site's. What a crawl has accepted is the site; an entry that
//! came later may date from the day on which the site was taken over, or be wrong at its address alone. It
//! takes precedence over the snapshot's page only if the key pages were found good after it came, and it is a
//! later edition of its copy or came again after that; and never while the site is in doubt.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::site::Site;
use crate::cache::{Entry, Lookup};
use crate::clock::Now;
use crate::failover::{Found, State};
use crate::page_health::Mark;
use crate::snapshot::{Newer, Rule, SnapshotId};

/// Whether an entry is known to be the site's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// The key pages were good after it came, and it is like its copy, or was there again.
    Confirmed,
    /// Not so, or the site is in doubt.
    Unconfirmed,
}

/// What the shelf says of the site since the snapshot in service was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Nothing against it.
    Fine,
    /// A crawl found something else in its place, or somebody has gone back by hand.
    Doubted,
}

/// What is known about a site's entries.
#[derive(Debug, Default)]
pub struct Vouch {
    doubted: AtomicBool,
    seen: Mutex<Seen>,
}

/// The last state of the shelf.
#[derive(Debug, Default)]
struct Seen {
    current: Option<SnapshotId>,
    newest: Option<SnapshotId>,
    /// Since when the site is in doubt.
    since: Option<SystemTime>,
}

/// What the snapshots newer than the one in service say, newest first. The newest crawl that judges the site decides; one
/// that was cut short, or that passed and waits for the operator, says nothing against it.
pub(super) fn word(newer: &[Newer]) -> Word {
    const AGAINST: [Rule; 4] = [Rule::Uniform, Rule::Turned, Rule::KeyPage, Rule::LessText];
    for aside in newer {
        // It was in service, and somebody has taken it out.
        let Some(reasons) = &aside.held else { return Word::Doubted };
        let names = |rule: &Rule| reasons.iter().any(|reason| reason.split(':').next() == Some(rule.code()));
        if AGAINST.iter().any(names) {
            return Word::Doubted;
        }
        if !Rule::ALL.iter().filter(|rule| **rule != Rule::ByHand).any(names) {
            return Word::Fine;
        }
    }
    Word::Fine
}

impl Vouch {
    /// Whether the site is in doubt: then no entry counts as confirmed.
    pub(super) fn is_doubted(&self) -> bool {
        self.doubted.load(Ordering::Relaxed)
    }

    /// Follows what happens on the shelf: whether the site is in doubt. Makes the cache forget entries that
    /// lost their trust: those since the last good crawl when a crawl is held, or when the operator puts
    /// another snapshot in service.
    pub(super) fn follow_shelf(&self, site: &Site, now: Now) {
        let Some(store) = site.mirror.store() else { return };
        let Some(current) = store.current() else { return };
        let (id, newer) = (current.id(), store.newer());
        let newest = newer.first().map_or(id, |newest| newest.id);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.current == Some(id) && seen.newest == Some(newest) {
            return;
        }
        let (before, known) = (seen.current.replace(id), seen.newest.replace(newest));
        let word = word(&newer);
        self.doubted.store(word == Word::Doubted, Ordering::Relaxed);
        let doubted = std::mem::take(&mut seen.since);
        if word == Word::Doubted {
            seen.since = Some(doubted.unwrap_or(now.wall));
        }
        // A crawl that was not known before put itself in service; everything else is somebody's word.
        let by_hand = before.is_some_and(|before| before != id) && known.is_some_and(|known| id <= known);
        let since = match word {
            Word::Doubted => Some(current.summary().started_at),
            Word::Fine if by_hand => Some(current.summary().started_at),
            // What came while the site was doubted, nobody has looked at.
            Word::Fine => doubted,
        };
        drop(seen);
        if let Some(since) = since.filter(|_| before.is_some()) {
            let pages = site.cache.forget_since(since);
            if pages > 0 {
                tracing::info!(site = %site.config.name, snapshot = %id, pages, "dropping cached pages that are newer than the last good copy");
            }
        }
    }

    /// Whether an entry is known to be the site's.
    pub(super) fn confirmation(&self, site: &Site, entry: &Entry) -> Confirmation {
        let is_confirmed = !self.is_doubted() && entry.sight().is_confirmed(site.page_health.proven());
        if is_confirmed { Confirmation::Confirmed } else { Confirmation::Unconfirmed }
    }
}

/// What the cache has for the decision. An entry from before the page's removal is no copy of it: nothing. A fresh entry is what the
/// origin would give; without an origin, while the site is in doubt, it counts like any other.
pub(super) fn found(
    site: &Site,
    lookup: Option<&Lookup>,
    mark: Mark,
    now: Now,
) -> (Found, Option<Arc<Entry>>) {
    if let (
        Mark::Gone { since, .. },
        Some(
            Lookup::Fresh(entry)
            | Lookup::Stale(entry)
            | Lookup::Revalidate(entry)
            | Lookup::Otherwise(entry),
        ),
    ) = (mark, lookup)
        && entry.received().wall <= since.wall
    {
        return (Found::Nothing, None);
    }
    let stale = |entry: &Arc<Entry>| match site.vouch.confirmation(site, entry) {
        Confirmation::Confirmed => (Found::Confirmed, Some(entry.clone())),
        Confirmation::Unconfirmed => (Found::Unconfirmed, Some(entry.clone())),
    };
    match lookup {
        Some(Lookup::Fresh(entry)) if site.vouch.is_doubted() && site.state(now) == State::Down => {
            stale(entry)
        }
        Some(Lookup::Fresh(entry)) => (Found::Fresh, Some(entry.clone())),
        Some(Lookup::Stale(entry) | Lookup::Revalidate(entry) | Lookup::Otherwise(entry))
            if entry.may_stand_in(now) =>
        {
            stale(entry)
        }
        Some(
            Lookup::Stale(_)
            | Lookup::Revalidate(_)
            | Lookup::Otherwise(_)
            | Lookup::Nothing(_)
            | Lookup::Uncacheable,
        )
        | None => (Found::Nothing, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_crawl_that_speaks_of_the_site_has_the_word() {
        let aside = |held: Option<&[&str]>| Newer {
            id: SnapshotId::new(SystemTime::UNIX_EPOCH, 1),
            held: held.map(|reasons| reasons.iter().map(|&reason| reason.to_owned()).collect()),
        };
        let by_hand: &[&str] = &[crate::snapshot::BY_HAND];
        for (newer, expected) in [
            (vec![], Word::Fine),
            (vec![None], Word::Doubted),
            (vec![Some(&["uniform: 40 of 41"][..])], Word::Doubted),
            (vec![Some(&["shrunk: 3 of 41", "turned: 20 of 41"][..])], Word::Doubted),
            (vec![Some(&["key-page: /"][..])], Word::Doubted),
            (vec![Some(&["less-text: 10%"][..])], Word::Doubted),
            (vec![Some(&["cut-short: 24 requests failed"][..])], Word::Fine),
            (vec![Some(&["cut-short: x"][..]), Some(&["uniform: x"][..])], Word::Doubted),
            (vec![Some(by_hand), None], Word::Fine),
            (vec![Some(&["by-hand: since yesterday"][..]), None], Word::Fine),
            (vec![Some(&["by-hand: x", "turned: y"][..])], Word::Doubted),
        ] {
            let newer: Vec<Newer> = newer.into_iter().map(aside).collect();
            assert_eq!(word(&newer), expected, "{newer:?}");
        }
    }
}
