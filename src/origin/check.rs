//! The active check: a new connection, the health path, a good status, the whole body, the expected text; and the key pages,
//! one in turn while the origin is well, all of them before it is trusted again. A visitor's failure brings the next check
//! forward; during a trial, checks follow each other quickly.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::health::{Evidence, Seen, State};
use super::latency::RecentLatency;
use super::one::Origin;
use super::probe::{Extent, Probe};
use super::settings::Settings;
use crate::clock;
use crate::config::ready::Health;
use crate::failure::{Cause, Failure, SeenBy, Sighting};
use crate::tasks;

/// The least interval between early checks: of those that may change the verdict,
const BREATH: Duration = Duration::from_millis(250);
/// and of those of an origin that was just found well, whatever visitors met with on single pages.
const REST: Duration = Duration::from_secs(1);
/// The latest time for the next check after a first good one.
const TRIAL: Duration = Duration::from_millis(500);
/// The least number of checks while visitors come back: each lets more of them in.
const STEPS: u32 = 20;

/// Checks the origin for as long as the guard lives.
pub fn start(origin: &Arc<Origin>, settings: Settings) -> tasks::Guard {
    let origin = Arc::downgrade(origin);
    tasks::guarded(async move { run(&origin, &settings).await })
}

async fn run(origin: &Weak<Origin>, settings: &Settings) {
    let Some(first) = origin.upgrade() else { return };
    // Whether somebody waits for what the next check says.
    let mut is_wanted = false;
    if first.standing() == super::Standing::Unproven {
        // Whoever meets with trouble, or waits for the first word, does not have to wait for the turn.
        is_wanted =
            tokio::time::timeout(first.tools.first.wait(), first.check_wanted.notified()).await.is_ok();
    }
    drop(first);
    let mut turn = 0_usize;
    loop {
        let Some(current) = origin.upgrade() else { return };
        let place = current.tools.room.enter(is_wanted, &current.check_wanted).await;
        let extent = match current.state() {
            State::Unproven | State::Up => Extent::Turn(turn),
            State::Down { .. } | State::Trial { .. } => Extent::Whole,
        };
        turn = turn.wrapping_add(1);
        let begun = clock::instant();
        let limit = limit(current.state(), settings, typical(&current));
        // On the heap only while it lasts: thousands of origins rest most of the time.
        let result = Box::pin(check(&current, settings, extent, limit)).await;
        drop(place);
        let before = current.state();
        let seen = note(&current, settings, result, (begun, limit));
        current.sweep(clock::instant());
        current.open_seats(clock::instant());
        let mut wait = pause(current.state(), settings.health.interval, fastrand::f64());
        // From the beginning of one to that of the next: or a slow site that has to prove itself often takes too long to.
        let spent = clock::instant().saturating_duration_since(begun);
        wait = wait.saturating_sub(spent).max(BREATH.min(wait));
        let is_coming_back = current.share(clock::instant()) < 1.0;
        if is_coming_back {
            wait = wait.min((settings.ramp / STEPS).max(BREATH));
        }
        // A failed check asks for the next one soon only while that may still change the verdict.
        let falling = matches!(before, State::Up) && matches!(seen, Some(Seen::Bad(_)));
        let breath = if matches!(seen, Some(Seen::Bad(_))) { BREATH } else { REST }.min(wait);
        tokio::time::sleep(breath).await;
        is_wanted = is_coming_back || matches!(current.state(), State::Trial { .. });
        if falling && current.standing() == super::Standing::Up {
            is_wanted = true;
            continue;
        }
        let rest = wait.saturating_sub(breath);
        is_wanted |= tokio::time::timeout(rest, current.check_wanted.notified()).await.is_ok();
    }
}

