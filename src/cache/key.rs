//! Which page: the primary key of a stored answer.
//!
//! Scheme and host are part of it although a site has one set of pages: an origin answers `http://` and the second
//! host name with redirects to the first, and one of those under the page's own key would be a loop for everybody.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A page's key with its hash, made once for a request.
#[derive(Clone, Debug)]
pub struct Key<'a> {
    /// Hash of all that follows and of the site, under a secret of this process.
    pub(super) hash: u128,
    /// How often the site had been cleared when the request began.
    pub(super) generation: u64,
    /// How often pages like this one had been changed through the proxy when the request began.
    pub(super) epoch: u64,
    /// Whether the visitor's side is TLS.
    pub https: bool,
    /// The requested host, in lower case.
    pub host: Cow<'a, str>,
    /// The page, as made by [`crate::ask::key::page_key`].
    pub page: Cow<'a, str>,
}

impl Key<'_> {
    /// The key without its lender, for work that outlives the request.
    pub fn into_owned(self) -> Key<'static> {
        Key {
            hash: self.hash,
            generation: self.generation,
            epoch: self.epoch,
            https: self.https,
            host: Cow::Owned(self.host.into_owned()),
            page: Cow::Owned(self.page.into_owned()),
        }
    }
}

/// A hash that nobody outside can aim at: SipHash twice, under two secrets of this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Hash128(RandomState, RandomState);

impl Hash128 {
    pub(super) fn of(&self, feed: impl Fn(&mut dyn Hasher)) -> u128 {
        let run = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            feed(&mut hasher);
            hasher.finish()
        };
        u128::from(run(&self.0)) << 64 | u128::from(run(&self.1))
    }
}

/// For maps whose keys are such hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(b);
        }
    }

    fn write_u128(&mut self, n: u128) {
        self.0 = n as u64;
    }
}

/// Builds [`Hashed`].
pub(super) type BuildHashed = std::hash::BuildHasherDefault<Hashed>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_differ_by_what_is_fed_and_by_process() {
        let hash = Hash128::default();
        let a = hash.of(|h| h.write(b"a"));
        assert_eq!(a, hash.of(|h| h.write(b"a")));
        assert_ne!(a, hash.of(|h| h.write(b"b")));
        assert_ne!(a, Hash128::default().of(|h| h.write(b"a")));
        assert_ne!(a as u64, (a >> 64) as u64);
        let mut hashed = Hashed::default();
        hashed.write_u128(a);
        assert_eq!(hashed.finish(), a as u64);
    }
}
