//! Reading a copy to look at it: for a visitor who gets it, or only beside the site's own answer, which waits for nothing
//! that is elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use http::header;

use super::mirror::Ready;
use crate::snapshot::{Page, ReadError, Snapshot, Stored, WHOLE};
use crate::tasks;
use crate::verdict::Look;

impl Ready {
    /// What it shows; `None` if it cannot be read, or is too large to be looked at.
    pub(super) async fn look(&self) -> Option<Arc<Look>> {
        if let Some(look) = self.look.get() {
            return look.clone();
        }
        let body = self.bytes_here().await;
        // Not remembered: what is not here, or damaged, may be there the next time.
        if body.is_none() && self.page.len <= WHOLE && self.snapshot.may_mend() {
            return None;
        }
        let content_type = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let look = body.map(|body| Arc::new(Look::read(&body, content_type)));
        self.look.get_or_init(|| look).clone()
    }

    /// Its bytes, for a visitor; `None` if they cannot be read, or are too many to be looked at.
    pub(super) async fn bytes(&self) -> Option<Bytes> {
        self.read(Snapshot::load).await
    }

    /// The same of what is on this disk: an answer of the site does not wait for what is elsewhere.
    pub(super) async fn bytes_here(&self) -> Option<Bytes> {
        self.read(Snapshot::load_here).await
    }

    async fn read(&self, load: fn(&Snapshot, &Page) -> Result<Stored, ReadError>) -> Option<Bytes> {
        if let Some(body) = self.body.get() {
            return Some(body.clone());
        }
        let (snapshot, page) = (self.snapshot.clone(), self.page.clone());
        match tasks::blocking(move || load(&snapshot, &page)).await {
            Some(Ok(Stored::Whole(body))) => Some(body),
            // Damage is told by whoever gives the page.
            Some(Ok(Stored::File { .. }) | Err(_)) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::UNIX_EPOCH;

    use super::super::mirror::{Hot, Mirror};
    use super::*;
    use crate::clock::{Now, instant};
    use crate::snapshot::{BlobId, Class, Elsewhere, Notes, Source, Store};

    #[derive(Debug)]
    struct Other(Arc<AtomicUsize>);

    impl Elsewhere for Other {
        fn fetch(&self, _site: &str, _id: &BlobId, _len: u64, to: &mut dyn Write) -> io::Result<()> {
            self.0.fetch_add(1, Ordering::SeqCst);
            to.write_all(b"a page")
        }
    }

    #[tokio::test]
    async fn a_look_waits_for_nothing_elsewhere_and_does_not_remember_what_may_still_come() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "shop").unwrap();
        let now = Now { mono: instant(), wall: UNIX_EPOCH };
        let staging = store.begin(now, "crawl").unwrap();
        let mut writer = staging.blob();
        writer.write(b"a page").unwrap();
        let (key, headers, body) = ("/".to_owned(), Vec::new(), writer.finish().unwrap());
        let (class, notes) = (Class::Page, Notes::default());
        let page =
            Page { key, status: 200, headers, body: Some(body), len: 0, taken_at: now.wall, class, notes };
        staging.add(page).unwrap();
        staging.publish(now, &serde_json::Value::Null).unwrap();
        let name = body.to_string();
        crate::disk::remove_file(&dir.path().join("blobs").join(&name[..2]).join(name)).unwrap();
        let asked = Arc::<AtomicUsize>::default();
        store.bring_from(Some(Arc::new(Source::new(Box::new(Other(Arc::clone(&asked)))))));
        let mirror = Mirror::new("shop".into(), Some(store.clone()), Hot::new(1 << 20));
        let (ready, _) = mirror.find("/").unwrap();
        assert!(ready.look().await.is_none() && !ready.is_seen());
        assert_eq!((ready.bytes_here().await, asked.load(Ordering::SeqCst)), (None, 0));
        assert_eq!(ready.bytes().await.unwrap(), "a page");
        assert!(ready.look().await.is_some() && ready.is_seen());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
