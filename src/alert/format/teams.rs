//! An Adaptive Card, as workflows of Teams take it:
//! <https://learn.microsoft.com/power-automate/overview-adaptive-cards>, 28 KB at most.

use serde_json::{Value, json};

use super::{Look, Tone, Words, cut_bytes, escaped};
use crate::alert::Notice;

/// Bytes of one text: two languages with all that belongs to them stay far below 28 KB, also when each character is escaped.
const TEXT: usize = 1200;
/// Bytes of the list of sites.
const LIST: usize = 3000;
/// What has a meaning in the Markdown of cards.
const SPECIAL: &str = "\\*_[]";

/// The message.
pub fn render(said: &[Words], notice: &Notice, look: &Look) -> Value {
    let colour = match Tone::of_notice(notice) {
        Tone::Bad => "attention",
        Tone::Warning => "warning",
        Tone::Good => "good",
        Tone::Plain => "default",
    };
    let text = |text: &str, most: usize| cut_bytes(&escaped(text, SPECIAL), most);
    let mut body = Vec::new();
    for words in said {
        body.push(json!({ "type": "TextBlock", "text": text(&words.title, TEXT), "weight": "bolder", "size": "medium",
            "wrap": true, "color": colour }));
        let facts: Vec<Value> = words
            .facts
            .iter()
            .map(|fact| json!({ "title": fact.label, "value": text(&fact.text, TEXT) }))
            .collect();
        body.push(json!({ "type": "FactSet", "facts": facts }));
        if !words.list.is_empty() {
            let list: Vec<String> =
                words.list.iter().map(|line| format!("- {}", escaped(line, SPECIAL))).collect();
            body.push(
                json!({ "type": "TextBlock", "text": cut_bytes(&list.join("\n"), LIST), "wrap": true }),
            );
        }
    }
    let links = said.first().map(|words| look.links(words)).unwrap_or_default();
    let open = |(word, url): (&str, &url::Url)| json!({ "type": "Action.OpenUrl", "title": word, "url": url.as_str() });
    let actions: Vec<Value> = links.into_iter().map(open).collect();
    let card = json!({ "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard",
        "version": "1.4", "body": body, "actions": actions, "msteams": { "width": "Full" } });
    json!({ "type": "message", "attachments": [
        { "contentType": "application/vnd.microsoft.card.adaptive", "content": card }
    ] })
}
