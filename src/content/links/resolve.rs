//! Which address a link in a document means (URL section 4.4).

use std::borrow::Cow;

use encoding_rs::{EncoderResult, Encoding};
use url::Url;

/// `link` as a browser resolves it: queries in the page's own encoding.
pub fn resolve(base: &Url, link: &str, encoding: &'static Encoding) -> Option<Url> {
    if link.len() > 64 * 1024 || link.starts_with("data:") {
        return None;
    }
    Url::options()
        .base_url(Some(base))
        .encoding_override(Some(&|text| encoded(text, encoding)))
        .parse(link)
        .ok()
}

/// A query as bytes of the page's encoding (URL section 1.3, "percent-encode after encoding"): what that has no
/// character for becomes a numeric character reference, percent-encoded. UTF-16 is written as UTF-8.
fn encoded<'a>(text: &'a str, encoding: &'static Encoding) -> Cow<'a, [u8]> {
    let (bytes, _, unmappable) = encoding.encode(text);
    if !unmappable {
        return bytes;
    }
    let mut encoder = encoding.output_encoding().new_encoder();
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut rest = text;
    let mut step = [0u8; 256];
    loop {
        let (result, read, written) = encoder.encode_from_utf8_without_replacement(rest, &mut step, true);
        out.extend_from_slice(&step[..written]);
        rest = &rest[read..];
        match result {
            EncoderResult::InputEmpty => return Cow::Owned(out),
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(c) => {
                out.extend_from_slice(format!("%26%23{}%3B", u32::from(c)).as_bytes())
            }
        }
    }
}
