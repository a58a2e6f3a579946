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
pub struct Selection(Box<[(HeaderName, Value)]>);

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
    /// allows the very site that asked counts as chosen by `Origin` likewise: other sites' scripts are refused it (Fetch,
    /// "CORS protocol and HTTP caches").
    ///
    /// # Errors
    /// If that cannot be said.
    pub fn of(answer: &HeaderMap, ask: &HeaderMap) -> Result<Selection, Unselectable> {
        let mut fields: Vec<(HeaderName, Value)> = Vec::new();
        let mut bytes = 0;
        for token in answer.get_all(VARY).iter().flat_map(tokens) {
            // what is no field name can match no request either (RFC 9110 section 12.5.5)
            let Ok(name) = HeaderName::from_bytes(token) else { return Err(Unselectable::Anything) };
            if name == "*" {
                return Err(Unselectable::Anything);
            }
            if !fields.iter().any(|(known, _)| *known == name) {
                let value = Value::of(&name, ask);
                bytes += value.len();
                fields.push((name, value));
            }
        }
        let encoded = answer.contains_key(CONTENT_ENCODING);
        if encoded && !fields.iter().any(|(name, _)| *name == ACCEPT_ENCODING) {
            fields.push((ACCEPT_ENCODING, Value::of(&ACCEPT_ENCODING, ask)));
        }
        if allows_who_asked(answer, ask) && !fields.iter().any(|(name, _)| *name == ORIGIN) {
            let value = Value::of(&ORIGIN, ask);
            bytes += value.len();
            fields.push((ORIGIN, value));
        }
        if fields.len() > MAX_FIELDS || bytes > MAX_VALUES {
            return Err(Unselectable::TooWide);
        }
        fields.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        Ok(Selection(fields.into()))
    }

    /// Whether a request with these headers would have got the same answer. Allocates nothing.
    pub fn matches(&self, ask: &HeaderMap) -> bool {
        self.0.iter().all(|(name, value)| value.is_of(name, ask))
    }

    /// Whether it depends on this field.
    pub fn depends_on(&self, field: &HeaderName) -> bool {
        self.0.iter().any(|(name, _)| name == field)
    }

    /// Whether every request gets this answer.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hashes what `ask` says in the fields that count here: equal for requests that get the same answer.
    pub fn hash_values(&self, ask: &HeaderMap, hasher: &mut impl Hasher) {
        for (name, _) in &self.0 {
            hasher.write(name.as_str().as_bytes());
            hasher.write_u8(0xff);
            if *name == ACCEPT_ENCODING {
                hasher.write_u8(codings(ask));
                continue;
            }
            for member in ask.get_all(name).iter().flat_map(tokens) {
                member.hash(hasher);
            }
            hasher.write_u8(u8::from(ask.contains_key(name)));
        }
    }

    /// Its size in bytes, for the bound of the cache.
    pub fn len(&self) -> usize {
        self.0.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum()
    }
}

/// Whether an answer names the site of whose page the request came.
fn allows_who_asked(answer: &HeaderMap, ask: &HeaderMap) -> bool {
    let allowed = answer.get(ACCESS_CONTROL_ALLOW_ORIGIN);
    allowed.is_some_and(|allowed| ask.get(ORIGIN).is_some_and(|origin| allowed == origin))
}

impl Value {
    fn of(name: &HeaderName, ask: &HeaderMap) -> Value {
        if *name == ACCEPT_ENCODING {
            return Value::Codings(codings(ask));
        }
        if !ask.contains_key(name) {
            return Value::Text(None);
        }
        let members: Vec<&[u8]> = ask.get_all(name).iter().flat_map(tokens).collect();
        Value::Text(Some(members.join(&b',').into()))
    }

    fn is_of(&self, name: &HeaderName, ask: &HeaderMap) -> bool {
        match self {
            Value::Codings(own) => *own == codings(ask),
            Value::Text(None) => !ask.contains_key(name),
            Value::Text(Some(own)) => {
                let stored = own.split(|&b| b == b',').filter(|m| !m.is_empty());
                ask.contains_key(name) && ask.get_all(name).iter().flat_map(tokens).eq(stored)
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
pub fn codings(ask: &HeaderMap) -> u8 {
    ask.get_all(ACCEPT_ENCODING).iter().flat_map(tokens).fold(0, |set, member| set | coding(member))
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
        let hash = |ask: &HeaderMap| {
            let mut hasher = state.build_hasher();
            selection.hash_values(ask, &mut hasher);
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
    fn what_depends_on_everything_is_not_kept() {
        let of = |vary: &str, ask: &[(&str, &str)]| Selection::of(&map(&[("vary", vary)]), &map(ask));
        assert_eq!(of("*", &[]), Err(Unselectable::Anything));
        assert_eq!(of("accept, *", &[]), Err(Unselectable::Anything));
        assert_eq!(of("a b", &[]), Err(Unselectable::Anything));
        assert_eq!(of("a,b,c,d,e,f,g,h,i", &[]), Err(Unselectable::TooWide));
        assert_eq!(of("a", &[("a", &"x".repeat(5000))]), Err(Unselectable::TooWide));
    }

    proptest! {
        #[test]
        fn every_request_matches_its_own_selection(vary in "[a-c,* ]{0,8}", a in "[ -~]{0,20}", b in "[ -~]{0,20}") {
            let ask = map(&[("a", &a), ("b", &b), ("accept-encoding", &a)]);
            if let Ok(selection) = Selection::of(&map(&[("vary", &vary), ("vary", "accept-encoding")]), &ask) {
                prop_assert!(selection.matches(&ask));
            }
        }
    }
}
