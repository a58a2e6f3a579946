//! One running site: its configuration, its engines, and the operator's mode.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ipnet::IpNet;

use super::buffer::BufferRoom;
use super::known_good::KnownGood;
use super::mirror::Mirror;
use super::vouch::Vouch;
use crate::ask::{Ask, key};
use crate::cache::SiteCache;
use crate::clock::{self, Now};
use crate::config::ready::{self, Limits};
use crate::failover::{Mode, State};
use crate::failure::Cause;
use crate::history::History;
use crate::metrics::SiteMetrics;
use crate::origin::latency::patience;
use crate::origin::{LatencyClass, Member, Origins, Outlook, health};
use crate::page_health::{self, Branch, OriginsSeen, PageHealth};
use crate::visits::Visits;

/// Requests that a client may always have in flight: what one HTTP/2 connection carries.
const LEAST_AT_ONCE: usize = 128;

/// A site and its engines. A reload makes a new one that takes over the engines of the old.
pub struct Site {
    /// As configured.
    pub config: Arc<ready::Site>,
    /// Where the live site comes from.
    pub origins: Origins,
    /// Its part of the HTTP cache.
    pub cache: SiteCache,
    /// The site's snapshots.
    pub mirror: Arc<Mirror>,
    /// What its visitors ask for.
    pub visits: Arc<Visits>,
    /// What is known of it by its pages.
    pub page_health: Arc<PageHealth>,
    /// Answers that were judged to be the site's.
    pub known_good: KnownGood,
    /// The memory for answers that are held back, the same for all sites.
    pub room: BufferRoom,
    /// Which entries of the cache are known to be the site's.
    pub vouch: Arc<Vouch>,
    /// What became of it.
    pub history: Arc<History>,
    /// Its counters.
    pub metrics: Arc<SiteMetrics>,
    /// The operator's word.
    pub switch: Arc<Switch>,
}

/// The state of a site, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Its state.
    pub state: State,
    /// Since when; `None`: since the start.
    pub since: Option<Now>,
    /// Why it is not well.
    pub cause: Option<Cause>,
    /// Pages that come from copies because their last answer was not the site's.
    pub bad_pages: usize,
    /// The parts of the site that these are in, those with the most first.
    pub branches: Vec<Branch>,
    /// The share of visitors who get the live site where there is a copy, from 0 to 1.
    pub share: f32,
}

impl Site {
    /// The site's state, as visitors feel it.
    pub fn state(&self, now: Now) -> State {
        page_health::state(self.origins_seen(now), self.page_health.pages())
    }

    /// The same; a change is reported, once.
    pub fn observe(&self, now: Now) -> State {
        let state = self.state(now);
        if self.page_health.last() != state {
            self.report(state, now);
        }
        state
    }

    /// Its state, and why.
    pub fn condition(&self, now: Now) -> Condition {
        let state = self.state(now);
        self.report(state, now);
        let reported = self.page_health.reported();
        Condition {
            state,
            since: reported.since,
            cause: reported.cause,
            bad_pages: self.page_health.bad_pages(),
            branches: self.page_health.branches(),
            share: if state == State::Down { 0.0 } else { self.share(now) },
        }
    }

    fn report(&self, state: State, now: Now) {
        let Some(change) = self.page_health.observe(state, self.trouble(), now) else { return };
        if change.from.state == State::Down {
            self.page_health.hasten(now.mono);
        }
        let (site, from, to) = (&self.config.name, change.from.state.as_str(), state.as_str());
        match change.to.cause {
            Some(cause) => {
                let (cause, meaning) = (cause.code(), cause.meaning().en);
                tracing::warn!(%site, from, to, cause, meaning, "site changed state");
            }
            None => tracing::info!(%site, from, to, "site changed state"),
        }
    }

    /// How long its visitors wait for such a page where there is a copy.
    pub(super) fn patience(&self, ask: &Ask) -> Duration {
        let policy = &self.config.failover;
        patience(
            self.origins.typical_latency(LatencyClass::of(key::path_of(ask.key()))),
            policy.patience,
            policy.patience_max,
        )
    }

    /// Whether this is for the live site whatever its state, and passed on unjudged: because the operator wants it so, or
    /// because the origin cannot renew its certificate otherwise.
    pub(super) fn is_held_live(&self, ask: &Ask) -> bool {
        ask.is_acme_challenge() || self.switch.mode(clock::instant()) == Mode::HoldOrigin
    }

    /// Whether the operator wants visitors to get copies.
    pub(super) fn shows_copies(&self) -> bool {
        self.switch.mode(clock::instant()) == Mode::HoldSnapshot
    }

