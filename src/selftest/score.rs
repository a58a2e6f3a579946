//! The score: a table of points, in whole numbers, so that two runs can be compared. Pure.

use serde::{Deserialize, Serialize};

/// One row: so many of so many are well, and what that is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What would work.
    pub good: u64,
    /// All that was tried.
    pub all: u64,
    /// The points that it got.
    pub points: u8,
    /// The most that it can get.
    pub of: u8,
}

impl Part {
    /// All points if nothing is missing or there is nothing to miss; rounded down, so that the last point is for the last one.
    pub fn new(of: u8, good: u64, all: u64) -> Part {
        let share = (u64::from(of) * good.min(all)).checked_div(all).unwrap_or(u64::from(of));
        Part { good, all, points: u8::try_from(share).unwrap_or(of), of }
    }
}

/// The rows of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Key pages that open and show something: 40.
    pub key_pages: Part,
    /// Forms whose senders would not be lost, and searches that would be answered: 25.
    pub forms: Part,
    /// Other pages, each counted as often as visitors ask for it; without visits, once each: 20.
    pub pages: Part,
    /// Files that pages are drawn with: 10.
    pub files: Part,
    /// The snapshot is young enough: 5.
    pub age: Part,
}

/// The most points of each row.
pub(super) const KEY_PAGES: u8 = 40;
/// See [`Parts::forms`].
pub(super) const FORMS: u8 = 25;
/// See [`Parts::pages`].
pub(super) const PAGES: u8 = 20;
/// See [`Parts::files`].
pub(super) const FILES: u8 = 10;
/// See [`Parts::age`].
pub(super) const AGE: u8 = 5;

impl Parts {
    /// The rows in their order, with their names.
    pub fn rows(&self) -> [(&'static str, Part); 5] {
        [
            ("key pages", self.key_pages),
            ("forms", self.forms),
            ("pages", self.pages),
            ("files", self.files),
            ("age", self.age),
        ]
    }

    /// From 0 to 100.
    pub fn score(&self) -> u8 {
        self.rows().iter().map(|(_, part)| part.points).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_hundred_points() {
        assert_eq!([KEY_PAGES, FORMS, PAGES, FILES, AGE].iter().sum::<u8>(), 100);
    }

    #[test]
    fn the_last_point_is_for_the_last_one() {
        for (of, good, all, points) in [
            (40, 0, 0, 40),
            (40, 2, 2, 40),
            (40, 1, 2, 20),
            (20, 999, 1000, 19),
            (5, 0, 1, 0),
            (10, 9, 3, 10),
        ] {
            assert_eq!(Part::new(of, good, all).points, points, "{good} of {all}");
        }
    }
}
