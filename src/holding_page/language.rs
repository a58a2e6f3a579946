//! The language of a holding page: the site's own, else the visitor's, else English.

use super::format::ranked;

/// A language that holding pages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Japanese.
    Ja,
    /// English.
    En,
}

impl Language {
    /// Every language.
    pub const ALL: &'static [Language] = &[Language::Ja, Language::En];

    /// The language of a tag such as `ja`, `ja-JP` or `EN_us` (BCP 47, and what people write instead of it).
    pub fn of_tag(tag: &str) -> Option<Language> {
        let primary = tag.trim().split(['-', '_', ',', ';']).next()?;
        match primary.to_ascii_lowercase().as_str() {
            "ja" => Some(Language::Ja),
            "en" => Some(Language::En),
            _ => None,
        }
    }

    /// The language for a visitor of a site. `site` is a hint such as the `lang` of its home page, or its
    /// `Content-Language`; `accept` is the visitor's `Accept-Language` (RFC 9110 section 12.5.4). A site in a language
    /// that we do not write is answered in the visitor's.
    pub fn choose(site: Option<&str>, accept: Option<&str>) -> Language {
        site.and_then(Language::of_tag).or_else(|| accept.and_then(preferred)).unwrap_or(Language::En)
    }

    /// The tag for `lang` and `Content-Language`.
    pub fn tag(self) -> &'static str {
        match self {
            Language::Ja => "ja",
            Language::En => "en",
        }
    }
}

/// The first of the highest rank among the languages that we write.
fn preferred(accept: &str) -> Option<Language> {
    let mut best: Option<(Language, f32)> = None;
    for (language, rank) in
        accept.split(',').map(ranked).filter_map(|(tag, q)| Some((Language::of_tag(tag)?, q)))
    {
        if rank > best.map_or(0.0, |(_, rank)| rank) {
            best = Some((language, rank));
        }
    }
    best.map(|(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_speaks_first_then_the_visitor() {
        for (site, accept, expected) in [
            (Some("ja"), Some("en"), Language::Ja),
            (Some("ja-JP"), None, Language::Ja),
            (Some(" EN_us"), Some("ja"), Language::En),
            (Some("de"), Some("ja,en;q=0.8"), Language::Ja),
            (Some(""), Some("fr, en;q=0.5, ja;q=0.9"), Language::Ja),
            (None, Some("en;q=0, ja;q=0.1"), Language::Ja),
            (None, Some("en-GB,en,ja"), Language::En),
            (None, Some("ja;q=wat"), Language::En),
            (None, Some("javanese"), Language::En),
            (None, None, Language::En),
        ] {
            assert_eq!(Language::choose(site, accept), expected, "{site:?} {accept:?}");
        }
    }
}
