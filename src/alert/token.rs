//! One-time tokens: whoever has one may acknowledge one alert, and nothing else. They are made when a message is sent, and only
//! their hashes are kept. A message that is sent again has the same one, as long as the process lives.

use std::fmt;

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;

/// Bytes of randomness, and of a token.
const SIZE: usize = 16;

/// What makes tokens. It lives in memory only.
pub struct Maker(hmac::Key);

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Maker")
    }
}

impl Maker {
    /// A new one; `None`: the system has no randomness.
    pub fn new() -> Option<Maker> {
        let mut bytes = [0; 2 * SIZE];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        Some(Maker(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The token of a message to a channel.
    pub fn token(&self, message: &str, channel: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{channel} {message}").as_bytes());
        HEXLOWER.encode(&tag.as_ref()[..SIZE])
    }
}

/// What is kept of a token.
pub fn hash(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_that_of_one_message_to_one_channel_and_one_process() {
        let (maker, another) = (Maker::new().unwrap(), Maker::new().unwrap());
        let token = maker.token("m", "c");
        assert_eq!((token.len(), hash(&token).len()), (32, 64));
        assert_eq!(maker.token("m", "c"), token);
        for other in [maker.token("n", "c"), maker.token("m", "d"), another.token("m", "c"), hash(&token)] {
            assert_ne!(other, token);
        }
    }
}
