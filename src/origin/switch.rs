//! The operator's word for one origin, given while the process runs: it stands above the configuration's.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::config::ready::OriginMode;

const MODES: [OriginMode; 3] = [OriginMode::Auto, OriginMode::Drain, OriginMode::Off];

/// What was said last; zero: nothing.
#[derive(Debug, Default)]
pub(super) struct ModeSwitch(AtomicU8);

impl ModeSwitch {
    /// What was said, if anything was.
    pub(super) fn get(&self) -> Option<OriginMode> {
        MODES.get(usize::from(self.0.load(Relaxed)).checked_sub(1)?).copied()
    }

    /// Says it; `None` takes it back.
    pub(super) fn set(&self, mode: Option<OriginMode>) {
        let place = mode.and_then(|mode| MODES.iter().position(|known| *known == mode));
        self.0.store(place.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(0), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_last_holds() {
        let switch = ModeSwitch::default();
        assert_eq!(switch.get(), None);
        for mode in MODES {
            switch.set(Some(mode));
            assert_eq!(switch.get(), Some(mode));
        }
        switch.set(None);
        assert_eq!(switch.get(), None);
    }
}
