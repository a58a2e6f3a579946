//! Slack's incoming webhooks: blocks of text. <https://docs.slack.dev/reference/block-kit/blocks/section-block>

use serde_json::{Value, json};

use super::{Look, Words, cut};

/// Characters of a header block.
const HEADER: usize = 150;
/// Characters of a section's text.
const SECTION: usize = 3000;

/// The message.
pub fn render(said: &[Words], look: &Look) -> Value {
    let mut blocks = Vec::new();
    for words in said {
        blocks.push(
            json!({ "type": "header", "text": { "type": "plain_text", "text": cut(&words.title, HEADER) } }),
        );
        let facts = words.facts.iter().map(|fact| format!("*{}:* {}\n", fact.label, quoted(&fact.text)));
        let list = words.list.iter().map(|line| format!("• {}\n", quoted(line)));
        let text: String = facts.chain(list).collect();
        // a text that is cut within an entity shows half of it, and nothing else
        blocks.push(
            json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(text.trim_end(), SECTION) } }),
        );
    }
    let words = said.first();
    let links = words.map(|words| look.links(words)).unwrap_or_default();
    let links: Vec<String> = links.into_iter().map(|(word, url)| format!("<{url}|{word}>")).collect();
    if !links.is_empty() {
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": links.join("  ·  ") } }));
    }
    let text = words.map(|words| quoted(&cut(&words.title, SECTION))).unwrap_or_default();
    json!({ "text": text, "blocks": blocks })
}

/// The three characters that begin something: <https://docs.slack.dev/messaging/formatting-message-text>. What else would be bold
/// or struck out harms nobody.
fn quoted(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
