//! What is said of incidents, and maintenance windows: planned work on a site, once or every week. What fails within one is an incident all the same, but
//! nobody has to be alarmed.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::node::{Fault, Notes, Slot, Span, Spanned, shown};
use super::raw;
use super::value::texts;

const DAY: u64 = 86_400;
const WEEK: u64 = 7 * DAY;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// The first Monday after the epoch, which was a Thursday, in seconds.
const MONDAY: u64 = 4 * DAY;
/// No window is longer.
const LONGEST: Duration = Duration::from_secs(31 * DAY);

/// `[incidents]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incidents {
    /// How long each is kept after its end.
    pub keep_for: Duration,
    /// In which zone reports give times; `None`: as their language suggests.
    pub zone: Option<UtcOffset>,
}

/// One `[[site.maintenance]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// When.
    pub when: MaintenanceTime,
    /// What for; may be empty.
    pub reason: String,
}

/// When planned work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaintenanceTime {
    /// Once.
    Once {
        /// From then,
        start: SystemTime,
        /// until just before then.
        end: SystemTime,
    },
    /// Every week.
    Weekly(Weekly),
}

/// A time of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weekly {
    /// Seconds after Monday, 00:00.
    pub(super) start: u64,
    /// How long it is, in seconds; at most a day.
    pub(super) length: u64,
    /// In which zone.
    pub(super) zone: UtcOffset,
}

impl Maintenance {
    /// Until when it lasts, if it is under way at `now`.
    pub fn until(&self, now: SystemTime) -> Option<SystemTime> {
        match self.when {
            MaintenanceTime::Once { start, end } => (start <= now && now < end).then_some(end),
            MaintenanceTime::Weekly(weekly) => {
                let local = now
                    .duration_since(UNIX_EPOCH)
                    .ok()?
                    .as_secs()
                    .checked_add_signed(weekly.zone.seconds())?;
                let since = (local + WEEK - MONDAY + WEEK - weekly.start) % WEEK;
                (since < weekly.length).then(|| now + Duration::from_secs(weekly.length - since))
            }
        }
    }
}

/// How far local time is ahead of UTC, in minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UtcOffset(i32);

impl UtcOffset {
    /// Japan.
    pub const JST: UtcOffset = UtcOffset(9 * 60);

    /// In seconds.
    pub fn seconds(self) -> i64 {
        i64::from(self.0) * 60
    }

    /// `+09:00`, `-03:30`, `Z`.
    ///
    /// # Errors
    /// What to write.
    pub fn parse(text: &str) -> Result<UtcOffset, String> {
        let wrong = || format!("{} is no offset from UTC; write it like \"+09:00\"", shown(text));
        if text == "Z" {
            return Ok(UtcOffset(0));
        }
        let (sign, rest) = match text.split_at_checked(1) {
            Some(("+", rest)) => (1, rest),
            Some(("-", rest)) => (-1, rest),
            _ => return Err(wrong()),
        };
        let minutes = time_of_day(rest).filter(|seconds| *seconds <= 14 * 3600).ok_or_else(wrong)? / 60;
        Ok(UtcOffset(sign * i32::try_from(minutes).unwrap_or_default()))
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// `02:30` in seconds; `24:00` is the end of the day.
fn time_of_day(text: &str) -> Option<u64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |part: &str| (part.len() == 2).then(|| part.parse::<u64>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= 24 * 60).then_some((hours * 60 + minutes) * 60)
}

/// A moment with its offset, as in `2026-12-24T02:00:00+09:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instant3339(SystemTime);

fn instant(text: &str) -> Result<Instant3339, Fault> {
    let help = "write date, time and offset (RFC 3339), as in \"2026-12-24T02:00:00+09:00\"";
    let wrong = || Fault::new(format!("{} is not a moment", shown(text)), help);
    let at =
        text.get(10..).and_then(|time| time.find(['Z', '+', '-'])).map(|at| at + 10).ok_or_else(wrong)?;
    let (local, offset) = text.split_at(at);
    let offset = UtcOffset::parse(offset).map_err(|_| wrong())?;
    let seconds = if local.len() == 16 { ":00" } else { "" };
    let time = humantime::parse_rfc3339(&format!("{local}{seconds}Z")).map_err(|_| wrong())?;
    let unix = time.duration_since(UNIX_EPOCH).map_err(|_| wrong())?.as_secs();
    let utc = unix.checked_add_signed(-offset.seconds()).ok_or_else(wrong)?;
    Ok(Instant3339(UNIX_EPOCH + Duration::from_secs(utc)))
}

/// A day and the times between which work is, in the zone of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WeeklyTimes {
    start: u64,
    length: u64,
}

