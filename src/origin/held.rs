//! Waiting for an address that is held on purpose, as a long poll is, for as long as the origin is known to live.

use std::pin::Pin;
use std::time::Duration;

use super::one::Origin;
use super::upload::within;
use crate::clock;

impl Origin {
    /// Waits for `work`: a `wait`, and then as many more, up to `longest` in all, as checks that begin meanwhile are good. A long
    /// poll is held until there is news; what of a dead server does not come, need not be waited for.
    pub(super) async fn held<T, F: Future<Output = T>>(
        &self,
        wait: Duration,
        longest: Duration,
        mut work: Pin<&mut F>,
    ) -> Option<T> {
        let mut left = longest;
        while !left.is_zero() {
            let begun = clock::instant();
            let part = wait.min(left);
            if let Some(done) = within(part / 2, None, work.as_mut()).await {
                return Some(done);
            }
            self.check_soon(); // so that it is known by then
            if let Some(done) = within(part - part / 2, None, work.as_mut()).await {
                return Some(done);
            }
            if !self.signs.checked_since(begun) {
                return None;
            }
            left = left.saturating_sub(part);
        }
        None
    }
}
