//! The language that a command's words are in: that of the terminal.

use serde_json::Value;

use super::print::printable;

/// One that the texts of the API are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Japanese,
}

impl Language {
    /// As the environment says: `LC_ALL` before `LC_MESSAGES` before `LANG`, as everywhere.
    pub(super) fn of_terminal() -> Language {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Language::of(["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set).as_deref())
    }

    fn of(locale: Option<&str>) -> Language {
        match locale {
            Some(locale) if locale.starts_with("ja") => Language::Japanese,
            Some(_) | None => Language::English,
        }
    }

    /// The text of `{"en": …, "ja": …}`.
    pub(super) fn of_text(self, text: &Value) -> String {
        let key = match self {
            Language::English => "en",
            Language::Japanese => "ja",
        };
        printable(text[key].as_str().unwrap_or_default())
    }

    /// One of the two.
    pub(super) fn pick<T>(self, en: T, ja: T) -> T {
        match self {
            Language::English => en,
            Language::Japanese => ja,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn japanese_terminals_get_japanese() {
        for (locale, language) in [
            (Some("ja_JP.UTF-8"), Language::Japanese),
            (Some("ja"), Language::Japanese),
            (Some("C.UTF-8"), Language::English),
            (None, Language::English),
        ] {
            assert_eq!(Language::of(locale), language, "{locale:?}");
        }
    }
}
