//! One page as bytes in a manifest's heap.
//!
//! ```text
//! u64 the record's place in the manifest
//! u16 status · u8 class · u8 flags (bit 0: has a body) · i64 seconds, u32 nanoseconds of taken_at (since 1970)
//! [32 bytes blob id · u64 length]                        only with a body
//! u32 length · key
//! u16 count · count times: u16 length · name · u32 length · value
//! any number of: u16 tag · u32 length · bytes            the notes that are not 0; unknown ones are passed over
//! 16 bytes check: BLAKE3 over all of the above, cut
//! ```
//!
//! All numbers are little-endian. Its place tells a record from another that lies there instead.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::page::{BlobId, Class, Notes, Page};

/// The check at the end of a record.
const CHECK: usize = 16;

/// The longest record that is written, and read: no damaged length makes us ask for more memory than this.
pub(super) const LONGEST: usize = 1 << 20;

const HAS_BODY: u8 = 1;

/// The tags of notes: `text` as u32, `missed` as u8, `carried` as u16. They never change their meaning.
const TEXT: u16 = 1;
const MISSED: u16 = 2;
const CARRIED: u16 = 3;

/// A page that does not fit into a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Oversize {
    /// The key, the header fields, or all together.
    #[error("the page's address and header fields are too long to be stored")]
    Record,
}

/// Appends the record of `page`, which will stand at `offset` in its file, and returns its length.
pub(super) fn encode(page: &Page, offset: u64, out: &mut Vec<u8>) -> Result<u32, Oversize> {
    let start = out.len();
    out.extend_from_slice(&offset.to_le_bytes());
    let fit = append(page, out).and_then(|()| {
        let check = check_of(&out[start..]);
        out.extend_from_slice(&check);
        match u32::try_from(out.len() - start) {
            Ok(len) if out.len() - start <= LONGEST => Ok(len),
            _ => Err(Oversize::Record),
        }
    });
    if fit.is_err() {
        out.truncate(start);
    }
    fit
}

fn append(page: &Page, out: &mut Vec<u8>) -> Result<(), Oversize> {
    out.extend_from_slice(&page.status.to_le_bytes());
    out.push(page.class as u8);
    out.push(if page.body.is_some() { HAS_BODY } else { 0 });
    let (seconds, nanos) = since_epoch(page.taken_at);
    out.extend_from_slice(&seconds.to_le_bytes());
    out.extend_from_slice(&nanos.to_le_bytes());
    if let Some(body) = page.body {
        out.extend_from_slice(body.as_bytes());
        out.extend_from_slice(&page.len.to_le_bytes());
    }
    long(page.key.as_bytes(), out)?;
    let count = u16::try_from(page.headers.len()).map_err(|_| Oversize::Record)?;
    out.extend_from_slice(&count.to_le_bytes());
    for (name, value) in &page.headers {
        let name = name.as_str().as_bytes();
        let len = u16::try_from(name.len()).map_err(|_| Oversize::Record)?;
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(name);
        long(value.as_bytes(), out)?;
    }
    let Notes { text, missed, carried } = page.notes;
    if let Some(text) = text {
        tagged(TEXT, &text.to_le_bytes(), out)?;
    }
    if missed > 0 {
        tagged(MISSED, &[missed], out)?;
    }
    if carried > 0 {
        tagged(CARRIED, &carried.to_le_bytes(), out)?;
    }
    Ok(())
}