/// Records what a check saw. `None`: only that the origin is slow, because visitors get pages from it.
fn note(
    origin: &Arc<Origin>,
    settings: &Settings,
    result: Result<(), Failure>,
    (begun, limit): (Instant, Duration),
) -> Option<Seen> {
    let (worth, seen) = match result {
        Ok(()) => {
            origin.signs.check(begun);
            origin.note_trouble(None);
            origin.signs.sightings.clear();
            (1, Seen::Good)
        }
        Err(failure) => {
            tracing::debug!(origin = %origin.identity.url, error = %failure, "check failed");
            origin.note_trouble(Some(&failure));
            let late = is_late(failure.cause);
            if late && limit < settings.longest {
                measure(origin, settings);
            }
            if late && origin.signs.answered_since(begun) {
                return None;
            }
            origin.signs.sightings.note(Sighting::of(
                &failure,
                SeenBy::Check,
                &settings.health.path,
                clock::now(),
            ));
            let spent = clock::instant().saturating_duration_since(begun);
            (if late { worth(spent, &settings.health) } else { 1 }, Seen::Bad(failure.cause))
        }
    };
    origin.observe(Evidence::Check { worth }, seen);
    Some(seen)
}

/// Whether the wait was in vain.
fn is_late(cause: Cause) -> bool {
    use Cause as C;
    matches!(cause, C::Silent | C::BodyStalled | C::ConnectTimeout | C::NameServersSilent)
}

/// How many checks could have failed in this time, one after the other: silence counts by its length.
fn worth(spent: Duration, health: &Health) -> u32 {
    let times = spent.div_duration_f64(health.timeout);
    (times.round() as u32).clamp(1, health.fall.max(1))
}

/// How long a request of a check may take. A slow site is not down: it gets three times its usual time, as with a visitor's
/// patience. A site that is not known to be slow yet gets two thirds of what a visitor without a copy waits, so that becoming
/// slow does not take it down. A site that is down gets more checks; [`measure`] finds out how slow it is.
fn limit(state: State, settings: &Settings, usual: RecentLatency) -> Duration {
    let Settings { health, longest, .. } = settings;
    let least = match state {
        State::Unproven | State::Up => (health.timeout * health.fall.max(1)).max(*longest * 2 / 3),
        State::Down { .. } | State::Trial { .. } => health.timeout,
    };
    usual.get().map_or(least, |usual| (usual * 3).max(least)).min(*longest)
}

/// What such a request usually takes, by what visitors got and by what checks got: the longer.
fn typical(origin: &Origin) -> RecentLatency {
    let (visits, checks) = (origin.pages_lately(), origin.signs.recent_latency());
    if visits.get() > checks.get() { visits } else { checks }
}

/// Finds out, beside the checks, whether the origin answers at all if it gets all the time that there is. If so, it is slow,
/// and the next checks wait for it.
fn measure(origin: &Arc<Origin>, settings: &Settings) {
    let Some(place) = origin.tools.room.try_enter() else { return };
    if origin.signs.measuring.swap(true, Ordering::Relaxed) {
        return;
    }
    let (origin, settings) = (origin.clone(), settings.clone());
    tasks::detached(async move {
        let begun = clock::instant();
        let probe = Probe { origin: &origin, settings: &settings, at: None, limit: settings.longest };
        if probe.health_path().await.is_ok() {
            origin.signs.takes(clock::instant().saturating_duration_since(begun));
        }
        origin.signs.measuring.store(false, Ordering::Relaxed);
        drop(place);
    });
}

/// One check, and then a look at where the origin's name leads now: if the site is there, Katahai follows.
async fn check(origin: &Origin, settings: &Settings, extent: Extent, limit: Duration) -> Result<(), Failure> {
    let result = Probe { origin, settings, at: None, limit }.look(extent).await;
    match (result, look_at_move(origin, settings, limit).await) {
        // What stands there was just found to be the site, whole.
        (Err(_), Move::Followed) => Ok(()),
        // Where it stood nobody answers any more, and where its name leads now is not the site.
        (Err(failure), Move::Distrusted(elsewhere)) if is_gone(failure.cause) => {
            Err(Failure::new(Cause::NameMoved).detail(elsewhere))
        }
        (result, Move::None | Move::Followed | Move::Distrusted(_)) => result,
    }
}

