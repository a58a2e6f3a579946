//! Where pages of the site redirected a moment ago, and whether that was found to lead back to where it began.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Redirects remembered, bytes of an address, and for how long.
const MOST: usize = 1024;
const LONGEST: usize = 512;
const SPAN: Duration = Duration::from_secs(60);
/// A way that comes to an end is not walked again within this.
const ENDS: Duration = Duration::from_secs(10);
/// Nor is one that does not: what the site does about it is to be seen soon.
const CIRCLE: Duration = Duration::from_secs(1);

/// What became of a way that was walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// It came to an end, or nobody knows.
    Ends,
    /// It came back to where it began.
    Circle,
}

/// Where addresses of a site led.
#[derive(Debug, Default)]
pub struct Ways(Mutex<HashMap<Box<str>, Led>>);

#[derive(Debug)]
struct Led {
    to: Box<str>,
    at: Instant,
    walked: Option<(Walk, Instant)>,
}

impl Ways {
    /// An address was seen to lead to another one.
    pub fn note(&self, from: &str, to: &str, now: Instant) {
        if from.len() > LONGEST || to.len() > LONGEST {
            return;
        }
        let mut ways = self.lock();
        if let Some(led) = ways.get_mut(from) {
            let walked = led.walked.filter(|_| *led.to == *to);
            *led = Led { to: to.into(), at: now, walked };
            return;
        }
        if ways.len() >= MOST {
            ways.retain(|_, led| is_within(led.at, SPAN, now));
        }
        if ways.len() < MOST {
            ways.insert(from.into(), Led { to: to.into(), at: now, walked: None });
        }
    }

    /// Where an address led a moment ago.
    pub fn next(&self, from: &str, now: Instant) -> Option<Box<str>> {
        self.lock().get(from).filter(|led| is_within(led.at, SPAN, now)).map(|led| led.to.clone())
    }

    /// The way from one address over the other was walked.
    pub fn walked(&self, from: &str, to: &str, walk: Walk, now: Instant) {
        if let Some(led) = self.lock().get_mut(from).filter(|led| *led.to == *to) {
            led.walked = Some((walk, now));
        }
    }

    /// What became of it the last time, if that still holds.
    pub fn walk(&self, from: &str, to: &str, now: Instant) -> Option<Walk> {
        let ways = self.lock();
        let (walk, at) = ways.get(from).filter(|led| *led.to == *to)?.walked?;
        let holds = match walk {
            Walk::Ends => ENDS,
            Walk::Circle => CIRCLE,
        };
        is_within(at, holds, now).then_some(walk)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Led>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_within(at: Instant, span: Duration, now: Instant) -> bool {
    now.saturating_duration_since(at) < span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_remembered_for_a_moment() {
        let (ways, t) = (Ways::default(), crate::clock::instant());
        ways.note("/a", "/b", t);
        assert_eq!(ways.next("/a", t + SPAN / 2).as_deref(), Some("/b"));
        assert_eq!(ways.next("/a", t + SPAN), None);
        assert_eq!(ways.next("/b", t), None);
        ways.note("/a", "/c", t);
        assert_eq!(ways.next("/a", t).as_deref(), Some("/c"));
    }

    #[test]
    fn what_a_walk_has_found_holds_until_the_page_leads_elsewhere() {
        let (ways, t) = (Ways::default(), crate::clock::instant());
        ways.note("/a", "/b", t);
        assert_eq!(ways.walk("/a", "/b", t), None);
        for (walk, holds) in [(Walk::Ends, ENDS), (Walk::Circle, CIRCLE)] {
            ways.walked("/a", "/b", walk, t);
            ways.note("/a", "/b", t);
            assert_eq!(ways.walk("/a", "/b", t + holds / 2), Some(walk));
            assert_eq!(ways.walk("/a", "/b", t + holds), None);
            assert_eq!(ways.walk("/a", "/c", t), None);
        }
        ways.note("/a", "/c", t);
        assert_eq!((ways.walk("/a", "/b", t), ways.walk("/a", "/c", t)), (None, None));
    }

    #[test]
    fn ways_have_a_bound() {
        let (ways, t) = (Ways::default(), crate::clock::instant());
        for n in 0..=MOST {
            ways.note(&format!("/{n}"), "/", t);
        }
        assert_eq!(ways.next(&format!("/{MOST}"), t), None);
        ways.note("/late", "/", t + SPAN);
        assert!(ways.next("/late", t + SPAN).is_some() && ways.lock().len() == 1);
        ways.note("/long", &"x".repeat(LONGEST + 1), t);
        assert_eq!(ways.next("/long", t), None);
    }
}
