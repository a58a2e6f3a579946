//! `Vary` (RFC 9111 section 4.1): which request headers an answer was chosen by, and whether another request would
//! have got the same one.

use std::hash::{Hash as _, Hasher};

use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_ENCODING, HeaderMap, HeaderName, ORIGIN, VARY,
};

use crate::http::headers::tokens;

/// Answers that depend on more fields than this are not kept.
const MAX_FIELDS: usize = 8;
/// Nor are those that depend on values longer than this, in bytes.
const MAX_VALUES: usize = 4096;

/// The fields that an answer was chosen by, with the values of the request that got it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    fields: Box<[(HeaderName, Value)]>,
    origin: ByOrigin,
}

/// Whose scripts may read an answer that does not say that it depends on `Origin`. Many servers that look at it do not say so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum ByOrigin {
    /// Everybody's, or `Vary` says it.
    #[default]
    Any,
    /// It was given to a request that named no origin: what one that does would get, nobody knows.
    Unnamed,
    /// It was given to a request that named this one: other sites' scripts may be refused it, or allowed.
    Named(Box<[u8]>),
}

impl ByOrigin {
    fn of(response_headers: &HeaderMap, request_headers: &HeaderMap) -> ByOrigin {
        match request_headers.get(ORIGIN) {
            _ if is_for_all_origins(response_headers) => ByOrigin::Any,
            None => ByOrigin::Unnamed,
            Some(origin) => ByOrigin::Named(origin.as_bytes().into()),
        }
    }

    fn matches(&self, request_headers: &HeaderMap) -> bool {
        match self {
            ByOrigin::Any => true,
            ByOrigin::Unnamed => !request_headers.contains_key(ORIGIN),
            ByOrigin::Named(own) => {
                request_headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes() == &**own)
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            ByOrigin::Any | ByOrigin::Unnamed => 0,
            ByOrigin::Named(own) => own.len(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// `Accept-Encoding`: the codings that the visitor understands.
    Codings(u8),
    /// Any other field: its list members, joined by commas. `None`: the field is absent.
    Text(Option<Box<[u8]>>),
}

/// Why an answer cannot be told apart by its request's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unselectable {
    /// `Vary: *`.
    Anything,
    /// More or longer values than are kept.
    TooWide,
}

impl Selection {
    /// What `answer` was chosen by among the fields of `ask`. An encoded answer counts as chosen by
    /// `Accept-Encoding`, also where its origin forgot to say so: the next visitor may not understand the coding. One that
    /// does not allow all sites counts as chosen by `Origin` likewise: other sites' scripts would be refused it (Fetch,
    /// "CORS protocol and HTTP caches").
    ///
    /// # Errors
    /// If that cannot be said.
    pub fn of(response_headers: &HeaderMap, request_headers: &HeaderMap) -> Result<Selection, Unselectable> {
        let mut fields: Vec<(HeaderName, Value)> = Vec::new();
        let mut bytes = 0;
        for token in response_headers.get_all(VARY).iter().flat_map(tokens) {
            // what is no field name can match no request either (RFC 9110 section 12.5.5)
            let Ok(name) = HeaderName::from_bytes(token) else { return Err(Unselectable::Anything) };
            if name == "*" {
                return Err(Unselectable::Anything);
            }
            if !fields.iter().any(|(known, _)| *known == name) {
                let value = Value::of(&name, request_headers);
                bytes += value.len();
                fields.push((name, value));
            }
        }
        let encoded = response_headers.contains_key(CONTENT_ENCODING);
        if encoded && !fields.iter().any(|(name, _)| *name == ACCEPT_ENCODING) {
            fields.push((ACCEPT_ENCODING, Value::of(&ACCEPT_ENCODING, request_headers)));
        }
        let says_origin = fields.iter().any(|(name, _)| *name == ORIGIN);
        let origin =
            if says_origin { ByOrigin::Any } else { ByOrigin::of(response_headers, request_headers) };
        bytes += origin.len();
        if fields.len() > MAX_FIELDS || bytes > MAX_VALUES {
            return Err(Unselectable::TooWide);
        }
        fields.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        Ok(Selection { fields: fields.into(), origin })
    }

    /// Whether a request with these headers would have got the same answer. Allocates nothing.
    pub fn matches(&self, request_headers: &HeaderMap) -> bool {
        self.origin.matches(request_headers)
            && self.fields.iter().all(|(name, value)| value.is_of(name, request_headers))
    }

    /// The same but for `Origin`: the body is the same, and whose scripts may read it is another matter. Where `Vary` says
    /// that it depends on it, so may the body, unless all sites are allowed.
    pub fn matches_but_for_origin(&self, response_headers: &HeaderMap, request_headers: &HeaderMap) -> bool {
        let but_for = |name: &HeaderName| *name == ORIGIN && is_for_all_origins(response_headers);
        self.fields.iter().all(|(name, value)| but_for(name) || value.is_of(name, request_headers))
    }

    /// Whether no request that `other` is for is left, where this is newer.
    pub fn covers(&self, other: &Selection) -> bool {
        let is_wider =
            self.fields.is_empty() && (self.origin == ByOrigin::Any || self.origin == other.origin);
        is_wider || self == other
    }

    /// Whether it is for requests that named one certain origin.
    pub fn is_by_origin(&self) -> bool {
        matches!(self.origin, ByOrigin::Named(_))
    }

    /// Whether it depends on this field.
    pub fn depends_on(&self, field: &HeaderName) -> bool {
        self.fields.iter().any(|(name, _)| name == field)
    }

    /// Hashes what `ask` says in the fields that count here: equal for requests that get the same answer.
    pub fn hash_values(&self, request_headers: &HeaderMap, hasher: &mut impl Hasher) {
        if self.origin != ByOrigin::Any {
            hasher.write(request_headers.get(ORIGIN).map_or(&[][..], http::HeaderValue::as_bytes));
            hasher.write_u8(u8::from(request_headers.contains_key(ORIGIN)));
        }
        for (name, _) in &self.fields {
            hasher.write(name.as_str().as_bytes());
            hasher.write_u8(0xff);
            if *name == ACCEPT_ENCODING {
                hasher.write_u8(codings(request_headers));
                continue;
            }
            for member in request_headers.get_all(name).iter().flat_map(tokens) {
                member.hash(hasher);
            }
            hasher.write_u8(u8::from(request_headers.contains_key(name)));
        }
    }

    /// Its size in bytes, for the bound of the cache.
    pub fn weight(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 64);
        fields.sum::<usize>() + self.origin.len()
    }
}

/// Whether an answer allows the scripts of all sites.
fn is_for_all_origins(response_headers: &HeaderMap) -> bool {
    response_headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).is_some_and(|allowed| allowed == "*")
}

