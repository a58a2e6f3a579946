//! What somebody may do at the admin address.

use serde::Serialize;

/// What he may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// Everything.
    Operator,
    /// Look at everything but what visitors have written, and change nothing.
    Reader,
}
