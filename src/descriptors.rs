//! File descriptors: how many this process may have, and who gets the last of them.
//!
//! The kernel always gives the lowest number that is free. So whoever has just been given number `n` knows, without
//! counting, that `n` others are in use; and gives it back if it is one of the last, and he is not one for whom these
//! are kept.

use std::io;
use std::os::fd::AsRawFd;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a descriptor is for, those first who have to go without first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A visitor's connection.
    Visitor,
    /// What a request needs: a connection to an origin, a file.
    Request,
    /// Checks, the admin API, the configuration, what is written to disk.
    Upkeep,
}

/// Raises the soft limit on open files to the hard one, and returns what it is now. Each visitor needs up to three:
/// the connection, one to the origin, one on disk.
pub fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "could not raise the limit on open files");
    }
    self::limit()
}

/// How many descriptors this process may have.
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Whether a descriptor that was just opened for this use may be kept.
pub fn may_keep(just_opened: &impl AsRawFd, for_what: Use) -> bool {
    let number = u64::try_from(just_opened.as_raw_fd()).unwrap_or(0);
    is_within(number, limit(), for_what)
}

fn is_within(number: u64, limit: u64, for_what: Use) -> bool {
    let kept = (limit / 8).clamp(8, 64);
    number
        < match for_what {
            Use::Visitor => limit.saturating_sub(2 * kept),
            Use::Request => limit.saturating_sub(kept),
            Use::Upkeep => limit,
        }
}

/// Whether an error says that there is none left, for this process or for the whole machine.
pub fn is_want(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// The same for an error that another one was made of, however deep.
pub fn is_want_behind(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    // a chain of errors has an end, but nobody promises it
    for _ in 0..16 {
        let Some(error) = next else { return false };
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(is_want) {
            return true;
        }
        // the error that an `io::Error` was made of is not its source
        next = match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

/// The error of somebody for whom the last ones are not kept.
pub fn want() -> io::Error {
    io::Error::from_raw_os_error(Errno::MFILE.raw_os_error())
}

/// How many are in use, if they are running out and visitors are turned away.
pub fn running_out() -> Option<(u64, u64)> {
    let limit = limit();
    match std::fs::File::open("/dev/null") {
        Ok(probe) => {
            let number = u64::try_from(probe.as_raw_fd()).unwrap_or(0);
            (!is_within(number, limit, Use::Visitor)).then_some((number, limit))
        }
        Err(error) => is_want(&error).then_some((limit, limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept() {
        for (number, limit, visitor, request, upkeep) in [
            (3, 80, true, true, true),
            (59, 80, true, true, true),
            (60, 80, false, true, true),
            (69, 80, false, true, true),
            (70, 80, false, false, true),
            (895, 1024, true, true, true),
            (896, 1024, false, true, true),
            (960, 1024, false, false, true),
            (20_000, 524_288, true, true, true),
            (0, 8, false, false, true),
            (1 << 20, u64::MAX, true, true, true),
        ] {
            let found = [Use::Visitor, Use::Request, Use::Upkeep].map(|what| is_within(number, limit, what));
            assert_eq!(found, [visitor, request, upkeep], "{number} of {limit}");
        }
    }

    #[test]
    fn want_is_told_from_other_errors() {
        assert!(is_want(&want()));
        assert!(is_want(&io::Error::from_raw_os_error(Errno::NFILE.raw_os_error())));
        assert!(!is_want(&io::Error::from_raw_os_error(Errno::NOENT.raw_os_error())));
        assert!(!is_want(&io::Error::other("elsewhere")));
        assert!(is_want_behind(&io::Error::other(want())));
        assert!(!is_want_behind(&io::Error::other("elsewhere")));
        assert!(may_keep(&io::stdin(), Use::Visitor));
        assert_eq!(running_out(), None);
        assert_eq!(Some(raise_limit()), getrlimit(Resource::Nofile).maximum.or(Some(u64::MAX)));
    }
}
