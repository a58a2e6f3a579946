//! What is said of a site in public, in both languages: no cause, no blame, nothing that only its operator understands.

use std::time::{Duration, UNIX_EPOCH};

use crate::history::{DayBar, Gets, Outage};
use crate::holding_page::Language;
use crate::proxy::notice::Words;

/// The words of one language.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicWords(Language);

/// What scripts read.
pub(super) fn code(gets: Gets) -> &'static str {
    match gets {
        Gets::Unknown => "unknown",
        Gets::Live => "works",
        Gets::Partly => "partly_from_copy",
        Gets::Copies | Gets::Gaps => "from_copy",
        Gets::Holding => "not_reachable",
    }
}

/// The same of a day.
pub(super) fn day_code(day: DayBar) -> &'static str {
    code(gets_of(day))
}

fn gets_of(day: DayBar) -> Gets {
    match day {
        DayBar::Unknown => Gets::Unknown,
        DayBar::Live => Gets::Live,
        DayBar::Partly => Gets::Partly,
        DayBar::Copies => Gets::Copies,
        DayBar::Holding => Gets::Holding,
    }
}

impl PublicWords {
    pub(super) fn of(language: Language) -> PublicWords {
        PublicWords(language)
    }

    /// As in `lang`.
    pub(super) fn tag(self) -> &'static str {
        self.0.tag()
    }

    /// The other language's tag, and its name in itself.
    pub(super) fn other(self) -> (&'static str, &'static str) {
        match self.0 {
            Language::Ja => ("en", "English"),
            Language::En => ("ja", "日本語"),
        }
    }

    pub(super) fn pick(self, en: &'static str, ja: &'static str) -> &'static str {
        match self.0 {
            Language::En => en,
            Language::Ja => ja,
        }
    }

    /// How it stands now, in a sentence.
    pub(super) fn sentence(self, gets: Gets) -> &'static str {
        match gets {
            Gets::Unknown => self.pick("The site is being checked.", "サイトの状態を確認しています。"),
            Gets::Live => self.pick("The site works.", "サイトは正常に稼働しています。"),
            Gets::Partly => self.pick(
                "The site works, but some pages may be shown from a saved copy or be missing.",
                "サイトは稼働していますが、一部のページは保存したコピーの表示になるか、表示できないことがあります。",
            ),
            Gets::Copies | Gets::Gaps => self.pick(
                "The site is shown from a saved copy for the time being.",
                "ただいま、サイトは保存したコピーを表示しています。",
            ),
            Gets::Holding => {
                self.pick("The site cannot be reached right now.", "ただいま、サイトを表示できません。")
            }
        }
    }

    /// The same in a word or two.
    pub(super) fn short(self, gets: Gets) -> &'static str {
        match gets {
            Gets::Unknown => self.pick("being checked", "確認中"),
            Gets::Live => self.pick("works", "正常"),
            Gets::Partly => self.pick("partly from a copy", "一部コピー表示"),
            Gets::Copies | Gets::Gaps => self.pick("from a copy", "コピー表示中"),
            Gets::Holding => self.pick("not reachable", "停止中"),
        }
    }

    /// What a day was like.
    pub(super) fn day(self, day: DayBar) -> &'static str {
        match day {
            DayBar::Unknown => self.pick("no data", "記録なし"),
            DayBar::Live => self.pick("worked", "正常"),
            DayBar::Partly => self.pick("partly from a copy for some time", "一時、一部をコピーで表示"),
            DayBar::Copies => self.pick("from a copy for some time", "一時、コピーで表示"),
            DayBar::Holding => self.pick("not reachable for some time", "一時、表示できず"),
        }
    }

    /// What an outage was like.
    pub(super) fn outage(self, worst: Gets) -> &'static str {
        match worst {
            Gets::Unknown | Gets::Live | Gets::Partly => self.pick(
                "Some pages were shown from a saved copy or were missing.",
                "一部のページは、保存したコピーの表示になるか、表示できませんでした。",
            ),
            Gets::Copies | Gets::Gaps => {
                self.pick("The site was shown from a saved copy.", "サイトを、保存したコピーで表示しました。")
            }
            Gets::Holding => self.pick(
                "The site could not be reached for some of the time.",
                "一時、サイトを表示できませんでした。",
            ),
        }
    }

    /// When something was, for machines and for people.
    pub(super) fn time(self, unix: u64) -> (String, String) {
        Words { language: self.0, taken_at: UNIX_EPOCH + Duration::from_secs(unix) }.time()
    }

    /// How long an outage has lasted.
    pub(super) fn lasted(self, outage: &Outage) -> String {
        let Some(until) = outage.until else { return self.pick("not over yet", "継続中").to_owned() };
        let minutes = until.saturating_sub(outage.from).div_ceil(60);
        let (hours, rest) = (minutes / 60, minutes % 60);
        match (self.0, hours, rest) {
            (Language::En, 0, minutes) => format!("{minutes} min"),
            (Language::En, hours, 0) => format!("{hours} h"),
            (Language::En, hours, minutes) => format!("{hours} h {minutes} min"),
            (Language::Ja, 0, minutes) => format!("{minutes}分間"),
            (Language::Ja, hours, 0) => format!("{hours}時間"),
            (Language::Ja, hours, minutes) => format!("{hours}時間{minutes}分間"),
        }
    }

    /// A share, never rounded up to all of it.
    pub(super) fn percent(share: f64) -> String {
        if share >= 1.0 { "100%".to_owned() } else { format!("{:.2}%", (share * 1e4).floor() / 100.0) }
    }
}