fn tagged(tag: u16, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Oversize> {
    out.extend_from_slice(&tag.to_le_bytes());
    long(bytes, out)
}

fn long(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Oversize> {
    let len =
        u32::try_from(bytes.len()).ok().filter(|len| *len as usize <= LONGEST).ok_or(Oversize::Record)?;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Reads the record that stands at `offset`. `None`: it is not what was written.
pub(super) fn decode(record: Bytes, offset: u64) -> Option<Page> {
    let body_end = record.len().checked_sub(CHECK)?;
    if check_of(&record[..body_end]) != record[body_end..] {
        return None;
    }
    let mut rest = Reader { bytes: record.slice(..body_end) };
    let mut page = front(&mut rest, offset)?;
    while !rest.bytes.is_empty() {
        field(&mut rest, &mut page.notes)?;
    }
    Some(page)
}

/// Reads the record that stands at `offset` and at the beginning of `bytes`, and says how long it is: for when the
/// index that would say so is lost. `None`: there is none.
pub(super) fn decode_first(bytes: &Bytes, offset: u64) -> Option<(Page, usize)> {
    let mut rest = Reader { bytes: bytes.clone() };
    let mut page = front(&mut rest, offset)?;
    loop {
        // After the header fields, each field may have been the last.
        let end = bytes.len() - rest.bytes.len();
        let check = bytes.get(end..end + CHECK)?;
        if check_of(&bytes[..end]) == check {
            return Some((page, end + CHECK));
        }
        field(&mut rest, &mut page.notes)?;
    }
}

/// Reads a record up to its tagged fields.
fn front(rest: &mut Reader, offset: u64) -> Option<Page> {
    if rest.u64()? != offset {
        return None;
    }
    let status = rest.u16()?;
    let class = Class::from_code(rest.u8()?)?;
    let flags = rest.u8()?;
    let taken_at = from_epoch(rest.u64()? as i64, rest.u32()?)?;
    let (body, len) = match flags {
        HAS_BODY => (Some(BlobId::from_bytes(rest.array()?)), rest.u64()?),
        0 => (None, 0),
        _ => return None,
    };
    let key_len = rest.u32()?;
    let key = String::from_utf8(rest.take(key_len as usize)?.into()).ok()?;
    let count = rest.u16()?;
    let mut headers = Vec::with_capacity(usize::from(count).min(rest.bytes.len() / 6));
    for _ in 0..count {
        let name_len = rest.u16()?;
        let name = HeaderName::from_bytes(&rest.take(usize::from(name_len))?).ok()?;
        let value_len = rest.u32()?;
        let value = HeaderValue::from_maybe_shared(rest.take(value_len as usize)?).ok()?;
        headers.push((name, value));
    }
    Some(Page { key, status, headers, body, len, taken_at, class, notes: Notes::default() })
}

/// Reads one tagged field.
fn field(rest: &mut Reader, notes: &mut Notes) -> Option<()> {
    let tag = rest.u16()?;
    let len = rest.u32()?;
    note(tag, &rest.take(len as usize)?, notes);
    Some(())
}

/// Records a tagged field. One of another length is a later version's, and passed over as an unknown one is.
fn note(tag: u16, bytes: &[u8], notes: &mut Notes) {
    match (tag, bytes) {
        (TEXT, &[a, b, c, d]) => notes.text = Some(u32::from_le_bytes([a, b, c, d])),
        (MISSED, &[missed]) => notes.missed = missed,
        (CARRIED, &[a, b]) => notes.carried = u16::from_le_bytes([a, b]),
        _ => {}
    }
}

fn check_of(record: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    check.copy_from_slice(&blake3::hash(record).as_bytes()[..CHECK]);
    check
}

/// Whole seconds, rounded down, and the nanoseconds since then. What i64 seconds cannot say becomes the nearest.
fn since_epoch(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (i64::try_from(after.as_secs()).unwrap_or(i64::MAX), after.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => (-seconds, 0),
                nanos => (-seconds - 1, 1_000_000_000 - nanos),
            }
        }
    }
}

fn from_epoch(seconds: i64, nanos: u32) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let at = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    at?.checked_add(Duration::from_nanos(u64::from(nanos)))
}

/// Takes a record apart from the front; `None` as soon as it is too short.
struct Reader {
    bytes: Bytes,
}

impl Reader {
    fn take(&mut self, len: usize) -> Option<Bytes> {
        (len <= self.bytes.len()).then(|| self.bytes.split_to(len))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, _) = self.bytes.split_first_chunk::<N>()?;
        let front = *front;
        bytes::Buf::advance(&mut self.bytes, N);
        Some(front)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn page() -> Page {
        Page {
            key: "/%E3%81%82?q=1".to_owned(),
            status: 200,
            headers: vec![
                (
                    HeaderName::from_static("content-type"),
                    HeaderValue::from_static("text/html; charset=utf-8"),
                ),
                (HeaderName::from_static("link"), HeaderValue::from_static("</a>; rel=preload")),
                (HeaderName::from_static("link"), HeaderValue::from_bytes(b"\xff\xfe").unwrap()),
            ],
            body: Some(BlobId::of(b"body")),
            len: 4,
            taken_at: UNIX_EPOCH + Duration::new(1_795_137_214, 5),
            class: Class::Page,
            notes: Notes::default(),
        }
    }

    fn encoded(page: &Page, offset: u64) -> Vec<u8> {
        let mut out = Vec::new();
        let len = encode(page, offset, &mut out).unwrap();
        assert_eq!(len as usize, out.len());
        out
    }

    /// `record` with another check, so that what stands inside is looked at.
    fn resealed(mut body: Vec<u8>) -> Bytes {
        let check = check_of(&body);
        body.extend_from_slice(&check);
        body.into()
    }

    #[test]
    fn a_sample_of_version_1_is_read_for_ever() {
        let record = encoded(&page(), 4096);
        assert_eq!(record.len(), 181);
        let kept = BlobId::of(&record).to_string();
        assert_eq!(kept, SAMPLE, "the shape of a record has changed; it needs a new version");
    }
    const SAMPLE: &str = "537d49df8e25ec484f8aee14b8242562f409bb58cb62c0759fff7d49a2eae9a8";

