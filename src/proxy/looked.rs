//! The lookup that begins an answer, its explanation and a re-check: what the cache and the snapshot have of the page, what
//! is remembered of it, and the state of the site.

use std::sync::Arc;

use http::HeaderMap;

use super::mirror::{Nearness, Ready};
use super::site::Site;
use super::uniform::drop_condemned;
use super::vouch::found;
use crate::ask::{Ask, Kind, Visitor};
use crate::cache::{self, Entry, Lookup};
use crate::clock::Now;
use crate::failover::{Found, Mirrored, Mode, Remembered, Situation, State, Turn};
use crate::failure::Cause;
use crate::page_health::Mark;

/// What the lookup is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An answer to a visitor: it looks up no more than necessary, and reports a change of the site's state.
    Answer,
    /// An explanation or a re-check: it looks up everything, for a visitor who gets the live site, and changes
    /// nothing.
    Knowledge,
}

/// What was found.
pub(super) struct Looked {
    /// What the cache has; `None` if the request cannot be answered from it.
    pub(super) lookup: Option<Lookup>,
    pub(super) copies: Copies,
    /// What is remembered of the page.
    pub(super) mark: Mark,
    /// Everything that the decision depends on.
    pub(super) situation: Situation,
}

/// The copies that were found.
pub(super) struct Copies {
    pub(super) entry: Option<Arc<Entry>>,
    /// What the entry is worth.
    pub(super) found: Found,
    pub(super) page: Option<(Arc<Ready>, Nearness)>,
}

impl Looked {
    /// Looks up.
    pub(super) fn at(
        site: &Site,
        ask: &Ask,
        request_headers: &HeaderMap,
        now: Now,
        purpose: Purpose,
    ) -> Looked {
        let lookup = in_cache(site, ask, request_headers, now);
        let mark = if ask.kind == Kind::Read { site.page_health.mark(ask.key()) } else { Mark::None };
        match purpose {
            Purpose::Answer => drop_condemned_if_down(site, lookup.as_ref(), now),
            Purpose::Knowledge => {}
        }
        let (found, entry) = found(site, lookup.as_ref(), mark, now);
        let mode = if ask.is_acme_challenge() { Mode::HoldOrigin } else { site.switch.mode(now.mono) };
        let is_enough =
            found == Found::Fresh && ask.visitor == Visitor::Anonymous && mode != Mode::HoldSnapshot;
        let is_needed = purpose == Purpose::Knowledge || !is_enough;
        let page = if is_needed && ask.kind == Kind::Read { in_snapshot(site, ask) } else { None };
        let copies = Copies { entry, page, found };
        let (state, turn) = match purpose {
            Purpose::Answer => {
                let state = site.observe(now);
                (state, turn(site, state, now))
            }
            Purpose::Knowledge => (site.state(now), Turn::In),
        };
        let situation = Situation {
            kind: ask.kind,
            visitor: ask.visitor,
            mode,
            state,
            remembered: remembered(site, ask, mark, copies.page.as_ref(), now),
            turn,
            found,
            mirrored: copies.mirrored(),
        };
        Looked { lookup, copies, mark, situation }
    }

    /// Why the origin is not asked.
    pub(super) fn cause(&self, site: &Site) -> Option<Cause> {
        let Situation { mode, state, turn, remembered, .. } = self.situation;
        match (mode, state) {
            (Mode::HoldSnapshot, _) => Some(Cause::Held),
            (Mode::Auto | Mode::HoldOrigin, State::Down) => {
                let flood = site.page_health.flood();
                Some(flood.map_or_else(|| site.origins.why_none().cause, |(_, cause)| cause))
            }
            (Mode::Auto | Mode::HoldOrigin, State::Unproven) => Some(Cause::Unproven),
            (Mode::Auto | Mode::HoldOrigin, State::Up | State::Degraded | State::Recovering) => {
                match (self.mark, turn) {
                    (Mark::Bad(cause), _) => Some(cause),
                    (Mark::None | Mark::Gone { .. }, Turn::Out) => Some(Cause::Recovering),
                    (Mark::None | Mark::Gone { .. }, Turn::In) => {
                        (remembered == Remembered::Late).then_some(Cause::Slow)
                    }
                }
            }
        }
    }
}

impl Copies {
    /// The age of the snapshot's page relative to the cache's entry.
    pub(super) fn mirrored(&self) -> Mirrored {
        match (&self.page, &self.entry) {
            (None, _) => Mirrored::Nothing,
            (Some((_, Nearness::Near)), _) => Mirrored::Near,
            (Some((page, Nearness::Exact)), Some(entry)) if page.taken_at() < entry.received().wall => {
                Mirrored::Older
            }
            (Some((_, Nearness::Exact)), _) => Mirrored::Newer,
        }
    }
}

/// What the cache has; `None` if the request cannot be answered from it.
fn in_cache(site: &Site, ask: &Ask, request_headers: &HeaderMap, now: Now) -> Option<Lookup> {
    let open = ask.cacheable
        && ask.kind == Kind::Read
        && cache::ask::may_look_up(&ask.method, request_headers).is_ok();
    let key = || site.cache.key(ask.tls(), ask.authority(), ask.key());
    // A session is not answered from the cache; an answer to it is not looked for there, nor kept.
    (open && ask.visitor == Visitor::Anonymous).then(|| site.cache.lookup(&key(), request_headers, now))
}

/// A check may have found just now that the pages that were let through are not the site's: then what was kept
/// of them is not given. A fresh entry is given whatever its page was found to be, unless the site is in doubt.
fn drop_condemned_if_down(site: &Site, lookup: Option<&Lookup>, now: Now) {
    let is_weighed = match lookup {
        Some(Lookup::Fresh(_)) => site.vouch.is_doubted(),
        Some(Lookup::Stale(_) | Lookup::Revalidate(_) | Lookup::Otherwise(_)) => true,
        Some(Lookup::Nothing(_) | Lookup::Uncacheable) | None => false,
    };
    if is_weighed && site.state(now) == State::Down {
        drop_condemned(site);
    }
}

/// The snapshot's page for a request. A near one does not count if the site has removed the page.
fn in_snapshot(site: &Site, ask: &Ask) -> Option<(Arc<Ready>, Nearness)> {
    let found = site.mirror.find(ask.key())?;
    let is_gone = match found.1 {
        Nearness::Exact => false,
        Nearness::Near => match site.page_health.mark(found.0.key()) {
            Mark::Gone { since, .. } => found.0.taken_at() <= since.wall,
            Mark::None | Mark::Bad(_) => false,
        },
    };
    (!is_gone).then_some(found)
}

/// What is remembered of the page. A copy taken after its removal shows that it came back.
fn remembered(
    site: &Site,
    ask: &Ask,
    mark: Mark,
    copy: Option<&(Arc<Ready>, Nearness)>,
    now: Now,
) -> Remembered {
    match mark {
        Mark::None if ask.kind == Kind::Read && site.page_health.is_late(ask.key(), now.mono) => {
            Remembered::Late
        }
        Mark::None => Remembered::Fine,
        Mark::Bad(_) => Remembered::Bad,
        Mark::Gone { since, .. } if copy.is_some_and(|(copy, _)| copy.taken_at() > since.wall) => {
            Remembered::Fine
        }
        Mark::Gone { .. } => Remembered::Gone,
    }
}

/// Whether this visitor is among those who get the live site.
fn turn(site: &Site, state: State, now: Now) -> Turn {
    if state == State::Recovering && fastrand::f32() >= site.share(now) { Turn::Out } else { Turn::In }
}
