//! What happened in the course of an incident, in the order of time.

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use super::parts::Regions;

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When.
    pub at: Moment,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Happening {
    /// The first failed answer.
    FirstFailure {
        /// Its cause, by code.
        cause: String,
    },
    /// The site's state as its visitors feel it: `down`, `degraded`, `recovering`.
    State {
        /// Which one.
        state: String,
    },
    /// Another cause was seen.
    Cause {
        /// Its code.
        cause: String,
    },
    /// Something was found out apart from the failed answers.
    Found {
        /// Its code.
        cause: String,
        /// The domain or the host; empty: the site itself.
        subject: String,
    },
    /// One of several origins changed its state.
    Origin {
        /// Where it is.
        origin: String,
        /// Its new state: `up`, `down`, `trial`, `unproven`.
        state: String,
        /// Why, by code.
        #[serde(default)]
        cause: Option<String>,
    },
    /// An operator did something.
    Act {
        /// What.
        act: Act,
    },
    /// Some instances reach the site that others do not.
    SeenFrom {
        /// Which.
        regions: Regions,
    },
    /// The planned work was over, and the site was not well.
    Overran,
    /// Katahai itself was not running for this long before this.
    Restarted {
        /// In seconds.
        away_s: u64,
    },
    /// The clock of the machine jumped by this.
    ClockMoved {
        /// In seconds; negative: back.
        by_s: i64,
    },
    /// The site failed again, minutes after it had recovered.
    Again,
    /// The site was proven to be well.
    Recovered,
    /// The site was taken out of the configuration.
    Removed,
    /// Somebody has seen the incident.
    Acknowledged {
        /// Who, as they said.
        by: String,
        /// What they said.
        note: String,
    },
    /// What a newer version writes.
    #[serde(other)]
    Unknown,
}

impl Happening {
    /// Whether it comes and goes by itself, and is the first to be left out where there is no room.
    pub(super) fn passes(&self) -> bool {
        use Happening as H;
        matches!(
            self,
            H::State { .. } | H::Cause { .. } | H::Origin { .. } | H::SeenFrom { .. } | H::ClockMoved { .. }
        )
    }
}

/// What an operator did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Act {
    /// They set the mode.
    Mode {
        /// `auto`, `hold_origin` or `hold_snapshot`.
        mode: String,
        /// Why, if they said so.
        #[serde(default)]
        reason: String,
    },
    /// The list of origins was changed.
    Origins,
    /// Another snapshot came into service.
    Snapshot {
        /// Its id.
        id: String,
    },
    /// The configuration was read again.
    Reload,
    /// What a newer version writes.
    #[serde(other)]
    Unknown,
}
