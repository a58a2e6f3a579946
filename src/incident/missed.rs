//! Pages that visitors missed in the course of an incident: counters of the process are read, which forget and begin anew.

use std::collections::HashMap;
use std::time::SystemTime;

use super::parts::MissedPage;

/// Pages that are remembered in the course of an incident.
const MOST: usize = 1024;

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// What of the counts belongs to the time before; negative: what an earlier process counted.
    before: HashMap<String, i64>,
    /// The most that each came to.
    most: HashMap<String, u64>,
    /// Whether there was no room for one.
    pub(super) is_full: bool,
}

impl Missed {
    /// What an earlier process counted goes on.
    pub(super) fn resumed(known: &[MissedPage]) -> Missed {
        let before = known.iter().map(|page| (page.path.clone(), -count(page.requests))).collect();
        Missed { before, ..Missed::default() }
    }

    /// Of a page that was missed since the first failure, one request surely belongs to the incident, and it is not known how
    /// many more.
    pub(super) fn begun(
        counts: &[(String, u64, SystemTime)],
        first: SystemTime,
        known: &[MissedPage],
    ) -> Missed {
        let mut missed = Missed::resumed(known);
        for (key, requests, last) in counts {
            let since = u64::from(*last >= first);
            *missed.before.entry(path_of(key).to_owned()).or_default() +=
                count(requests.saturating_sub(since));
        }
        missed
    }

    /// The counters stand like this. What they have forgotten stays.
    pub(super) fn note(&mut self, counts: &[(String, u64, SystemTime)]) -> Vec<MissedPage> {
        let mut pages: HashMap<&str, i64> = HashMap::new();
        for (key, requests, _) in counts {
            *pages.entry(path_of(key)).or_default() += count(*requests);
        }
        for (path, before) in &self.before {
            *pages.entry(path).or_default() -= before;
        }
        for (path, requests) in pages {
            let Some(requests) = u64::try_from(requests).ok().filter(|requests| *requests > 0) else {
                continue;
            };
            if let Some(most) = self.most.get_mut(path) {
                *most = requests.max(*most);
            } else if self.most.len() < MOST {
                self.most.insert(path.to_owned(), requests);
            } else {
                self.is_full = true;
            }
        }
        let page = |(path, requests): (&String, &u64)| MissedPage { path: path.clone(), requests: *requests };
        self.most.iter().map(page).collect()
    }
}

fn count(requests: u64) -> i64 {
    i64::try_from(requests).unwrap_or(i64::MAX)
}

/// A page's path without its query: that may be about a person.
fn path_of(key: &str) -> &str {
    key.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_counters_have_forgotten_stays() {
        let then = SystemTime::UNIX_EPOCH;
        let one = |key: &str, requests| (key.to_owned(), requests, then);
        let mut missed = Missed::begun(&[one("/a?x=1", 3)], then, &[]);
        let told = |pages: Vec<MissedPage>| {
            let mut told: Vec<_> = pages.into_iter().map(|page| (page.path, page.requests)).collect();
            told.sort();
            told
        };
        assert_eq!(
            told(missed.note(&[one("/a?x=1", 5), one("/b", 2)])),
            [("/a".into(), 3), ("/b".into(), 2)]
        );
        // robots have pushed both out, and one came again
        assert_eq!(told(missed.note(&[one("/b", 1)])), [("/a".into(), 3), ("/b".into(), 2)]);
        let many: Vec<_> = (0..2 * MOST).map(|n| one(&format!("/{n}"), 1)).collect();
        assert!(missed.note(&many).len() == MOST && missed.is_full);
    }
}
