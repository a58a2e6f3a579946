//! What is kept of a form, and how it is written down before it is sealed.
//!
//! ```text
//! length of the head, 4 (little-endian) | head, JSON | body
//! ```
//!
//! The head says its version and may grow: what is not known in it is passed over.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::id::FormId;

const VERSION: u32 = 1;
/// The longest head, in bytes.
pub(super) const LONGEST_HEAD: usize = 1 << 20;

/// A form as a visitor sent it. `Debug` shows nothing of what is in it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptForm {
    /// Its name.
    pub id: FormId,
    /// The site that it is for.
    pub site: String,
    /// When it came.
    pub received: SystemTime,
    /// Whether it came by TLS.
    pub tls: bool,
    /// The host that was asked.
    pub host: String,
    /// Path and query that it was sent to.
    pub target: String,
    /// The path of the page that it stood on, as far as its visitor told.
    pub page: Option<String>,
    /// The header fields that belong to it, chosen by the caller: nothing that says who the visitor is.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Who sent it.
    pub client: IpAddr,
    /// The keys of those who were to get it, besides the origin, when it came.
    pub recipients: Vec<String>,
    /// Whether the origin was to get it then.
    pub to_origin: bool,
    /// What was filled in.
    pub body: Bytes,
}

impl KeptForm {
    /// What its body is; empty if nothing was said.
    pub fn content_type(&self) -> &str {
        let field = self.headers.iter().find(|(name, _)| name == "content-type");
        field.and_then(|(_, value)| std::str::from_utf8(value).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for KeptForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptForm")
            .field("id", &self.id)
            .field("target", &self.target.len())
            .field("headers", &self.headers.len())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The head as it is written. Without `Debug`: it holds what nobody may see.
#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    id: String,
    site: String,
    /// Seconds since 1970, and nanoseconds.
    received: (u64, u32),
    tls: bool,
    host: String,
    target: String,
    page: Option<String>,
    /// A character for each byte (ISO 8859-1): a field's value need not be UTF-8.
    headers: Vec<(String, String)>,
    client: IpAddr,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    not_to_origin: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// All that is looked at before the version is known.
#[derive(Deserialize)]
struct AnyHead {
    version: u32,
}

/// What was opened is no form. Says nothing of what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// It is not what was written.
    #[error("it is damaged")]
    Damaged,
    /// A later Katahai wrote it.
    #[error("it is of a later version")]
    Version,
}

impl KeptForm {
    /// What stands before the body; `None`: it is too long.
    pub(super) fn head(&self) -> Option<Vec<u8>> {
        let since = self.received.duration_since(UNIX_EPOCH).unwrap_or_default();
        let characters = |bytes: &Vec<u8>| bytes.iter().copied().map(char::from).collect();
        let head = Head {
            version: VERSION,
            id: self.id.to_string(),
            site: self.site.clone(),
            received: (since.as_secs(), since.subsec_nanos()),
            tls: self.tls,
            host: self.host.clone(),
            target: self.target.clone(),
            page: self.page.clone(),
            headers: self.headers.iter().map(|(name, value)| (name.clone(), characters(value))).collect(),
            client: self.client,
            recipients: self.recipients.clone(),
            not_to_origin: !self.to_origin,
        };
        let mut written = vec![0; 4];
        serde_json::to_writer(&mut written, &head).ok()?;
        let len = written.len() - 4;
        if len > LONGEST_HEAD {
            return None;
        }
        written[..4].copy_from_slice(&u32::try_from(len).ok()?.to_le_bytes());
        Some(written)
    }

    /// Reads back what [`KeptForm::head`] and the body are.
    pub(super) fn decode(content: Vec<u8>) -> Result<KeptForm, Unreadable> {
        let damaged = || Unreadable::Damaged;
        let len = *content.first_chunk().ok_or_else(damaged)?;
        let body = 4 + u32::from_le_bytes(len) as usize;
        let head = content.get(4..body).filter(|head| head.len() <= LONGEST_HEAD).ok_or_else(damaged)?;
        // The words of the parser's errors quote what it has read; none of them goes further.
        let AnyHead { version } = serde_json::from_slice(head).map_err(|_| damaged())?;
        if version > VERSION {
            return Err(Unreadable::Version);
        }
        let head: Head = serde_json::from_slice(head).map_err(|_| damaged())?;
        let (seconds, nanos) = head.received;
        let since = (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos)).ok_or_else(damaged)?;
        let bytes = |text: String| text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<u8>>>();
        let headers = head.headers.into_iter().map(|(name, value)| Some((name, bytes(value)?)));
        Ok(KeptForm {
            id: head.id.parse().map_err(|_| damaged())?,
            site: head.site,
            received: UNIX_EPOCH.checked_add(since).ok_or_else(damaged)?,
            tls: head.tls,
            host: head.host,
            target: head.target,
            page: head.page,
            headers: headers.collect::<Option<_>>().ok_or_else(damaged)?,
            client: head.client,
            recipients: head.recipients,
            to_origin: !head.not_to_origin,
            body: Bytes::from(content).slice(body..),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The form of the kept sample.
    pub(in crate::forms) fn sample() -> KeptForm {
        KeptForm {
            id: "20261130T115251Z-k7f3x9q2".parse().unwrap(),
            site: "shop".to_owned(),
            received: UNIX_EPOCH + Duration::new(1_796_039_571, 250_000_000),
            tls: true,
            host: "shop.example".to_owned(),
            target: "/contact?from=menu".to_owned(),
            page: Some("/contact".to_owned()),
            headers: vec![
                ("content-type".to_owned(), b"application/x-www-form-urlencoded".to_vec()),
                ("user-agent".to_owned(), b"M\xfcller/1.0".to_vec()),
            ],
            client: "2001:db8::7".parse().unwrap(),
            recipients: Vec::new(),
            to_origin: true,
            body: Bytes::from_static(b"name=Grace&message=a+table+for+two"),
        }
    }

    fn encoded(form: &KeptForm) -> Vec<u8> {
        [&form.head().unwrap()[..], &form.body].concat()
    }

    #[test]
    fn version_1_is_read_for_ever() {
        let kept = include_bytes!("samples/form-1.record");
        assert!(KeptForm::decode(kept.to_vec()) == Ok(sample()));
        assert!(encoded(&sample()) == kept, "what is written is no longer version 1");
    }

    #[test]
    fn nothing_of_a_form_is_shown() {
        let form = sample();
        let shown = format!("{form:?} {form:#?}");
        for secret in ["contact", "Grace", "table", "2001", "shop.example", "ller", "menu", "urlencoded"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        assert!(shown.contains("20261130T115251Z-k7f3x9q2") && shown.contains("34"), "{shown}");
    }

    #[test]
    fn what_may_grow_is_passed_over_and_what_is_later_is_told() {
        let with = |head: &str| [&(head.len() as u32).to_le_bytes()[..], head.as_bytes(), b"body"].concat();
        let text = String::from_utf8(sample().head().unwrap()[4..].to_vec()).unwrap();
        let grown = text.replace("{\"version\":1", "{\"mood\":{\"good\":true},\"version\":1");
        assert!(KeptForm::decode(with(&grown)).unwrap().body == "body");
        let later = text.replace("\"version\":1", "\"version\":2");
        assert_eq!(KeptForm::decode(with(&later)).map(drop), Err(Unreadable::Version));
        for bad in [
            "",
            "{}",
            "[]",
            "{\"version\":1}",
            &text.replace("250000000", "1000000000"),
            &text.replace("ü", "€"),
        ] {
            let error = KeptForm::decode(with(bad)).map(drop).unwrap_err();
            assert_eq!(error, Unreadable::Damaged, "{bad}");
        }
        for cut in [0, 3, 4, 50] {
            assert!(KeptForm::decode(encoded(&sample())[..cut].to_vec()).is_err());
        }
    }

    #[test]
    fn a_head_is_bounded() {
        let form = KeptForm { target: "x".repeat(LONGEST_HEAD), ..sample() };
        assert!(form.head().is_none());
    }

    proptest! {
        #[test]
        fn a_form_is_read_back_as_it_was(
            target in any::<String>(), page in any::<Option<String>>(), tls in any::<bool>(),
            value in proptest::collection::vec(any::<u8>(), 0..50), client in any::<[u8; 4]>(),
            nanos in 0..u64::MAX / 2, body in proptest::collection::vec(any::<u8>(), 0..500),
        ) {
            let form = KeptForm {
                target, page, tls,
                headers: vec![("accept".to_owned(), value)],
                client: client.into(),
                received: UNIX_EPOCH + Duration::from_nanos(nanos),
                body: body.into(),
                ..sample()
            };
            prop_assert!(KeptForm::decode(encoded(&form)) == Ok(form));
        }

        #[test]
        fn whatever_is_read_it_is_refused_or_a_form(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = KeptForm::decode(noise);
        }
    }
}
