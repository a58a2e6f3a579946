//! Who may run beside whom. Tests that use a whole machine (gigabytes, browsers, load) ask to be alone, so that the
//! short deadlines of the others stay meaningful. A test holds one share however many edges it starts.

use std::cell::Cell;
use std::sync::{Condvar, Mutex};

struct State {
    shares: usize,
    alone: bool,
    waiting: usize,
}

static STATE: Mutex<State> = Mutex::new(State { shares: 0, alone: false, waiting: 0 });
static MOVED: Condvar = Condvar::new();

thread_local! {
    /// Guards of this test (the runner gives every test a thread, or all of them one after another).
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// The right to run; given back when dropped.
pub struct Turn {
    alone: bool,
}

/// A share: others may run too.
pub fn share() -> Turn {
    if HELD.get() == 0 {
        let mut state = STATE.lock().unwrap();
        while state.alone || state.waiting > 0 {
            state = MOVED.wait(state).unwrap();
        }
        state.shares += 1;
    }
    HELD.set(HELD.get() + 1);
    Turn { alone: false }
}

/// The whole machine. To be asked for before anything else in a test.
pub fn alone() -> Turn {
    assert_eq!(HELD.get(), 0, "ask to be alone before the first edge starts");
    let mut state = STATE.lock().unwrap();
    state.waiting += 1;
    while state.alone || state.shares > 0 {
        state = MOVED.wait(state).unwrap();
    }
    state.waiting -= 1;
    state.alone = true;
    HELD.set(1);
    Turn { alone: true }
}

impl Drop for Turn {
    fn drop(&mut self) {
        HELD.set(HELD.get().saturating_sub(1));
        let mut state = STATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.alone {
            state.alone = false;
        } else if HELD.get() == 0 {
            state.shares = state.shares.saturating_sub(1);
        }
        MOVED.notify_all();
    }
}
