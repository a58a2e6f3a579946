//! What good crawls have learned about a site: what its pages have in common, and how it says that there is no such page.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::hosts;
use super::look::{Look, sketch};
use crate::content::document::Document;
use crate::content::entity;
use crate::content::text::fold;

/// The shape of what is stored. In the first one titles have references beyond Latin-1 as they were written.
const VERSION: u32 = 2;

/// Pages that are learned from: as many are the whole of most sites, and enough of any.
const PAGES: u32 = 2000;

/// Hosts and words that are kept.
const HOSTS: usize = 500;
const WORDS: usize = 64;

/// Pages from which on it can be said what they have in common.
const ENOUGH: u32 = 5;

/// The site's character. Empty while nothing is known of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Character {
    /// The version of its shape.
    pub version: u32,
    /// How many pages it was learned from.
    pub pages: u32,
    /// The languages of at least a tenth of its pages, the commonest first.
    pub languages: Vec<String>,
    /// Hosts that its own pages lead to, besides its own.
    pub hosts: Vec<String>,
    /// Hashes of words that most of its pages have: name, navigation, footer.
    pub words: Vec<u32>,
    /// Hashes of words that most of its titles have.
    pub names: Vec<u32>,
    /// Of a hundred pages, how many say where they end.
    pub ended: u32,
    /// Visible characters that a twentieth of the pages, half of them, and all but a twentieth have at most.
    pub sizes: [u32; 3],
    /// How it answers for a page that cannot be there.
    pub missing: Option<Missing>,
}

/// The answer to a random path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Missing {
    /// Its status.
    pub status: u16,
    /// What it shows.
    pub look: Look,
}

impl Character {
    /// What was stored; what cannot be understood is nothing.
    pub fn read(stored: Option<serde_json::Value>) -> Character {
        let read = stored.and_then(|value| serde_json::from_value::<Character>(value).ok());
        let mut character = read.filter(|read| (1..=VERSION).contains(&read.version)).unwrap_or_default();
        if character.version == 1
            && let Some(missing) = &mut character.missing
        {
            missing.look.title = fold(&entity::decode_text(&missing.look.title));
        }
        character
    }

    /// What is stored.
    pub fn written(&self) -> serde_json::Value {
        serde_json::to_value(Character { version: VERSION, ..self.clone() }).unwrap_or_default()
    }

    /// Whether a page has anything of the site's: the words that most of its pages have, or its name in the title.
    /// `None`: it cannot be told.
    pub(super) fn has_part_in(&self, look: &Look) -> Option<bool> {
        let is_named = || sketch(&look.title).iter().any(|word| self.names.binary_search(word).is_ok());
        (!self.words.is_empty()).then(|| look.has_of(&self.words) >= 0.3 || is_named())
    }
}

/// What one page teaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lesson {
    look: Look,
    leads_to: Vec<String>,
}

impl Lesson {
    /// Of a page.
    pub fn of(page: &Document<'_>) -> Lesson {
        let urls = page.structure().leads_to.iter();
        let mut leads_to: Vec<String> = urls.filter_map(|url| hosts::of_url(url)).collect();
        leads_to.sort_unstable();
        leads_to.dedup();
        Lesson { look: Look::of(page), leads_to }
    }
}

/// A character being learned.
#[derive(Debug, Default)]
pub struct Learning {
    pages: u32,
    ended: u32,
    languages: BTreeMap<String, u32>,
    hosts: BTreeMap<String, u32>,
    words: HashMap<u32, u32>,
    names: HashMap<u32, u32>,
    sizes: Vec<u32>,
    missing: Vec<Missing>,
}

impl Learning {
    /// Whether more pages are of use.
    pub fn wants_more(&self) -> bool {
        self.pages < PAGES
    }

    /// Learns from a page of the site.
    pub fn page(&mut self, lesson: &Lesson) {
        if !self.wants_more() {
            return;
        }
        let Lesson { look, leads_to } = lesson;
        self.pages += 1;
        self.ended += u32::from(look.ended);
        *self.languages.entry(look.language.clone()).or_default() += 1;
        for host in leads_to {
            *self.hosts.entry(host.clone()).or_default() += 1;
        }
        for word in &look.words {
            *self.words.entry(*word).or_default() += 1;
        }
        for word in sketch(&look.title) {
            *self.names.entry(word).or_default() += 1;
        }
        self.sizes.push(look.text);
    }

    /// Learns from the answer to a random path.
    pub fn missing_page(&mut self, status: u16, body: &[u8], content_type: Option<&str>) {
        let html = crate::content::media::is_html(content_type);
        let look = if html { Look::of(&Document::new(body, content_type)) } else { Look::default() };
        self.missing.push(Missing { status, look });
    }