    /// The share of visitors who get the live site, where they could have a copy.
    pub fn share(&self, now: Now) -> f32 {
        self.origins.share(now.mono)
    }

    fn origins_seen(&self, now: Now) -> OriginsSeen {
        match self.origins.outlook() {
            Outlook::None | Outlook::Down => OriginsSeen::Down,
            Outlook::Unproven => OriginsSeen::Unproven,
            Outlook::Up if self.share(now) < 1.0 => OriginsSeen::Recovering,
            Outlook::Up => OriginsSeen::Up,
        }
    }

    /// Why no origin answers, if none does.
    fn trouble(&self) -> Option<Cause> {
        match self.origins.outlook() {
            Outlook::None if self.origins.members().is_empty() => Some(Cause::NoOrigin),
            Outlook::None => Some(Cause::Drained),
            Outlook::Down => self.last_down().map(|(_, cause)| cause),
            Outlook::Unproven | Outlook::Up => None,
        }
    }

    /// The origin that went down last, and the site with it.
    fn last_down(&self) -> Option<(Now, Cause)> {
        let down = |member: &Member| match member.origin.state() {
            health::State::Down { since, cause } | health::State::Trial { since, cause, .. } => {
                Some((since, cause))
            }
            health::State::Unproven | health::State::Up => None,
        };
        self.origins.members().iter().filter_map(down).max_by_key(|(since, _)| since.mono)
    }

    /// How long the site has been down, if it is.
    pub fn down_for(&self, now: Now) -> Option<Duration> {
        if self.state(now) != State::Down {
            return None;
        }
        let flood = self.page_health.flood().map(|(since, _)| since.mono);
        let since = match self.origins.outlook() {
            Outlook::None | Outlook::Down => self.last_down().map(|(since, _)| since.mono),
            Outlook::Unproven | Outlook::Up => None,
        };
        since.or(flood).map(|since| now.mono.saturating_duration_since(since))
    }

    /// Whether it can answer visitors: the live site is not known to be down, or there is a snapshot.
    pub fn is_ready(&self) -> bool {
        self.is_live() || self.mirror.current().is_some()
    }

    /// Whether an origin of it is up.
    pub fn is_live(&self) -> bool {
        self.origins.outlook() == Outlook::Up
    }
}

/// The operator's mode for a site, for some time or until it is set again.
#[derive(Debug, Default)]
pub struct Switch(Mutex<Option<Set>>);

/// As it was set.
#[derive(Clone, Debug)]
struct Set {
    mode: Mode,
    /// What for; may be empty.
    reason: Arc<str>,
    /// Since when.
    since: Instant,
    until: Option<Instant>,
    /// The same by the wall clock, in whole seconds: how it is said to other instances.
    ends: Option<SystemTime>,
    /// Whether it is a drill.
    is_drill: bool,
}

impl Switch {
    fn set_to(&self, set: Set) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(set);
    }

    fn get(&self) -> Option<Set> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it was set for; may be empty.
    pub fn reason(&self) -> Arc<str> {
        self.get().map_or_else(|| "".into(), |set| set.reason)
    }

    /// When it was set, if it ever was.
    pub fn since(&self) -> Option<Instant> {
        self.get().map(|set| set.since)
    }

    /// The current mode.
    pub fn mode(&self, now: Instant) -> Mode {
        match self.get() {
            Some(set) if set.until.is_none_or(|until| now < until) => set.mode,
            _ => Mode::Auto,
        }
    }

    /// When it ends, if it was set for a time.
    pub fn until(&self, now: Now) -> Option<SystemTime> {
        Some(now.wall + self.get()?.until?.checked_duration_since(now.mono)?)
    }

    /// Sets it, for `time` if given.
    pub fn set(&self, mode: Mode, time: Option<Duration>, reason: &str, now: Now) {
        let until = time.and_then(|time| now.mono.checked_add(time));
        let ends = time.and_then(|time| {
            UNIX_EPOCH.checked_add(Duration::from_secs(now.unix().checked_add(time.as_secs())?))
        });
        self.set_to(Set { mode, reason: reason.into(), since: now.mono, until, ends, is_drill: false });
    }

    /// Gives visitors copies for a drill.
    pub fn set_drill(&self, time: Duration, reason: &str, now: Now) {
        self.set(Mode::HoldSnapshot, Some(time), reason, now);
        if let Some(set) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            set.is_drill = true;
        }
    }

    /// Whether a drill goes on.
    pub fn is_drill(&self, now: Instant) -> bool {
        self.get().is_some_and(|set| set.is_drill && set.until.is_some_and(|until| now < until))
    }

    /// What was said last since the start, whether or not its time has passed; `None`: nothing.
    pub fn word(&self) -> Option<(Mode, Option<SystemTime>)> {
        self.get().map(|set| (set.mode, set.ends))
    }

    /// Sets it as another instance's operator has said.
    pub fn take_over(&self, mode: Mode, ends: Option<SystemTime>, now: Now) {
        if self.word() == Some((mode, ends)) {
            return; // our own word comes back; we know more about it
        }
        let left = |ends: SystemTime| ends.duration_since(now.wall).unwrap_or_default();
        let until = ends.and_then(|ends| now.mono.checked_add(left(ends)));
        self.set_to(Set { mode, reason: "".into(), since: now.mono, until, ends, is_drill: false });
    }
}

