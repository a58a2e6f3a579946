//! The answers that records hold.

use std::io::{self, BufRead};

use ::http::{HeaderMap, HeaderName, HeaderValue};

use super::super::bounds::Unfit;
use super::super::coded::line;

/// Bytes of all header fields together, and how many there may be.
const BYTES: usize = 256 << 10;
const FIELDS: usize = 1000;

/// An answer without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Head {
    pub(in super::super) status: u16,
    pub(in super::super) headers: HeaderMap,
}

/// Reads the head of an answer, and leaves the body. `None`: this is no answer. Lines that are no fields are passed
/// over: servers of all ages send such.
pub(in super::super) fn head(from: &mut dyn BufRead) -> io::Result<Option<Head>> {
    let Some(first) = line(from, BYTES)? else { return Ok(None) };
    let first = String::from_utf8_lossy(&first);
    let mut words = first.split_ascii_whitespace();
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/"));
    let status =
        words.next().and_then(|word| word.parse().ok()).filter(|status| (100..1000).contains(status));
    let Some(status) = status.filter(|_| is_http) else { return Ok(None) };
    let mut headers = HeaderMap::new();
    let mut room = BYTES;
    loop {
        // An answer that ends with its fields has no body.
        let Some(line) = line(from, room)? else { return Ok(Some(Head { status, headers })) };
        if line.is_empty() {
            return Ok(Some(Head { status, headers }));
        }
        room = room.checked_sub(line.len() + 2).ok_or_else(|| Unfit::Fields.io())?;
        if headers.len() < FIELDS
            && let Some((name, value)) = field(&line)
        {
            headers.append(name, value);
        }
    }
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|b| *b == b':')?;
    let name = HeaderName::from_bytes(line[..colon].trim_ascii()).ok()?;
    Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_of_all_ages_are_read() {
        let mut text =
            &b"HTTP/1.0 200\nContent-Type:text/html\r\nbroken line\r\n: x\r\nLink: <\xff>\r\n\r\nbody"[..];
        let head = super::head(&mut text).unwrap().unwrap();
        assert_eq!(
            (head.status, head.headers["content-type"].to_str().unwrap(), text),
            (200, "text/html", &b"body"[..])
        );
        assert_eq!((head.headers.len(), head.headers["link"].as_bytes()), (2, &b"<\xff>"[..]));
        for none in ["", "\r\n", "<html>\n", "HTTP/1.1 x\r\n\r\n", "HTTP/1.1 20000 OK\r\n\r\n"] {
            assert_eq!(super::head(&mut none.as_bytes()).unwrap(), None, "{none:?}");
        }
        let long = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(100_000));
        assert_eq!(Unfit::of(&super::head(&mut long.as_bytes()).unwrap_err()), Some(Unfit::Fields));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = [b"HTTP/1.1 200 OK\r\n", &bytes[..]].concat();
            let _ = (super::head(&mut &bytes[..]), super::head(&mut &text[..]));
        }
    }
}
