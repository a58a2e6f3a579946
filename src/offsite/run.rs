//! The task that keeps all sites in step with the store: what has changed here is pushed, what has changed there is pulled.
//! Whatever the store does, only this task waits for it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::board::{Board, Within};
use super::changes::Changes;
use super::context::{Context, Epoch};
use super::here::{SiteHere, Sites};
use super::ondemand::OnDemand;
use super::reports::report;
use super::step::{Seen, Work};
use super::tidy::{Tidied, store_clock, tidy};
use super::trouble::Trouble;
use super::wanted;
use crate::clock;
use crate::snapshot::Source;
use crate::tasks;

/// How often changes here are looked for.
const TICK: Duration = Duration::from_millis(500);
/// How often the store is asked what has changed there.
const POLL: Duration = Duration::from_secs(5);
/// How often all pointers are looked at, whatever was told.
const SWEEP: Duration = Duration::from_secs(300);
/// When the store is tidied up first, and then how often, by whoever holds the lease.
const TIDY: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(6 * 3600));
/// How many sites are looked at at once.
const SITES_AT_ONCE: usize = 16;
/// How many sites' rests are brought here at once.
const FILLS_AT_ONCE: usize = 2;
/// The first and the longest wait after a trouble.
const WAITS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// How often in a row another instance may be faster before that is a trouble like others.
const RACES: u32 = 3;
/// The longest wait where something was refused.
const REFUSED: Duration = Duration::from_secs(3600);

/// What has come to its end.
enum Ended {
    Poll(Changes, Result<Option<BTreeMap<String, u64>>, Trouble>),
    Look(Arc<str>, Result<Seen, Trouble>),
    Fill(Arc<str>, Result<(), Trouble>),
    Tidy(Result<Tidied, Trouble>),
    Answer(Result<usize, Trouble>),
}

/// A site, as it is kept in step.
struct Watched {
    here: SiteHere,
    changes: watch::Receiver<u64>,
    mode: Option<super::pointer::ModeWord>,
    /// Whether a look is due, and queued; or due as soon as the one that runs has ended.
    queued: bool,
    again: bool,
    /// Whether the next look is also at whether the store still has all.
    deep: bool,
    /// What has changed here when the look that runs was begun, and when the last good one was.
    looked_at: u64,
    synced: u64,
    look: Option<tasks::Guard>,
    /// Whether more is to be brought.
    wants: bool,
    fill: Option<tasks::Guard>,
    failures: u32,
    misses: u32,
    not_before: Instant,
    /// The same for what is to be brought.
    fills: Instant,
}

impl Watched {
    fn new(here: SiteHere, now: Instant) -> Watched {
        let changes = here.store.changes();
        let seen = *changes.borrow();
        Watched {
            here,
            changes,
            mode: None,
            queued: false,
            again: false,
            deep: false,
            looked_at: seen,
            synced: seen,
            look: None,
            wants: true,
            fill: None,
            failures: 0,
            misses: 0,
            not_before: now,
            fills: now,
        }
    }
}

struct Runner {
    work: Work,
    sites: HashMap<Arc<str>, Watched>,
    queue: VecDeque<Arc<str>>,
    ended: mpsc::UnboundedSender<Ended>,
    poll: Option<tasks::Guard>,
    changes: Option<Changes>,
    source: Arc<Source>,
    polled: Instant,
    swept: Option<Instant>,
    answer: Option<tasks::Guard>,
    tidy: Option<tasks::Guard>,
    /// When that is due; `None`: the lease is another one's.
    tidies: Option<Instant>,
    epochs: Epoch,
}