    #[test]
    fn a_record_at_another_place_is_refused() {
        let record = Bytes::from(encoded(&page(), 4096));
        assert_eq!(decode(record.clone(), 4096), Some(page()));
        assert_eq!(decode(record, 4097), None);
    }

    #[test]
    fn fields_of_later_versions_are_passed_over() {
        let record = encoded(&page(), 0);
        let mut body = record[..record.len() - CHECK].to_vec();
        body.extend_from_slice(&[7, 0, 3, 0, 0, 0, 1, 2, 3]);
        assert_eq!(decode(resealed(body.clone()), 0), Some(page()));
        body.pop();
        assert_eq!(decode(resealed(body), 0), None);
    }

    #[test]
    fn notes_cost_nothing_when_there_are_none_and_keep_their_tags() {
        let noted = Page { notes: Notes { text: Some(0x0403_0201), missed: 5, carried: 0x0706 }, ..page() };
        let (plain, record) = (encoded(&page(), 0), encoded(&noted, 0));
        assert_eq!(plain.len(), 181);
        let fields = &record[plain.len() - CHECK..record.len() - CHECK];
        let expected = [1, 0, 4, 0, 0, 0, 1, 2, 3, 4, 2, 0, 1, 0, 0, 0, 5, 3, 0, 2, 0, 0, 0, 6, 7];
        assert_eq!(fields, expected);
        assert_eq!(decode(record.into(), 0), Some(noted));
        // A later version's idea of a tag is passed over.
        let mut body = plain[..plain.len() - CHECK].to_vec();
        body.extend_from_slice(&[2, 0, 2, 0, 0, 0, 1, 1]);
        assert_eq!(decode(resealed(body), 0), Some(page()));
    }

    #[test]
    fn what_is_too_long_is_refused_and_leaves_no_trace() {
        let mut out = vec![1, 2, 3];
        let long = Page { key: "/".repeat(LONGEST + 1), ..page() };
        assert_eq!(encode(&long, 0, &mut out), Err(Oversize::Record));
        let many = Page { headers: vec![page().headers[0].clone(); 70_000], ..page() };
        assert_eq!(encode(&many, 0, &mut out), Err(Oversize::Record));
        assert_eq!(out, [1, 2, 3]);
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let record = encoded(&page(), 77);
        for bit in 0..record.len() * 8 {
            let mut flipped = record.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(flipped.into(), 77), None, "bit {bit}");
        }
    }

    prop_compose! {
        fn any_page()(
            key in "\\PC{0,200}",
            status in any::<u16>(),
            headers in vec(("[a-z][a-z0-9-]{0,30}", vec(prop_oneof![32u8..127, 128u8..=255], 0..100)), 0..20),
            body in proptest::option::of((any::<[u8; 32]>(), any::<u64>())),
            seconds in -10_000_000_000i64..1_000_000_000_000,
            nanos in 0u32..1_000_000_000,
            class in 1u8..=3,
            notes in any::<(Option<u32>, u8, u16)>(),
        ) -> Page {
            Page {
                key,
                status,
                headers: headers
                    .into_iter()
                    .map(|(n, v)| (HeaderName::from_bytes(n.as_bytes()).unwrap(), HeaderValue::from_bytes(&v).unwrap()))
                    .collect(),
                body: body.map(|(id, _)| BlobId::from_bytes(id)),
                len: body.map_or(0, |(_, len)| len),
                taken_at: from_epoch(seconds, nanos).unwrap(),
                class: Class::from_code(class).unwrap(),
                notes: Notes { text: notes.0, missed: notes.1, carried: notes.2 },
            }
        }
    }

    proptest! {
        #[test]
        fn a_page_is_read_back_as_it_was(page in any_page(), offset in any::<u64>()) {
            let record = encoded(&page, offset);
            prop_assert_eq!(decode(record.clone().into(), offset), Some(page.clone()));
            let followed = Bytes::from([&record[..], &[7; 100]].concat());
            prop_assert_eq!(decode_first(&followed, offset), Some((page, record.len())));
            prop_assert_eq!(decode_first(&followed, offset ^ 1), None);
            prop_assert_eq!(decode_first(&followed.slice(..record.len() - 1), offset), None);
        }

        #[test]
        fn garbage_never_panics(bytes in vec(any::<u8>(), 0..300), offset in any::<u64>()) {
            prop_assert_eq!(decode(bytes.clone().into(), offset), None);
            decode(resealed(bytes.clone()), offset);
            decode_first(&[&offset.to_le_bytes()[..], &bytes].concat().into(), offset);
        }

        #[test]
        fn a_record_with_wrong_lengths_never_panics(
            page in any_page(), at in any::<proptest::sample::Index>(), byte in any::<u8>()
        ) {
            let record = encoded(&page, 0);
            let mut body = record[..record.len() - CHECK].to_vec();
            let at = at.index(body.len());
            body[at] = byte;
            decode(resealed(body), 0);
        }
    }
}
