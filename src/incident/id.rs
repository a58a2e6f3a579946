//! The name of an incident: when it began, and of which site.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::moment::Moment;

/// Names an incident: `20261201T013000Z-shop`; a second one of the same second has `.2` behind its time. Sorts by time. Made of
/// nothing but what a file's name may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentId(String);

/// The text is no incident's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the id of an incident (they look like 20261201T013000Z-shop)")]
pub struct NotAnIncident;

/// Characters of an id.
const LONGEST: usize = 255 - ".json".len();

impl IncidentId {
    /// The id of the incident of `site` that began then; `is_taken` says whether another one has it.
    pub fn new(began: Moment, site: &str, is_taken: impl Fn(&IncidentId) -> bool) -> IncidentId {
        let time: String = began.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let safe: String = site.chars().map(|c| if is_safe(c) { c } else { '_' }).take(200).collect();
        let mut id = IncidentId(format!("{time}-{safe}"));
        let mut number = 2_u32;
        while is_taken(&id) {
            id = IncidentId(format!("{time}.{number}-{safe}"));
            number = number.saturating_add(1);
        }
        id
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its site, as far as a file's name can have it.
    pub fn site(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, site)| site)
    }
}

fn is_safe(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-')
}

impl FromStr for IncidentId {
    type Err = NotAnIncident;

    /// Accepts what may be a file's name: nothing else ever becomes a path.
    fn from_str(text: &str) -> Result<IncidentId, NotAnIncident> {
        let (time, site) = text.split_once('-').ok_or(NotAnIncident)?;
        let (time, number) = time.split_once('.').unwrap_or((time, "2"));
        let bytes = time.as_bytes();
        let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
        let is_time = bytes.len() == 16
            && digits(&bytes[..8])
            && bytes[8] == b'T'
            && digits(&bytes[9..15])
            && bytes[15] == b'Z';
        let is_number = !number.is_empty() && digits(number.as_bytes());
        let is_site = !site.is_empty() && site.chars().all(is_safe) && text.len() <= LONGEST;
        (is_time && is_number && is_site).then(|| IncidentId(text.to_owned())).ok_or(NotAnIncident)
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for IncidentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for IncidentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<IncidentId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn an_id_is_a_files_name_and_no_path() {
        let began = Moment::from(UNIX_EPOCH + Duration::from_secs(1_796_088_600));
        let id = IncidentId::new(began, "shop", |_| false);
        assert_eq!((id.as_str(), id.site()), ("20261201T013000Z-shop", "shop"));
        let second = IncidentId::new(began, "shop", |other| *other == id);
        assert_eq!((second.as_str(), second.site()), ("20261201T013000Z.2-shop", "shop"));
        assert_eq!(IncidentId::new(began, "../a b", |_| false).as_str(), "20261201T013000Z-.._a_b");
        for good in ["20261201T013000Z-shop", "20261201T013000Z.12-www.example.jp", "20261201T013000Z-a-b"] {
            assert_eq!(good.parse::<IncidentId>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "shop",
            "20261201T013000Z-",
            "20261201T013000Z-../x",
            "20261201T013000Z.-a",
            "2026-a",
            "20261201T01300éZ-a",
        ] {
            assert!(bad.parse::<IncidentId>().is_err(), "{bad}");
        }
    }
}
