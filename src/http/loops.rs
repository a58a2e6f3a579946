//! Whether a request has been here before: `CDN-Loop` (RFC 8586), a field of our own beside it, and how an answer says that
//! it has. Proxies that remove or rewrite CDNs' fields pass on those that they do not know.

use std::hash::{BuildHasher, RandomState};

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::cache_status::NAME as CACHE_STATUS;

const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
const OWN: HeaderName = HeaderName::from_static("katahai-loop");
/// Those that carry the name.
const FIELDS: [HeaderName; 2] = [CDN_LOOP, OWN];

/// The name by which a process knows its own requests again. Two instances in a row, an edge before a region's, are no loop:
/// each has a name of its own. Nobody outside can guess it, so that nobody can have another's requests refused.
#[derive(Clone, Debug)]
pub struct Instance(HeaderValue);

impl Instance {
    /// A new name.
    pub fn new() -> Instance {
        let part = || RandomState::new().hash_one(0);
        let name = format!("katahai;id={:016x}{:016x}", part(), part());
        Instance(HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("katahai")))
    }

    /// Whether the request was sent by this instance, at whatever distance.
    pub fn has_sent(&self, headers: &HeaderMap) -> bool {
        FIELDS.iter().any(|field| self.is_in(field, headers))
    }

    fn is_in(&self, field: &HeaderName, headers: &HeaderMap) -> bool {
        headers.contains_key(field)
            && headers.get_all(field).iter().flat_map(super::headers::tokens).any(|member| *member == self.0)
    }

    /// Signs a request. Others' names stay (RFC 8586 section 2).
    pub fn sign(&self, headers: &mut HeaderMap) {
        for field in FIELDS {
            if !self.is_in(&field, headers) {
                headers.append(field, self.0.clone());
            }
        }
    }
}

impl Default for Instance {
    fn default() -> Instance {
        Instance::new()
    }
}

/// Whether an answer says that the request came back to an instance of ours.
pub fn is_loop(status: StatusCode, headers: &HeaderMap) -> bool {
    let says_so = |value: &HeaderValue| {
        let value = value.as_bytes();
        value.starts_with(b"katahai")
            && value.windows(b"detail=loop".len()).any(|part| part == b"detail=loop")
    };
    status == StatusCode::LOOP_DETECTED && headers.get_all(CACHE_STATUS).iter().any(says_so)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_knows_its_own_requests_and_no_others() {
        let (own, other) = (Instance::new(), Instance::new());
        let mut headers = HeaderMap::new();
        headers.insert(CDN_LOOP, HeaderValue::from_static("foo123.foocdn.example, katahai"));
        assert!(!own.has_sent(&headers));
        other.sign(&mut headers);
        assert!(!own.has_sent(&headers) && other.has_sent(&headers));
        own.sign(&mut headers);
        own.sign(&mut headers); // a second try
        assert!(own.has_sent(&headers) && other.has_sent(&headers));
        let count = |field| headers.get_all(field).iter().count();
        assert_eq!((count(CDN_LOOP), count(OWN)), (3, 2));
        headers.remove(CDN_LOOP);
        assert!(own.has_sent(&headers) && other.has_sent(&headers), "a forwarder took it away");
    }

    #[test]
    fn names_of_instances_are_their_own_when_somebody_joins_the_fields() {
        let own = Instance::new();
        let joined = format!("a.example,{} , b.example", own.0.to_str().unwrap());
        let headers = HeaderMap::from_iter([(CDN_LOOP, HeaderValue::from_str(&joined).unwrap())]);
        assert!(own.has_sent(&headers));
    }

    #[test]
    fn only_our_own_word_for_it_is_a_loop() {
        for (status, said, expected) in [
            (508, "katahai; fwd=miss; detail=loop", true),
            (508, "katahai; detail=loop", true),
            (508, "other; detail=loop", false),
            (508, "katahai; detail=hosting-limit", false),
            (503, "katahai; detail=loop", false),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_STATUS, HeaderValue::from_static(said))]);
            assert_eq!(is_loop(StatusCode::from_u16(status).unwrap(), &headers), expected, "{status} {said}");
        }
    }
}
