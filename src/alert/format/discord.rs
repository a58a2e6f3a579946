//! Discord's webhooks: an embed. <https://discord.com/developers/docs/resources/message#embed-object>

use serde_json::{Value, json};

use super::{Look, Tone, Words, cut, escaped};
use crate::alert::Notice;

/// Characters of an embed's title.
const TITLE: usize = 256;
/// Characters of its text; the whole message may have 6,000.
const TEXT: usize = 2000;
/// What has a meaning in Discord's Markdown.
const SPECIAL: &str = "\\*_~|`>[]#@<";

/// The message.
pub fn render(said: &[Words], notice: &Notice, look: &Look) -> Value {
    let colour = match Tone::of_notice(notice) {
        Tone::Bad => 0xb5_39_1f,
        Tone::Warning => 0xe6_aa_4d,
        Tone::Good => 0x1c_7f_52,
        Tone::Plain => 0x59_66_73,
    };
    let embed = |words: &Words| {
        let facts =
            words.facts.iter().map(|fact| format!("**{}:** {}\n", fact.label, escaped(&fact.text, SPECIAL)));
        let list = words.list.iter().map(|line| format!("• {}\n", escaped(line, SPECIAL)));
        let text: String = facts.chain(list).collect();
        let mut text = cut(text.trim_end(), TEXT);
        text.extend(look.links(words).into_iter().map(|(word, url)| format!("\n[{word}]({url})")));
        json!({ "title": cut(&escaped(&words.title, SPECIAL), TITLE), "description": text, "color": colour })
    };
    let embeds: Vec<Value> = said.iter().map(embed).collect();
    // nobody is to be called by what a server's answer happens to hold
    json!({ "username": "Katahai", "embeds": embeds, "allowed_mentions": { "parse": [] } })
}
