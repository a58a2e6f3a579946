//! How many checks of all sites run at the same time. Otherwise, thousands of silent origins, as when an agency's machine
//! hangs, would hold a connection each and take the file descriptors that visitors need.
//!
//! A check that waits for its place has not begun: its times count from when it has. Some places are reserved for urgent checks,
//! so that a site whose visitors meet with trouble is checked soon, whatever the others do; where there is no trouble, only the
//! news that all is well comes late.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The most places, however many descriptors there are: a check takes memory, too.
const MOST: u64 = 4096;
/// The least.
const LEAST: u64 = 16;
/// Checks may use one of this many file descriptors.
const OF_DESCRIPTORS: u64 = 4;
/// One of this many places is reserved for urgent checks.
const KEPT: u64 = 4;

/// The places that all origins' checks share.
#[derive(Clone, Debug)]
pub struct Room {
    any: Arc<Semaphore>,
    kept: Arc<Semaphore>,
}

/// A place, until it is dropped. `None` inside would be a closed semaphore, which there never is.
#[derive(Debug)]
pub(super) struct Place(
    #[expect(dead_code, reason = "held until it is dropped")] Option<OwnedSemaphorePermit>,
);

impl Room {
    /// Room in a process with this limit of descriptors.
    pub fn new(descriptors: u64) -> Room {
        let all = (descriptors / OF_DESCRIPTORS).clamp(LEAST, MOST);
        let kept = all / KEPT;
        let places = |count: u64| Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(usize::MAX)));
        Room { any: places(all - kept), kept: places(kept) }
    }

    /// Waits for a place. Once the check is urgent, a reserved one will do as well.
    pub(super) async fn enter(&self, mut is_wanted: bool, wanted: &Notify) -> Place {
        if let Ok(place) = self.any.clone().try_acquire_owned() {
            return Place(Some(place));
        }
        let any = self.any.clone().acquire_owned();
        tokio::pin!(any);
        loop {
            tokio::select! {
                biased;
                place = &mut any => return Place(place.ok()),
                place = self.kept.clone().acquire_owned(), if is_wanted => return Place(place.ok()),
                () = wanted.notified(), if !is_wanted => is_wanted = true,
            }
        }
    }

    /// A place if one is free, for what can be left out.
    pub(super) fn try_enter(&self) -> Option<Place> {
        self.any.clone().try_acquire_owned().ok().map(|place| Place(Some(place)))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn no_more_check_than_there_are_places_and_who_is_waited_for_gets_one_that_is_kept() {
        let room = Room::new(64);
        let (nobody, somebody) = (Notify::new(), Notify::new());
        let mut held = Vec::new();
        for _ in 0..12 {
            held.push(room.enter(false, &nobody).await);
        }
        assert!(room.enter(false, &nobody).now_or_never().is_none() && room.try_enter().is_none());
        held.push(room.enter(true, &nobody).await);
        {
            let mut waits = pin!(room.enter(false, &somebody));
            assert!((&mut waits).now_or_never().is_none());
            somebody.notify_one();
            held.push(waits.await);
        }
        for _ in 0..2 {
            held.push(room.enter(true, &nobody).await);
        }
        assert!(room.enter(true, &nobody).now_or_never().is_none(), "all sixteen are taken");
        let mut waits = pin!(room.enter(false, &nobody));
        assert!((&mut waits).now_or_never().is_none());
        held.remove(0);
        held.push(waits.await);
        assert_eq!(held.len(), 16);
    }

    #[test]
    fn the_places_go_by_the_descriptors() {
        for (descriptors, any, kept) in
            [(0, 12, 4), (1024, 192, 64), (524_288, 3072, 1024), (u64::MAX, 3072, 1024)]
        {
            let room = Room::new(descriptors);
            assert_eq!(
                (room.any.available_permits(), room.kept.available_permits()),
                (any, kept),
                "{descriptors}"
            );
        }
    }
}
