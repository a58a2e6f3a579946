//! Which origin gets the next request: a pure choice.

use crate::config::ready::OriginMode;

/// What the choice needs to know of one origin.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Lower tiers are asked first.
    pub tier: u32,
    /// Share within the tier.
    pub weight: u32,
    /// How much of its share it may get: less than 1 while it is coming back.
    pub share: f32,
    /// The operator's switch.
    pub mode: OriginMode,
    /// Whether it is neither down nor on trial.
    pub usable: bool,
    /// Requests that it is answering now.
    pub in_flight: usize,
    /// Whether this request was already tried there.
    pub tried: bool,
}

/// The index of the origin to ask: of the lowest tier that can answer, the one with the fewest requests in flight for
/// its weight. `turn` (any running number) breaks ties in rotation. `None` if no origin can answer.
pub fn next(candidates: impl Iterator<Item = Candidate> + Clone, turn: usize) -> Option<usize> {
    let open =
        || candidates.clone().enumerate().filter(|(_, c)| c.mode == OriginMode::Auto && c.usable && !c.tried);
    let tier = open().map(|(_, c)| c.tier).min()?;
    let count = open().filter(|(_, c)| c.tier == tier).count();
    open()
        .filter(|(_, c)| c.tier == tier)
        .enumerate()
        .min_by_key(|(place, (_, c))| {
            // Scaled so that integer division keeps enough of the ratio; plus one so that idle origins differ by weight.
            let load =
                ((c.in_flight as f32 + 1.0) * 1024.0 / (c.weight.max(1) as f32 * c.share.max(0.01))) as u64;
            (load, (place + count - turn % count) % count)
        })
        .map(|(_, (index, _))| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(tier: u32) -> Candidate {
        Candidate {
            tier,
            weight: 1,
            share: 1.0,
            mode: OriginMode::Auto,
            usable: true,
            in_flight: 0,
            tried: false,
        }
    }

    fn pick(candidates: &[Candidate], turn: usize) -> Option<usize> {
        next(candidates.iter().copied(), turn)
    }

    #[test]
    fn the_lowest_tier_that_can_answer_is_asked() {
        assert_eq!(pick(&[origin(1), origin(0)], 0), Some(1));
        assert_eq!(pick(&[origin(1), Candidate { usable: false, ..origin(0) }], 0), Some(0));
        assert_eq!(pick(&[origin(1), Candidate { tried: true, ..origin(0) }], 0), Some(0));
    }

    #[test]
    fn the_operators_switch_rules() {
        for mode in [OriginMode::Drain, OriginMode::Off] {
            assert_eq!(pick(&[Candidate { mode, ..origin(0) }], 0), None);
        }
        assert_eq!(pick(&[], 0), None);
    }

    #[test]
    fn the_least_busy_for_its_weight_is_asked_and_ties_rotate() {
        assert_eq!(pick(&[Candidate { in_flight: 3, ..origin(0) }, origin(0)], 0), Some(1));
        let heavy = Candidate { weight: 4, in_flight: 2, ..origin(0) };
        assert_eq!(pick(&[Candidate { in_flight: 1, ..origin(0) }, heavy], 0), Some(1));
        let returning = Candidate { share: 0.1, ..origin(0) };
        assert_eq!(pick(&[returning, Candidate { in_flight: 5, ..origin(0) }], 0), Some(1));
        assert_eq!(pick(&[returning, Candidate { in_flight: 10, ..origin(0) }], 0), Some(0));
        assert_eq!(pick(&[origin(0), origin(0)], 0), Some(0));
        assert_eq!(pick(&[origin(0), origin(0)], 1), Some(1));
    }
}
