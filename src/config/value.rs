//! The small values of the file: durations, sizes, rates, switches. Each parser says in one sentence what is wrong and in another
//! what to write instead.

use std::time::Duration;

use bytesize::ByteSize;

use super::node::{Fault, Notes, Span, Value, kind, shown, text};
use super::ready::{ClientRate, MirrorPrivate, MirrorRobots, OriginMode, PathPattern, Statuses};
use crate::content::text::fold;

/// Longer than anyone waits for anything, and short enough to be added to any clock.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Implements [`Value`] for what is written as a text.
macro_rules! texts {
    ($($kind:ty: $expected:literal, $parse:path;)+) => {$(
        impl $crate::config::node::Value for $kind {
            fn read(
                value: &toml::de::DeValue<'_>,
                span: &$crate::config::node::Span,
                notes: &mut $crate::config::node::Notes,
            ) -> Option<$kind> {
                match $parse($crate::config::node::text(value, span, $expected, notes)?) {
                    Ok(value) => Some(value),
                    Err(fault) => { notes.error(span, fault); None }
                }
            }
        }
    )+};
}
pub(super) use texts;

texts! {
    String: "a text", any_text;
    Duration: "a duration such as \"10s\"", duration;
    Age: "a time such as \"400d\", or \"off\"", age;
    Delay: "a time such as \"300ms\", or \"off\"", delay;
    Rate: "a rate such as \"5/s\"", rate;
    PerClient: "a number and a time such as \"10/h\"", per_client;
    Switch: "\"on\" or \"off\"", switch;
    OriginMode: "\"auto\", \"drain\" or \"off\"", origin_mode;
    MirrorPrivate: "\"auto\", \"always\" or \"never\"", mirror_private;
    MirrorRobots: "\"auto\", \"obey\" or \"ignore\"", mirror_robots;
    Preset: "the name of a preset", preset;
    PathPattern: "a path pattern such as \"/admin/*\"", path_pattern;
    QueryName: "a parameter's name", query_name;
    CookieName: "a cookie's name", cookie_name;
    Phrase: "a text", phrase;
}

fn any_text(text: &str) -> Result<String, Fault> {
    Ok(text.to_owned())
}

/// A text that is looked for, and so has something to be found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Phrase(pub(super) String);

fn phrase(text: &str) -> Result<Phrase, Fault> {
    if fold(text).is_empty() {
        let help = "write some words, or remove it from the list";
        return Err(Fault::new(format!("every page has {}", shown(text)), help));
    }
    Ok(Phrase(text.to_owned()))
}

/// A duration such as `1h 30m`, of at most ten years.
pub(super) fn duration(text: &str) -> Result<Duration, Fault> {
    let help = "write a number and a unit: \"500ms\", \"10s\", \"5m\", \"6h\", \"7d\"";
    match humantime::parse_duration(text) {
        Ok(found) if found <= LONGEST => Ok(found),
        Ok(_) => Err(Fault::new(format!("{} is longer than ten years", shown(text)), help)),
        Err(_) => Err(Fault::new(format!("{} is not a duration", shown(text)), help)),
    }
}

/// An age after which something goes; `None` for `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Age(pub(super) Option<Duration>);

/// A time such as `400d`, at least an hour, or `off` for never.
fn age(text: &str) -> Result<Age, Fault> {
    let help = "write a time of at least an hour, such as \"400d\", or \"off\" for never";
    match text {
        "off" => Ok(Age(None)),
        text => match duration(text) {
            Ok(age) if age >= Duration::from_secs(3600) => Ok(Age(Some(age))),
            Ok(_) => Err(Fault::new(format!("{} is too short", shown(text)), help)),
            Err(fault) => Err(Fault { help: help.into(), ..fault }),
        },
    }
}

/// A wait before something more is done; `None` for `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delay(pub(super) Option<Duration>);

