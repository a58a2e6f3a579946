//! What good crawls have taught about a site: what its pages have in common, and how it says that there is no such page.

use serde::{Deserialize, Serialize};

/// The site's character. Empty while nothing is known of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Character {
    /// Hosts that its own pages lead to, besides its own.
    pub hosts: Vec<String>,
}
