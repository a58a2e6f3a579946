//! Reading what is staged before it is in service: for a crawl that resumes an interrupted one.

use std::io::{self, Read as _};
use std::sync::Arc;

use super::page::Page;
use super::staging::Shared;

/// The bodies of a staging. A clone reads the same.
#[derive(Clone)]
pub struct Bodies(Arc<Shared>);

impl Bodies {
    pub(super) fn new(shared: Arc<Shared>) -> Bodies {
        Bodies(shared)
    }

    /// The first `most` bytes of a staged page's body; none of a page without one. They were verified when the
    /// staging was taken up. Blocks.
    ///
    /// # Errors
    /// When the body is not there any more, or cannot be read.
    pub fn beginning(&self, page: &Page, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let Some(id) = &page.body
            && most > 0
        {
            self.0.open_body(id)?.take(most as u64).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }
}

impl std::fmt::Debug for Bodies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bodies").finish_non_exhaustive()
    }
}
