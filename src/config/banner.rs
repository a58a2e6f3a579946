//! `[site.notice]`: whether there is a banner, and the owner's own texts for it by language.

use toml::de::DeValue;

use super::node::{Fault, Notes, Span, Value, kind, shown, text};

/// `[site.notice]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// The banner on pages, and with it what is said at their forms.
    pub banner: Banner,
}

/// What the banner says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Banner {
    /// Our own words, in the language of the page.
    #[default]
    Auto,
    /// Nothing: pages stay as they are, their forms too.
    Off,
    /// The owner's words by language (`ja`), at least one, in the order of the file. `{time}` stands for when the copy was
    /// taken.
    Own(Vec<(String, String)>),
}

/// Characters of a text: a banner is read at a glance.
const MOST: usize = 500;

impl Value for Banner {
    fn read(value: &DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<Banner> {
        match (value.as_table(), value.as_str()) {
            (Some(table), _) => {
                let mut texts = Vec::with_capacity(table.len());
                for (language, text) in table {
                    let span = span.child(language.get_ref(), text.span());
                    texts.push((span.range.start, own(language.get_ref(), text.get_ref(), &span, notes)?));
                }
                texts.sort_by_key(|(at, _)| *at);
                if texts.is_empty() {
                    let help = "write a text for at least one language, as in { en = \"…\" }";
                    notes.error(span, Fault::new("the banner has no text", help));
                    return None;
                }
                Some(Banner::Own(texts.into_iter().map(|(_, text)| text).collect()))
            }
            (None, Some("auto")) => Some(Banner::Auto),
            (None, Some("off")) => Some(Banner::Off),
            (None, said) => {
                let said = said.map_or_else(|| kind(value).to_owned(), shown);
                let help = "write \"auto\", \"off\", or a text for each language: { ja = \"…\", en = \"…\" }";
                notes.error(span, Fault::new(format!("{said} is no banner"), help));
                None
            }
        }
    }
}

/// A text and its language.
fn own(language: &str, value: &DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<(String, String)> {
    if !(2..=3).contains(&language.len()) || !language.bytes().all(|b| b.is_ascii_lowercase()) {
        let help = "write it as in the `lang` of a page: ja, en, de";
        notes.error(span, Fault::new(format!("{} is not a language", shown(language)), help));
        return None;
    }
    let text = text(value, span, "a text", notes)?.trim();
    if text.is_empty() || text.chars().count() > MOST {
        let message = format!("the text must have between 1 and {MOST} characters");
        notes.error(span, Fault::new(message, "say in a sentence or two what visitors should know"));
        return None;
    }
    Some((language.to_owned(), text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, from_text};

    fn banner(value: &str) -> Result<Banner, String> {
        let text = format!(
            "[[site]]\nhosts = [\"a.example\"]\n[site.notice]\nbanner = {value}\n[[site.origin]]\nurl = \"http://203.0.113.1\"\n"
        );
        match from_text(&text, "k.toml".as_ref(), &Env::default()) {
            Ok((config, _)) => Ok(config.sites[0].notice.banner.clone()),
            Err(problems) => Err(problems.to_string()),
        }
    }

    #[test]
    fn it_is_a_word_or_texts_in_the_files_order() {
        assert_eq!(banner("\"auto\""), Ok(Banner::Auto));
        assert_eq!(banner("\"off\""), Ok(Banner::Off));
        let own = [("ja", "写し"), ("de", "Kopie vom {time}"), ("en", "A copy")];
        let own = own.map(|(language, text)| (language.to_owned(), text.to_owned())).to_vec();
        assert_eq!(
            banner("{ ja = \"写し\", de = \" Kopie vom {time}\", en = \"A copy\" }"),
            Ok(Banner::Own(own))
        );
        for (value, said) in [
            ("\"on\"", "\"on\" is no banner"),
            ("true", "a boolean is no banner"),
            ("{}", "no text"),
            ("{ en = \"\" }", "between 1 and 500"),
            ("{ en = 1 }", "must be a text"),
            ("{ English = \"x\" }", "is not a language"),
        ] {
            let problem = banner(value).unwrap_err();
            assert!(problem.contains(said), "{value}: {problem}");
        }
    }
}
