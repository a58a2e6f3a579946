//! The name of a snapshot: when it was begun, for people, and a number that only grows, for the order.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that has four digits of year.
pub(super) const LATEST: u64 = 253_402_300_799;

/// Names a snapshot, within its site and for ever: `20261120T011334Z-000042`.
///
/// The number decides the order: the wall clock may be set back between two snapshots, the number never is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SnapshotId {
    seconds: u64,
    sequence: u64,
}

impl SnapshotId {
    /// The id of snapshot number `sequence`, begun at `begun`. Times without a four-digit year are moved to the
    /// nearest that has one.
    pub fn new(begun: SystemTime, sequence: u64) -> SnapshotId {
        SnapshotId { seconds: crate::clock::unix(begun).min(LATEST), sequence }
    }

    /// The number: larger means taken later.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time =
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(self.seconds)).to_string();
        for digit in time.chars().filter(|c| !matches!(c, '-' | ':')) {
            fmt::Write::write_char(f, digit)?;
        }
        write!(f, "-{:06}", self.sequence)
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no snapshot's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the id of a snapshot (they look like 20261120T011334Z-000042)")]
pub struct NotAnId;

impl FromStr for SnapshotId {
    type Err = NotAnId;

    /// Accepts exactly what `Display` writes, so that an id can be a file name: nothing else ever becomes a path.
    fn from_str(text: &str) -> Result<SnapshotId, NotAnId> {
        let (time, number) = text.split_once('-').ok_or(NotAnId)?;
        if time.len() != 16 || !time.is_ascii() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotAnId);
        }
        let spelled = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &time[0..4],
            &time[4..6],
            &time[6..8],
            &time[9..11],
            &time[11..13],
            &time[13..15]
        );
        let begun = humantime::parse_rfc3339(&spelled).map_err(|_| NotAnId)?;
        let id = SnapshotId::new(begun, number.parse().map_err(|_| NotAnId)?);
        if id.to_string() == text { Ok(id) } else { Err(NotAnId) }
    }
}

impl Ord for SnapshotId {
    fn cmp(&self, other: &SnapshotId) -> Ordering {
        (self.sequence, self.seconds).cmp(&(other.sequence, other.seconds))
    }
}

impl PartialOrd for SnapshotId {
    fn partial_cmp(&self, other: &SnapshotId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl serde::Serialize for SnapshotId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for SnapshotId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<SnapshotId, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_id_reads_as_its_time_and_number() {
        assert_eq!(SnapshotId::new(at(1_795_137_214), 42).to_string(), "20261120T011334Z-000042");
        assert_eq!(SnapshotId::new(at(0), 12_345_678).to_string(), "19700101T000000Z-12345678");
    }

    #[test]
    fn an_id_is_read_back() {
        for id in [
            SnapshotId::new(at(1_795_137_214), 42),
            SnapshotId::new(at(0), 0),
            SnapshotId::new(at(u64::MAX / 4), u64::MAX),
            SnapshotId::new(UNIX_EPOCH - Duration::from_secs(9), 1),
        ] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn nothing_else_is_an_id() {
        for text in [
            "",
            "-",
            "current",
            "../../etc/passwd",
            "20261120T011334Z",
            "20261120T011334Z-",
            "20261120T011334Z-42",
            "20261120T011334Z-0000042",
            "20261120T011334Z-+00042",
            "20261120T011334Z-00004é",
            "20261320T011334Z-000042",
            "20261120t011334Z-000042",
            "20261120T011334Z-000042/",
            "20261120T011334Z-000042\0",
            "2026é120T01133Z-000042",
            ".20261120T011334Z-000042",
            "20261120T011334Z-99999999999999999999999",
        ] {
            assert_eq!(text.parse::<SnapshotId>(), Err(NotAnId), "{text}");
        }
    }

    #[test]
    fn the_number_decides_the_order_not_the_clock() {
        assert!(SnapshotId::new(at(9), 1) < SnapshotId::new(at(5), 2));
    }
}
