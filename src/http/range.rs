//! Ranges of a whole body whose length is known (RFC 9110 section 14).
//!
//! Several ranges are served as `multipart/byteranges` if they are few, do not overlap and save something; otherwise
//! the whole body is (section 14.2 allows it): overlapping or crumbled ranges are how small requests are turned into
//! huge answers, and no client that reads documents needs them.

use std::hash::BuildHasher as _;
use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;

/// More ranges than this in one request get the whole body.
pub const MAX_RANGES: usize = 16;

/// What a `Range` field comes to for a body of a given length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranged {
    /// All of it, with 200: the field is absent, not in bytes, malformed or unreasonable.
    Whole,
    /// These bytes, with 206.
    One(Range<u64>),
    /// These, in the order asked for, with 206 and `multipart/byteranges`.
    Several(Vec<Range<u64>>),
    /// None of the bytes exists: 416.
    Unsatisfiable,
}

/// Reads a `Range` field (RFC 9110 section 14.1.2) against a body of `len` bytes.
pub fn resolve(value: &HeaderValue, len: u64) -> Ranged {
    let text = value.as_bytes().trim_ascii();
    let Some(at) = text.iter().position(|&b| b == b'=') else { return Ranged::Whole };
    if !text[..at].eq_ignore_ascii_case(b"bytes") {
        return Ranged::Whole;
    }
    let mut asked = 0;
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for spec in text[at + 1..].split(|&b| b == b',').map(<[u8]>::trim_ascii) {
        if spec.is_empty() {
            continue; // section 5.6.1.2: empty list members are ignored
        }
        asked += 1;
        let Some(spec) = one(spec, len) else { return Ranged::Whole };
        if asked > MAX_RANGES {
            return Ranged::Whole;
        }
        ranges.extend(spec.filter(|r| !r.is_empty()));
    }
    match (asked, ranges.as_slice()) {
        (0, _) => Ranged::Whole,
        (_, []) => Ranged::Unsatisfiable,
        (_, [range]) => Ranged::One(range.clone()),
        (_, several) if is_reasonable(several, len) => Ranged::Several(ranges),
        (_, _) => Ranged::Whole,
    }
}

/// One range-spec. `None`: malformed. `Some(None)`: well-formed, but beyond the body.
#[expect(clippy::option_option, reason = "three answers: malformed, beyond the end, a range")]
fn one(spec: &[u8], len: u64) -> Option<Option<Range<u64>>> {
    let dash = spec.iter().position(|&b| b == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => {
            let suffix = number(last)?.min(len);
            Some((suffix > 0).then_some(len - suffix..len))
        }
        (false, true) => {
            let first = number(first)?;
            Some((first < len).then_some(first..len))
        }
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            Some((first < len).then(|| first..last.saturating_add(1).min(len)))
        }
    }
}

/// Digits only; more than fit are the most that fit.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |n, &d| {
        d.is_ascii_digit().then(|| n.saturating_mul(10).saturating_add(u64::from(d - b'0')))
    })
}

fn is_reasonable(ranges: &[Range<u64>], len: u64) -> bool {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable_by_key(|r| r.start);
    let apart = sorted.windows(2).all(|pair| pair[0].end <= pair[1].start);
    // each part also costs its head; what is nearly the whole is simpler whole
    const HEAD: u64 = 160;
    let cost: u64 = ranges.iter().map(|r| r.end - r.start + HEAD).fold(0, u64::saturating_add);
    apart && cost < len
}

/// `Content-Range` of a 206 (section 14.4).
pub fn content_range(range: &Range<u64>, len: u64) -> HeaderValue {
    ascii(format!("bytes {}-{}/{len}", range.start, range.end.saturating_sub(1)))
}

/// `Content-Range` of a 416.
pub fn unsatisfied(len: u64) -> HeaderValue {
    ascii(format!("bytes */{len}"))
}

fn ascii(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static("bytes */*"))
}

