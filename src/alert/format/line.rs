//! LINE's Messaging API, a push message: <https://developers.line.biz/en/reference/messaging-api/#send-push-message>

use serde_json::{Value, json};

use super::mail::{links, whole};
use super::{Look, Words, cut};

/// Characters of a text message, in UTF-16 units.
const TEXT: usize = 5000;

/// The message.
pub fn render(said: &[Words], look: &Look, to: &str) -> Value {
    let links = links(said, look);
    let titles: Vec<&str> = said.iter().map(|words| &*words.title).collect();
    let text = format!("{}\n\n{}", titles.join("\n"), whole(said));
    let left = TEXT.saturating_sub(links.encode_utf16().count());
    let text = format!("{}{links}", cut(&text, left));
    json!({ "to": to, "messages": [{ "type": "text", "text": text.trim_end() }] })
}

/// The field `X-Line-Retry-Key` of a message: a second one with the same is the same message.
pub fn retry_key(id: &str) -> String {
    let hex = blake3::hash(id.as_bytes()).to_hex();
    // a UUID of version 8 (RFC 9562 section 5.8), which is made as one likes
    format!("{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_retry_key_is_a_uuid() {
        let key = super::retry_key("20261201T013000Z-1a2b3c4d-1");
        let lengths: Vec<usize> = key.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(key, super::retry_key("20261201T013000Z-1a2b3c4d-1"));
        assert_ne!(key, super::retry_key("20261201T013000Z-1a2b3c4d-2"));
    }
}
