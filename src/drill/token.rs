//! The token of a preview: a short text and its HMAC-SHA256, both in base64url. Nothing is remembered of a token: what it says
//! and its signature are all there is. Pure.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use crate::clock::Now;
use crate::snapshot::SnapshotId;

/// How long a link is good if nothing else is said.
pub const USUAL: Duration = Duration::from_secs(3600);
/// The longest that a link is good.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Bytes of a path in a token.
const PATH: usize = 1024;
/// Bytes of a token: a cookie has room for 4096.
const TOKEN: usize = 2400;
/// How far the clocks of two instances may be apart.
const SKEW: Duration = Duration::from_secs(300);
/// What every signed text begins with: shape, version and purpose.
const DOMAIN: &str = "katahai preview 1";

/// What somebody may look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The site's name in the configuration.
    pub site: String,
    /// Which snapshot; `None`: the one in service, whichever that is.
    pub snapshot: Option<SnapshotId>,
    /// Where the visit begins, path and query; `None`: at the front page.
    pub path: Option<String>,
    /// The end, in seconds since the epoch.
    pub ends: u64,
}

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It is not one.
    #[error("this is not a preview's token")]
    Malformed,
    /// Nobody here has signed it, or for another site.
    #[error("the token was not made here for this site, or its key is no longer in use")]
    Forged,
    /// Its time has passed.
    #[error("the token's time has passed")]
    Ended,
    /// It ends later than any that is made: a clock has been set back.
    #[error("the token ends later than a token can: the clock of this instance is behind")]
    TooFar,
}

impl BadToken {
    /// As in logs.
    pub fn code(self) -> &'static str {
        match self {
            BadToken::Malformed => "malformed",
            BadToken::Forged => "forged",
            BadToken::Ended => "ended",
            BadToken::TooFar => "too-far",
        }
    }
}

impl Preview {
    /// When it ends.
    pub fn ends_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.ends)
    }

    fn text(&self) -> String {
        let snapshot = self.snapshot.map(|id| id.to_string()).unwrap_or_default();
        let path = self.path.as_deref().unwrap_or_default();
        format!("{DOMAIN}\n{}\n{snapshot}\n{}\n{path}", self.ends, self.site)
    }

    fn read(text: &str) -> Option<Preview> {
        let mut lines = text.splitn(5, '\n');
        let mut line = || lines.next();
        let (domain, ends, snapshot, site, path) = (line()?, line()?, line()?, line()?, line()?);
        let snapshot = if snapshot.is_empty() { None } else { Some(snapshot.parse().ok()?) };
        let path = if path.is_empty() { None } else { Some(path.to_owned()).filter(|path| is_path(path)) };
        (domain == DOMAIN).then_some(())?;
        Some(Preview { site: site.to_owned(), snapshot, path, ends: ends.parse().ok()? })
    }
}

/// Whether a visit may begin there: a path on the site itself, that no browser takes for another host.
pub fn is_path(path: &str) -> bool {
    path.len() <= PATH
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

/// Signs and checks tokens; without a key it signs none and takes none. Clones are the same, also when keys come later.
#[derive(Clone, Default)]
pub struct Signer(Arc<ArcSwap<Vec<hmac::Key>>>);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("keys", &self.0.load().len()).finish()
    }
}

impl Signer {
    /// Puts keys in force: the first one signs, all of them are taken.
    pub fn set(&self, keys: &[Zeroizing<[u8; 32]>]) {
        let keys = keys.iter().map(|key| hmac::Key::new(hmac::HMAC_SHA256, &**key)).collect();
        self.0.store(Arc::new(keys));
    }

    /// Whether it has a key.
    pub fn has_key(&self) -> bool {
        !self.0.load().is_empty()
    }

    /// The token for this; `None` without a key.
    pub fn sign(&self, preview: &Preview) -> Option<String> {
        let keys = self.0.load();
        let text = preview.text();
        let tag = hmac::sign(keys.first()?, text.as_bytes());
        let token = [BASE64URL_NOPAD.encode(text.as_bytes()), BASE64URL_NOPAD.encode(tag.as_ref())].join(".");
        (token.len() <= TOKEN && Preview::read(&text).as_ref() == Some(preview)).then_some(token)
    }

