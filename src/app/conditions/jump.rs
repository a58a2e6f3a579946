//! Whether somebody has set the clock.

use std::time::Duration;

use crate::clock::Now;
use crate::snapshot::rfc3339;

/// A difference between the two clocks that is no drift. Time synchronisation moves a running clock by seconds at most.
const JUMP: Duration = Duration::from_secs(60);

/// How far the wall clock has jumped between two readings, if it has.
pub(super) fn jump(last: Now, now: Now) -> Option<String> {
    let passed = now.mono.saturating_duration_since(last.mono);
    let should = last.wall + passed;
    let (by, word) = match now.wall.duration_since(should) {
        Ok(ahead) => (ahead, "forward"),
        Err(behind) => (behind.duration(), "back"),
    };
    let by = Duration::from_secs(by.as_secs_f64().round() as u64);
    let to = rfc3339(now.wall);
    (by > JUMP).then(|| format!("it went {word} by {}, to {to}", humantime::format_duration(by)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_clock_that_jumps_is_told_and_one_that_drifts_is_not() {
        let last = clock::now();
        let second = Duration::from_secs(1);
        let mut now = last.plus(second);
        assert_eq!(jump(last, now), None);
        now.wall += Duration::from_secs(59);
        assert_eq!(jump(last, now), None);
        now.wall += 2 * second;
        assert!(jump(last, now).unwrap().starts_with("it went forward by 1m 1s, to "));
        now.wall -= Duration::from_secs(7261);
        assert!(jump(last, now).unwrap().starts_with("it went back by 2h, to "), "{:?}", jump(last, now));
    }
}
