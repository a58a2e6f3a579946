//! Dates in addresses: what a calendar without end is made of.

/// Whether a path ends in year and month, a date, or a step of a calendar: `/2026/11/`, `/2026-11-03`, `/202611`.
pub(super) fn ends_like_a_date(path: &str) -> bool {
    let mut steps = path.rsplit('/').filter(|step| !step.is_empty());
    let (Some(last), before) = (steps.next(), steps.next()) else { return false };
    let last = last.split('.').next().unwrap_or(last);
    if has_date_shape(last) {
        return true;
    }
    let number =
        |step: &str, most: u32| step.len() <= 2 && step.parse::<u32>().is_ok_and(|n| (1..=most).contains(&n));
    match before {
        Some(before) if is_year(before) => number(last, 53),
        Some(before) => number(last, 31) && number(before, 12) && steps.next().is_some_and(is_year),
        None => false,
    }
}

/// Whether a parameter is a date, or a step of a calendar: `m=2026-11`, `event_month=3`.
pub(super) fn has_date(pair: &str) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = name.to_ascii_lowercase();
    let named = ["date", "month", "year", "week", "day", "ym", "calendar"];
    let numeric = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit() || b"-/.".contains(&b));
    has_date_shape(value)
        || numeric && named.iter().any(|word| name == *word || name.ends_with(&format!("_{word}")))
}

/// `2026-11`, `2026-11-03`, `202611`, `20261103`, and the same with slashes or dots.
fn has_date_shape(text: &str) -> bool {
    let (Some(year), Some(rest)) = (text.get(..4), text.get(4..)) else { return false };
    let two = |s: &str, most: u32| s.len() == 2 && s.parse::<u32>().is_ok_and(|n| (1..=most).contains(&n));
    is_year(year)
        && match (rest.len(), rest.as_bytes().first()) {
            (2, Some(b'0'..=b'9')) => two(rest, 12),
            (3, Some(b'-' | b'.')) => rest.get(1..).is_some_and(|m| two(m, 12)),
            (4, Some(b'0'..=b'9')) => {
                rest.get(..2).is_some_and(|m| two(m, 12)) && rest.get(2..).is_some_and(|d| two(d, 31))
            }
            (6, Some(b'-' | b'.')) => {
                rest.get(1..3).is_some_and(|m| two(m, 12)) && rest.get(4..).is_some_and(|d| two(d, 31))
            }
            _ => false,
        }
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.parse::<u32>().is_ok_and(|year| (1900..=2199).contains(&year))
}
