//! Dates as site maps write them: the W3C profile of ISO 8601, and what is written in its place.

/// Seconds since the epoch of `2026`, `2026-11`, `2026-11-03`, `2026-11-03T10:20+09:00`, `2026-11-03T10:20:30.5Z`. Without a
/// zone it is UTC. `None` for what is no date.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], text[at + 1..].trim()),
        None => (text, ""),
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4, 1970, 2999)?;
    let month = parts.next().map_or(Some(1), |month| number(month, 2, 1, 12))?;
    let day = parts.next().map_or(Some(1), |day| number(day, 2, 1, 31))?;
    if parts.next().is_some() {
        return None;
    }
    Some(days(year, month, day) * 86_400 + if time.is_empty() { 0 } else { seconds(time)? })
}

fn number(text: &str, digits: usize, least: i64, most: i64) -> Option<i64> {
    let is_number = text.len() <= digits && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| is_number && (least..=most).contains(n))
}

/// Seconds of a time of the day, its zone taken off; may be negative.
fn seconds(time: &str) -> Option<i64> {
    let zone_at = time.find(['Z', 'z', '+', '-', ' ']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let mut parts = clock.split(':');
    let hours = number(parts.next()?, 2, 0, 24)?;
    let minutes = number(parts.next()?, 2, 0, 59)?;
    let seconds = match parts.next() {
        Some(seconds) => number(seconds.split(['.', ',']).next().unwrap_or(""), 2, 0, 60)?,
        None => 0,
    };
    Some(hours * 3600 + minutes * 60 + seconds - offset(zone.trim())?)
}

/// Seconds east of Greenwich: `+09:00`, `+0900`, `-5`, `Z`.
fn offset(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.as_bytes().first() {
        None | Some(b'Z' | b'z') => return Some(0),
        Some(b'+') => (1, &zone[1..]),
        Some(b'-') => (-1, &zone[1..]),
        Some(_) => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some(parts) => parts,
        None if rest.len() == 4 => rest.split_at_checked(2)?,
        None => (rest, "0"),
    };
    Some(sign * (number(hours, 2, 0, 14)? * 3600 + number(minutes, 2, 0, 59)? * 60))
}

/// Days from the epoch to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Counted from March, so that the leap day is the last of its year.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    before + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_read_as_people_write_them() {
        let day = 20_760 * 86_400;
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("2026-11-03", Some(day)),
            (" 2026-11-03 ", Some(day)),
            ("2026-11", Some(day - 2 * 86_400)),
            ("2024-02-29", Some(19_782 * 86_400)),
            ("2026-11-03T10:20:30Z", Some(day + 37_230)),
            ("2026-11-03T10:20:30.123+09:00", Some(day + 37_230 - 32_400)),
            ("2026-11-03t10:20-0530", Some(day + 37_200 + 19_800)),
            ("2026-11-03 10:20:30 +09:00", Some(day + 37_230 - 32_400)),
            ("2026-11-03T10:20:30", Some(day + 37_230)),
            ("", None),
            ("yesterday", None),
            ("03.11.2026", None),
            ("2026-13-01", None),
            ("2026-11-03-04", None),
            ("20261103", None),
            ("2026-11-03T25:00", None),
            ("2026-11-03T10", None),
            ("2026-11-03T10:20+あ", None),
            ("あ", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_survived(text in "[0-9T:+Zあ. -]{0,30}") {
            let _ = parse(&text);
        }

        #[test]
        fn it_reads_what_others_write(seconds in 0u64..20_000_000_000) {
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            let written = humantime::format_rfc3339_seconds(at).to_string();
            prop_assert_eq!(parse(&written), Some(seconds as i64));
        }
    }
}
