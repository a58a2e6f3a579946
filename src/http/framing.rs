//! The length of a message whose sender states it twice or wrongly (RFC 9112 section 6): what is passed on must state it once
//! and truly, or the next reader takes the rest of one message for another.

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Method, StatusCode};

use super::headers::{content_length, tokens};

/// What may become of a connection when the exchange on it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Another request may follow.
    Rest,
    /// It is closed: the two ends may disagree on where the next message begins.
    Close,
}

/// The kinds of bodies that requests have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// None.
    Nothing,
    /// One whose length was said beforehand.
    Length,
    /// One that ends when it ends.
    Chunks,
}

/// What an answer says of its own length is brought into order (RFC 9112 section 6.3): a transfer coding overrides a
/// length, which is taken out; lengths that agree become one.
///
/// # Errors
/// What is wrong, for the log: the answer is in a coding that nobody asked for, and cannot be passed on.
pub fn settle(status: StatusCode, headers: &mut HeaderMap) -> Result<After, &'static str> {
    if headers.contains_key(TRANSFER_ENCODING) {
        check_coding(headers)?;
        let both = headers.remove(CONTENT_LENGTH).is_some();
        return Ok(if both { After::Close } else { After::Rest });
    }
    if status == StatusCode::NO_CONTENT {
        headers.remove(CONTENT_LENGTH); // RFC 9110 section 8.6
        return Ok(After::Rest);
    }
    if is_repeated(headers) {
        let length = content_length(headers).ok_or("lengths that differ")?;
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(After::Rest)
}

fn is_repeated(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    lengths.next().is_some_and(|first| first.as_bytes().contains(&b',')) || lengths.next().is_some()
}

/// We ask for no coding, so that there is at most the one that only marks where a message ends.
fn check_coding(headers: &HeaderMap) -> Result<(), &'static str> {
    let mut chunked = 0;
    for coding in headers.get_all(TRANSFER_ENCODING).iter().flat_map(tokens) {
        if coding.eq_ignore_ascii_case(b"chunked") {
            chunked += 1;
        } else if !coding.eq_ignore_ascii_case(b"identity") {
            // "identity" is of HTTP/1.1's first days, and stands for none
            return Err("a transfer coding that nobody asked for");
        }
    }
    if chunked > 1 { Err("chunked more than once") } else { Ok(()) }
}

/// What may become of a connection that such a request went over. Servers that know no chunks, or expect no body with this
/// method, take what is left of the body for the next request: its answer would be somebody else's.
pub fn after(method: &Method, sent: Sent) -> After {
    let expected = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    match sent {
        Sent::Nothing => After::Rest,
        Sent::Length if expected => After::Rest,
        Sent::Length | Sent::Chunks => After::Close,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn a_length_is_said_once_and_truly() {
        // RFC 9112 sections 6.1 to 6.3
        let (length, coding) = ("content-length", "transfer-encoding");
        for (fields, expected, left) in [
            (vec![], Ok(After::Rest), None),
            (vec![(length, "3")], Ok(After::Rest), Some("3")),
            (vec![(length, "3, 3")], Ok(After::Rest), Some("3")),
            (vec![(length, "3"), (length, "3")], Ok(After::Rest), Some("3")),
            (vec![(length, "3"), (length, "4")], Err("lengths that differ"), Some("3")),
            (vec![(length, "3, 4")], Err("lengths that differ"), Some("3, 4")),
            (vec![(coding, "chunked")], Ok(After::Rest), None),
            (vec![(coding, "Chunked"), (length, "3")], Ok(After::Close), None),
            (vec![(length, "9"), (length, "3"), (coding, "chunked")], Ok(After::Close), None),
            (vec![(coding, "identity")], Ok(After::Rest), None),
            (vec![(coding, "gzip, chunked")], Err("a transfer coding that nobody asked for"), None),
            (vec![(coding, "chunked"), (coding, "chunked")], Err("chunked more than once"), None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in &fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(settle(StatusCode::OK, &mut headers), expected, "{fields:?}");
            assert_eq!(headers.get(length).map(|v| v.to_str().unwrap()), left, "{fields:?}");
        }
        let mut headers = map(&[(length, "3")]);
        assert_eq!(settle(StatusCode::NO_CONTENT, &mut headers), Ok(After::Rest));
        assert!(headers.is_empty());
    }

    #[test]
    fn what_a_server_may_leave_unread_ends_its_connection() {
        for (method, sent, expected) in [
            (Method::GET, Sent::Nothing, After::Rest),
            (Method::POST, Sent::Nothing, After::Rest),
            (Method::POST, Sent::Length, After::Rest),
            (Method::PUT, Sent::Length, After::Rest),
            (Method::POST, Sent::Chunks, After::Close),
            (Method::GET, Sent::Length, After::Close),
            (Method::DELETE, Sent::Length, After::Close),
        ] {
            assert_eq!(after(&method, sent), expected, "{method} {sent:?}");
        }
    }
}
