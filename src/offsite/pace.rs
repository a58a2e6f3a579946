//! How fast bytes are sent: a bucket that fills at a steady rate. Pure.

use std::time::{Duration, Instant};

/// So much may be sent at once after a rest.
const BURST: Duration = Duration::from_secs(1);

/// No wait is longer: what is later than the clock can say would be no wait at all.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Bounds what is sent. May be overdrawn by one body: the next one waits for that.
#[derive(Debug)]
pub struct Pace {
    /// Bytes a second; `None`: no bound.
    rate: Option<u64>,
    /// Until when what was sent so far takes at that rate.
    paid: Instant,
}

impl Pace {
    /// A full bucket.
    pub fn new(rate: Option<u64>, now: Instant) -> Pace {
        Pace { rate: rate.filter(|rate| *rate > 0), paid: now.checked_sub(BURST).unwrap_or(now) }
    }

    /// Takes the room for `bytes`, and says how long to wait before they are sent.
    pub fn take(&mut self, bytes: u64, now: Instant) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let begin = self.paid.max(earliest);
        let takes = Duration::try_from_secs_f64(bytes as f64 / rate as f64).unwrap_or(LONGEST).min(LONGEST);
        self.paid = begin.checked_add(takes).unwrap_or(begin);
        begin.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_however_the_bytes_come() {
        let start = crate::clock::instant();
        for piece in [1_u64, 10, 100, 1000, 2500] {
            let mut pace = Pace::new(Some(1000), start);
            let (mut now, mut sent) = (start, 0);
            while sent < 10_000 {
                now += pace.take(piece, now);
                sent += piece;
            }
            let most = Duration::from_secs_f64(10.0);
            let least = Duration::from_secs_f64((10_000 - 1000 - piece as i64).max(0) as f64 / 1000.0);
            assert!((least..=most).contains(&(now - start)), "{piece}: {:?}", now - start);
        }
    }

    #[test]
    fn a_rest_is_not_saved_up_and_no_bound_is_none() {
        let start = crate::clock::instant();
        let mut pace = Pace::new(Some(1000), start);
        let later = start + Duration::from_secs(3600);
        assert_eq!(pace.take(1000, later), Duration::ZERO);
        assert_eq!(pace.take(500, later), Duration::ZERO);
        assert_eq!(pace.take(1, later), Duration::from_millis(500));
        let mut free = Pace::new(None, start);
        assert_eq!((free.take(u64::MAX, start), free.take(1, start)), (Duration::ZERO, Duration::ZERO));
        let mut slow = Pace::new(Some(1), start);
        assert_eq!(slow.take(u64::MAX, start), Duration::ZERO);
        assert!(slow.take(1, start) > LONGEST / 2);
    }
}
