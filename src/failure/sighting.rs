//! Failed answers as they were seen: when, on which page, by whom, and what came instead of the site. Kept for a moment, so
//! that it can be told afterwards with which of them an outage began.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::StatusCode;

use super::{Cause, Failure};
use crate::clock::Now;
use crate::content::document::Document;

/// Characters of a bad answer that are kept.
const BEGINNING: usize = 300;
/// Bytes of it that are looked at for these.
const LOOKED_AT: usize = 4096;
/// Sightings that are kept; the first ones stay, and the last one makes room.
const MOST: usize = 16;
/// Characters of a page's key, and of a detail.
const LONGEST: usize = 256;

/// What came instead of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAnswer {
    /// Its status.
    pub status: u16,
    /// The first characters of its body, without control characters; empty if they were not read, or are for one person.
    pub beginning: String,
}

impl BadAnswer {
    /// Of an answer's status, the beginning of its body, without content codings, and the type that it says it has.
    pub fn of(status: StatusCode, body: &[u8], content_type: Option<&str>) -> BadAnswer {
        let body = &body[..body.len().min(LOOKED_AT)];
        // a character that is cut off is no sign of another encoding
        let cut = std::str::from_utf8(body).err().filter(|error| error.error_len().is_none());
        let body = &body[..cut.map_or(body.len(), |cut| cut.valid_up_to())];
        let beginning = in_short(Document::new(body, content_type).html(), BEGINNING);
        BadAnswer { status: status.as_u16(), beginning }
    }

    /// Of an answer's status alone.
    pub fn of_status(status: StatusCode) -> BadAnswer {
        BadAnswer { status: status.as_u16(), beginning: String::new() }
    }
}

/// Who saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenBy {
    /// A visitor asked.
    Visitor,
    /// A check of Katahai's own.
    Check,
}

impl SeenBy {
    /// As in incidents.
    pub fn as_str(self) -> &'static str {
        match self {
            SeenBy::Visitor => "visitor",
            SeenBy::Check => "check",
        }
    }
}

/// One failed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When.
    pub at: Now,
    /// By whom.
    pub by: SeenBy,
    /// The page's key, with its query: for comparing, never to be written down. Empty: the server as a whole.
    pub key: String,
    /// What was wrong.
    pub cause: Cause,
    /// What was seen exactly.
    pub detail: Option<String>,
    /// What came, if an answer came.
    pub answer: Option<BadAnswer>,
}

impl Sighting {
    /// A failure as it was seen.
    pub fn of(failure: &Failure, by: SeenBy, key: &str, at: Now) -> Sighting {
        let detail = failure.detail.as_deref().map(|detail| in_short(&without_queries(detail), LONGEST));
        let answer = failure.answer.as_deref().cloned();
        Sighting { at, by, key: in_short(key, LONGEST), cause: failure.cause, detail, answer }
    }

    /// The path of its page, without the query: that may be about a person.
    pub fn path(&self) -> &str {
        self.key.split(['?', '#']).next().unwrap_or_default()
    }
}

/// The failed answers since all was well.
#[derive(Debug, Default)]
pub struct Sightings(Mutex<Vec<Sighting>>);

impl Sightings {
    /// One more. The same cause on the same page is no news, but may tell more of what came.
    pub fn note(&self, sighting: Sighting) {
        let mut seen = self.lock();
        let is_known = |known: &&mut Sighting| known.cause == sighting.cause && known.key == sighting.key;
        if let Some(known) = seen.iter_mut().find(is_known) {
            if known.answer.is_none() && sighting.answer.is_some() {
                (known.answer, known.detail) = (sighting.answer, sighting.detail);
            }
            return;
        }
        if seen.len() >= MOST {
            seen.pop();
        }
        seen.push(sighting);
    }

    /// All is well: what was seen was no outage.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Keeps those that still matter.
    pub fn retain(&self, matters: impl FnMut(&Sighting) -> bool) {
        self.lock().retain(matters);
    }

