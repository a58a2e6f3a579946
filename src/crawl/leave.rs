//! Whether scheduled crawls may begin at all: where several instances share a store, one of them crawls for all.

use std::sync::Arc;

use tokio::sync::watch;

/// Says whether a crawl may begin now; asked with whether there is no copy to fall to.
type Given = Arc<dyn Fn(bool) -> bool + Send + Sync>;

/// The leave to crawl, and word of its changes.
#[derive(Clone)]
pub struct Leave(Option<(Given, watch::Receiver<()>)>);

impl Leave {
    /// Always.
    pub fn always() -> Leave {
        Leave(None)
    }

    /// As `given` says, who is asked anew after each word.
    pub fn new(given: Given, words: watch::Receiver<()>) -> Leave {
        Leave(Some((given, words)))
    }

    /// Whether a crawl may begin now.
    pub(super) fn is_given(&self, bare: bool) -> bool {
        self.0.as_ref().is_none_or(|(given, _)| given(bare))
    }

    /// Waits until the answer may be another one.
    pub(super) async fn changed(&mut self) {
        if let Some((_, words)) = &mut self.0
            && words.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

impl std::fmt::Debug for Leave {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Leave").field(&self.0.is_some()).finish()
    }
}
