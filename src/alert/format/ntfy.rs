//! ntfy: <https://docs.ntfy.sh/publish/#publish-as-json>

use serde_json::{Value, json};
use url::Url;

use super::mail::whole;
use super::{Look, Tone, Words, cut_bytes};
use crate::alert::Notice;

/// Bytes of the text: what is longer becomes a file.
const TEXT: usize = 4000;
/// Bytes of the title.
const TITLE: usize = 250;

/// Where it is published, and the message. The topic is the last part of the URL's path.
pub fn render(said: &[Words], notice: &Notice, look: &Look, url: &Url) -> (Url, Value) {
    let mut root = url.clone();
    let topic = url.path_segments().and_then(|mut parts| parts.rfind(|part| !part.is_empty()));
    let topic = topic.unwrap_or_default().to_owned();
    if let Ok(mut parts) = root.path_segments_mut() {
        parts.pop_if_empty().pop().push("");
    }
    let (priority, tag) = match Tone::of_notice(notice) {
        Tone::Bad => (5, "rotating_light"),
        Tone::Warning => (4, "warning"),
        Tone::Good => (3, "white_check_mark"),
        Tone::Plain => (3, "bell"),
    };
    let words = said.first();
    let titles: Vec<&str> = said.iter().map(|words| &*words.title).collect();
    let mut message = json!({ "topic": topic, "title": cut_bytes(&titles.join(" / "), TITLE),
        "message": cut_bytes(whole(said).trim_end(), TEXT), "priority": priority, "tags": [tag] });
    if let Some(link) = &look.link {
        message["click"] = link.as_str().into();
    }
    let links = words.map(|words| look.links(words)).unwrap_or_default();
    let actions: Vec<Value> = links
        .into_iter()
        .filter(|(_, url)| Some(*url) != look.link.as_ref())
        .map(|(word, url)| json!({ "action": "view", "label": word, "url": url.as_str() }))
        .collect();
    if !actions.is_empty() {
        message["actions"] = actions.into();
    }
    (root, message)
}
