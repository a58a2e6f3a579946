//! The active check: a new connection, the health path, a good status, the whole body, the expected text; and the key pages,
//! one in turn while the origin is well, all of them before it is believed again. A check that is wanted early (a visitor
//! met trouble) runs early; one on trial follows soon.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::health::{Evidence, Seen, State};
use super::judge::Judge;
use super::one::Origin;
use super::probe::Probe;
use crate::clock;
use crate::config::ready::Health;
use crate::failure::{Cause, Failure};
use crate::tasks;

/// Checks that are wanted early are at least this far apart: those that may change the verdict,
const BREATH: Duration = Duration::from_millis(250);
/// and those of an origin that was just found well, whatever visitors met with on single pages.
const REST: Duration = Duration::from_secs(1);
/// The next check after a first good one, at the latest.
const TRIAL: Duration = Duration::from_millis(500);
/// While visitors come back there are so many checks, at least: each lets more of them in.
const STEPS: u32 = 20;

/// What is checked, and how often.
#[derive(Clone)]
pub struct Settings {
    /// As configured.
    pub health: Health,
    /// Over so long visitors come back.
    pub ramp: Duration,
    /// The host to ask for, unless the origin has its own.
    pub host: Arc<str>,
    /// Who knows the site.
    pub judge: Arc<dyn Judge>,
}

impl Settings {
    /// Whether checks by these are the same as by the others, whoever judges.
    pub(super) fn same(&self, other: &Settings) -> bool {
        self.health == other.health
            && self.ramp == other.ramp
            && self.host == other.host
            && Arc::ptr_eq(&self.judge, &other.judge)
    }
}

/// How much one check asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The health path, and the key page whose turn it is.
    Turn(usize),
    /// The health path, all key pages, and a path that does not exist.
    Whole,
}

/// Checks the origin for as long as the guard lives.
pub fn start(origin: &Arc<Origin>, settings: Settings) -> tasks::Guard {
    let origin = Arc::downgrade(origin);
    tasks::guarded(async move { run(&origin, &settings).await })
}

async fn run(origin: &Weak<Origin>, settings: &Settings) {
    let mut turn = 0_usize;
    loop {
        let Some(current) = origin.upgrade() else { return };
        let extent = match current.state() {
            State::Unproven | State::Up => Extent::Turn(turn),
            State::Down { .. } | State::Trial { .. } => Extent::Whole,
        };
        turn = turn.wrapping_add(1);
        let begun = clock::instant();
        let seen = match check(&current, settings, extent).await {
            Ok(()) => Seen::Good,
            Err(failure) => {
                tracing::debug!(origin = %current.identity.url, error = %failure, "check failed");
                Seen::Bad(failure.cause)
            }
        };
        let before = current.state();
        current.observe(Evidence::Check, seen);
        current.sweep(clock::instant());
        current.open_seats(clock::instant());
        let mut wait = pause(current.state(), settings.health.interval, fastrand::f64());
        // From the beginning of one to that of the next: or a slow site that has to prove itself often takes too long to.
        let spent = clock::instant().saturating_duration_since(begun);
        wait = wait.saturating_sub(spent).max(BREATH.min(wait));
        if current.share(clock::instant()) < 1.0 {
            wait = wait.min((settings.ramp / STEPS).max(BREATH));
        }
        // A failed check asks for the next one soon only while that may still change the verdict.
        let falling = matches!(before, State::Up) && matches!(seen, Seen::Bad(_));
        let breath = if seen == Seen::Good { REST } else { BREATH }.min(wait);
        tokio::time::sleep(breath).await;
        if falling && current.standing() == super::Standing::Up {
            continue;
        }
        let rest = wait.saturating_sub(breath);
        _ = tokio::time::timeout(rest, current.nudged.notified()).await;
    }
}

/// One check, and then a look at where the origin's name has come to lead: what stands there is followed if it is the site.
async fn check(origin: &Origin, settings: &Settings, extent: Extent) -> Result<(), Failure> {
    let result = Probe { origin, settings, at: None }.look(extent).await;
    match (result, look_at_move(origin, settings).await) {
        // What stands there was just found to be the site, whole.
        (Err(_), Move::Followed) => Ok(()),
        // Where it stood nobody answers any more, and where its name leads now is not the site.
        (Err(failure), Move::Distrusted(elsewhere)) if is_gone(failure.cause) => {
            Err(Failure::new(Cause::NameMoved).detail(elsewhere))
        }
        (result, Move::None | Move::Followed | Move::Distrusted(_)) => result,
    }
}

/// Whether there is no server of ours any more, rather than one with a fault.
fn is_gone(cause: Cause) -> bool {
    use Cause as C;
    matches!(cause, C::Refused | C::Unreachable | C::ConnectTimeout | C::Reset | C::Silent | C::TlsRefused)
}

/// What became of an origin's name.
enum Move {
    /// It leads where it led.
    None,
    /// It leads elsewhere, where the site stands.
    Followed,
    /// It leads elsewhere, where something else stands.
    Distrusted(String),
}

async fn look_at_move(origin: &Origin, settings: &Settings) -> Move {
    let Some(candidate) = origin.name.candidate() else { return Move::None };
    match (Probe { origin, settings, at: Some(&candidate) }.look(Extent::Whole)).await {
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

/// Whether the site stands there at this moment: its health path and all its key pages are good, and a path that does not
/// exist is not answered as if it did.
///
/// # Errors
/// What is wrong with it.
pub(super) async fn whole(origin: &Origin, settings: &Settings) -> Result<(), Failure> {
    Probe { origin, settings, at: None }.look(Extent::Whole).await
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