    /// What was learned.
    pub fn done(mut self) -> Character {
        let pages = self.pages;
        let common = |counts: &HashMap<u32, u32>| {
            let is_common = |count: u32| pages >= ENOUGH && count * 10 >= pages * 6;
            let mut words: Vec<u32> =
                counts.iter().filter(|(_, count)| is_common(**count)).map(|(word, _)| *word).collect();
            words.sort_unstable();
            words.truncate(WORDS);
            words
        };
        let (words, names) = (common(&self.words), common(&self.names));
        self.sizes.sort_unstable();
        let size =
            |twentieths: usize| self.sizes.get(self.sizes.len() * twentieths / 20).copied().unwrap_or(0);
        let tenth = self.pages.div_ceil(10);
        let languages = commonest(self.languages, tenth);
        Character {
            version: VERSION,
            pages: self.pages,
            languages,
            hosts: commonest(self.hosts, 1).into_iter().take(HOSTS).collect(),
            words,
            names,
            ended: (self.ended * 100).checked_div(self.pages).unwrap_or(0),
            sizes: [size(1), size(10), size(19)],
            missing: of_one_mind(self.missing),
        }
    }
}

/// What the site says of pages that cannot be there, if it says the same each time.
fn of_one_mind(answers: Vec<Missing>) -> Option<Missing> {
    let mut answers = answers.into_iter();
    let first = answers.next()?;
    answers.all(|other| other.status == first.status && other.look.is_like(&first.look)).then_some(first)
}

fn commonest(counts: BTreeMap<String, u32>, at_least: u32) -> Vec<String> {
    let mut named: Vec<_> =
        counts.into_iter().filter(|(name, count)| !name.is_empty() && *count >= at_least).collect();
    named.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    named.into_iter().map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(n: u32) -> Lesson {
        let html = format!(
            "<html lang=en><title>{n} - Kawaguchi</title><nav>Tea house Kawaguchi: shop, workshops, contact</nav><p>page{n} text{n}\
             <a href=https://maps.example/{n}>map</a><a href=/x>y</a></html>"
        );
        Lesson::of(&Document::new(html.as_bytes(), None))
    }

    fn missing(path: &str) -> String {
        format!(
            "<title>Not found</title><p>Tea house Kawaguchi has no page called {path}, we are sorry to say"
        )
    }

    fn learned() -> Character {
        let mut learning = Learning::default();
        (0..20).for_each(|n| learning.page(&page(n)));
        learning.missing_page(404, missing("/x1").as_bytes(), Some("text/html"));
        learning.missing_page(404, missing("/y2").as_bytes(), Some("text/html"));
        learning.done()
    }

    #[test]
    fn pages_teach_what_they_have_in_common() {
        let character = learned();
        assert_eq!((character.pages, character.ended), (20, 100));
        assert_eq!(character.languages, ["en"]);
        assert_eq!(character.hosts, ["maps.example"]);
        assert_eq!((character.words.len(), character.names.len()), (6, 1), "{character:?}");
        assert!(character.sizes[0] > 40 && character.sizes[0] <= character.sizes[2]);
        let missing = character.missing.as_ref().unwrap();
        assert_eq!((missing.status, &*missing.look.title), (404, "not found"));
        assert_eq!(character.has_part_in(&page(99).look), Some(true));
        let other = Look::of(&Document::new(b"<p>Something else that others have written", None));
        assert_eq!(character.has_part_in(&other), Some(false));
    }

    #[test]
    fn a_site_of_two_minds_says_nothing() {
        let mut learning = Learning::default();
        learning.missing_page(404, missing("/x").as_bytes(), Some("text/html"));
        learning.missing_page(200, missing("/y").as_bytes(), Some("text/html"));
        assert_eq!(learning.done(), Character { version: VERSION, ..Character::default() });
    }

    #[test]
    fn what_is_stored_is_read_again_and_what_is_damaged_is_nothing() {
        let character = learned();
        assert_eq!(Character::read(Some(character.written())), character);
        let mut later = character.written();
        later["version"] = 3.into();
        for damaged in [None, Some(serde_json::json!("x")), Some(later)] {
            assert_eq!(Character::read(damaged), Character::default());
        }
        let mut grown = character.written();
        grown["more"] = 1.into();
        assert_eq!(Character::read(Some(grown)), character);
    }

    /// One that was stored with this version must be read for ever.
    #[test]
    fn the_first_version_is_read() {
        let kept = serde_json::json!({
            "version": 1, "pages": 7, "languages": ["ja"], "hosts": ["maps.example"], "words": [1, 2], "names": [3], "ended": 100,
            "sizes": [1, 2, 3], "missing": { "status": 404, "look": {
                "title": "it isn&rsquo;t here &#8211; shop", "text": 3, "language": "ja", "ended": true, "words": [5] } }
        });
        let character = Character::read(Some(kept));
        let missing = character.missing.unwrap().look;
        assert_eq!((character.pages, missing.words), (7, vec![5]));
        assert_eq!(missing.title, "it isn't here - shop", "as it is read now");
    }
}
