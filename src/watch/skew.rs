//! Whether this machine's clock is wrong: beside what several servers that do not know each other say.

/// A clock that is off by more than this many seconds is told.
const WRONG: i64 = 60;
/// Servers agree that are no further apart than this.
const AGREE: i64 = 60;
/// So many must agree.
const LEAST: usize = 2;

/// How far this clock is ahead (negative: behind), in seconds, if most of the servers agree that it is. `ahead` has one reading
/// of each server: ours minus theirs.
pub fn wrong(ahead: &[i64]) -> Option<i64> {
    let mut sorted = ahead.to_vec();
    sorted.sort_unstable();
    // the median is among those that agree, if most do
    let middle = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    let agreeing = sorted.iter().filter(|one| (**one - middle).abs() <= AGREE).count();
    (middle.abs() > WRONG && agreeing >= LEAST && agreeing * 2 > sorted.len()).then_some(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_when_most_agree() {
        for (ahead, expected) in [
            (&[][..], None),
            (&[3600], None),
            (&[3600, 3601], Some(3600)),
            (&[-300, -290, 0], Some(-290)),
            (&[0, 1, 3600], None),
            (&[0, 3600, 7200], None),
            (&[61, 62], Some(61)),
            (&[60, 60], None),
            (&[3600, 3600, 0, 0], None),
        ] {
            assert_eq!(wrong(ahead), expected, "{ahead:?}");
        }
    }
}
