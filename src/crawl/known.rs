//! What the current snapshot has of an address: the site is asked whether it has changed (RFC 9110 section 13), and
//! where it has not, the stored body is taken over, verified.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::receive::Arrived;
use crate::snapshot::{BlobWriter, Page, Snapshot, StageError, Stored};

/// Bytes that are copied in one step.
const STEP: usize = 1024 * 1024;

/// A stored answer that may still hold.
#[derive(Clone, Debug)]
pub(super) struct Known {
    snapshot: Arc<Snapshot>,
    page: Page,
}

impl Known {
    /// What `snapshot` has of `key`, if the site can be asked whether it still holds.
    pub(super) fn of(snapshot: &Arc<Snapshot>, key: &str) -> Option<Known> {
        // What cannot be read is fetched anew.
        let page = snapshot.find(key).ok().flatten()?;
        let known = Known { snapshot: snapshot.clone(), page };
        let holds = matches!(known.page.status, 200 | 203) && known.page.body.is_some();
        (holds && known.validator().is_some()).then_some(known)
    }

    fn validator(&self) -> Option<(HeaderName, &HeaderValue)> {
        let field =
            |wanted| self.page.headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
        let tag = field(ETAG).map(|tag| (IF_NONE_MATCH, tag));
        tag.or_else(|| field(LAST_MODIFIED).map(|date| (IF_MODIFIED_SINCE, date)))
    }

    /// Makes a request conditional.
    pub(super) fn ask_whether_changed(&self, headers: &mut HeaderMap) {
        if let Some((name, value)) = self.validator() {
            headers.insert(name, value.clone());
        }
    }

    /// The status that it was stored with.
    pub(super) fn status(&self) -> u16 {
        self.page.status
    }

    /// The stored header fields, brought up to date by those of a 304 (RFC 9111 section 3.2); what that says about a
    /// body is not about ours.
    pub(super) fn headers(&self, mut not_modified: HeaderMap) -> HeaderMap {
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

    /// The stored body, as if it had arrived. `None` when it is damaged. Blocks.
    ///
    /// # Errors
    /// Of the new snapshot.
    pub(super) fn arrive(&self, mut writer: BlobWriter, hold: usize) -> Result<Option<Arrived>, StageError> {
        let Ok(stored) = self.snapshot.load(&self.page) else { return Ok(None) };
        let (file, len) = match stored {
            Stored::Whole(bytes) => return Ok(Some(Arrived::whole(writer, bytes.to_vec(), hold))),
            Stored::File { file, len } => (file, len),
        };
        let (mut held, mut at) = (Vec::new(), 0);
        let mut step = vec![0; STEP];
        while at < len {
            let size = (len - at).min(STEP as u64) as usize;
            if file.read_exact_at(&mut step[..size], at).is_err() {
                return Ok(None);
            }
            writer.write(&step[..size])?;
            held.extend_from_slice(&step[..size.min(hold.saturating_sub(held.len()))]);
            at += size as u64;
        }
        Ok(Some(Arrived::written(writer, held, hold, len)))
    }
}
