//! What is said on copies, in both languages. Pure.

use std::time::{Duration, SystemTime};

use crate::holding_page::Language;

/// Japan's time: it has one zone, and no summer time.
const JAPAN: Duration = Duration::from_secs(9 * 3600);
/// Stands for the time of the copy in the owner's texts.
const TIME: &str = "{time}";

/// In which language something is said, and of which copy.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Words {
    pub(in crate::proxy) language: Language,
    pub(in crate::proxy) taken_at: SystemTime,
}

/// What can be said of the site's forms as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forms {
    /// They are sent to the site as ever.
    Work,
    /// Some are kept, and say so.
    SomeKept,
    /// None can be sent.
    Refused,
    /// Some are kept, but none can say so.
    Untold,
}

/// The text of a banner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// Its language, as in `lang`.
    pub(super) lang: String,
    /// What stands around the time of the copy.
    pub(super) parts: Vec<String>,
}

impl Words {
    /// What the banner is, in a word or two.
    pub(super) fn label(&self) -> &'static str {
        self.pick("保存版を表示しています", "Saved copy")
    }

    /// Our own text.
    pub(super) fn banner(&self, forms: Forms) -> Text {
        let lead = match (self.language, forms) {
            (Language::Ja, Forms::Work) => {
                "このページは、{time}に保存した内容です。最新の内容をただいま表示できないため、代わりにご覧いただいています。"
            }
            (Language::Ja, Forms::SomeKept | Forms::Refused | Forms::Untold) => {
                "このページは、{time}に保存した内容です。サイト本体は、ただいまご利用いただけません。"
            }
            (Language::En, Forms::Work) => {
                "This page was saved on {time}. Its current version is not available right now."
            }
            (Language::En, Forms::SomeKept | Forms::Refused | Forms::Untold) => {
                "This page was saved on {time}. The site itself is not available right now."
            }
        };
        let rest = match forms {
            Forms::Work | Forms::Untold => "",
            Forms::SomeKept => self.pick(
                "送信できるフォームには、その旨を記しています。それ以外のフォームは、復旧するまで送信できません。",
                " Forms that you can still send say so; the others have to wait until it is back.",
            ),
            Forms::Refused => self.pick(
                "フォームの送信やご注文は、復旧するまでお待ちください。",
                " Forms and orders have to wait until it is back.",
            ),
        };
        self.text(self.language.tag(), &format!("{lead}{rest}"))
    }

    /// The owner's text for a page in this language: in it, or the first.
    pub(super) fn own(&self, texts: &[(String, String)], page: Option<&str>) -> Text {
        let primary =
            page.and_then(|tag| tag.split(['-', '_', ',']).next()).map(str::trim).unwrap_or_default();
        let of = |tag: &str| texts.iter().find(|(known, _)| known.eq_ignore_ascii_case(tag));
        let chosen = of(primary).or_else(|| if primary.is_empty() { of(self.language.tag()) } else { None });
        match chosen.or(texts.first()) {
            Some((lang, text)) => self.text(lang, text),
            None => self.banner(Forms::Work),
        }
    }

    fn text(&self, lang: &str, text: &str) -> Text {
        Text { lang: lang.to_owned(), parts: text.split(TIME).map(str::to_owned).collect() }
    }

    /// At a form that is kept.
    pub(super) fn kept(&self) -> &'static str {
        self.pick(
            "このフォームは送信できます。内容をお預かりし、担当者にお届けします。",
            "You can send this form: what you send will be kept and passed on.",
        )
    }

    /// At a form that cannot be sent.
    pub(super) fn refused(&self) -> &'static str {
        self.pick(
            "ただいま、このフォームは送信できません。サイトの復旧後に、もう一度お試しください。",
            "This form cannot be sent right now. Please try again when the site is back.",
        )
    }

    /// At a form that may be sent to somebody else, by a script.
    pub(super) fn doubtful(&self) -> &'static str {
        self.pick(
            "ただいま、このフォームは送信できないことがあります。送信できなかったときは、サイトの復旧後に、もう一度お試しください。",
            "This form may not get through right now. If it does not, please try again when the site is back.",
        )
    }

    /// When the copy was taken, for machines and for people: in Japan's time for those who read Japanese, in UTC for others.
    pub(in crate::proxy) fn time(&self) -> (String, String) {
        let machine = Civil::of(self.taken_at).machine();
        let people = match self.language {
            Language::Ja => Civil::of(self.taken_at + JAPAN).ja(),
            Language::En => Civil::of(self.taken_at).en(),
        };
        (machine, people)
    }

    fn pick(&self, ja: &'static str, en: &'static str) -> &'static str {
        match self.language {
            Language::Ja => ja,
            Language::En => en,
        }
    }
}

/// A day and a minute.
struct Civil {
    /// `2026-11-29T01:32`
    written: String,
}

impl Civil {
    fn of(at: SystemTime) -> Civil {
        let mut written = humantime::format_rfc3339_seconds(at).to_string();
        written.truncate("2026-11-29T01:32".len());
        Civil { written }
    }

    fn machine(&self) -> String {
        format!("{}Z", self.written)
    }

    fn ja(&self) -> String {
        let (year, month, day, time) = self.parts();
        format!("{year}年{month}月{day}日 {time}（日本時間）")
    }

    fn en(&self) -> String {
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let (year, month, day, time) = self.parts();
        let month = month.parse::<usize>().ok().and_then(|n| MONTHS.get(n.wrapping_sub(1))).unwrap_or(&"");
        format!("{day} {month} {year}, {time} UTC")
    }

    fn parts(&self) -> (&str, &str, &str, &str) {
        let part = |from: usize, to: usize| self.written.get(from..to).unwrap_or_default();
        (part(0, 4), part(5, 7).trim_start_matches('0'), part(8, 10).trim_start_matches('0'), part(11, 16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(language: Language) -> Words {
        Words { language, taken_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_798_736_400) }
    }

    #[test]
    fn the_time_is_unambiguous() {
        let machine = "2026-12-31T17:00Z".to_owned();
        assert_eq!(words(Language::En).time(), (machine.clone(), "31 December 2026, 17:00 UTC".to_owned()));
        assert_eq!(words(Language::Ja).time(), (machine, "2027年1月1日 02:00（日本時間）".to_owned()));
    }

    #[test]
    fn the_owners_text_is_in_the_pages_language_or_the_first() {
        let texts = [("de", "Kopie vom {time}."), ("ja", "写し"), ("en", "Copy")]
            .map(|(lang, text)| (lang.to_owned(), text.to_owned()));
        for (page, language, expected) in [
            (Some("ja-JP"), Language::Ja, "ja"),
            (Some("en"), Language::En, "en"),
            (Some("DE"), Language::En, "de"),
            (Some("fr"), Language::En, "de"),
            (None, Language::Ja, "ja"),
        ] {
            assert_eq!(words(language).own(&texts, page).lang, expected, "{page:?}");
        }
        assert_eq!(words(Language::En).own(&texts, Some("de")).parts, ["Kopie vom ", "."]);
    }

    #[test]
    fn what_is_said_of_forms_is_so() {
        let said = |forms| words(Language::En).banner(forms).parts.concat();
        assert!(!said(Forms::Work).contains("orms"));
        assert!(said(Forms::SomeKept).contains("can still send"));
        assert!(said(Forms::Refused).contains("have to wait") && !said(Forms::Refused).contains("still"));
    }
}
