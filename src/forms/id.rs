//! The name of a kept form: when it came, for people and for the order, and a number that nobody can guess.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that has four digits of year.
const LATEST: u64 = 253_402_300_799;
/// Crockford's base32, in lower case: without `i`, `l`, `o` and `u`, which are misread or make words.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters of the number, five bits each.
const DIGITS: usize = 8;

/// Names a kept form, and its file: `20261130T115251Z-k7f3x9q2`. In the order of the seconds in which they came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FormId {
    seconds: u64,
    number: u64,
}

/// The system has no random bytes to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomness;

impl FormId {
    /// A new one, for what came at `now`. Times without a four-digit year are moved to the nearest that has one.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn draw(now: SystemTime) -> Result<FormId, NoRandomness> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random[..DIGITS * 5 / 8]).map_err(|_| NoRandomness)?;
        Ok(FormId::new(now, u64::from_le_bytes(random)))
    }

    /// Of `number`, only the lowest 40 bits count.
    pub(super) fn new(now: SystemTime, number: u64) -> FormId {
        FormId { seconds: crate::clock::unix(now).min(LATEST), number: number & ((1 << (5 * DIGITS)) - 1) }
    }

    /// When it came, to the second.
    pub fn came(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.seconds)
    }

    /// The second in which it came.
    pub(super) fn second(&self) -> u64 {
        self.seconds
    }

    /// What a visitor is told, to be read out and written down: `K7F3-X9Q2`.
    pub fn number(&self) -> String {
        let letters: String = self.letters().collect();
        let (first, second) = letters.split_at(DIGITS / 2);
        format!("{first}-{second}").to_ascii_uppercase()
    }

    fn letters(&self) -> impl Iterator<Item = char> + use<> {
        let number = self.number;
        (0..DIGITS).rev().map(move |place| char::from(LETTERS[(number >> (5 * place)) as usize & 31]))
    }
}

impl fmt::Display for FormId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time =
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(self.seconds)).to_string();
        let time = time.chars().filter(|c| !matches!(c, '-' | ':'));
        let text: String = time.chain(['-']).chain(self.letters()).collect();
        f.write_str(&text)
    }
}

impl fmt::Debug for FormId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no kept form's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the id of a kept form (they look like 20261130T115251Z-k7f3x9q2)")]
pub struct NotAFormId;

impl FromStr for FormId {
    type Err = NotAFormId;

    /// Accepts exactly what `Display` writes, so that an id can be a file name: nothing else ever becomes a path.
    fn from_str(text: &str) -> Result<FormId, NotAFormId> {
        let (time, letters) = text.split_once('-').ok_or(NotAFormId)?;
        if time.len() != 16 || !time.is_ascii() || letters.len() != DIGITS {
            return Err(NotAFormId);
        }
        let (date, clock) = (&time[..8], &time[9..15]);
        let spelled = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &date[..4],
            &date[4..6],
            &date[6..],
            &clock[..2],
            &clock[2..4],
            &clock[4..]
        );
        let came = humantime::parse_rfc3339(&spelled).map_err(|_| NotAFormId)?;
        let mut number = 0;
        for letter in letters.bytes() {
            let value = LETTERS.iter().position(|l| *l == letter).ok_or(NotAFormId)?;
            number = number << 5 | value as u64;
        }
        let id = FormId::new(came, number);
        if id.to_string() == text { Ok(id) } else { Err(NotAFormId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_id_is_written_as_its_time_and_number() {
        let id: FormId = "20261130T115251Z-k7f3x9q2".parse().unwrap();
        assert_eq!(
            (id.to_string().as_str(), id.number().as_str()),
            ("20261130T115251Z-k7f3x9q2", "K7F3-X9Q2")
        );
        assert_eq!(id.second(), 1_796_039_571);
        assert_eq!(FormId::new(at(0), 0).to_string(), "19700101T000000Z-00000000");
        assert_eq!(FormId::new(at(u64::MAX / 4), u64::MAX).to_string(), "99991231T235959Z-zzzzzzzz");
        assert_eq!(FormId::new(UNIX_EPOCH - Duration::from_secs(9), 33).number(), "0000-0011");
    }

    #[test]
    fn what_is_drawn_is_read_back_and_is_another_each_time() {
        let ids: std::collections::BTreeSet<FormId> =
            (0..1000).map(|_| FormId::draw(at(1_796_039_571)).unwrap()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn nothing_else_is_an_id() {
        for text in [
            "",
            "-",
            "lock",
            "../../etc/passwd",
            "20261130T115251Z",
            "20261130T115251Z-",
            "20261130T115251Z-k7f3x9q",
            "20261130T115251Z-k7f3x9q22",
            "20261130T115251Z-K7F3X9Q2",
            "20261130T115251Z-k7f3x9qi",
            "20261130T115251Z-k7f3/9q2",
            "20261130T115251Z-k7f3.9q2",
            "20261130T115251Z-k7f3x9é",
            "20261130t115251Z-k7f3x9q2",
            "20261130T115251z-k7f3x9q2",
            "20261330T115251Z-k7f3x9q2",
            "2026é130T11525Z-k7f3x9q2",
            ".0261130T115251Z-k7f3x9q2",
            "20261130T115251Z-k7f3x9q2\0",
            " 20261130T115251Z-k7f3x9q2",
        ] {
            assert_eq!(text.parse::<FormId>(), Err(NotAFormId), "{text}");
        }
    }

    #[test]
    fn the_time_decides_the_order() {
        assert!(FormId::new(at(5), 9) < FormId::new(at(9), 1));
        assert!(FormId::new(at(5), 1).to_string() < FormId::new(at(5), 2).to_string());
    }
}
