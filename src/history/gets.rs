//! What a site's visitors get, in one word: the one that the dashboard, the command line and the public page all say.

use serde::{Deserialize, Serialize};

/// What visitors get, the better the earlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gets {
    /// Nobody has asked, and nobody knows yet.
    #[default]
    Unknown,
    /// The live site.
    Live,
    /// The live site, and some of it from copies.
    Partly,
    /// Copies.
    Copies,
    /// Copies, and the holding page for what no copy has.
    Gaps,
    /// The holding page.
    Holding,
}

impl Gets {
    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Gets::Unknown => "unknown",
            Gets::Live => "live",
            Gets::Partly => "partly",
            Gets::Copies => "copies",
            Gets::Gaps => "gaps",
            Gets::Holding => "holding",
        }
    }

    /// Whether the live site is not there for visitors, in whole or in part.
    pub fn is_outage(self) -> bool {
        self > Gets::Live
    }

    /// Which seconds of a [`super::days::Seconds`] it counts as.
    pub(super) fn place(self) -> Option<usize> {
        match self {
            Gets::Unknown => None,
            Gets::Live => Some(0),
            Gets::Partly => Some(1),
            Gets::Copies | Gets::Gaps => Some(2),
            Gets::Holding => Some(3),
        }
    }
}