fn weekly(text: &str) -> Result<WeeklyTimes, Fault> {
    let help = "write a day and two times, as in \"Sun 02:00-04:00\" (Mon, Tue, Wed, Thu, Fri, Sat, Sun)";
    let wrong = || Fault::new(format!("{} is not a time of the week", shown(text)), help);
    let (day, times) = text.split_once(' ').ok_or_else(wrong)?;
    let day = DAYS.iter().position(|known| day.eq_ignore_ascii_case(known)).ok_or_else(wrong)? as u64;
    let (from, to) = times.trim().split_once('-').ok_or_else(wrong)?;
    let (from, to) = (time_of_day(from).ok_or_else(wrong)?, time_of_day(to).ok_or_else(wrong)?);
    if from == to || from == DAY {
        return Err(wrong());
    }
    // one that ends before it begins ends on the next day
    let length = if to > from { to - from } else { to + DAY - from };
    Ok(WeeklyTimes { start: day * DAY + from, length })
}

fn offset(text: &str) -> Result<UtcOffset, Fault> {
    UtcOffset::parse(text).map_err(|message| {
        let (message, help) = message.split_once("; ").unwrap_or((&message, ""));
        Fault::new(message, help)
    })
}

/// An offset, or `""` for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ZoneOrNone(pub(super) Option<UtcOffset>);

fn zone_or_none(text: &str) -> Result<ZoneOrNone, Fault> {
    if text.is_empty() { Ok(ZoneOrNone(None)) } else { offset(text).map(|zone| ZoneOrNone(Some(zone))) }
}

texts! {
    Instant3339: "a moment such as \"2026-12-24T02:00:00+09:00\"", instant;
    WeeklyTimes: "a time of the week such as \"Sun 02:00-04:00\"", weekly;
    UtcOffset: "an offset such as \"+09:00\"", offset;
    ZoneOrNone: "an offset such as \"+09:00\"", zone_or_none;
}

/// One window; `None` if it has no time that could be meant.
pub(super) fn maintenance(raw: Spanned<raw::Maintenance>, notes: &mut Notes) -> Option<Maintenance> {
    let Spanned { value: raw, span } = raw;
    let has_zone = raw.zone.is_given();
    let zone = raw.zone.or_default();
    let reason = raw.reason.or_default();
    let is_broken = matches!(raw.start, Slot::Broken)
        || matches!(raw.end, Slot::Broken)
        || matches!(raw.weekly, Slot::Broken);
    let when = match (raw.start.here(), raw.end.here(), raw.weekly.here()) {
        (Some(start), Some(end), None) => {
            if has_zone {
                let help = "remove `zone`: it is for `weekly`";
                notes.warning(&span, Fault::new("`start` and `end` have their own offset", help));
            }
            once(&start, &end, notes)?
        }
        (None, None, Some(times)) => {
            let WeeklyTimes { start, length } = times.value;
            MaintenanceTime::Weekly(Weekly { start, length, zone })
        }
        _ if is_broken => return None,
        _ => {
            let help = "write `start` and `end`, or `weekly`, as in weekly = \"Sun 02:00-04:00\"";
            notes.error(&span, Fault::new("a maintenance window needs one time", help));
            return None;
        }
    };
    Some(Maintenance { when, reason })
}