/// Keeps all sites in step, for as long as it is polled.
pub async fn run(context: Context, sites: Arc<dyn Sites>, board: Arc<Board>, state_dir: &Path) {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let source = Arc::new(Source::new(Box::new(OnDemand::new(context.clone()))));
    let epochs = context.lease.clone();
    let work = Work { context, sites, board, state_dir: state_dir.to_owned() };
    let mut runner = Runner {
        epochs,
        work,
        sites: HashMap::new(),
        queue: VecDeque::new(),
        ended,
        poll: None,
        changes: Some(Changes::default()),
        source,
        polled: clock::instant(),
        swept: None,
        answer: None,
        tidy: None,
        tidies: None,
    };
    loop {
        runner.tick(clock::instant());
        tokio::select! {
            Some(end) = ends.recv() => runner.end(end),
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

impl Runner {
    fn tick(&mut self, now: Instant) {
        self.know_sites(now);
        if self.poll.is_none() && now >= self.polled {
            self.begin_poll();
        }
        // Whoever held the lease before may have been killed before telling what it had done.
        if self.epochs.has_changed().unwrap_or(false) && self.epochs.borrow_and_update().is_some() {
            self.swept = None;
        }
        // Shifted a little for each round, so that instances that were started together do not ask together.
        let sweeps = self.swept.is_none_or(|swept| now >= swept);
        if sweeps {
            self.swept = Some(now + SWEEP.mul_f64(0.9 + fastrand::f64() / 5.0));
            self.begin_answer();
        }
        let due: Vec<Arc<str>> = self
            .sites
            .iter_mut()
            .filter_map(|(name, site)| {
                site.deep |= sweeps;
                let mode = self.work.sites.mode(name);
                let changed = site.changes.has_changed().unwrap_or(false) || mode != site.mode;
                let retries = site.failures > 0;
                ((sweeps || changed || retries) && now >= site.not_before).then(|| name.clone())
            })
            .collect();
        for name in due {
            self.enqueue(&name);
        }
        self.begin_looks();
        self.begin_fills(now);
        self.begin_tidy(now);
    }

    /// Takes over which sites there are now.
    fn know_sites(&mut self, now: Instant) {
        let all = self.work.sites.all();
        if all.len() != self.sites.len() || all.iter().any(|here| !self.sites.contains_key(&here.name)) {
            let names: std::collections::HashSet<&Arc<str>> = all.iter().map(|here| &here.name).collect();
            self.sites.retain(|name, _| names.contains(name));
            self.work.board.keep(|name| names.contains(&Arc::from(name)));
            self.swept = None;
        }
        for here in all {
            match self.sites.get_mut(&here.name) {
                Some(known) => known.here = here,
                None => {
                    here.store.bring_from(Some(self.source.clone()));
                    self.sites.insert(here.name.clone(), Watched::new(here, now));
                }
            }
        }
    }

    fn enqueue(&mut self, name: &Arc<str>) {
        let Some(site) = self.sites.get_mut(name) else { return };
        site.again |= site.look.is_some();
        if !site.queued && site.look.is_none() {
            site.queued = true;
            self.queue.push_back(name.clone());
        }
    }

    fn begin_poll(&mut self) {
        let Some(mut changes) = self.changes.take() else { return };
        let (context, ended) = (self.work.context.clone(), self.ended.clone());
        // One does it for all.
        let told = self.sites.keys().filter(|_| context.lease.borrow().is_some());
        let known: Vec<_> = told.map(|name| (name.clone(), self.work.board.site(name).generation)).collect();
        let lost = || Ended::Poll(Changes::default(), Err(broken_off()));
        self.poll = Some(report(ended, lost(), async move {
            let looked = changes.look(&context).await;
            if looked.is_ok()
                && let Err(error) = changes.complete(&context, &known).await
            {
                tracing::debug!(%error, "the other instances were not told what they may not know");
            }
            Ended::Poll(changes, looked)
        }));
    }

    fn begin_looks(&mut self) {
        while self.sites.values().filter(|site| site.look.is_some()).count() < SITES_AT_ONCE {
            let Some(name) = self.queue.pop_front() else { return };
            let Some(site) = self.sites.get_mut(&name) else { continue };
            site.queued = false;
            site.looked_at = *site.changes.borrow_and_update();
            site.mode = self.work.sites.mode(&name);
            let (work, here, ended) = (self.work.clone(), site.here.clone(), self.ended.clone());
            let deep = std::mem::take(&mut site.deep);
            let lost = Ended::Look(name, Err(broken_off()));
            site.look = Some(report(ended, lost, async move {
                let mut looked = work.look(&here).await;
                if let (true, Ok(_)) = (deep, &looked)
                    && let Err(trouble) = work.mend(&here).await
                {
                    looked = Err(trouble);
                }
                Ended::Look(here.name, looked)
            }));
        }
    }

    fn begin_fills(&mut self, now: Instant) {
        let running = self.sites.values().filter(|site| site.fill.is_some()).count();
        let may = |site: &&mut Watched| {
            site.wants && site.look.is_none() && !site.queued && site.fill.is_none() && now >= site.fills
        };
        for site in self.sites.values_mut().filter(may).take(FILLS_AT_ONCE.saturating_sub(running)) {
            let (work, here, ended) = (self.work.clone(), site.here.clone(), self.ended.clone());
            let lost = Ended::Fill(here.name.clone(), Err(broken_off()));
            site.fill = Some(report(ended, lost, async move {
                let filled = work.fill(&here).await;
                Ended::Fill(here.name, filled)
            }));
        }
    }

    /// Puts there again what others miss.
    fn begin_answer(&mut self) {
        let (context, ended) = (self.work.context.clone(), self.ended.clone());
        let here: Vec<SiteHere> = self.sites.values().map(|site| site.here.clone()).collect();
        let lost = Ended::Answer(Err(broken_off()));
        self.answer = Some(report(ended, lost, async move {
            Ended::Answer(wanted::answer(&context, &here, clock::now().wall).await)
        }));
    }

    fn begin_tidy(&mut self, now: Instant) {
        if self.work.context.lease.borrow().is_none() {
            self.tidies = None;
            self.work.board.tidies(None);
            return;
        }
        let due = *self.tidies.get_or_insert_with(|| now + TIDY.0);
        if now < due || self.tidy.is_some() {
            return;
        }
        let (context, ended) = (self.work.context.clone(), self.ended.clone());
        let here: Vec<SiteHere> = self.sites.values().map(|site| site.here.clone()).collect();
        let lost = Ended::Tidy(Err(broken_off()));
        self.tidy = Some(report(ended, lost, async move {
            let tidied = async {
                let now = store_clock(&context).await?;
                tidy(&context, &here, now).await
            };
            Ended::Tidy(tidied.await)
        }));
    }

    fn end(&mut self, end: Ended) {
        let now = clock::instant();
        match end {
            Ended::Poll(changes, looked) => {
                (self.poll, self.changes) = (None, Some(changes));
                self.polled = now + POLL.mul_f64(0.9 + fastrand::f64() / 5.0);
                match looked {
                    Ok(None) => self.does(&Within::Poll, now),
                    Ok(Some(generations)) => {
                        self.does(&Within::Poll, now);
                        self.heard(&generations);
                    }
                    Err(trouble) => self.tell(Within::Poll, &trouble),
                }
            }
            Ended::Answer(answered) => {
                self.answer = None;
                match answered {
                    Ok(_) => self.does(&Within::Answer, now),
                    Err(trouble) => self.tell(Within::Answer, &trouble),
                }
            }
            Ended::Tidy(tidied) => self.end_tidy(tidied, now),
            Ended::Look(name, looked) => self.end_look(&name, looked, now),
            Ended::Fill(name, filled) => self.end_fill(&name, filled, now),
        }
    }

    fn end_tidy(&mut self, tidied: Result<Tidied, Trouble>, now: Instant) {
        self.tidy = None;
        let rest = TIDY.1.mul_f64(0.9 + fastrand::f64() / 5.0);
        match tidied {
            Ok(Tidied { snapshots, condemned, bodies, erased }) => {
                tracing::debug!(snapshots, condemned, bodies, erased, "the store was tidied up");
                self.tidies = Some(now + rest);
                self.work.board.tidies(None);
                self.does(&Within::Tidy, now);
            }
            Err(trouble) => {
                if let Trouble::Refused { .. } = &trouble {
                    tracing::warn!(error = %trouble, "nothing is removed from the store until this is right again");
                    self.work.board.tidies(Some(trouble.to_string()));
                }
                self.tell(Within::Tidy, &trouble);
                self.tidies = Some(now + rest / 12);
            }
        }
    }

    fn heard(&mut self, generations: &BTreeMap<String, u64>) {
        let board = self.work.board.clone();
        let is_new = |name: &Arc<str>| {
            generations.get(&**name).is_some_and(|there| *there != board.site(name).generation)
        };
        let new: Vec<Arc<str>> = self.sites.keys().filter(|name| is_new(name)).cloned().collect();
        for name in new {
            self.enqueue(&name);
        }
    }

    /// The store answers. Those that have waited for that go on at once, each after a moment of its own.
    fn does(&mut self, within: &Within, now: Instant) {
        if self.work.board.does(within, clock::now()) {
            tracing::info!("the store answers again");
            for site in self.sites.values_mut() {
                site.not_before = now + Duration::from_millis(fastrand::u64(..1000));
            }
        }
    }

    fn end_look(&mut self, name: &Arc<str>, looked: Result<Seen, Trouble>, now: Instant) {
        let Some(site) = self.sites.get_mut(name) else { return };
        site.look = None;
        let again = std::mem::take(&mut site.again);
        match &looked {
            Ok(looked) => {
                site.failures = u32::from(again);
                site.synced = site.looked_at;
                site.wants |= *looked == Seen::Taken;
                if !site.wants {
                    self.work
                        .board
                        .change(name, |standing| (standing.trouble, standing.refused) = (None, None));
                }
                self.does(&Within::Look(name.clone()), now);
            }
            Err(Trouble::Adopting) if site.fill.take().is_some() => {
                // What serves comes before its rest; that goes on afterwards.
                (site.wants, site.failures) = (true, 1);
                site.fills = now + Duration::from_secs(1);
                site.not_before = now + Duration::from_millis(200);
            }
            Err(error) => {
                site.failures = site.failures.saturating_add(1);
                site.not_before = now + wait(error, site.failures);
                let is_dirty = *site.changes.borrow() != site.synced;
                let is_told = !matches!(error, Trouble::Raced) || site.failures > RACES;
                if is_told {
                    self.tell(Within::Look(name.clone()), error);
                }
                if is_dirty {
                    self.work.board.change(name, |standing| {
                        standing.behind.get_or_insert_with(clock::now);
                    });
                }
            }
        }
    }

    fn end_fill(&mut self, name: &Arc<str>, filled: Result<(), Trouble>, now: Instant) {
        let Some(site) = self.sites.get_mut(name) else { return };
        if site.fill.take().is_none() {
            // It was broken off, so that what serves comes first.
            return;
        }
        match filled {
            Ok(()) => {
                (site.wants, site.misses) = (false, 0);
                self.work.board.change(name, |standing| (standing.trouble, standing.refused) = (None, None));
                self.does(&Within::Fill(name.clone()), now);
            }
            Err(error) => {
                site.misses = site.misses.saturating_add(1);
                site.fills = now + wait(&error, site.misses);
                self.tell(Within::Fill(name.clone()), &error);
            }
        }
    }

    /// For the operator.
    fn tell(&self, within: Within, trouble: &Trouble) {
        let (board, now) = (&self.work.board, clock::now());
        board.count(trouble);
        if let Trouble::Store(fault) = trouble
            && board.fails_within(within.clone(), fault, now)
        {
            tracing::warn!(
                code = fault.kind.code(),
                error = fault.detail,
                meaning = fault.kind.meaning().en,
                "the store cannot be used, everything goes on without it"
            );
        }
        let (Within::Look(name) | Within::Fill(name)) = within else { return };
        let text = trouble.to_string();
        let mut is_news = false;
        board.change(&name, |standing| {
            is_news = standing.trouble.as_ref().is_none_or(|(_, before)| *before != text);
            let since = standing.trouble.as_ref().map_or(now, |(since, _)| *since);
            standing.doing = super::board::Doing::Nothing;
            standing.trouble = Some((since, text.clone()));
            if matches!(trouble, Trouble::Refused { .. }) {
                standing.refused = Some(text.clone());
                standing.behind.get_or_insert(now);
            }
        });
        if is_news && !matches!(trouble, Trouble::Store(_) | Trouble::Waits(_)) {
            tracing::warn!(site = %name, error = text, code = trouble.code(), "a site is not in step with the store");
        }
    }
}

/// What became of a task that ended without saying so.
fn broken_off() -> Trouble {
    Trouble::Here("an internal error; it is tried again".to_owned())
}

/// How long to wait before the next try: longer each time, for days, and never at the same moment as others.
fn wait(trouble: &Trouble, failures: u32) -> Duration {
    if matches!(trouble, Trouble::Adopting) || matches!(trouble, Trouble::Raced) && failures <= RACES {
        return Duration::from_millis(fastrand::u64(100..1000));
    }
    let (first, mut longest) = WAITS;
    if let Trouble::Refused { .. } = trouble {
        // Each try reads again what has come; a new pointer is looked at at once all the same.
        longest = REFUSED;
    }
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest);
    doubled.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_at_five_minutes() {
        let here = Trouble::Here(String::new());
        for failures in 1..80 {
            let waited = wait(&here, failures);
            let full =
                Duration::from_secs(2 << failures.saturating_sub(1).min(16)).min(Duration::from_secs(300));
            assert!((full / 2..=full).contains(&waited), "{failures}: {waited:?}");
        }
        assert!(wait(&Trouble::Adopting, 50) <= Duration::from_secs(1));
        // Who loses a race tries again at once, but not for ever.
        assert!((1..=RACES).all(|failures| wait(&Trouble::Raced, failures) <= Duration::from_secs(1)));
        assert!(wait(&Trouble::Raced, RACES + 1) >= Duration::from_secs(8));
        assert!(wait(&Trouble::Raced, 50) >= Duration::from_secs(150));
    }
}
