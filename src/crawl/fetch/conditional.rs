//! What the current snapshot has of an address: the crawler asks the site whether it has changed (RFC 9110 section 13), and
//! if it has not, takes the stored body over after verifying it.

use std::sync::Arc;
use std::time::Duration;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::snapshot::{BlobId, BlobWriter, Page, Snapshot, StageError};

/// A stored answer that may still be valid.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    page: Page,
}

impl Known {
    /// What `snapshot` has of `key`, if it can be validated.
    pub(crate) fn of(snapshot: &Arc<Snapshot>, key: &str) -> Option<Known> {
        // What cannot be read is fetched anew.
        let page = snapshot.find(key).ok().flatten()?;
        let known = Known { page };
        let holds = matches!(known.page.status, 200 | 203) && known.page.body.is_some();
        (holds && validator(&known.page).is_some()).then_some(known)
    }

    /// Makes a request conditional.
    pub(crate) fn ask_whether_changed(&self, headers: &mut HeaderMap) {
        if let Some((name, value)) = validator(&self.page) {
            headers.insert(name, value.clone());
        }
    }

    /// The status that it was stored with.
    pub(crate) fn status(&self) -> u16 {
        self.page.status
    }

    /// The stored header fields, updated by those of a 304 (RFC 9111 section 3.2), except those that describe a body.
    pub(crate) fn headers(&self, mut not_modified: HeaderMap) -> HeaderMap {
        for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE] {
            not_modified.remove(name);
        }
        let stored = self.page.headers.iter().filter(|(name, _)| !not_modified.contains_key(name));
        let stored: Vec<_> = stored.cloned().collect();
        for (name, value) in stored {
            not_modified.append(name, value);
        }
        not_modified
    }

    /// Takes the stored body over into the new snapshot: its id, its length, and its first `hold` bytes. `None` when it is
    /// damaged. Blocks.
    ///
    /// # Errors
    /// Of the new snapshot.
    pub(crate) fn keep(&self, writer: BlobWriter, hold: usize) -> Result<Option<Kept>, StageError> {
        let Some(body) = self.page.body else { return Ok(None) };
        Ok(writer.keep(&body, hold)?.map(|(len, beginning)| Kept { body, len, beginning }))
    }
}

/// The validator for the request. A date counts only if it is older than the answer: one of the same second, or of the
/// future, is the time of the answer, not of the page.
fn validator(page: &Page) -> Option<(HeaderName, &HeaderValue)> {
    let field = |wanted| page.headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let is_true = |date: &&HeaderValue| {
        let date = date.to_str().ok().and_then(|date| httpdate::parse_http_date(date).ok());
        date.is_some_and(|date| date + Duration::from_secs(1) <= page.taken_at)
    };
    let tag = field(ETAG).map(|tag| (IF_NONE_MATCH, tag));
    tag.or_else(|| field(LAST_MODIFIED).filter(is_true).map(|date| (IF_MODIFIED_SINCE, date)))
}

/// A stored body that is still valid.
pub(crate) struct Kept {
    pub(crate) body: BlobId,
    /// All bytes.
    pub(crate) len: u64,
    /// Those that were to be held.
    pub(crate) beginning: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::snapshot::{Class, Notes};

    #[test]
    fn the_site_is_asked_by_what_it_said_itself_and_can_be_true() {
        let noon = "Sun, 06 Nov 1994 12:00:00 GMT";
        let taken: SystemTime = httpdate::parse_http_date(noon).unwrap();
        for (fields, expected) in [
            (&[(ETAG, "\"a\"")][..], Some(IF_NONE_MATCH)),
            (&[(ETAG, "W/\"a\""), (LAST_MODIFIED, "Sun, 06 Nov 1994 08:00:00 GMT")], Some(IF_NONE_MATCH)),
            (&[(LAST_MODIFIED, "Sun, 06 Nov 1994 08:00:00 GMT")], Some(IF_MODIFIED_SINCE)),
            // Made when it was asked for, or in the future: it says nothing about the page.
            (&[(LAST_MODIFIED, noon)], None),
            (&[(LAST_MODIFIED, "Sun, 06 Nov 2094 08:00:00 GMT")], None),
            (&[(LAST_MODIFIED, "yesterday")], None),
            (&[], None),
        ] {
            let headers =
                fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            let page = Page {
                key: "/".to_owned(),
                status: 200,
                headers,
                body: None,
                len: 0,
                taken_at: taken + Duration::from_millis(300),
                class: Class::Page,
                notes: Notes::default(),
            };
            assert_eq!(validator(&page).map(|(name, _)| name), expected, "{fields:?}");
        }
    }
}
