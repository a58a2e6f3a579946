//! The languages of a report, and how they write times and numbers.

use std::time::{Duration, UNIX_EPOCH};

use crate::config::ready::UtcOffset;
use crate::failure::Text;
use crate::incident::Moment;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Japanese.
    Ja,
}

impl Language {
    /// By its code: `en`, `ja`.
    pub fn of(code: &str) -> Option<Language> {
        match code {
            "en" => Some(Language::En),
            "ja" => Some(Language::Ja),
            _ => None,
        }
    }

    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Ja => "ja",
        }
    }

    /// The zone that its readers most likely live in.
    pub fn usual_zone(self) -> UtcOffset {
        match self {
            Language::En => UtcOffset::default(),
            Language::Ja => UtcOffset::JST,
        }
    }

    /// The text in this language.
    pub(super) fn text(self, text: Text) -> &'static str {
        self.pick(text.en, text.ja)
    }

    /// One of the two.
    pub(super) fn pick<T>(self, en: T, ja: T) -> T {
        match self {
            Language::En => en,
            Language::Ja => ja,
        }
    }
}

/// A language, and the zone of its times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker {
    pub(super) language: Language,
    pub(super) zone: UtcOffset,
}

impl Speaker {
    /// One of the two.
    pub(super) fn say(self, en: impl Into<String>, ja: impl Into<String>) -> String {
        match self.language {
            Language::En => en.into(),
            Language::Ja => ja.into(),
        }
    }

    /// The text in this language.
    pub(super) fn text(self, text: Text) -> String {
        self.language.text(text).to_owned()
    }

    /// Date and time, to the second.
    pub(super) fn time(self, moment: Moment) -> String {
        let local = moment.unix().saturating_add_signed(self.zone.seconds());
        let local = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(local)).to_string();
        let (date, time) = local.trim_end_matches('Z').split_once('T').unwrap_or((&local, ""));
        match self.language {
            Language::En => format!("{date} {time}"),
            Language::Ja => {
                let part =
                    |at: std::ops::Range<usize>| date.get(at).unwrap_or_default().trim_start_matches('0');
                format!("{}年{}月{}日 {time}", part(0..4), part(5..7), part(8..10))
            }
        }
    }

    /// The zone of the times, in words.
    pub(super) fn zone_name(self) -> String {
        match (self.language, self.zone) {
            (_, zone) if zone == UtcOffset::default() => self.say("UTC", "協定世界時（UTC）"),
            (Language::Ja, UtcOffset::JST) => "日本時間".to_owned(),
            (_, zone) => format!("UTC{zone}"),
        }
    }

    /// How long, to the second below an hour and to the minute above.
    pub(super) fn duration(self, seconds: u64) -> String {
        let parts = [
            (seconds / 86_400, ["day", "days"], "日"),
            (seconds % 86_400 / 3600, ["hour", "hours"], "時間"),
            (seconds % 3600 / 60, ["minute", "minutes"], "分"),
            (if seconds < 3600 { seconds % 60 } else { 0 }, ["second", "seconds"], "秒"),
        ];
        let said: Vec<String> = parts
            .iter()
            .filter(|(number, ..)| *number > 0)
            .map(|(number, [one, many], ja)| match self.language {
                Language::En => format!("{number} {}", if *number == 1 { one } else { many }),
                Language::Ja => format!("{number}{ja}"),
            })
            .collect();
        match self.language {
            _ if said.is_empty() => self.say("less than a second", "1秒未満"),
            Language::En => said.join(" "),
            Language::Ja => said.concat(),
        }
    }

    /// A number of things.
    pub(super) fn count(self, number: u64, [one, many]: [&str; 2], ja: &str) -> String {
        match self.language {
            Language::En => format!("{} {}", grouped(number), if number == 1 { one } else { many }),
            Language::Ja => format!("{}{ja}", grouped(number)),
        }
    }
}

/// A number with commas between its thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_the_readers_zone() {
        let moment = Moment::from(UNIX_EPOCH + Duration::from_secs(1_796_088_605));
        let en = Speaker { language: Language::En, zone: UtcOffset::default() };
        let ja = Speaker { language: Language::Ja, zone: UtcOffset::JST };
        assert_eq!((en.time(moment), en.zone_name()), ("2026-12-01 01:30:05".into(), "UTC".into()));
        assert_eq!((ja.time(moment), ja.zone_name()), ("2026年12月1日 10:30:05".into(), "日本時間".into()));
        let west = Speaker { zone: UtcOffset::parse("-03:30").unwrap(), ..en };
        assert_eq!((west.time(moment), west.zone_name()), ("2026-11-30 22:00:05".into(), "UTC-03:30".into()));
    }

    #[test]
    fn durations_and_numbers_are_read_easily() {
        let en = Speaker { language: Language::En, zone: UtcOffset::default() };
        let ja = Speaker { language: Language::Ja, zone: UtcOffset::JST };
        for (seconds, english, japanese) in [
            (0, "less than a second", "1秒未満"),
            (61, "1 minute 1 second", "1分1秒"),
            (7_325, "2 hours 2 minutes", "2時間2分"),
            (90_000, "1 day 1 hour", "1日1時間"),
        ] {
            assert_eq!((en.duration(seconds), ja.duration(seconds)), (english.into(), japanese.into()));
        }
        assert_eq!(
            (grouped(7), grouped(1234), grouped(1_234_567)),
            ("7".into(), "1,234".into(), "1,234,567".into())
        );
    }
}