    /// Those that there are, in the order of time.
    pub fn all(&self) -> Vec<Sighting> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sighting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first characters of a text in one line, without control characters.
pub fn in_short(text: &str, most: usize) -> String {
    let mut short = String::new();
    let mut blank = false;
    let mut left = most;
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        if c.is_whitespace() {
            blank = !short.is_empty();
            continue;
        }
        if left == 0 {
            short.push('…');
            break;
        }
        if blank {
            short.push(' ');
            left -= 1;
        }
        short.push(c);
        (blank, left) = (false, left.saturating_sub(1));
    }
    short
}

/// Control characters, and those that turn the direction of a text round.
fn is_invisible(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A text with the queries of its addresses cut off: they may be about a person.
pub fn without_queries(text: &str) -> String {
    let cut = |word: &str| match word.split_once('?') {
        Some((before, after)) if before.contains('/') && !after.is_empty() => before.to_owned(),
        _ => word.to_owned(),
    };
    text.split(' ').map(cut).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(key: &str, cause: Cause) -> Sighting {
        Sighting::of(&Failure::new(cause), SeenBy::Visitor, key, crate::clock::now())
    }

    #[test]
    fn the_first_ones_stay_and_what_is_known_is_no_news() {
        let sightings = Sightings::default();
        for n in 0..40 {
            sightings.note(seen(&format!("/{n}?name=abe"), Cause::ServerError));
            sightings.note(seen("/0?name=abe", Cause::ServerError));
        }
        let all = sightings.all();
        assert_eq!((all.len(), all[0].path(), all[MOST - 1].path()), (MOST, "/0", "/39"));
        sightings.retain(|one| one.path() == "/3");
        assert_eq!(sightings.all().len(), 1);
        sightings.clear();
        assert!(sightings.all().is_empty());
    }

    #[test]
    fn what_is_kept_is_short_printable_and_without_queries() {
        let answer =
            BadAnswer::of(StatusCode::OK, "<h1>\u{1b}[2JGone\u{202e}</h1>\r\n\r\n  <p>x".as_bytes(), None);
        assert_eq!(answer.beginning, "<h1>[2JGone</h1> <p>x");
        assert!(
            BadAnswer::of(StatusCode::OK, &[b'a'; 10_000], None).beginning.chars().count() <= BEGINNING + 1
        );
        assert_eq!(
            without_queries("leads to https://a.example/b?mail=x@y.jp now?"),
            "leads to https://a.example/b now?"
        );
    }

    #[test]
    fn what_came_is_read_in_its_own_encoding() {
        let page = "<html><title>データベース接続エラー</title>";
        let (shift_jis, _, _) = encoding_rs::SHIFT_JIS.encode(page);
        let answer = BadAnswer::of(StatusCode::OK, &shift_jis, Some("text/html; charset=Shift_JIS"));
        assert_eq!(answer.beginning, page);
        let long = "あ".repeat(LOOKED_AT);
        assert!(
            BadAnswer::of(StatusCode::OK, long.as_bytes(), Some("text/html")).beginning.starts_with("ああ")
        );
    }

    #[test]
    fn who_only_waited_does_not_hide_what_came() {
        let sightings = Sightings::default();
        sightings.note(seen("/", Cause::ServerError));
        let at = sightings.all()[0].at;
        let answer = BadAnswer::of_status(StatusCode::INTERNAL_SERVER_ERROR);
        let failure = Failure::new(Cause::ServerError).answer(answer.clone()).detail("500");
        let followers = failure.to_others();
        assert_eq!((followers.answer.as_deref(), followers.detail.as_deref()), (Some(&answer), Some("500")));
        sightings.note(Sighting::of(&followers, SeenBy::Visitor, "/", crate::clock::now()));
        let all = sightings.all();
        assert_eq!((all.len(), all[0].at.mono, &all[0].answer), (1, at.mono, &Some(answer)));
    }
}
