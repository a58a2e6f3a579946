//! How long the live site took to begin its answers: counts in buckets of half an octave, and what can be read off them.

use std::time::Duration;

/// From half a millisecond to half a minute.
pub(super) const BUCKETS: usize = 32;
/// The upper bound of the first bucket, in milliseconds.
const FIRST_MS: f64 = 0.5;

/// Answers by how long they took.
pub(super) type Latencies = [u64; BUCKETS];

/// The bucket of this time. What takes longer than the last one's bound is in the last one.
pub(super) fn bucket(took: Duration) -> usize {
    let halves = (took.as_secs_f64() * 1000.0 / FIRST_MS).log2() * 2.0;
    if halves > 0.0 { (halves.ceil() as usize).min(BUCKETS - 1) } else { 0 }
}

/// The time within which this share of the answers began, in milliseconds, to a fifth; `None` if there were none.
pub(super) fn quantile(counts: &Latencies, share: f64) -> Option<u32> {
    let all: u64 = counts.iter().sum();
    if all == 0 {
        return None;
    }
    let wanted = (all as f64 * share).ceil().max(1.0) as u64;
    let mut seen = 0;
    let place = counts.iter().position(|count| {
        seen += count;
        seen >= wanted
    });
    // the middle of the bucket, as its bounds are: by factors
    let halves = place.unwrap_or(BUCKETS - 1) as f64 - 0.5;
    Some((FIRST_MS * (halves / 2.0).exp2()).round().max(1.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_right_to_a_fifth() {
        for ms in [1, 3, 20, 147, 999, 4_000, 15_000] {
            let mut counts = Latencies::default();
            counts[bucket(Duration::from_millis(ms))] += 10;
            let told = f64::from(quantile(&counts, 0.5).unwrap());
            assert!((told / ms as f64 - 1.0).abs() < 0.21 || ms == 1, "{ms} is told as {told}");
        }
    }

    #[test]
    fn a_tail_is_no_middle() {
        let mut counts = Latencies::default();
        assert_eq!(quantile(&counts, 0.5), None);
        counts[bucket(Duration::from_millis(20))] = 94;
        counts[bucket(Duration::from_secs(3))] = 6;
        assert!(quantile(&counts, 0.5).unwrap() < 30 && quantile(&counts, 0.95).unwrap() > 2_000);
        assert_eq!((bucket(Duration::ZERO), bucket(Duration::from_secs(3600))), (0, BUCKETS - 1));
    }
}