/// A time such as `300ms`, or `off` for never.
fn delay(text: &str) -> Result<Delay, Fault> {
    let help = "write a time of at least 1ms, such as \"300ms\", or \"off\" for never";
    match text {
        "off" => Ok(Delay(None)),
        text => match duration(text) {
            Ok(delay) if delay >= Duration::from_millis(1) => Ok(Delay(Some(delay))),
            Ok(_) => Err(Fault::new(format!("{} is too short", shown(text)), help)),
            Err(fault) => Err(Fault { help: help.into(), ..fault }),
        },
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) struct Size(pub(super) u64);

impl Value for Size {
    fn read(value: &toml::de::DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<Size> {
        if value.is_integer() {
            return super::node::whole_number(value, span, notes).map(Size);
        }
        match size(text(value, span, "a size such as \"64MiB\"", notes)?) {
            Ok(size) => Some(size),
            Err(fault) => {
                notes.error(span, fault);
                None
            }
        }
    }
}

/// A size such as `64MiB` (binary) or `64MB` (decimal).
fn size(text: &str) -> Result<Size, Fault> {
    text.trim().parse::<ByteSize>().map(|size| Size(size.as_u64())).map_err(|_| {
        let help = "write a number and a unit: \"32KiB\", \"64MiB\" (\"64MB\" is 64,000,000 bytes)";
        Fault::new(format!("{} is not a size", shown(text)), help)
    })
}

/// Requests per second; `None` for `off`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate(pub(super) Option<f64>);

/// A rate such as `5/s`, `0.5/s` or `100/min`, or `off` for none.
fn rate(text: &str) -> Result<Rate, Fault> {
    if text == "off" {
        return Ok(Rate(None));
    }
    let fault = || {
        let help = "write how many in which time: \"5/s\", \"30/min\", or \"off\" for no limit";
        Fault::new(format!("{} is not a rate", shown(text)), help)
    };
    let (count, unit) = text.split_once('/').ok_or_else(fault)?;
    let count: f64 = count.trim().parse().map_err(|_| fault())?;
    let seconds = match unit.trim() {
        "s" | "sec" | "second" => 1.0,
        "m" | "min" | "minute" => 60.0,
        "h" | "hour" => 3600.0,
        "d" | "day" => 86_400.0,
        _ => return Err(fault()),
    };
    let per_second = count / seconds;
    // Once in ten days to a million a second: all that can be meant, and nothing that overflows a timer.
    if (1e-6..=1e6).contains(&per_second) {
        return Ok(Rate(Some(per_second)));
    }
    let help = "write a rate from \"0.1/d\" to \"1000000/s\", or \"off\" for no limit";
    Err(Fault::new(format!("{} is not a valid rate", shown(text)), help))
}

/// How often one client may do something; `None` for `off`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PerClient(pub(super) Option<ClientRate>);

/// A number and the time for it, such as `10/h`, or `off` for no limit.
fn per_client(text: &str) -> Result<PerClient, Fault> {
    if text == "off" {
        return Ok(PerClient(None));
    }
    let fault = || {
        let help = "write how many in which time: \"10/h\", \"3/min\", or \"off\" for no limit";
        Fault::new(format!("{} is not a number of times", shown(text)), help)
    };
    let (count, unit) = text.split_once('/').ok_or_else(fault)?;
    let count =
        count.trim().parse().ok().filter(|count| (1..=1_000_000).contains(count)).ok_or_else(fault)?;
    let window = match unit.trim() {
        "s" | "sec" | "second" => 1,
        "m" | "min" | "minute" => 60,
        "h" | "hour" => 3600,
        "d" | "day" => 86_400,
        _ => return Err(fault()),
    };
    Ok(PerClient(Some(ClientRate { count, window: Duration::from_secs(window) })))
}

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Switch(pub(super) bool);

fn switch(text: &str) -> Result<Switch, Fault> {
    match text {
        "on" => Ok(Switch(true)),
        "off" => Ok(Switch(false)),
        _ => Err(Fault::new(format!("{} is not a switch", shown(text)), "write \"on\" or \"off\"")),
    }
}

fn origin_mode(text: &str) -> Result<OriginMode, Fault> {
    [OriginMode::Auto, OriginMode::Drain, OriginMode::Off]
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| {
            let help = "write \"auto\" (as its health says), \"drain\" (nothing new) or \"off\"";
            Fault::new(format!("{} is not a mode", shown(text)), help)
        })
}

fn mirror_private(text: &str) -> Result<MirrorPrivate, Fault> {
    [MirrorPrivate::Auto, MirrorPrivate::Always, MirrorPrivate::Never]
        .into_iter()
        .find(|word| word.as_str() == text)
        .ok_or_else(|| {
            let help = "write \"auto\" (if two anonymous visits get the same page), \"always\" or \"never\"";
            Fault::new(format!("{} is not a way to treat private pages", shown(text)), help)
        })
}

fn mirror_robots(text: &str) -> Result<MirrorRobots, Fault> {
    [MirrorRobots::Auto, MirrorRobots::Obey, MirrorRobots::Ignore]
        .into_iter()
        .find(|word| word.as_str() == text)
        .ok_or_else(|| {
            let help = "write \"auto\" (obeyed, unless it forbids the whole site), \"obey\" or \"ignore\"";
            Fault::new(format!("{} is not a way to treat robots.txt", shown(text)), help)
        })
}

/// A set of habits of a kind of site. There is one so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Preset;

fn preset(text: &str) -> Result<Preset, Fault> {
    let help = "write \"generic\", or leave it out";
    (text == "generic")
        .then_some(Preset)
        .ok_or_else(|| Fault::new(format!("there is no preset {}", shown(text)), help))
}

fn path_pattern(text: &str) -> Result<PathPattern, Fault> {
    PathPattern::new(text).map_err(|message| {
        Fault::new(format!("{}: {message}", shown(text)), "write it as in \"/admin/*\" or \"*.pdf\"")
    })
}

/// A query parameter's name, `*` standing for any rest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct QueryName(pub(super) String);

fn query_name(text: &str) -> Result<QueryName, Fault> {
    if text.is_empty() || text.contains(['&', '=', '#', '?']) || text.contains(char::is_whitespace) {
        let help = "write the name alone, as in \"gclid\"; \"utm_*\" stands for all that begin so";
        return Err(Fault::new(format!("{} is not the name of a query parameter", shown(text)), help));
    }
    Ok(QueryName(text.to_owned()))
}

/// A cookie's name, `*` standing for any rest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CookieName(pub(super) String);

fn cookie_name(text: &str) -> Result<CookieName, Fault> {
    // A name is a token (RFC 6265 section 4.1.1, RFC 9110 section 5.6.2); the asterisk is one of its characters.
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() || !text.bytes().all(token) {
        let help = "write the name alone, as in \"sessionid\"; \"wordpress_logged_in_*\" stands for all that begin so";
        return Err(Fault::new(format!("{} is not the name of a cookie", shown(text)), help));
    }
    Ok(CookieName(text.to_owned()))
}

/// A list of statuses and ranges of them.
impl Value for Statuses {
    fn read(value: &toml::de::DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<Statuses> {
        let parts = Vec::<super::node::Spanned<StatusPart>>::read(value, span, notes)?;
        let parts: Vec<String> = parts.into_iter().map(|part| part.value.0).collect();
        Statuses::new(&parts).ok()
    }
}

/// One status or range, checked.
struct StatusPart(String);

impl Value for StatusPart {
    fn read(value: &toml::de::DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<StatusPart> {
        let help = "write \"500\" for one, \"502-504\" for a range";
        let part = match (value.as_integer(), value.as_str()) {
            (Some(number), _) => number.as_str(),
            (None, Some(text)) => text,
            (None, None) => {
                notes.error(span, Fault::new(format!("a status cannot be {}", kind(value)), help));
                return None;
            }
        };
        if Statuses::new(&[part]).is_err() {
            notes
                .error(span, Fault::new(format!("{} is not a status or a range of them", shown(part)), help));
            return None;
        }
        Some(StatusPart(part.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_an_end() {
        for (text, millis) in
            [("0s", 0), ("500ms", 500), ("10 s", 10_000), ("1h 30m", 5_400_000), ("7d", 604_800_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "10", "s", "-1s", "ten s", "10 q", "11 years", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_binary_or_decimal_as_written() {
        for (text, bytes) in
            [("0", 0), ("1000", 1000), ("32KiB", 32 << 10), ("1.5 MiB", 3 << 19), ("2MB", 2_000_000)]
        {
            assert_eq!(size(text), Ok(Size(bytes)), "{text}");
        }
        for bad in ["", "MiB", "-1KiB", "1 potato", "1..2MiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_per_second_in_the_end() {
        for (text, per_second) in [("5/s", 5.0), ("0.5 / sec", 0.5), ("120/min", 2.0), ("7200/h", 2.0)] {
            assert_eq!(rate(text), Ok(Rate(Some(per_second))), "{text}");
        }
        assert_eq!(rate("off"), Ok(Rate(None)));
        assert_eq!(age("off"), Ok(Age(None)));
        assert_eq!(age("400d"), Ok(Age(Some(Duration::from_secs(400 * 86_400)))));
        for wrong in ["", "on", "never", "0s", "59m", "11y", "-1d"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
        for bad in ["", "5", "5/", "/s", "0/s", "-1/s", "NaN/s", "inf/s", "1e300/s", "5/week"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_parameters_and_cookies_are_names() {
        assert!(query_name("utm_*").is_ok() && query_name("ids[]").is_ok() && query_name("頁").is_ok());
        assert!(cookie_name("wp_*").is_ok() && cookie_name("__Host-id").is_ok());
        for bad in ["", "a=b", "a b", "a&b"] {
            assert!(query_name(bad).is_err(), "{bad}");
        }
        for bad in ["", "a=b", "a b", "a;b", "クッキー"] {
            assert!(cookie_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words_are_the_words_of_the_interface() {
        assert_eq!(switch("on"), Ok(Switch(true)));
        assert!(switch("true").is_err() && switch("").is_err());
        assert_eq!(origin_mode("drain"), Ok(OriginMode::Drain));
        assert!(origin_mode("down").is_err());
        assert!(preset("drupal").unwrap_err().message.contains("no preset"));
        assert!(!preset("drupal").unwrap_err().message.contains("yet"));
    }
}
