//! One-time tokens: whoever has one may acknowledge one alert, and nothing else. They are made when a message is sent, and only
//! their hashes are kept.

use data_encoding::HEXLOWER;

/// Bytes of randomness.
const SIZE: usize = 16;

/// A new token, and its hash; `None`: the system has no randomness.
pub fn new() -> Option<(String, String)> {
    let mut bytes = [0; SIZE];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    let token = HEXLOWER.encode(&bytes);
    let hash = hash(&token);
    Some((token, hash))
}

/// What is kept of a token.
pub fn hash(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_token_is_not_its_hash_and_never_the_same() {
        let (token, hash) = super::new().unwrap();
        assert_eq!((token.len(), hash.len()), (32, 64));
        assert_eq!(super::hash(&token), hash);
        assert_ne!(super::new().unwrap().0, token);
    }
}
