//! A set of status codes, asked once for every answer of an origin: a bit for each code, so that it costs nothing.

use std::fmt;

use http::StatusCode;

const LOW: u16 = 100;
const HIGH: u16 = 599;

/// A set of status codes, such as `["200-399"]`.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Statuses([u64; 8]);

impl Statuses {
    /// Compiles codes (`"500"`) and ranges (`"502-504"`).
    ///
    /// # Errors
    /// One sentence that names the part that is wrong.
    pub fn new<S: AsRef<str>>(parts: &[S]) -> Result<Statuses, String> {
        let mut set = Statuses::default();
        for part in parts {
            let part = part.as_ref();
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            match (low.trim().parse(), high.trim().parse()) {
                (Ok(low), Ok(high)) if LOW <= low && low <= high && high <= HIGH => {
                    set = set.with(low, high);
                }
                _ => {
                    return Err(format!(
                        "{part:?} is not a status (\"500\") or a range of them (\"502-504\")"
                    ));
                }
            }
        }
        Ok(set)
    }

    /// The set of some ranges, ends included, for defaults: what is not a status is left out.
    pub const fn of(ranges: &[(u16, u16)]) -> Statuses {
        let mut set = Statuses([0; 8]);
        let mut i = 0;
        while i < ranges.len() {
            set = set.with(ranges[i].0, ranges[i].1);
            i += 1;
        }
        set
    }

    const fn with(mut self, low: u16, high: u16) -> Statuses {
        let mut code = if low < LOW { LOW } else { low };
        while code <= high && code <= HIGH {
            let bit = (code - LOW) as usize;
            self.0[bit / 64] |= 1 << (bit % 64);
            code += 1;
        }
        self
    }

    /// Whether the set holds `status`. Codes from 600 on, which HTTP does not define, are in no set.
    pub fn contains(&self, status: StatusCode) -> bool {
        self.has(status.as_u16())
    }

    /// Whether the set holds nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 8]
    }

    /// Whether some status is in both sets.
    pub fn overlaps(&self, other: &Statuses) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    fn has(&self, code: u16) -> bool {
        let bit = usize::from(code.wrapping_sub(LOW));
        self.0.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }
}

/// As it would be written: `500,502-504`.
impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut code = LOW;
        let mut comma = "";
        while code <= HIGH {
            if !self.has(code) {
                code += 1;
                continue;
            }
            let low = code;
            while self.has(code + 1) {
                code += 1;
            }
            if low == code {
                write!(f, "{comma}{low}")?
            } else {
                write!(f, "{comma}{low}-{code}")?
            }
            comma = ",";
            code += 1;
        }
        Ok(())
    }
}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Statuses({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: u16) -> StatusCode {
        StatusCode::from_u16(code).unwrap()
    }

    #[test]
    fn statuses_are_codes_and_ranges() {
        let set = Statuses::new(&["500", "502-504"]).unwrap();
        assert!(set.contains(StatusCode::BAD_GATEWAY) && !set.contains(StatusCode::NOT_IMPLEMENTED));
        for bad in ["", "5xx", "504-502", "99", "600", "500-", "-", "+500-", "500-502-504", "99999999999"] {
            assert!(Statuses::new(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_code_is_itself_alone() {
        for one in 100..=599 {
            let set = Statuses::of(&[(one, one)]);
            for other in 100..=999 {
                assert_eq!(set.contains(code(other)), one == other, "{one} {other}");
            }
        }
    }

    #[test]
    fn a_set_is_written_as_it_is_read() {
        for text in ["", "100", "200-399", "500,502-504,508-509,520-530", "599"] {
            let parts: Vec<&str> = text.split(',').filter(|part| !part.is_empty()).collect();
            assert_eq!(Statuses::new(&parts).unwrap().to_string(), text);
        }
        assert_eq!(Statuses::of(&[(0, 100), (599, 700)]).to_string(), "100,599");
    }

    #[test]
    fn sets_overlap_where_they_share_a_code() {
        let good = Statuses::of(&[(200, 399)]);
        assert!(good.overlaps(&Statuses::of(&[(399, 500)])) && !good.overlaps(&Statuses::of(&[(400, 500)])));
        assert!(Statuses::default().is_empty() && !good.is_empty());
    }
}
