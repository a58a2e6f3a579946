//! Which pages a query finds, the best first: BM25F (Robertson, Zaragoza, Taylor: Simple BM25 extension to multiple weighted
//! fields, 2004), over pages that have all its terms; where there is none, over those that have at least half of them.

use std::collections::HashMap;

use super::super::damage::ReadError;
use super::index::SearchIndex;
use super::shape::Listed;
use crate::content::search::{Sought, TermKind, words};

/// The usual constants of BM25: how soon more of the same word says nothing more, and how much a page's length counts.
const K1: f32 = 1.2;
const B: f32 = 0.75;

/// Characters of a query that are read.
const LONGEST: usize = 200;
/// Terms of a query that are looked for.
const MOST_TERMS: usize = 32;
/// Terms that stand for one that no page has, if they begin with it.
const ENDINGS: usize = 64;
/// Terms that begin with a single character of a script without spaces.
const PAIRS: usize = 2000;
/// Postings that are read for one query.
const MOST_POSTINGS: u64 = 2_000_000;

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    terms: Vec<Clue>,
    /// Runs of a script without spaces that a page should have as they stand.
    runs: Vec<Vec<String>>,
}

/// A part of what is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Clue {
    /// A word.
    Word(String),
    /// Two characters of a script without spaces.
    Pair(String),
    /// One, by itself.
    Single(String),
}

impl Query {
    /// Reads what a visitor has typed.
    pub fn read(typed: &str) -> Query {
        let end = typed.char_indices().nth(LONGEST).map_or(typed.len(), |(end, _)| end);
        let mut query = Query::default();
        let (mut run, mut run_end) = (Vec::new(), 0);
        words(&typed[..end], |term| {
            let text = term.text.to_owned();
            let clue = match term.kind {
                TermKind::Whole => Clue::Word(text),
                TermKind::Pair { second } => {
                    if second > run_end {
                        query.runs.push(std::mem::take(&mut run));
                    }
                    run_end = term.at.end;
                    run.push(text.clone());
                    Clue::Pair(text)
                }
                TermKind::Last { alone: true } => Clue::Single(text),
                TermKind::Last { alone: false } => return,
            };
            if query.terms.len() < MOST_TERMS && !query.terms.contains(&clue) {
                query.terms.push(clue);
            }
        });
        query.runs.push(run);
        query.runs.retain(|run| run.len() > 1);
        query.runs.iter_mut().for_each(|run| run.truncate(MOST_TERMS));
        query
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a text has each run of a script without spaces as it stands, and not only its pairs: 京都 and 東京 are no 東京都.
    pub fn is_found_as_it_stands(&self, texts: &[&str]) -> bool {
        let last: Vec<u64> = self.runs.iter().map(|run| 1 << (run.len() - 1)).collect();
        let mut found = vec![false; self.runs.len()];
        for text in texts.iter().filter(|_| !self.runs.is_empty()) {
            // Shift-and (Baeza-Yates, Gonnet, 1992): a bit for each beginning of the run that ends here.
            let (mut states, mut end) = (vec![0u64; self.runs.len()], 0);
            words(text, |term| {
                let TermKind::Pair { second } = term.kind else { return };
                let goes_on = second <= end;
                end = term.at.end;
                for (n, run) in self.runs.iter().enumerate() {
                    let here = run.iter().enumerate().filter(|(_, pair)| *pair == term.text);
                    let here = here.fold(0, |bits, (place, _)| bits | 1 << place);
                    let before = if goes_on { states[n] << 1 } else { 0 };
                    states[n] = (before | 1) & here;
                    found[n] |= states[n] & last[n] != 0;
                }
            });
        }
        found.iter().all(|found| *found)
    }
}

/// What a query has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hits {
    /// The keys of the best pages, the best first.
    pub keys: Vec<String>,
    /// How many pages were found in all.
    pub total: usize,
    /// Whether they have all that is looked for; else at least half of it.
    pub is_whole: bool,
    /// The terms by which they were found.
    pub sought: Sought,
}

/// What of a page speaks for it.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    found: u16,
    score: f32,
}

impl SearchIndex {
    /// The pages that a query finds, the best `most` of them. Blocks.
    ///
    /// # Errors
    /// When what is needed of the index is damaged, or cannot be read.
    pub fn find(&self, query: &Query, most: usize) -> Result<Hits, ReadError> {
        let mut scores: Vec<Score> = vec![Score::default(); self.pages()];
        let mut sought = Sought::default();
        let mut room = MOST_POSTINGS;
        for clue in &query.terms {
            let lists = self.lists(clue, &mut sought)?;
            let mut weights: HashMap<u32, u32> = HashMap::new();
            for listed in &lists {
                let Some(left) = room.checked_sub(listed.pages) else { break };
                room = left;
                for (page, weight) in self.postings(listed)? {
                    *weights.entry(page).or_default() += u32::from(weight);
                }
            }
            let rarity = self.rarity(weights.len());
            for (page, weight) in weights {
                let (length, usual) = self.weights(page as usize);
                let Some(score) = scores.get_mut(page as usize) else { continue };
                let length = 1.0 - B + B * length / usual.max(1.0);
                let weight = weight as f32 / length;
                score.found += 1;
                score.score += rarity * weight / (K1 + weight);
            }
        }
        let all = query.terms.len() as u16;
        let is_whole = scores.iter().any(|score| score.found == all);
        let least = if is_whole { all } else { all.div_ceil(2).max(1) };
        let mut found: Vec<(u32, Score)> =
            (0..).zip(scores).filter(|(_, score)| score.found >= least && all > 0).collect();
        found.sort_by(|(a, one), (b, other)| {
            let by_worth = other.found.cmp(&one.found).then(other.score.total_cmp(&one.score));
            by_worth.then(a.cmp(b))
        });
        let keys = found.iter().take(most).map(|(page, _)| self.key(*page as usize));
        Ok(Hits { keys: keys.collect::<Result<_, _>>()?, total: found.len(), is_whole, sought })
    }

    /// The terms that stand for a part of what is looked for.
    fn lists(&self, clue: &Clue, sought: &mut Sought) -> Result<Vec<Listed>, ReadError> {
        let found = match clue {
            Clue::Word(word) => match self.term(word)? {
                Some(listed) => vec![(word.clone(), listed)],
                // Whoever looks for "choco" may mean chocolate.
                None => self.beginning_with(word, ENDINGS)?,
            },
            Clue::Pair(pair) => self.term(pair)?.map(|listed| (pair.clone(), listed)).into_iter().collect(),
            Clue::Single(single) => {
                sought.chars.extend(single.chars());
                let found = self.beginning_with(single, PAIRS)?;
                return Ok(found.into_iter().map(|(_, listed)| listed).collect());
            }
        };
        let (terms, lists): (Vec<String>, Vec<Listed>) = found.into_iter().unzip();
        sought.terms.extend(terms);
        Ok(lists)
    }

    /// How much a term says that so many pages have: BM25's inverse document frequency, which is never less than nothing.
    fn rarity(&self, pages: usize) -> f32 {
        let (all, pages) = (self.pages() as f32, pages as f32);
        (1.0 + (all - pages + 0.5).max(0.0) / (pages + 0.5)).ln()
    }
}
