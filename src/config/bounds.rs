//! The sensible values of each key: anything below or above is taken for a mistake.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::node::{Fault, Notes, Slot, Spanned};
use super::value::Size;

/// A value that can be compared with a bound and shown in a message.
pub(super) trait Bounded: PartialOrd {
    fn show(&self) -> String;
}

impl Bounded for u64 {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Bounded for Size {
    fn show(&self) -> String {
        let units = ["", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let fits = (1..units.len())
            .take_while(|&n| self.0 != 0 && self.0.trailing_zeros() as usize >= 10 * n)
            .last();
        let unit = fits.unwrap_or(0);
        format!("\"{}{}\"", self.0 >> (10 * unit), units[unit])
    }
}

impl Bounded for Duration {
    fn show(&self) -> String {
        format!("\"{}\"", humantime::format_duration(*self))
    }
}

impl<T: Bounded> Slot<T> {
    /// The value if it lies within `bounds`; what does not is noted.
    pub(super) fn within(self, bounds: RangeInclusive<T>, notes: &mut Notes) -> Slot<T> {
        let Slot::Here(Spanned { value, span }) = self else {
            return self;
        };
        let (low, high) = (bounds.start(), bounds.end());
        let (problem, bound) = if value < *low {
            ("small", low)
        } else if value > *high {
            ("large", high)
        } else {
            return Slot::Here(Spanned { value, span });
        };
        let message = format!("{} is too {problem} for `{}`", value.show(), span.path());
        let help = format!("write {} or {}", bound.show(), if problem == "small" { "more" } else { "less" });
        notes.error(&span, Fault::new(message, help));
        Slot::Broken
    }
}

/// How long a timer may be: what has to end, ends within a day.
pub(super) const TIMER: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(86_400);

/// How far apart things may lie that happen again and again, or how long they may be kept: up to ten years.
pub(super) const ANY_TIME: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(10 * 365 * 86_400);

/// A number that fits the field it goes to, because a bound said so.
pub(super) fn narrow<T: TryFrom<u64>>(number: u64, default: T) -> T {
    T::try_from(number).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_shown_as_it_is_written() {
        for (bytes, shown) in
            [(0, "\"0\""), (1000, "\"1000\""), (1 << 10, "\"1KiB\""), (3 << 29, "\"1536MiB\"")]
        {
            assert_eq!(Size(bytes).show(), shown);
        }
        assert_eq!(Duration::from_millis(10).show(), "\"10ms\"");
    }
}
