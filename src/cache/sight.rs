//! Why an entry can be trusted. A wrong page may slip through once; what shows that it is the site's own is the copy that a
//! crawl has accepted, or its coming again after the site was proven in between. Pure.

use std::time::Instant;

/// How an answer compares with the copy that a crawl, or the cache before, has of its address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resemblance {
    /// As a later edition of it.
    Edition,
    /// As something else, or there was nothing to compare it with.
    #[default]
    Other,
}

/// What is known about an entry's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    came: Instant,
    resemblance: Resemblance,
    /// Whether it was there again after the site was proven.
    again: bool,
}

impl Sight {
    /// Content that came for the first time.
    pub fn new(came: Instant, resemblance: Resemblance) -> Sight {
        Sight { came, resemblance, again: false }
    }

    /// The same content has come again, or is still good by its origin's word. `proven` is the moment up to which the site
    /// is proven now.
    #[must_use]
    pub fn once_more(self, resemblance: Resemblance, proven: Option<Instant>) -> Sight {
        let again = self.again || self.is_before(proven);
        let resemblance = match self.resemblance {
            Resemblance::Edition => Resemblance::Edition,
            Resemblance::Other => resemblance,
        };
        Sight { again, resemblance, ..self }
    }

    /// Whether it is the site's own: seen on both sides of a proof, or a later edition of what was accepted, and proven.
    pub fn is_confirmed(self, proven: Option<Instant>) -> bool {
        self.again || (self.resemblance == Resemblance::Edition && self.is_before(proven))
    }

    fn is_before(self, proven: Option<Instant>) -> bool {
        proven.is_some_and(|proven| proven >= self.came)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_differs_from_its_copy_needs_a_second_look() {
        use Resemblance::{Edition, Other};
        let begin = crate::clock::instant();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let first = |resemblance| Sight::new(at(10), resemblance);
        for (name, sight, proven, expected) in [
            ("an edition, and no proof", first(Edition), None, false),
            ("an edition, and a proof before it came", first(Edition), Some(at(9)), false),
            ("an edition, and a proof since", first(Edition), Some(at(10)), true),
            ("another page, and a proof since", first(Other), Some(at(20)), false),
            ("the same again, without a proof", first(Other).once_more(Other, None), Some(at(20)), false),
            ("again before the proof", first(Other).once_more(Other, Some(at(9))), Some(at(20)), false),
            ("again after the proof", first(Other).once_more(Other, Some(at(11))), Some(at(20)), true),
            ("what was confirmed stays so", first(Other).once_more(Other, Some(at(11))), None, true),
            ("a crawl has accepted it since", first(Other).once_more(Edition, None), Some(at(20)), true),
            ("an edition stays one", first(Edition).once_more(Other, None), Some(at(20)), true),
        ] {
            assert_eq!(sight.is_confirmed(proven), expected, "{name}");
        }
    }
}
