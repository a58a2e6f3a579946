//! Is this answer the site? Pure.

use http::StatusCode;

use crate::config::ready::Failover;
use crate::failure::Cause;

/// What an origin's answer is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The site.
    Good,
    /// Something else.
    Bad(Cause),
}

/// Judges an answer by its status.
pub fn judge(status: StatusCode, policy: &Failover) -> Verdict {
    if policy.bad_status.contains(status) { Verdict::Bad(Cause::BadStatus) } else { Verdict::Good }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ready::Statuses;
    use std::time::Duration;

    #[test]
    fn the_configured_statuses_are_not_the_site() {
        let policy = Failover {
            patience: Duration::from_secs(1),
            patience_max: Duration::from_secs(4),
            timeout: Duration::from_secs(15),
            hold_back: 1 << 20,
            bad_status: Statuses::new(&["500", "502-504"]).unwrap(),
        };
        for (status, verdict) in [
            (200, Verdict::Good),
            (404, Verdict::Good),
            (500, Verdict::Bad(Cause::BadStatus)),
            (501, Verdict::Good),
            (503, Verdict::Bad(Cause::BadStatus)),
        ] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap(), &policy), verdict, "{status}");
        }
    }
}
