//! Pins: the keys that an origin's certificate may have, by the hash of what the certificate says of the key.

use std::fmt;

use data_encoding::BASE64;

use super::node::{Fault, Notes, Span, Spanned, Value, kind, shown, text};

/// How a pin is written, as curl and others write it.
const PREFIX: &str = "sha256/";

/// A public key, by the SHA-256 of its SubjectPublicKeyInfo (RFC 7469 section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 32]);

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64.encode(&self.0))
    }
}

fn pin(text: &str) -> Result<Pin, Fault> {
    let hash = text.strip_prefix(PREFIX).and_then(|hash| BASE64.decode(hash.as_bytes()).ok());
    hash.and_then(|hash| hash.try_into().ok()).map(Pin).ok_or_else(|| {
        let help = "write \"sha256/\" and the SHA-256 of the public key in base64, which has 44 characters";
        Fault::new(format!("{} is not a pin", shown(text)), help)
    })
}

impl Value for Pin {
    fn read(value: &toml::de::DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<Pin> {
        match pin(text(value, span, "a pin such as \"sha256/…\"", notes)?) {
            Ok(pin) => Some(pin),
            Err(fault) => {
                notes.error(span, fault);
                None
            }
        }
    }
}

/// One pin, or a list of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pins(pub(super) Vec<Spanned<Pin>>);

impl Value for Pins {
    fn read(value: &toml::de::DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<Pins> {
        if value.is_array() {
            return Vec::read(value, span, notes).map(Pins);
        }
        if value.is_str() {
            let value = Pin::read(value, span, notes)?;
            return Some(Pins(vec![Spanned { value, span: span.clone() }]));
        }
        let message = format!("a pin cannot be {}", kind(value));
        notes.error(span, Fault::new(message, "write \"sha256/…\", or a list of such pins"));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_a_hash_of_its_own_length() {
        let text = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(pin(text).unwrap().to_string(), text);
        for bad in ["", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "sha256/", "sha256/AAAA", "sha1/AAAA"]
        {
            assert!(pin(bad).is_err(), "{bad}");
        }
    }
}
