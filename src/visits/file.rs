//! The list on the disk.
//!
//! ```text
//! katahai visits 2
//! newest 20778
//! others 3 0 0 12 0 0 0
//! page 17 20 0 0 0 3 1 /opening-hours
//! document 2 0 0 0 0 0 0 /files/menu.pdf
//! requisite 9 4 0 0 0 0 0 /assets/chunk.3f2a9c.js
//! check 0123456789abcdef0123456789abcdef
//! ```
//!
//! Visits stand by day, the newest first, and `newest` is that day's number since 1970-01-01. `check` is the BLAKE3
//! hash, cut, of the lines before it. Version 1 is the same without requisites, and is still read.

use std::fmt::Write as _;

use super::calendar::DAYS;
use super::public::LONGEST;
use super::shard::{Counted, Kind};
use super::week::Week;

const FIRST_LINE: &str = "katahai visits 2";
/// Of version 1.
const FIRST_LINE_1: &str = "katahai visits 1";
const CHECK: &str = "check ";
/// How long a path's line may be, in bytes.
const LINE: usize = LONGEST + DAYS * 11 + 10;

/// Why a list cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// It is not what was written.
    #[error("it is damaged")]
    Damaged,
    /// A later Katahai wrote it.
    #[error("it is of a later version")]
    Version,
}

/// The largest size of a list of this many paths, in bytes. Nothing longer is read.
pub(super) const fn longest(paths: usize) -> usize {
    1024 + paths * LINE
}

/// The list as it is written.
pub(super) fn encode(week: &Week) -> String {
    let mut text = String::with_capacity(256 + week.paths.len() * 64);
    let _ = write!(text, "{FIRST_LINE}\nnewest {}\nothers", week.newest);
    for visits in week.others {
        let _ = write!(text, " {visits}");
    }
    text.push('\n');
    for Counted { key, kind, days } in &week.paths {
        text.push_str(word(*kind));
        for visits in days {
            let _ = write!(text, " {visits}");
        }
        let _ = writeln!(text, " {key}");
    }
    let check = check_of(&text);
    let _ = writeln!(text, "{CHECK}{check}");
    text
}

/// Reads it back.
///
/// # Errors
/// When it is not exactly what was written.
pub(super) fn decode(bytes: &[u8]) -> Result<Week, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::Damaged)?;
    let first = text.lines().next().unwrap_or("");
    if first.starts_with("katahai visits ") && ![FIRST_LINE, FIRST_LINE_1].contains(&first) {
        return Err(Unreadable::Version);
    }
    let last = text.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
    let (lines, check) = text.split_at(last);
    if check != format!("{CHECK}{}\n", check_of(lines)) {
        return Err(Unreadable::Damaged);
    }
    read(lines).ok_or(Unreadable::Damaged)
}

fn read(lines: &str) -> Option<Week> {
    let mut lines = lines.lines().skip(1);
    let newest = lines.next()?.strip_prefix("newest ")?.parse().ok()?;
    let others = numbers(&mut lines.next()?.strip_prefix("others ")?.split(' '))?;
    let paths = lines.map(|line| {
        let mut words = line.split(' ');
        let kind = kind_of(words.next()?)?;
        let days = numbers(&mut words)?;
        let key = words.next().filter(|key| key.starts_with('/') && key.len() <= LONGEST)?;
        words.next().is_none().then(|| Counted { key: key.to_owned(), kind, days })
    });
    Some(Week { newest, others, paths: paths.collect::<Option<_>>()? })
}

fn numbers<'a, N>(words: &mut impl Iterator<Item = &'a str>) -> Option<[N; DAYS]>
where
    N: std::str::FromStr + Default + Copy,
{
    let mut days = [N::default(); DAYS];
    for day in &mut days {
        *day = words.next()?.parse().ok()?;
    }
    Some(days)
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Page => "page",
        Kind::Document => "document",
        Kind::Requisite => "requisite",
    }
}

fn kind_of(word: &str) -> Option<Kind> {
    [Kind::Page, Kind::Document, Kind::Requisite].into_iter().find(|kind| self::word(*kind) == word)
}

fn check_of(lines: &str) -> String {
    blake3::hash(lines.as_bytes()).to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Week {
        Week {
            newest: 20_778,
            others: [3, 0, 0, 12, 0, 0, 0],
            paths: vec![
                Counted { key: "/opening-hours".into(), kind: Kind::Page, days: [17, 20, 0, 0, 0, 3, 1] },
                Counted { key: "/files/menu.pdf".into(), kind: Kind::Document, days: [2, 0, 0, 0, 0, 0, 0] },
                Counted {
                    key: "/assets/chunk.3f2a9c.js".into(),
                    kind: Kind::Requisite,
                    days: [9, 4, 0, 0, 0, 0, 0],
                },
            ],
        }
    }

    #[test]
    fn a_kept_sample_of_version_1_is_read() {
        let text = "katahai visits 1\nnewest 20778\nothers 3 0 0 12 0 0 0\n\
            page 17 20 0 0 0 3 1 /opening-hours\ndocument 2 0 0 0 0 0 0 /files/menu.pdf\n\
            check 9ca29b627b0e7b88ded198efc8a5de22\n";
        let mut known = sample();
        known.paths.retain(|path| path.kind != Kind::Requisite);
        assert_eq!(decode(text.as_bytes()), Ok(known));
    }

    #[test]
    fn a_kept_sample_of_version_2_is_read() {
        let text = "katahai visits 2\nnewest 20778\nothers 3 0 0 12 0 0 0\n\
            page 17 20 0 0 0 3 1 /opening-hours\ndocument 2 0 0 0 0 0 0 /files/menu.pdf\n\
            requisite 9 4 0 0 0 0 0 /assets/chunk.3f2a9c.js\ncheck 76e08ff157edb7f247c0e2089001cfc7\n";
        assert_eq!(encode(&sample()), text);
        assert_eq!(decode(text.as_bytes()), Ok(sample()));
    }

    #[test]
    fn no_part_and_no_change_of_a_list_is_read() {
        let text = encode(&sample());
        for end in 0..text.len() {
            assert!(decode(&text.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
        let later = text.replacen("visits 2", "visits 3", 1);
        assert_eq!(decode(later.as_bytes()), Err(Unreadable::Version));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            newest in 0u32..,
            others in proptest::array::uniform7(0u64..),
            paths in proptest::collection::vec(("/[!-~]{0,40}", any::<bool>(), proptest::array::uniform7(0u32..)), 0..20),
        ) {
            let paths = paths.into_iter().map(|(key, page, days)| {
                Counted { key, kind: if page { Kind::Page } else { Kind::Document }, days }
            });
            let week = Week { newest, others, paths: paths.collect() };
            let text = encode(&week);
            prop_assert!(text.len() <= longest(week.paths.len()));
            prop_assert_eq!(decode(text.as_bytes()), Ok(week));
        }

        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(&bytes).is_err());
        }
    }
}
