//! A site as this instance has it.

use std::sync::Arc;
use std::time::Duration;

use super::context::blocking;
use super::follow::Local;
use super::pointer::ModeWord;
use super::trouble::Trouble;
use crate::snapshot::{Store, Summary};

/// A site that is kept in step with the store.
#[derive(Clone, Debug)]
pub struct SiteHere {
    /// Its name.
    pub name: Arc<str>,
    /// Its snapshots.
    pub store: Store,
    /// How many of them are kept.
    pub keep: usize,
    /// For how long older ones are.
    pub keep_for: Option<Duration>,
    /// The keys of the pages that must always work.
    pub key_pages: Vec<String>,
    /// The name that visitors come by, without which links within the site are not known as such.
    pub host: String,
}

/// All sites of this instance.
pub trait Sites: Send + Sync + 'static {
    /// Those that have a place for snapshots.
    fn all(&self) -> Vec<SiteHere>;

    /// The mode that an operator has set for a site since the start.
    fn mode(&self, site: &str) -> Option<ModeWord>;

    /// Sets the mode of a site, as another instance's operator has said.
    fn set_mode(&self, site: &str, mode: &ModeWord);
}

impl SiteHere {
    /// What is decided here.
    pub(super) async fn local(&self, mode: Option<ModeWord>) -> Result<Local, Trouble> {
        let store = self.store.clone();
        blocking(move || local(&store, mode)).await
    }
}

/// What is decided here. Blocks.
pub(super) fn local(store: &Store, mode: Option<ModeWord>) -> Result<Local, Trouble> {
    let pointed = store.pointer()?;
    let shelf = store.list();
    let serves = pointed.as_ref().map(|pointed| (pointed.id, pointed.by_hand));
    let current = serves.map(|(id, _)| id);
    let is_settled = |one: &&Summary| one.held.is_some() || current == Some(one.id);
    let settled = shelf.iter().filter(is_settled).map(|one| one.id).collect();
    let pinned = pointed.into_iter().flat_map(|pointed| pointed.pinned).collect();
    Ok(Local { serves, pinned, mode, shelf: shelf.iter().map(|one| one.id).collect(), settled })
}