/// A `multipart/byteranges` body (section 14.6) in the order in which it is written: each part's head, then its
/// bytes of the body, and the tail at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart {
    /// The parts.
    pub parts: Vec<Part>,
    /// What ends the body.
    pub tail: Bytes,
    /// The answer's `Content-Type`.
    pub content_type: HeaderValue,
}

/// One part of a multipart body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Delimiter and header fields.
    pub head: Bytes,
    /// The bytes of the whole body that follow.
    pub range: Range<u64>,
}

impl Multipart {
    /// Plans the body for `ranges` of a body of `len` bytes that has this `Content-Type`.
    pub fn new(ranges: Vec<Range<u64>>, len: u64, content_type: Option<&HeaderValue>) -> Multipart {
        // random for each process and call: nobody can write a page that contains it
        let boundary = format!("katahai-{:016x}", std::hash::RandomState::new().hash_one(&ranges));
        let part = |range: Range<u64>| {
            let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
            if let Some(value) = content_type {
                head.extend_from_slice(b"Content-Type: ");
                head.extend_from_slice(value.as_bytes());
                head.extend_from_slice(b"\r\n");
            }
            head.extend_from_slice(b"Content-Range: ");
            head.extend_from_slice(content_range(&range, len).as_bytes());
            head.extend_from_slice(b"\r\n\r\n");
            Part { head: head.into(), range }
        };
        Multipart {
            parts: ranges.into_iter().map(part).collect(),
            tail: format!("\r\n--{boundary}--\r\n").into(),
            content_type: ascii(format!("multipart/byteranges; boundary={boundary}")),
        }
    }

    /// The length of all of it, for `Content-Length`.
    pub fn len(&self) -> u64 {
        let parts = self.parts.iter().map(|p| p.head.len() as u64 + (p.range.end - p.range.start));
        parts.sum::<u64>() + self.tail.len() as u64
    }

    /// Never: there is always a tail.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The body, cut from a whole one at hand. At most as long as that one (see [`resolve`]).
    pub fn cut_from(&self, whole: &Bytes) -> Bytes {
        let mut out = Vec::with_capacity(usize::try_from(self.len()).unwrap_or_default());
        for part in &self.parts {
            out.extend_from_slice(&part.head);
            out.extend_from_slice(slice(whole, &part.range).as_ref());
        }
        out.extend_from_slice(&self.tail);
        out.into()
    }
}

