//! What a page shows, in a few numbers and words: enough to tell whether two answers are the same kind of page.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::content::document::Document;
use crate::fingerprint::{Kind, ResponseView, wrong_page};

/// Of as much text of a page words are kept, in bytes.
const READ: usize = 60_000;

/// As many of a page's words are kept: those with the smallest hashes, which are the same ones on every page that has
/// them.
const WORDS: usize = 128;

/// The look of one page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    /// Its title, folded.
    pub title: String,
    /// Visible characters.
    pub text: u32,
    /// The language it says it is in, or that its letters are.
    pub language: String,
    /// Whether it says where it ends.
    pub ended: bool,
    /// Hashes of some of its words, sorted.
    pub words: Vec<u32>,
    /// What it would be taken for by its fingerprint: a site may have a list of files on purpose.
    #[serde(skip)]
    pub kind: Option<Kind>,
}

impl Look {
    /// Reads a page's whole body, decoded from content codings. `content_type` is that of its answer.
    pub fn read(body: &[u8], content_type: Option<&str>) -> Look {
        let page = Document::new(body, content_type);
        let field = content_type.and_then(|value| HeaderValue::from_str(value).ok());
        let headers: HeaderMap = field.into_iter().map(|value| (CONTENT_TYPE, value)).collect();
        let kind = wrong_page(&ResponseView { status: 200, headers: &headers, page: &page, whole: true });
        Look { kind: kind.map(|wrong| wrong.kind), ..Look::of(&page) }
    }

    /// The same of a page that is read already, but for what it would be taken for.
    pub fn of(page: &Document<'_>) -> Look {
        let (text, structure) = (page.text(), page.structure());
        let language = structure.language.clone().unwrap_or_else(|| script_of(&text.text).to_owned());
        Look {
            words: sketch(&text.text[..text.text.floor_char_boundary(READ)]),
            text: text.visible,
            title: text.title.clone(),
            language,
            ended: structure.ended,
            kind: None,
        }
    }

    /// How much of the words of both they have in common, from 0 to 1; nothing where neither has any.
    pub fn similarity(&self, other: &Look) -> f32 {
        let limit = self.limit().min(other.limit());
        let (own, others) = (self.up_to(limit), other.up_to(limit));
        let common = own.iter().filter(|word| others.binary_search(word).is_ok()).count();
        share(common, own.len() + others.len() - common)
    }

    /// How many of its words another page has, too, from 0 to 1; all of none.
    pub fn contained(&self, other: &Look) -> f32 {
        let own = self.up_to(other.limit());
        let common = own.iter().filter(|word| other.words.binary_search(word).is_ok()).count();
        if own.is_empty() { 1.0 } else { share(common, own.len()) }
    }

    /// How many of these words the page has, from 0 to 1; nothing where none could be told.
    pub(super) fn has_of(&self, words: &[u32]) -> f32 {
        let limit = self.limit();
        let told = words.iter().filter(|word| **word <= limit);
        let has = told.clone().filter(|word| self.words.binary_search(word).is_ok()).count();
        share(has, told.count())
    }

    /// Whether both are the same page but for a few words, such as the address that was asked for.
    pub fn is_like(&self, other: &Look) -> bool {
        self.title == other.title
            && self.text.abs_diff(other.text) <= 40 + self.text.max(other.text) / 5
            && (self.similarity(other) >= 0.75 || (self.words.is_empty() && other.words.is_empty()))
    }

    /// Whether it can be a later edition of that page: some of its words under its title, or most of them, and no less than
    /// half its text.
    pub fn is_edition_of(&self, copy: &Look) -> bool {
        let is_titled = !copy.title.is_empty() && self.title == copy.title;
        let common = self.similarity(copy);
        let is_bare = self.words.is_empty() && copy.words.is_empty();
        let is_kin = common >= 0.5 || (is_titled && (common >= 0.2 || is_bare));
        is_kin && self.text.saturating_mul(2) >= copy.text
    }

    /// Up to which hash all its words are kept.
    fn limit(&self) -> u32 {
        if self.words.len() < WORDS { u32::MAX } else { self.words.last().copied().unwrap_or(u32::MAX) }
    }

    fn up_to(&self, limit: u32) -> &[u32] {
        &self.words[..self.words.partition_point(|word| *word <= limit)]
    }
}

fn share(part: usize, whole: usize) -> f32 {
    if whole == 0 { 0.0 } else { part as f32 / whole as f32 }
}

/// The smallest hashes of a text's words; of scripts without spaces, of pairs of letters.
pub(super) fn sketch(text: &str) -> Vec<u32> {
    let mut sketch = Sketch::default();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if !word.contains(is_wide) {
            sketch.add(hash(word));
            continue;
        }
        let mut last: Option<usize> = None;
        for (at, c) in word.char_indices() {
            if let Some(last) = last {
                sketch.add(hash(&word[last..at + c.len_utf8()]));
            }
            last = Some(at);
        }
    }
    sketch.done()
}

/// The smallest of many hashes. Most are larger than all that are kept, and cost no more than to see that.
#[derive(Default)]
struct Sketch {
    hashes: Vec<u32>,
    /// The largest of [`WORDS`] hashes, once there are so many.
    limit: Option<u32>,
}