    /// What a token allows on this site at this time. The time that it takes tells nothing of the right signature.
    ///
    /// # Errors
    /// Why it allows nothing.
    pub fn open(&self, token: &[u8], site: &str, now: Now) -> Result<Preview, BadToken> {
        if token.len() > TOKEN {
            return Err(BadToken::Malformed);
        }
        let at = token.iter().position(|&b| b == b'.').ok_or(BadToken::Malformed)?;
        let decode = |text: &[u8]| BASE64URL_NOPAD.decode(text).map_err(|_| BadToken::Malformed);
        let (text, tag) = (decode(&token[..at])?, decode(&token[at + 1..])?);
        let keys = self.0.load();
        // all of them: the time says nothing about which one it was
        if keys.iter().filter(|key| hmac::verify(key, &text, &tag).is_ok()).count() == 0 {
            return Err(BadToken::Forged);
        }
        let text = std::str::from_utf8(&text).map_err(|_| BadToken::Malformed)?;
        let preview = Preview::read(text).ok_or(BadToken::Malformed)?;
        if preview.site != site {
            return Err(BadToken::Forged);
        }
        if preview.ends <= now.unix() {
            return Err(BadToken::Ended);
        }
        let most = (LONGEST + SKEW).as_secs();
        if preview.ends - now.unix() > most { Err(BadToken::TooFar) } else { Ok(preview) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const NOW: u64 = 1_796_000_000;

    fn at(seconds: u64) -> Now {
        Now { mono: clock::instant(), wall: UNIX_EPOCH + Duration::from_secs(seconds) }
    }

    fn signer(byte: u8) -> Signer {
        let signer = Signer::default();
        signer.set(&[Zeroizing::new([byte; 32])]);
        signer
    }

    fn preview() -> Preview {
        let snapshot = Some("20261130T115251Z-000007".parse().unwrap());
        Preview { site: "shop".to_owned(), snapshot, path: Some("/a?b=%20".to_owned()), ends: NOW + 3600 }
    }

    #[test]
    fn a_token_says_what_was_signed() {
        let signer = signer(1);
        for preview in [
            preview(),
            Preview { snapshot: None, ..preview() },
            Preview { path: None, ..preview() },
            Preview { path: Some(format!("/{}", "a".repeat(PATH - 1))), ..preview() },
        ] {
            let token = signer.sign(&preview).expect("a key");
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')));
            assert_eq!(signer.open(token.as_bytes(), "shop", at(NOW)), Ok(preview));
        }
    }

    #[test]
    fn what_cannot_be_said_is_not_signed() {
        for preview in [
            Preview { site: "a\nb".to_owned(), ..preview() },
            Preview { path: Some("//evil.example/".to_owned()), ..preview() },
            Preview { path: Some("/\\evil.example/".to_owned()), ..preview() },
            Preview { path: Some("https://evil.example/".to_owned()), ..preview() },
            Preview { path: Some("/a b".to_owned()), ..preview() },
            Preview { path: Some("/a\r\nset-cookie: b".to_owned()), ..preview() },
            Preview { path: Some(format!("/{}", "a".repeat(PATH))), ..preview() },
        ] {
            assert_eq!(signer(1).sign(&preview), None, "{preview:?}");
        }
        assert_eq!(Signer::default().sign(&preview()), None, "no key");
    }

    #[test]
    fn a_token_is_for_its_site_and_its_time() {
        let signer = signer(1);
        let token = signer.sign(&preview()).unwrap();
        for (site, now, expected) in [
            ("shop", NOW, Ok(())),
            ("shop", NOW + 3599, Ok(())),
            ("shop", NOW + 3600, Err(BadToken::Ended)),
            ("shop", NOW + 999_999, Err(BadToken::Ended)),
            ("other", NOW, Err(BadToken::Forged)),
            ("sho", NOW, Err(BadToken::Forged)),
            ("", NOW, Err(BadToken::Forged)),
            // the clock was set back: it would be good again for longer than any is
            ("shop", NOW - LONGEST.as_secs(), Err(BadToken::TooFar)),
            ("shop", 0, Err(BadToken::TooFar)),
        ] {
            let opened = signer.open(token.as_bytes(), site, at(now)).map(|_| ());
            assert_eq!(opened, expected, "{site:?} at {now}");
        }
        let endless = signer.sign(&Preview { ends: u64::MAX, ..preview() }).unwrap();
        assert_eq!(signer.open(endless.as_bytes(), "shop", at(NOW)), Err(BadToken::TooFar));
    }

    #[test]
    fn keys_can_be_changed_and_others_do_not_count() {
        let token = signer(1).sign(&preview()).unwrap();
        let open = |signer: &Signer| signer.open(token.as_bytes(), "shop", at(NOW)).map(|_| ());
        assert_eq!(open(&signer(2)), Err(BadToken::Forged));
        assert_eq!(open(&Signer::default()), Err(BadToken::Forged));
        let both = signer(2);
        let clone = both.clone();
        both.set(&[Zeroizing::new([2; 32]), Zeroizing::new([1; 32])]);
        assert_eq!(open(&clone), Ok(()), "an older key is still taken");
        assert_ne!(both.sign(&preview()), Some(token.clone()), "the first one signs");
    }

    #[test]
    fn no_change_of_a_token_is_taken() {
        let signer = signer(1);
        let token = signer.sign(&preview()).unwrap().into_bytes();
        for at_byte in 0..token.len() {
            for byte in [b'A', b'z', b'0', b'.', b'=', b'\n', 0, 0xff] {
                let mut other = token.clone();
                other[at_byte] = byte;
                let opened = signer.open(&other, "shop", at(NOW));
                assert!(other == token || opened.is_err(), "byte {at_byte} as {byte}");
            }
            assert!(signer.open(&token[..at_byte], "shop", at(NOW)).is_err(), "cut at {at_byte}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        let signer = signer(1);
        let long = "a".repeat(TOKEN + 1);
        let half = BASE64URL_NOPAD.encode(preview().text().as_bytes());
        for token in ["", ".", "..", "a.b", "é.é", &long, &half, &format!("{half}."), &format!(".{half}")] {
            assert!(signer.open(token.as_bytes(), "shop", at(NOW)).is_err(), "{token:?}");
        }
        // signed, and still not a preview
        let sign = |text: &str| {
            let keys = signer.0.load();
            let tag = hmac::sign(&keys[0], text.as_bytes());
            format!("{}.{}", BASE64URL_NOPAD.encode(text.as_bytes()), BASE64URL_NOPAD.encode(tag.as_ref()))
        };
        for text in [
            "",
            "katahai preview 2\n1796003600\n\nshop\n",
            "katahai preview 1\nx\n\nshop\n",
            "katahai preview 1",
        ] {
            assert_eq!(
                signer.open(sign(text).as_bytes(), "shop", at(NOW)),
                Err(BadToken::Malformed),
                "{text:?}"
            );
        }
    }
}
