//! An origin's name: where it leads, and whether Katahai follows.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::dns::Resolver;
use crate::failure::Failure;

/// The name of one origin.
pub(super) struct Name {
    host: String,
    resolver: Resolver,
    /// What is wrong where it leads now.
    moved: Mutex<Option<String>>,
}

impl Name {
    pub(super) fn new(host: &str, resolver: Resolver) -> Name {
        Name { host: host.to_owned(), resolver, moved: Mutex::default() }
    }

    /// The addresses in use.
    pub(super) async fn resolve(&self) -> Result<Arc<[IpAddr]>, Failure> {
        self.resolver.resolve(&self.host).await
    }

    /// The same, as far as they are known without a look-up.
    pub(super) fn in_use(&self) -> Vec<IpAddr> {
        self.resolver.in_use(&self.host)
    }

    /// Where it leads now, if these addresses are not in use yet.
    pub(super) fn candidate(&self) -> Option<Arc<[IpAddr]>> {
        self.resolver.candidate(&self.host)
    }

    /// Uses these addresses from now on.
    pub(super) fn follow(&self, candidate: &Arc<[IpAddr]>) {
        self.resolver.follow(&self.host, candidate);
        *self.lock() = None;
    }

    /// Does not follow the name: this is wrong there.
    pub(super) fn distrust(&self, detail: &str) {
        *self.lock() = Some(detail.to_owned());
    }

    /// What is wrong where it leads now, if Katahai does not follow.
    pub(super) fn moved(&self) -> Option<String> {
        let leads_back = self.candidate().is_none();
        let mut moved = self.lock();
        if leads_back {
            *moved = None;
        }
        moved.clone()
    }

    /// Whether it has no address yet: then a request waits for name servers.
    pub(super) fn is_unknown(&self) -> bool {
        !self.resolver.is_known(&self.host)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