impl Sketch {
    fn add(&mut self, hash: u32) {
        if self.limit.is_none_or(|limit| hash < limit) {
            self.hashes.push(hash);
            if self.hashes.len() == 4 * WORDS {
                self.shrink();
            }
        }
    }

    fn shrink(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        self.hashes.truncate(WORDS);
        self.limit = self.hashes.get(WORDS - 1).copied();
    }

    fn done(mut self) -> Vec<u32> {
        self.shrink();
        self.hashes
    }
}

fn is_wide(c: char) -> bool {
    c >= '\u{2E80}'
}

/// FNV-1a, stirred: it stands in files, and so must never change.
fn hash(word: &str) -> u32 {
    let hash = word
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let stirred = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (stirred >> 32) as u32
}

/// The language that the letters of a text are those of, as far as they tell.
fn script_of(text: &str) -> &'static str {
    let mut counts = [0u32; 6];
    let names = ["ja", "ko", "zh", "ru", "el", "th"];
    let mut letters = 0;
    for c in text.chars().filter(|c| c.is_alphabetic()).take(2000) {
        letters += 1;
        let at = match c {
            '\u{3041}'..='\u{30FF}' => 0,
            '\u{AC00}'..='\u{D7A3}' => 1,
            '\u{4E00}'..='\u{9FFF}' => 2,
            '\u{0400}'..='\u{04FF}' => 3,
            '\u{0370}'..='\u{03FF}' => 4,
            '\u{0E00}'..='\u{0E7F}' => 5,
            _ => continue,
        };
        counts[at] += 1;
    }
    let found = names.iter().zip(counts).find(|(name, count)| {
        // Japanese is written with more Chinese characters than kana at times
        *count * if **name == "ja" { 20 } else { 4 } > letters && letters > 0
    });
    found.map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(html: &str) -> Look {
        Look::read(html.as_bytes(), Some("text/html; charset=utf-8"))
    }

    #[test]
    fn a_look_is_title_size_language_and_words() {
        let page = look("<html lang=de-AT><title>Tee</title><p>Grüner Tee, grüner Tee</body>");
        assert_eq!((&*page.title, page.text, &*page.language, page.ended), ("tee", 19, "de", true));
        assert_eq!(page.words.len(), 2);
        for (text, language) in [
            ("お茶を一杯どうぞ", "ja"),
            ("녹차 한 잔", "ko"),
            ("请喝茶", "zh"),
            ("Чай", "ru"),
            ("tea", ""),
            ("12", ""),
        ] {
            assert_eq!(look(text).language, language, "{text}");
        }
    }

    #[test]
    fn pages_are_compared_by_their_words() {
        let words = |from: u32, to: u32| (from..to).map(|n| format!("word{n} ")).collect::<String>();
        let of = |from, to| look(&words(from, to));
        let close = |a: f32, b: f32| (a - b).abs() < 0.15;
        assert!(close(of(0, 1000).similarity(&of(0, 1000)), 1.0));
        assert!(close(of(0, 1000).similarity(&of(500, 1500)), 0.33));
        assert!(close(of(0, 1000).similarity(&of(1000, 2000)), 0.0));
        assert!(close(of(0, 100).contained(&of(0, 1000)), 1.0));
        assert!(close(of(0, 1000).contained(&of(0, 100)), 0.1));
        assert!(close(of(0, 400).contained(&of(200, 600)), 0.5));
        assert_eq!(look("").similarity(&look("")), 0.0);
        assert_eq!(look("").contained(&of(0, 10)), 1.0);
    }

    #[test]
    fn a_later_edition_has_words_of_the_page_under_its_title() {
        let page = |title: &str, from: u32, to: u32| {
            let words: String = (from..to).map(|n| format!("word{n} ")).collect();
            look(&format!("<title>{title}</title><p>{words}"))
        };
        let copy = page("News", 0, 100);
        for (name, now, expected) in [
            ("the same", page("News", 0, 100), true),
            ("half of it is new", page("News", 50, 150), true),
            ("all of it is new", page("News", 200, 300), false),
            ("a day's title, and much is new", page("News of Friday", 50, 150), false),
            ("a day's title, and a little is new", page("News of Friday", 10, 110), true),
            ("little is left", page("News", 0, 30), false),
            ("more than before", page("News", 0, 180), true),
            ("another page", page("Cheap pills", 300, 400), false),
        ] {
            assert_eq!(now.is_edition_of(&copy), expected, "{name}");
        }
        assert!(look("<title>Map</title>").is_edition_of(&look("<title>Map</title><!-- -->")));
        assert!(!look("").is_edition_of(&look("")), "nothing says so");
    }

    #[test]
    fn a_page_with_another_address_on_it_is_like_itself() {
        let missing = |path: &str| {
            look(&format!(
                "<title>Not found</title><h1>Sorry</h1><p>There is no page called {path} in our shop, please try the search or the start page."
            ))
        };
        assert!(missing("/a").is_like(&missing("/another-one")));
        assert!(!missing("/a").is_like(&look("<title>Not found</title><h1>Tea</h1>")));
        let titled = |title: &str| look(&format!("<title>{title}</title><p>Same words"));
        assert!(!titled("One").is_like(&titled("Two")));
        assert!(look("").is_like(&look("")));
    }
}