/// All sites by their hosts, and what holds for all of them. Immutable; a reload makes a new one.
pub struct Table {
    /// The sites, in the configuration's order.
    pub sites: Vec<Arc<Site>>,
    hosts: HashMap<String, Arc<Site>>,
    names: HashMap<Arc<str>, Arc<Site>>,
    any: Option<Arc<Site>>,
    /// Networks whose forwarding fields are trusted.
    pub trusted: Vec<IpNet>,
    /// The largest request body, in bytes.
    pub body_size: u64,
    /// Requests that one client may have in flight.
    pub at_once: usize,
    /// Whether addresses of https without a port lead to us.
    pub has_https: bool,
}

impl Site {
    /// The language of the site, as far as its home page tells.
    pub async fn language(&self) -> crate::holding_page::Language {
        let about = self.mirror.about(&self.config).await;
        super::about::language(about.as_deref(), &http::HeaderMap::new())
    }
}

impl Table {
    /// The table of these sites, which are reached by TLS at `https`; `"*"` among a site's hosts makes it the one for all other
    /// hosts.
    pub fn new(sites: Vec<Arc<Site>>, trusted: Vec<IpNet>, https: &[SocketAddr], limits: &Limits) -> Table {
        let mut hosts = HashMap::new();
        let mut any = None;
        for site in &sites {
            for host in site.config.all_hosts() {
                if host == "*" {
                    any = Some(site.clone());
                } else {
                    hosts.insert(host.to_owned(), site.clone());
                }
            }
        }
        let names = sites.iter().map(|site| (site.config.name.clone(), site.clone())).collect();
        let at_once = limits.connections_per_client.max(LEAST_AT_ONCE);
        let has_https = https.iter().any(|at| at.port() == crate::ask::default_port(true));
        Table { sites, hosts, names, any, trusted, body_size: limits.body_size, at_once, has_https }
    }

    /// Whether many visitors share this address: a trusted proxy.
    pub fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }

    /// The site that answers for `host` (lower case, no port).
    pub fn find(&self, host: &str) -> Option<&Arc<Site>> {
        self.hosts.get(host).or(self.any.as_ref())
    }

    /// The site of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Site>> {
        self.names.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_word_holds_for_its_time() {
        let now = crate::clock::now();
        let switch = Switch::default();
        let at = |seconds| now.mono + Duration::from_secs(seconds);
        assert_eq!((switch.mode(now.mono), switch.word()), (Mode::Auto, None));
        switch.set(Mode::HoldSnapshot, Some(Duration::from_secs(60)), "updates", now);
        assert_eq!(switch.mode(at(59)), Mode::HoldSnapshot);
        assert_eq!(switch.mode(at(60)), Mode::Auto);
        // Another instance takes it over, with its end.
        let (mode, ends) = switch.word().unwrap();
        let other = Switch::default();
        other.take_over(mode, ends, now);
        assert_eq!((other.mode(at(58)), other.mode(at(61))), (Mode::HoldSnapshot, Mode::Auto));
        assert_eq!(other.word(), switch.word());
        other.take_over(mode, ends, now.plus(Duration::from_secs(3600)));
        assert_eq!(other.mode(at(3600)), Mode::Auto, "its time has passed");
        switch.set_drill(Duration::from_secs(60), "practice", now);
        assert!(switch.is_drill(at(59)) && !switch.is_drill(at(60)));
        let (mode, ends) = switch.word().unwrap();
        switch.take_over(mode, ends, now);
        assert!(switch.is_drill(at(59)), "its own word, told by the store");
        switch.set(Mode::HoldOrigin, None, "", now);
        assert!(!switch.is_drill(now.mono));
        assert_eq!(switch.mode(at(86400)), Mode::HoldOrigin);
        assert_eq!(switch.word(), Some((Mode::HoldOrigin, None)));
    }
}
