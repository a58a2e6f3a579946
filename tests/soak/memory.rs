//! The memory of a process over minutes: flat, or not.

use std::fmt;
use std::time::Duration;

use super::support::Edge;

const MIB: f64 = (1 << 20) as f64;
/// The last third of a run may have this much of the one before it. A leak of a kilobyte an answer adds a quarter in
/// ten minutes.
const ROOM: f64 = 1.12;

/// Samples: seconds, MiB.
#[derive(Default)]
pub struct Memory(Vec<(f64, f64)>);

impl Memory {
    pub fn sample(&mut self, edge: &Edge, at: Duration) {
        self.0.push((at.as_secs_f64(), edge.rss() as f64 / MIB));
    }

    pub fn last(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, size)| *size)
    }

    /// MiB a minute in the second half: the line that lies closest to the samples.
    fn slope(&self) -> f64 {
        let half = &self.0[self.0.len() / 2..];
        let n = half.len() as f64;
        let (x, y) = half.iter().fold((0.0, 0.0), |(x, y), (at, size)| (x + at / n, y + size / n));
        let above: f64 = half.iter().map(|(at, size)| (at - x) * (size - y)).sum();
        let below: f64 = half.iter().map(|(at, _)| (at - x).powi(2)).sum();
        if below > 0.0 { above / below * 60.0 } else { 0.0 }
    }

    /// Whether the last third is no larger than the one before it, but for what an allocator's pages come and go by.
    pub fn is_flat(&self) -> bool {
        let mean = |part: &[(f64, f64)]| part.iter().map(|(_, size)| size / part.len() as f64).sum::<f64>();
        let third = self.0.len() / 3;
        let (middle, last) = (mean(&self.0[third..2 * third]), mean(&self.0[2 * third..]));
        last <= middle * ROOM
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = (self.0.len() / 12).max(1);
        write!(f, "memory, MiB:")?;
        for (at, size) in self.0.iter().step_by(step) {
            write!(f, " {size:.0}@{at:.0}s")?;
        }
        write!(f, "; slope of the second half {:.2} MiB a minute", self.slope())
    }
}
