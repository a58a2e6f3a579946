//! The minutes of the last day in which somebody came.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::latency::{Latencies, quantile};
use crate::metrics::ServedFrom;

/// As many minutes are remembered.
const MINUTES: u32 = 24 * 60;

/// One minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Minute {
    /// Since 1970.
    pub(super) minute: u32,
    pub(super) by_rung: [u32; ServedFrom::ALL.len()],
    /// The most requests of one second.
    pub(super) peak: u32,
    /// How long the live site took, in milliseconds, at the middle and at the 95th percentile.
    pub(super) took: Option<(u32, u32)>,
}

/// The middle and the 95th percentile.
pub(super) fn took(counts: &Latencies) -> Option<(u32, u32)> {
    Some((quantile(counts, 0.5)?, quantile(counts, 0.95)?))
}

/// The oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Minutes(VecDeque<Minute>);

impl Minutes {
    /// Adds to the minute, which is the newest; a clock that was set back adds to what is the newest then.
    pub(super) fn of(&mut self, minute: u32) -> Option<&mut Minute> {
        if self.0.back().is_none_or(|last| last.minute < minute) {
            self.0.push_back(Minute { minute, by_rung: Default::default(), peak: 0, took: None });
        }
        self.0.back_mut()
    }

    /// Forgets what is older than a day.
    pub(super) fn forget(&mut self, now: u32) {
        let oldest = (now + 1).saturating_sub(MINUTES);
        while self.0.front().is_some_and(|first| first.minute < oldest) || self.0.len() > MINUTES as usize {
            self.0.pop_front();
        }
        if self.0.is_empty() {
            self.0.shrink_to_fit();
        }
    }

    /// Drops the minutes after `now`: a clock that went ahead made them.
    pub(super) fn drop_after(&mut self, now: u32) {
        self.0.retain(|minute| minute.minute <= now);
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Minute> {
        self.0.iter()
    }

    /// What was read is in order, and no more than may be.
    pub(super) fn is_sound(&self) -> bool {
        self.0.len() <= MINUTES as usize
            && self.0.iter().zip(self.0.iter().skip(1)).all(|(a, b)| a.minute < b.minute)
    }
}
