//! `Cache-Status` (RFC 9211): what this proxy did for an answer, in one field that people and scripts can read.

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The field's name.
pub const NAME: HeaderName = http::header::CACHE_STATUS;

/// What was done. `detail` codes are tokens of our own tables, never text from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// A fresh copy, with the seconds that it stays fresh.
    Hit {
        /// Seconds of freshness left.
        ttl: u32,
    },
    /// A stale copy, because the origin gave no right answer, or while it is asked.
    HitStale,
    /// A page of the snapshot.
    HitSnapshot,
    /// The page of the snapshot that a program which runs in the browser answers any address with.
    HitShell,
    /// The snapshot's page of the same path, without the query.
    HitNear,
    /// What the search index of the snapshot has found.
    HitSearch,
    /// A redirect to the spelling of the address of which the snapshot has the page.
    HitSpelling,
    /// The origin's answer.
    Forwarded {
        /// Why the cache did not answer.
        why: Forward,
        /// What the origin answered; to a validation, 304.
        status: StatusCode,
        /// Whether the answer was stored.
        stored: bool,
        /// Whether the request waited for another one's fetch and shares its answer.
        collapsed: bool,
    },
    /// Neither copy nor right answer of the origin: the code of the cause.
    Miss {
        /// Such as `refused`.
        detail: &'static str,
    },
}

/// Why a request went on to the origin (RFC 9211 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The cache is switched off for it.
    Bypass,
    /// The method is not one that caches answer.
    Method,
    /// Nothing is stored for the URI.
    UriMiss,
    /// Something is, but for other request headers.
    VaryMiss,
    /// What is stored may not be used for this request, by the request's own wish.
    Request,
    /// What is stored is stale.
    Stale,
    /// Only a part is asked for, and it is not at hand.
    Partial,
}

impl Forward {
    /// The token of section 2.2.
    pub const fn as_str(self) -> &'static str {
        match self {
            Forward::Bypass => "bypass",
            Forward::Method => "method",
            Forward::UriMiss => "uri-miss",
            Forward::VaryMiss => "vary-miss",
            Forward::Request => "request",
            Forward::Stale => "stale",
            Forward::Partial => "partial",
        }
    }
}

impl CacheStatus {
    /// The member that this proxy adds to the list.
    pub fn value(self) -> HeaderValue {
        match self {
            CacheStatus::HitStale => HeaderValue::from_static("katahai; hit; detail=stale"),
            CacheStatus::HitSnapshot => HeaderValue::from_static("katahai; hit; detail=snapshot"),
            CacheStatus::HitShell => HeaderValue::from_static("katahai; hit; detail=fallback-page"),
            CacheStatus::HitSearch => HeaderValue::from_static("katahai; hit; detail=search"),
            CacheStatus::HitNear => HeaderValue::from_static("katahai; hit; detail=snapshot; without-query"),
            CacheStatus::HitSpelling => {
                HeaderValue::from_static("katahai; hit; detail=snapshot; other-spelling")
            }
            CacheStatus::Hit { ttl } => {
                let mut digits = [0; 10];
                built(&[b"katahai; hit; ttl=", decimal(ttl, &mut digits)])
            }
            CacheStatus::Forwarded { why, status, stored, collapsed } => {
                if let Some(common) = common(why, status, stored, collapsed) {
                    return common;
                }
                built(&[
                    b"katahai; fwd=",
                    why.as_str().as_bytes(),
                    b"; fwd-status=",
                    status.as_str().as_bytes(),
                    if stored { b"; stored" } else { b"" },
                    if collapsed { b"; collapsed" } else { b"" },
                ])
            }
            CacheStatus::Miss { detail } => built(&[b"katahai; fwd=miss; detail=", detail.as_bytes()]),
        }
    }

    /// Adds the member after those of caches nearer to the origin (section 2: the list runs from the origin to the
    /// visitor).
    pub fn add_to(self, headers: &mut HeaderMap) {
        headers.append(NAME, self.value());
    }
}