fn once(
    start: &Spanned<Instant3339>,
    end: &Spanned<Instant3339>,
    notes: &mut Notes,
) -> Option<MaintenanceTime> {
    let (Instant3339(from), Instant3339(to)) = (start.value, end.value);
    let span: &Span = &end.span;
    match to.duration_since(from) {
        Ok(length) if length.is_zero() => {
            notes.error(span, Fault::new("the window ends when it starts", "write a later `end`"));
            None
        }
        Ok(length) if length > LONGEST => {
            let help = "write an `end` within 31 days of `start`: outages within the window alarm nobody";
            notes.error(span, Fault::new("the window is too long", help));
            None
        }
        Ok(_) => Some(MaintenanceTime::Once { start: from, end: to }),
        Err(_) => {
            notes.error(span, Fault::new("the window ends before it starts", "write a later `end`"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        instant(text).unwrap_or_else(|fault| panic!("{}", fault.message)).0
    }

    #[test]
    fn a_window_of_the_week_is_in_its_own_zone() {
        // 2026-12-06 is a Sunday
        let WeeklyTimes { start, length } = weekly("Sun 02:00-04:00").ok().unwrap();
        let window = |zone: &str| Maintenance {
            when: MaintenanceTime::Weekly(Weekly { start, length, zone: UtcOffset::parse(zone).unwrap() }),
            reason: String::new(),
        };
        for (zone, now, until) in [
            ("Z", "2026-12-06T01:59:59Z", None),
            ("Z", "2026-12-06T02:00:00Z", Some("2026-12-06T04:00:00Z")),
            ("Z", "2026-12-06T03:59:59Z", Some("2026-12-06T04:00:00Z")),
            ("Z", "2026-12-06T04:00:00Z", None),
            ("Z", "2026-12-07T02:00:00Z", None),
            ("+09:00", "2026-12-05T17:30:00Z", Some("2026-12-05T19:00:00Z")),
            ("+09:00", "2026-12-06T02:30:00Z", None),
            ("-05:00", "2026-12-06T07:00:00Z", Some("2026-12-06T09:00:00Z")),
        ] {
            assert_eq!(window(zone).until(at(now)), until.map(at), "{zone} {now}");
        }
        let WeeklyTimes { start, length } = weekly("sun 23:00-01:00").ok().unwrap();
        let night = Weekly { start, length, zone: UtcOffset(0) };
        let night = Maintenance { when: MaintenanceTime::Weekly(night), reason: String::new() };
        assert_eq!(
            night.until(at("2026-12-07T00:30:00Z")),
            Some(at("2026-12-07T01:00:00Z")),
            "over midnight and week"
        );
    }

    #[test]
    fn moments_have_offsets_and_nonsense_has_a_help() {
        assert_eq!(at("2026-12-24T02:00:00+09:00"), at("2026-12-23T17:00:00Z"));
        assert_eq!(at("2026-12-24T02:00-03:30"), at("2026-12-24T05:30:00Z"));
        for bad in [
            "",
            "2026-12-24",
            "2026-12-24T02:00:00",
            "tomorrow at noon",
            "2026-13-24T02:00:00Z",
            "2026-12-24T02:00:00+9",
        ] {
            assert!(instant(bad).is_err(), "{bad}");
        }
        for bad in [
            "Sun",
            "Sunday 02:00-04:00",
            "Sun 2:00-4:00",
            "Sun 02:00-02:00",
            "Sun 24:00-02:00",
            "Sun 02:00-25:00",
        ] {
            assert!(weekly(bad).is_err(), "{bad}");
        }
        for (text, shown) in [("+09:00", "+09:00"), ("-03:30", "-03:30"), ("Z", "+00:00")] {
            assert_eq!(UtcOffset::parse(text).unwrap().to_string(), shown);
        }
        assert!(
            UtcOffset::parse("9").is_err()
                && UtcOffset::parse("+15:00").is_err()
                && UtcOffset::parse("é").is_err()
        );
        let window = Maintenance {
            when: MaintenanceTime::Once {
                start: at("2026-12-24T02:00:00Z"),
                end: at("2026-12-24T03:00:00Z"),
            },
            reason: String::new(),
        };
        assert_eq!(window.until(at("2026-12-24T02:59:59Z")), Some(at("2026-12-24T03:00:00Z")));
        assert_eq!(window.until(at("2026-12-24T03:00:00Z")), None);
    }
}