/// Whether the server is gone, rather than faulty.
fn is_gone(cause: Cause) -> bool {
    use Cause as C;
    matches!(cause, C::Refused | C::Unreachable | C::ConnectTimeout | C::Reset | C::Silent | C::TlsRefused)
}

/// What became of an origin's name.
enum Move {
    /// It leads to the same addresses as before.
    None,
    /// It leads elsewhere, and the site is there.
    Followed,
    /// It leads elsewhere, and something else is there.
    Distrusted(String),
}

async fn look_at_move(origin: &Origin, settings: &Settings, limit: Duration) -> Move {
    let Some(candidate) = origin.name.candidate() else { return Move::None };
    match (Probe { origin, settings, at: Some(&candidate), limit }.look(Extent::Whole)).await {
        Ok(()) => {
            origin.follow(&candidate);
            Move::Followed
        }
        Err(failure) => {
            let detail = format!("{}: {failure}", list(&candidate));
            origin.name.distrust(&detail);
            Move::Distrusted(detail)
        }
    }
}

fn list(addresses: &[std::net::IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether the site is there at this moment: its health path and all its key pages are good, and it does not answer a path
/// that does not exist as if it did.
///
/// # Errors
/// What is wrong with it.
pub(super) async fn whole(origin: &Origin, settings: &Settings) -> Result<(), Failure> {
    let limit = limit(origin.state(), settings, typical(origin));
    Probe { origin, settings, at: None, limit }.look(Extent::Whole).await
}

/// The wait until the next check. A little less than the interval, so that instances do not march in step.
fn pause(state: State, interval: Duration, random: f64) -> Duration {
    match state {
        State::Trial { .. } => interval.min(TRIAL),
        State::Unproven | State::Up | State::Down { .. } => interval.mul_f64(1.0 - 0.1 * random),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn settings() -> Settings {
        let health = crate::config::ready::Health { timeout: S(2), fall: 3, ..Default::default() };
        let judge = Arc::new(super::super::judge::Trusting);
        Settings { health, ramp: S(30), longest: S(15), scheme: "http", host: "h".into(), judge }
    }

    #[test]
    fn a_check_waits_for_as_long_as_is_usual_and_silence_has_its_bound() {
        let down = State::Down { since: clock::now(), cause: Cause::Silent };
        let usual = |seconds: f64| {
            let mut usual = RecentLatency::default();
            usual.observe(Duration::from_secs_f64(seconds));
            usual
        };
        for (name, state, usual, expected) in [
            ("nothing is known", State::Unproven, RecentLatency::default(), 10),
            ("it is fast", State::Up, usual(0.02), 10),
            ("it is slow", State::Up, usual(4.0), 12),
            ("it is very slow", State::Up, usual(9.0), 15),
            ("it is down", down, usual(0.02), 2),
            ("it is down, and slow", down, usual(2.6), 7),
        ] {
            assert_eq!(limit(state, &settings(), usual).as_secs(), expected, "{name}");
        }
        let impatient = Settings { longest: S(2), ..settings() };
        assert_eq!(limit(State::Up, &impatient, usual(9.0)), S(2));
    }

    #[test]
    fn silence_counts_by_how_long_it_lasts() {
        let health = settings().health;
        for (seconds, checks) in [(1, 1), (2, 1), (4, 2), (6, 3), (10, 3)] {
            assert_eq!(worth(S(seconds), &health), checks, "{seconds} s");
        }
    }

    #[test]
    fn checks_on_trial_follow_soon_and_others_do_not_march_in_step() {
        let interval = Duration::from_secs(5);
        let trial = State::Trial { since: clock::now(), cause: Cause::Refused, good: 1 };
        assert_eq!(pause(trial, interval, 0.5), TRIAL);
        assert_eq!(pause(trial, Duration::from_millis(200), 0.5), Duration::from_millis(200));
        assert_eq!(pause(State::Up, interval, 0.0), interval);
        assert_eq!(pause(State::Up, interval, 1.0), Duration::from_millis(4500));
    }
}