/// The values that nearly all forwarded requests get: no allocation for them, and, because they are constants, no
/// check of every letter.
fn common(why: Forward, status: StatusCode, stored: bool, collapsed: bool) -> Option<HeaderValue> {
    if status != StatusCode::OK || collapsed {
        return None;
    }
    match (why, stored) {
        (Forward::UriMiss, true) => {
            Some(const { HeaderValue::from_static("katahai; fwd=uri-miss; fwd-status=200; stored") })
        }
        (Forward::UriMiss, false) => {
            Some(const { HeaderValue::from_static("katahai; fwd=uri-miss; fwd-status=200") })
        }
        (Forward::Stale, true) => {
            Some(const { HeaderValue::from_static("katahai; fwd=stale; fwd-status=200; stored") })
        }
        (Forward::Bypass, false) => {
            Some(const { HeaderValue::from_static("katahai; fwd=bypass; fwd-status=200") })
        }
        (Forward::Method, false) => {
            Some(const { HeaderValue::from_static("katahai; fwd=method; fwd-status=200") })
        }
        (
            Forward::VaryMiss
            | Forward::Request
            | Forward::Partial
            | Forward::Stale
            | Forward::Bypass
            | Forward::Method,
            _,
        ) => None,
    }
}

fn built(parts: &[&[u8]]) -> HeaderValue {
    let text = parts.concat();
    // the parts are our own tokens; an empty value is better than a panic if one ever is not
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or(HeaderValue::from_static("katahai"))
}

fn decimal(mut n: u32, buffer: &mut [u8; 10]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            return &buffer[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(why: Forward, status: u16, stored: bool, collapsed: bool) -> CacheStatus {
        CacheStatus::Forwarded { why, status: StatusCode::from_u16(status).unwrap(), stored, collapsed }
    }

    #[test]
    fn the_field_reads_as_the_interface_says() {
        for (status, text) in [
            (CacheStatus::Hit { ttl: 0 }, "katahai; hit; ttl=0"),
            (CacheStatus::Hit { ttl: u32::MAX }, "katahai; hit; ttl=4294967295"),
            (CacheStatus::HitStale, "katahai; hit; detail=stale"),
            (CacheStatus::HitSnapshot, "katahai; hit; detail=snapshot"),
            (CacheStatus::HitShell, "katahai; hit; detail=fallback-page"),
            (CacheStatus::HitNear, "katahai; hit; detail=snapshot; without-query"),
            (CacheStatus::HitSpelling, "katahai; hit; detail=snapshot; other-spelling"),
            (CacheStatus::HitSearch, "katahai; hit; detail=search"),
            (CacheStatus::Miss { detail: "refused" }, "katahai; fwd=miss; detail=refused"),
            (forwarded(Forward::UriMiss, 200, true, false), "katahai; fwd=uri-miss; fwd-status=200; stored"),
            (forwarded(Forward::UriMiss, 404, false, false), "katahai; fwd=uri-miss; fwd-status=404"),
            (
                forwarded(Forward::UriMiss, 200, true, true),
                "katahai; fwd=uri-miss; fwd-status=200; stored; collapsed",
            ),
            (forwarded(Forward::Stale, 304, true, false), "katahai; fwd=stale; fwd-status=304; stored"),
            (forwarded(Forward::Method, 303, false, false), "katahai; fwd=method; fwd-status=303"),
        ] {
            assert_eq!(status.value(), text);
        }
    }

    #[test]
    fn the_shortcuts_say_what_the_long_way_says() {
        for why in [
            Forward::Bypass,
            Forward::Method,
            Forward::UriMiss,
            Forward::VaryMiss,
            Forward::Request,
            Forward::Stale,
            Forward::Partial,
        ] {
            for stored in [false, true] {
                let expected = format!(
                    "katahai; fwd={}; fwd-status=200{}",
                    why.as_str(),
                    if stored { "; stored" } else { "" }
                );
                assert_eq!(forwarded(why, 200, stored, false).value(), expected);
            }
        }
    }

    #[test]
    fn our_member_comes_last() {
        let mut headers = HeaderMap::new();
        headers.insert(NAME, HeaderValue::from_static("inner; hit"));
        CacheStatus::HitStale.add_to(&mut headers);
        let all: Vec<_> = headers.get_all(NAME).iter().collect();
        assert_eq!(all, ["inner; hit", "katahai; hit; detail=stale"]);
    }
}