impl Value {
    fn of(name: &HeaderName, request_headers: &HeaderMap) -> Value {
        if *name == ACCEPT_ENCODING {
            return Value::Codings(codings(request_headers));
        }
        if !request_headers.contains_key(name) {
            return Value::Text(None);
        }
        let members: Vec<&[u8]> = request_headers.get_all(name).iter().flat_map(tokens).collect();
        Value::Text(Some(members.join(&b',').into()))
    }

    fn is_of(&self, name: &HeaderName, request_headers: &HeaderMap) -> bool {
        match self {
            Value::Codings(own) => *own == codings(request_headers),
            Value::Text(None) => !request_headers.contains_key(name),
            Value::Text(Some(own)) => {
                let stored = own.split(|&b| b == b',').filter(|m| !m.is_empty());
                request_headers.contains_key(name)
                    && request_headers.get_all(name).iter().flat_map(tokens).eq(stored)
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Value::Codings(_) | Value::Text(None) => 0,
            Value::Text(Some(text)) => text.len(),
        }
    }
}

const GZIP: u8 = 1;
const DEFLATE: u8 = 1 << 1;
const BROTLI: u8 = 1 << 2;
const ZSTD: u8 = 1 << 3;
const ANY: u8 = 1 << 4;
const NOT_PLAIN: u8 = 1 << 5;

/// What `Accept-Encoding` comes to: the known codings that are accepted, whatever their order and weight. No field
/// is the same as one that accepts nothing but the plain form, which is how origins take it.
pub fn codings(request_headers: &HeaderMap) -> u8 {
    request_headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .flat_map(tokens)
        .fold(0, |set, member| set | coding(member))
}

/// On the path of every hit: by length first, which tells nearly all of them apart.
fn coding(member: &[u8]) -> u8 {
    let (name, refused) = match member.iter().position(|&b| b == b';') {
        None => (member, false),
        Some(at) => {
            let mut parameters = member[at + 1..].split(|&b| b == b';').map(<[u8]>::trim_ascii);
            (member[..at].trim_ascii_end(), parameters.any(is_zero_weight))
        }
    };
    let is = |coding: &[u8]| name.eq_ignore_ascii_case(coding);
    let known = match name.len() {
        1 if name == b"*" => ANY,
        2 if is(b"br") => BROTLI,
        4 if is(b"gzip") => GZIP,
        4 if is(b"zstd") => ZSTD,
        6 if is(b"x-gzip") => GZIP,
        7 if is(b"deflate") => DEFLATE,
        8 if is(b"identity") => return if refused { NOT_PLAIN } else { 0 },
        _ => 0,
    };
    if refused { 0 } else { known }
}

/// `q=0`, `q=0.0`, … (RFC 9110 section 12.4.2).
fn is_zero_weight(parameter: &[u8]) -> bool {
    let Some(weight) = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q=")) else {
        return false;
    };
    weight.first() == Some(&b'0') && weight.iter().all(|b| matches!(b, b'0' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;
    use std::hash::{BuildHasher as _, RandomState};

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    fn check(vary: &str, first: &[(&str, &str)], second: &[(&str, &str)], same: bool) {
        let (first, second) = (map(first), map(second));
        let selection = Selection::of(&map(&[("vary", vary)]), &first).unwrap();
        assert!(selection.matches(&first), "{vary}: {first:?} does not match itself");
        assert_eq!(selection.matches(&second), same, "{vary}: {first:?} and {second:?}");
        let state = RandomState::new();
        let hash = |request_headers: &HeaderMap| {
            let mut hasher = state.build_hasher();
            selection.hash_values(request_headers, &mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(&first) == hash(&second), same, "{vary}: hashes of {first:?} and {second:?}");
    }

    #[test]
    fn requests_are_told_apart_by_what_vary_names() {
        // RFC 9111 section 4.1
        check("", &[("accept-language", "ja")], &[("accept-language", "en")], true);
        check("accept-language", &[("accept-language", "ja")], &[("accept-language", "en")], false);
        check("Accept-Language", &[("accept-language", "ja, en")], &[("accept-language", "ja,en")], true);
        check(
            "accept-language",
            &[("accept-language", "ja, en")],
            &[("accept-language", "ja"), ("accept-language", "en")],
            true,
        );
        check("accept-language", &[("accept-language", "ja, en")], &[("accept-language", "en, ja")], false);
        check("accept-language", &[], &[("accept-language", "")], false);
        check("accept-language", &[], &[], true);
        check("a, b", &[("a", "1"), ("b", "2")], &[("a", "1"), ("b", "3")], false);
        check("a, b", &[("a", "1"), ("b", "2")], &[("a", "1"), ("b", "2"), ("c", "3")], true);
        check("a,a", &[("a", "1")], &[("a", "2")], false);
    }

    #[test]
    fn accept_encoding_is_what_it_comes_to() {
        let check = |a: &str, b: &str, same| {
            check("accept-encoding", &[("accept-encoding", a)], &[("accept-encoding", b)], same)
        };
        check("gzip, deflate, br", "br,gzip;q=0.8 ,deflate", true);
        check("gzip, br", "gzip", false);
        check("gzip, br;q=0", "gzip", true);
        check("gzip, br;q=0.000", "gzip", true);
        check("gzip, br;q=0.001", "gzip", false);
        check("GZIP", "x-gzip", true);
        check("gzip, unheard-of", "gzip", true);
        check("identity", "", true);
        check("identity;q=0, gzip", "gzip", false);
        check("*", "gzip", false);
    }

    #[test]
    fn an_encoded_answer_needs_a_visitor_who_understands_it() {
        let selection =
            Selection::of(&map(&[("content-encoding", "gzip")]), &map(&[("accept-encoding", "gzip")]))
                .unwrap();
        assert!(selection.matches(&map(&[("accept-encoding", "gzip")])));
        assert!(!selection.matches(&map(&[])));
    }

    #[test]
    fn who_may_read_an_answer_is_asked_for_each_origin() {
        let (one, two, fixed) = ("https://one.example", "https://two.example", "https://fixed.example");
        let named = |origin: &str| match origin {
            "" => map(&[]),
            origin => map(&[("origin", origin)]),
        };
        // who asked, what was allowed, Vary, who asks then: whether that is the answer, and whether it is in an outage
        for (sent_at, allowed, vary, asks, same, copy) in [
            ("", "", "", "", true, true),
            ("", "", "", one, false, true),
            (one, "", "", one, true, true),
            (one, "", "", two, false, true),
            (one, "", "", "", false, true),
            ("", "*", "", one, true, true),
            (one, "*", "", two, true, true),
            (one, "*", "", "", true, true),
            (one, one, "", one, true, true),
            (one, one, "", two, false, true),
            (one, one, "", "", false, true),
            ("", fixed, "", "", true, true),
            ("", fixed, "", one, false, true),
            (fixed, fixed, "", fixed, true, true),
            ("null", "null", "", one, false, true),
            (one, one, "origin", one, true, true),
            (one, one, "origin", two, false, false),
            ("", "", "origin", one, false, false),
            ("", "", "origin", "", true, true),
            (one, "*", "origin", two, false, true),
        ] {
            let mut response_headers = map(&[("vary", vary)]);
            if !allowed.is_empty() {
                response_headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_str(allowed).unwrap());
            }
            let (first, then) = (named(sent_at), named(asks));
            let selection = Selection::of(&response_headers, &first).unwrap();
            let case = format!("{sent_at:?} was allowed {allowed:?} ({vary:?}), then {asks:?}");
            assert_eq!(selection.matches(&then), same, "{case}");
            assert_eq!(selection.matches_but_for_origin(&response_headers, &then), copy, "{case}");
        }
    }

    #[test]
    fn an_answer_covers_those_that_nobody_gets_any_more() {
        let of = |allowed: &str, vary: &str, origin: Option<&str>| {
            let request_headers: Vec<_> = origin.map(|origin| ("origin", origin)).into_iter().collect();
            Selection::of(
                &map(&[("access-control-allow-origin", allowed), ("vary", vary)]),
                &map(&request_headers),
            )
            .unwrap()
        };
        let (all, unnamed, named) = (of("*", "", None), of("", "", None), of("", "", Some("https://a")));
        let by_language = of("", "accept-language", None);
        for (newer, older, covers) in [
            (&all, &named, true),
            (&all, &by_language, true),
            (&unnamed, &by_language, true),
            (&unnamed, &named, false),
            (&unnamed, &all, false),
            (&named, &unnamed, false),
            (&named, &named, true),
            (&by_language, &unnamed, false),
        ] {
            assert_eq!(newer.covers(older), covers, "{newer:?} and {older:?}");
        }
        assert!(named.is_by_origin() && !unnamed.is_by_origin() && !all.is_by_origin());
    }

    #[test]
    fn what_depends_on_everything_is_not_kept() {
        let of = |vary: &str, request_headers: &[(&str, &str)]| {
            Selection::of(&map(&[("vary", vary)]), &map(request_headers))
        };
        assert_eq!(of("*", &[]), Err(Unselectable::Anything));
        assert_eq!(of("accept, *", &[]), Err(Unselectable::Anything));
        assert_eq!(of("a b", &[]), Err(Unselectable::Anything));
        assert_eq!(of("a,b,c,d,e,f,g,h,i", &[]), Err(Unselectable::TooWide));
        assert_eq!(of("a", &[("a", &"x".repeat(5000))]), Err(Unselectable::TooWide));
    }

    proptest! {
        #[test]
        fn every_request_matches_its_own_selection(vary in "[a-c,* ]{0,8}", a in "[ -~]{0,20}", b in "[ -~]{0,20}") {
            let request_headers = map(&[("a", &a), ("b", &b), ("accept-encoding", &a)]);
            if let Ok(selection) = Selection::of(&map(&[("vary", &vary), ("vary", "accept-encoding")]), &request_headers) {
                prop_assert!(selection.matches(&request_headers));
            }
        }
    }
}
