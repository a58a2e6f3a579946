//! The feed of outages (Atom, RFC 4287). An entry's id is made of the site's host and of when the outage began, so it stays
//! the same whatever becomes of the outage and by whichever name the feed is read.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use super::StatusView;
use super::public_words::PublicWords;
use crate::history::{DayBar, Outage};
use crate::holding_page::escaped;

/// Seconds since 1970 as RFC 3339.
pub(super) fn rfc3339(unix: u64) -> String {
    const LATEST: u64 = 253_402_300_799; // the end of the year 9999
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(unix.min(LATEST))).to_string()
}

/// A tag URI (RFC 4151): the host, on the day of the outage.
pub(super) fn id(host: &str, outage: &Outage) -> String {
    let day: String = rfc3339(outage.from).chars().take(10).collect();
    format!("tag:{host},{day}:katahai-outage-{}", outage.from)
}

/// The whole feed.
pub(super) fn feed(view: &StatusView, words: PublicWords) -> String {
    let (tag, title, host) = (words.tag(), escaped(&view.title), escaped(&view.host));
    let heading = words.pick("Status", "稼働状況");
    let page = escaped(&format!("{}{}?lang={tag}", view.root, view.base));
    let own = escaped(&format!("{}{}/feed.atom?lang={tag}", view.root, view.base));
    let updated = view.outages.iter().map(|outage| outage.until.unwrap_or(outage.from)).max();
    let updated = updated.map_or_else(|| beginning(view), rfc3339);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"{tag}\">\n\
         <id>tag:{host},2026-01-01:katahai-status</id>\n<title>{heading}: {title}</title>\n<updated>{updated}</updated>\n\
         <author><name>{title}</name></author>\n<link rel=\"self\" type=\"application/atom+xml\" href=\"{own}\"/>\n\
         <link rel=\"alternate\" type=\"text/html\" href=\"{page}\"/>\n"
    );
    for outage in &view.outages {
        let (_, people) = words.time(outage.from);
        let (said, lasted) = (words.outage(outage.worst), words.lasted(outage));
        let _ = write!(
            text,
            "<entry>\n<id>{}</id>\n<title>{said}</title>\n<published>{}</published>\n<updated>{}</updated>\n\
             <link rel=\"alternate\" type=\"text/html\" href=\"{page}\"/>\n<content type=\"text\">{people} ({lasted}): {said}</content>\n</entry>\n",
            escaped(&id(&view.host, outage)),
            rfc3339(outage.from),
            rfc3339(outage.until.unwrap_or(outage.from)),
        );
    }
    text.push_str("</feed>\n");
    text
}

/// When there was nothing to tell yet: the first day that anything is known of.
fn beginning(view: &StatusView) -> String {
    let days = &view.days.days;
    let first = days.iter().find(|day| day.bar != DayBar::Unknown).or(days.last());
    first.map_or_else(|| rfc3339(0), |day| format!("{}T00:00:00Z", day.day))
}
