//! Pages that visitors requested and no copy could answer: they got the holding page.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Bytes of a key; robots ask for longer ones.
const LONGEST: usize = 512;

/// A page without a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacked {
    /// Its key.
    pub key: String,
    /// How many requested it and did not get it.
    pub asked: u64,
    /// When last.
    pub last: SystemTime,
}

/// See the module. Of this process only.
#[derive(Debug, Default)]
pub struct Lacking(Mutex<HashMap<Box<str>, (u64, SystemTime)>>);

impl Lacking {
    /// Pages that are remembered; for one more, the one that the fewest asked for is forgotten.
    pub const MOST: usize = 256;

    /// Records that somebody requested this page and did not get it.
    pub fn note(&self, key: &str, now: SystemTime) {
        if key.len() > LONGEST {
            return;
        }
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((asked, last)) = pages.get_mut(key) {
            (*asked, *last) = (*asked + 1, now);
            return;
        }
        if pages.len() >= Lacking::MOST {
            let least = pages.iter().min_by_key(|(_, counts)| **counts).map(|(key, _)| key.clone());
            least.map(|key| pages.remove(&key));
        }
        pages.insert(key.into(), (1, now));
    }

    /// Those that are remembered, what most asked for first.
    pub fn list(&self) -> Vec<Lacked> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let each = pages.iter().map(|(key, (asked, last))| (key.to_string(), *asked, *last));
        let mut list: Vec<Lacked> = each.map(|(key, asked, last)| Lacked { key, asked, last }).collect();
        list.sort_by(|a, b| b.asked.cmp(&a.asked).then_with(|| a.key.cmp(&b.key)));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_most_comes_first_and_stays_longest() {
        let (lacking, now) = (Lacking::default(), SystemTime::UNIX_EPOCH);
        for key in ["/b", "/a", "/b"] {
            lacking.note(key, now);
        }
        lacking.note(&"/".repeat(LONGEST + 1), now);
        let keys =
            |lacking: &Lacking| lacking.list().into_iter().map(|l| (l.key, l.asked)).collect::<Vec<_>>();
        assert_eq!(keys(&lacking), [("/b".to_owned(), 2), ("/a".to_owned(), 1)]);
        for n in 0..2 * Lacking::MOST as u64 {
            lacking.note(&format!("/{n}"), now + std::time::Duration::from_secs(n));
        }
        assert_eq!((lacking.list().len(), keys(&lacking).remove(0)), (Lacking::MOST, ("/b".to_owned(), 2)));
    }
}
