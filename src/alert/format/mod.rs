//! A message in words, and in the form that each service wants: escaped for its markup, cut to its sizes.

pub mod discord;
pub mod generic;
pub mod line;
pub mod mail;
pub mod ntfy;
pub mod slack;
pub mod teams;
mod words;

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use url::Url;

use super::{Event, Severity};
pub use words::{Fact, Words};

/// One of the languages that alerts are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tongue {
    /// English.
    English,
    /// Japanese.
    Japanese,
}

impl Tongue {
    fn pick<T>(self, en: T, ja: T) -> T {
        match self {
            Tongue::English => en,
            Tongue::Japanese => ja,
        }
    }
}

/// What a message is rendered with, besides what it says.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The dashboard's address for it.
    pub link: Option<Url>,
    /// The report about its incident, where it is about one.
    pub report: Option<Url>,
    /// The reports about the incidents of all whom it names, by their ids.
    pub reports: BTreeMap<String, Url>,
    /// Where it is acknowledged.
    pub ack: Option<Url>,
    /// Whether it comes late: the network was down, or the service.
    pub is_late: bool,
    /// Whether the channel never heard of the beginning.
    pub tells_all: bool,
    /// The name of this machine or instance, if there is one to tell.
    pub sender: String,
}

impl Look {
    /// The links of a message in the order in which they are read, with their words: the dashboard, the report, the one that
    /// acknowledges.
    fn links(&self, words: &Words) -> Vec<(&'static str, &Url)> {
        let links = [(words.open, &self.link), (words.report, &self.report), (words.acknowledge, &self.ack)];
        links.into_iter().filter_map(|(word, url)| Some((word, url.as_ref()?))).collect()
    }
}

/// A time as RFC 3339 has it. Seconds since the epoch.
pub fn rfc3339(unix: u64) -> String {
    // beyond the year 9999 there is no such text
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(unix.min(253_402_300_799))).to_string()
}

/// How something looks at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Bad,
    Warning,
    Good,
    Plain,
}

impl Tone {
    fn of(event: Event, severity: Severity) -> Tone {
        match (event, severity) {
            (Event::Over | Event::Report, _) => Tone::Good,
            (Event::Test, _) => Tone::Plain,
            (Event::Begin | Event::Worse | Event::Still, Severity::Page) => Tone::Bad,
            (Event::Begin | Event::Worse | Event::Still, Severity::Warn | Severity::Info) => Tone::Warning,
        }
    }
}

/// The text, or as much of it as `most` allows, measured by `size` for each character.
fn cut_by(text: &str, most: usize, size: impl Fn(char) -> usize) -> String {
    if text.chars().map(&size).sum::<usize>() <= most {
        return text.to_owned();
    }
    let mut left = most.saturating_sub(size('…'));
    let kept = text.chars().take_while(|c| {
        let fits = size(*c) <= left;
        left = left.saturating_sub(size(*c));
        fits
    });
    kept.chain(['…']).collect()
}

/// The same in UTF-16 units, as most services count.
fn cut(text: &str, most: usize) -> String {
    cut_by(text, most, char::len_utf16)
}

/// The same in bytes.
pub(in crate::alert) fn cut_bytes(text: &str, most: usize) -> String {
    cut_by(text, most, char::len_utf8)
}

/// A text with a backslash before each of these.
fn escaped(text: &str, special: &str) -> String {
    text.chars().flat_map(|c| special.contains(c).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!(cut("🍵🍵🍵", 5), "🍵🍵…");
        assert_eq!(cut_bytes("お茶です", 12), "お茶です");
        assert_eq!(cut_bytes("お茶です", 11), "お茶…");
        assert_eq!(escaped("a*b\\", "*\\"), "a\\*b\\\\");
    }
}

#[cfg(test)]
mod samples;