/// The bytes of `range` in `whole`, without copying; less if `whole` is shorter.
pub fn slice(whole: &Bytes, range: &Range<u64>) -> Bytes {
    let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(whole.len());
    let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
    whole.slice(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(value: &str, len: u64) -> Ranged {
        resolve(&HeaderValue::from_str(value).unwrap(), len)
    }

    #[test]
    fn one_range() {
        // RFC 9110 section 14.1.2
        for (value, expected) in [
            ("bytes=0-499", Ranged::One(0..500)),
            ("bytes=500-999", Ranged::One(500..1000)),
            ("bytes=-500", Ranged::One(500..1000)),
            ("bytes=-5000", Ranged::One(0..1000)),
            ("bytes=999-", Ranged::One(999..1000)),
            ("bytes=0-", Ranged::One(0..1000)),
            ("bytes=0-0", Ranged::One(0..1)),
            ("bytes=0-99999999999999999999999", Ranged::One(0..1000)),
            ("Bytes= 1-2 ", Ranged::One(1..3)),
            ("bytes=,1-2,", Ranged::One(1..3)),
            ("bytes=1000-", Ranged::Unsatisfiable),
            ("bytes=1000-2000", Ranged::Unsatisfiable),
            ("bytes=99999999999999999999999-", Ranged::Unsatisfiable),
            ("bytes=-0", Ranged::Unsatisfiable),
            ("bytes=2-1", Ranged::Whole),
            ("bytes=-", Ranged::Whole),
            ("bytes=", Ranged::Whole),
            ("bytes", Ranged::Whole),
            ("bytes=a-b", Ranged::Whole),
            ("bytes=1", Ranged::Whole),
            ("bytes=+1-2", Ranged::Whole),
            ("bytes=1-2-3", Ranged::Whole),
            ("items=0-5", Ranged::Whole),
            ("", Ranged::Whole),
        ] {
            assert_eq!(ask(value, 1000), expected, "{value}");
        }
        assert_eq!(ask("bytes=0-", 0), Ranged::Unsatisfiable);
        assert_eq!(ask("bytes=-5", 0), Ranged::Unsatisfiable);
    }

    #[test]
    fn several_ranges() {
        // sections 14.1.2 and 14.2
        for (value, expected) in [
            ("bytes=0-9,20-29", Ranged::Several(vec![0..10, 20..30])),
            ("bytes=20-29, 0-9", Ranged::Several(vec![20..30, 0..10])),
            ("bytes=0-0,-1", Ranged::Several(vec![0..1, 9999..10_000])),
            ("bytes=0-9,10000-", Ranged::One(0..10)),
            ("bytes=10000-,20000-", Ranged::Unsatisfiable),
            ("bytes=0-9,5-14", Ranged::Whole),
            ("bytes=0-,0-,0-", Ranged::Whole),
            ("bytes=0-4999,5000-9999", Ranged::Whole),
            ("bytes=0-9,x", Ranged::Whole),
        ] {
            assert_eq!(ask(value, 10_000), expected, "{value}");
        }
        let many = (0..=MAX_RANGES).map(|i| format!("{}-{}", i * 10, i * 10)).collect::<Vec<_>>().join(",");
        assert_eq!(ask(&format!("bytes={many}"), 1_000_000), Ranged::Whole);
    }

    #[test]
    fn the_fields_of_206_and_416() {
        // section 14.4
        assert_eq!(content_range(&(0..500), 1234), "bytes 0-499/1234");
        assert_eq!(unsatisfied(1234), "bytes */1234");
    }

    #[test]
    fn a_multipart_body_is_as_section_14_6_shows_it() {
        let whole: Bytes = (0..=255_u8).cycle().take(2000).collect::<Vec<_>>().into();
        let plan = Multipart::new(vec![0..3, 1998..2000], 2000, Some(&HeaderValue::from_static("text/x")));
        let content_type = plan.content_type.to_str().unwrap();
        let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
        let mut expected = Vec::new();
        for (range, bytes) in [("0-2", &whole[0..3]), ("1998-1999", &whole[1998..2000])] {
            expected.extend_from_slice(
                format!(
                    "\r\n--{boundary}\r\nContent-Type: text/x\r\nContent-Range: bytes {range}/2000\r\n\r\n"
                )
                .as_bytes(),
            );
            expected.extend_from_slice(bytes);
        }
        expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let body = plan.cut_from(&whole);
        assert_eq!(body, expected);
        assert_eq!(plan.len(), body.len() as u64);
    }

    proptest! {
        #[test]
        fn what_is_served_exists_and_is_never_more_than_the_whole(value in "(bytes=)?[0-9,\\- ]{0,60}", len in 0_u64..5000) {
            let check = |r: &Range<u64>| r.start < r.end && r.end <= len;
            match ask(&value, len) {
                Ranged::One(range) => prop_assert!(check(&range)),
                Ranged::Several(ranges) => {
                    prop_assert!(ranges.len() > 1 && ranges.iter().all(check));
                    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
                    prop_assert!(Multipart::new(ranges, len, Some(&content_type)).len() < len + 64);
                }
                Ranged::Whole | Ranged::Unsatisfiable => {}
            }
        }

        #[test]
        fn no_text_can_panic(value in prop::collection::vec(any::<u8>(), 0..60), len in any::<u64>()) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let _ = resolve(&value, len);
            }
        }
    }
}
