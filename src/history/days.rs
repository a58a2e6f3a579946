//! Days: how many seconds visitors got what, and what was counted. Days that are alike and without visitors are one entry,
//! so that a site at rest takes no room.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::gets::Gets;
use crate::metrics::Totals;

/// As many days are remembered.
pub(super) const DAYS: u32 = 400;
/// Of a day.
pub(super) const SECONDS: u32 = 86_400;

/// How long visitors got the live site, part of it from copies, copies, and the holding page, in seconds.
pub(super) type Seconds = [u32; 4];

/// What was counted on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Traffic {
    pub(super) by_rung: Totals,
    /// The most requests of one second.
    pub(super) peak: u32,
    /// How long the live site took, in milliseconds, at the middle and at the 95th percentile.
    pub(super) took: Option<(u32, u32)>,
}

/// Some days on end that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stretch {
    /// The first of them, since 1970-01-01 (UTC).
    pub(super) first: u32,
    /// How many.
    pub(super) days: u32,
    pub(super) seconds: Seconds,
    pub(super) traffic: Option<Box<Traffic>>,
}

impl Stretch {
    fn last(&self) -> u32 {
        self.first.saturating_add(self.days.saturating_sub(1))
    }
}

/// The oldest first; the last is today's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Days(VecDeque<Stretch>);

impl Days {
    /// Counts seconds of a day. A clock that was set back counts to the newest day.
    pub(super) fn add(&mut self, day: u32, gets: Gets, seconds: u32) {
        let Some(place) = gets.place() else { return };
        let count = &mut self.today(day).seconds[place];
        *count = count.saturating_add(seconds).min(SECONDS);
    }

    /// What was counted on that day, to be added to.
    pub(super) fn traffic(&mut self, day: u32) -> &mut Traffic {
        self.today(day).traffic.get_or_insert_default()
    }

    fn today(&mut self, day: u32) -> &mut Stretch {
        let is_new = self.0.back().is_none_or(|last| last.last() < day);
        if is_new {
            self.fold();
            self.0.push_back(Stretch { first: day, days: 1, seconds: [0; 4], traffic: None });
            self.forget(day);
        }
        // a stretch of several days is over: today's is its own
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// Makes one of the last two if they are alike.
    fn fold(&mut self) {
        let Some(last) = self.0.pop_back() else { return };
        match self.0.back_mut() {
            Some(before)
                if before.traffic.is_none()
                    && last.traffic.is_none()
                    && before.seconds == last.seconds
                    && before.last() + 1 == last.first =>
            {
                before.days += last.days;
            }
            Some(_) | None => self.0.push_back(last),
        }
    }

    fn forget(&mut self, today: u32) {
        let oldest = (today + 1).saturating_sub(DAYS);
        while self.0.front().is_some_and(|first| first.last() < oldest) {
            self.0.pop_front();
        }
        if let Some(first) = self.0.front_mut()
            && first.first < oldest
        {
            first.days -= oldest - first.first;
            first.first = oldest;
        }
    }

    /// The newest day of which anything is known.
    pub(super) fn newest(&self) -> Option<u32> {
        self.0.back().map(Stretch::last)
    }

    /// Drops the days after `today`: a clock that went ahead made them.
    pub(super) fn drop_after(&mut self, today: u32) {
        while self.0.back().is_some_and(|last| last.first > today) {
            self.0.pop_back();
        }
        if let Some(last) = self.0.back_mut() {
            last.days = last.days.min(today - last.first + 1);
        }
    }

    /// The day, if anything is known of it.
    pub(super) fn get(&self, day: u32) -> Option<&Stretch> {
        let place = self.0.partition_point(|stretch| stretch.last() < day);
        self.0.get(place).filter(|stretch| stretch.first <= day)
    }

    /// What was read is in order, and no more than may be.
    pub(super) fn is_sound(&self) -> bool {
        let fits = |stretch: &Stretch| {
            stretch.days > 0 && stretch.days <= DAYS && stretch.seconds.iter().all(|s| *s <= SECONDS)
        };
        let follows = |two: (&Stretch, &Stretch)| two.0.last() < two.1.first;
        self.0.len() <= DAYS as usize
            && self.0.iter().all(fits)
            && self.0.iter().zip(self.0.iter().skip(1)).all(follows)
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_at_rest_is_one_entry_a_year() {
        let mut days = Days::default();
        for day in 20_000..21_000 {
            days.add(day, Gets::Live, SECONDS);
        }
        assert_eq!(days.entries(), 2, "all, and today");
        assert!(days.get(20_599).is_none() && days.get(20_600).is_some() && days.is_sound());
        assert_eq!(days.get(20_999).unwrap().seconds, [SECONDS, 0, 0, 0]);
        days.add(21_001, Gets::Holding, 60);
        assert!(days.get(21_000).is_none(), "nobody was there");
        assert_eq!(days.get(21_001).unwrap().seconds, [0, 0, 0, 60]);
        assert!(days.is_sound());
    }

    #[test]
    fn days_with_visitors_are_their_own() {
        let mut days = Days::default();
        for day in 1..=1000 {
            days.add(day, Gets::Live, SECONDS);
            days.traffic(day).peak = day;
        }
        assert_eq!(days.entries(), DAYS as usize);
        assert_eq!(days.get(700).unwrap().traffic.as_ref().unwrap().peak, 700);
        // the clock is set back
        days.add(990, Gets::Copies, 5);
        assert_eq!(days.get(1000).unwrap().seconds, [SECONDS, 0, 5, 0]);
        assert!(days.is_sound());
    }
}
