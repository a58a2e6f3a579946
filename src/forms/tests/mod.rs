//! Tests of the spool as a whole, on real disks.
#![expect(clippy::disallowed_methods, reason = "these tests spoil what is kept")]

mod bounded;
mod full;
mod kept;
pub(super) mod killed;
mod moved;
mod receipts;
mod reopened;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;

const PLENTY: Bounds = Bounds { most: 10_000, size: 1 << 30 };

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn keys() -> Keys {
    Keys::of([[7; 32]])
}

/// A form that came so many seconds after 1970.
fn form(seconds: u64, body: &str) -> KeptForm {
    KeptForm {
        id: FormId::draw(at(seconds)).unwrap(),
        received: at(seconds),
        body: body.to_owned().into(),
        ..super::record::tests::sample()
    }
}

fn keep(spool: &Spool, seconds: u64, body: &str) -> FormId {
    spool.keep(&keys(), form(seconds, body), PLENTY, at(seconds)).unwrap()
}

fn body_of(spool: &Spool, id: FormId) -> String {
    String::from_utf8(spool.read("shop", id, &keys()).unwrap().body.to_vec()).unwrap()
}

fn state_of(spool: &Spool, id: FormId) -> Option<State> {
    spool.list("shop").into_iter().find(|listed| listed.id == id).map(|listed| listed.state)
}

fn reason(text: &str) -> Option<Reason> {
    Some(text.parse().unwrap())
}

/// A state directory with kept forms.
struct Place {
    dir: tempfile::TempDir,
    spool: Spool,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        Place { dir, spool }
    }

    /// As after a restart.
    fn reopened(self) -> Place {
        let Place { dir, spool } = self;
        drop(spool);
        let spool = Spool::open(dir.path()).unwrap();
        Place { dir, spool }
    }

    fn site_dir(&self) -> PathBuf {
        self.dir.path().join("forms/shop")
    }

    /// Brings a form into a state on ways that are allowed.
    fn lead(&self, id: FormId, state: State) {
        let way: &[State] = match state {
            State::Unconfirmed => &[],
            State::Kept => &[State::Kept],
            State::Sending => &[State::Kept, State::Sending],
            State::Doubtful => &[State::Kept, State::Sending, State::Doubtful],
            State::Parked => &[State::Kept, State::Parked],
            State::Delivered => &[State::Kept, State::Sending, State::Delivered],
        };
        for step in way {
            self.spool.mark("shop", id, *step, None, at(1000)).unwrap();
        }
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
