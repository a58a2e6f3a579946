//! The token of the admin API. It can be replaced while the process runs: changing a leaked secret should not require a
//! restart.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::reload::Again;
use super::{App, in_one_line};
use crate::{config, tasks};

/// The token in force; none: whoever reaches the listener may command it.
#[derive(Debug, Default)]
pub struct AdminToken(ArcSwapOption<blake3::Hash>);

/// Those of the people who may do everything, and of those who may only look.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    operators: Arc<AdminToken>,
    readers: Arc<AdminToken>,
}

impl AdminToken {
    /// Puts a token in force. Returns whether it is another one.
    pub fn set(&self, token: &str) -> bool {
        // Hashed, so that comparing takes the same time whatever is offered.
        let new = blake3::hash(token.as_bytes());
        self.0.swap(Some(Arc::new(new))).is_none_or(|old| *old != new)
    }

    /// Whether one is needed.
    pub fn is_set(&self) -> bool {
        self.0.load().is_some()
    }

    /// Whether the token is still the one with this hash.
    pub fn is_still(&self, hash: &blake3::Hash) -> bool {
        self.0.load().as_ref().is_some_and(|token| **token == *hash)
    }

    /// Whether this is the token; `None`: none is needed.
    pub fn is(&self, offered: &[u8]) -> Option<bool> {
        self.0.load().as_ref().map(|token| **token == blake3::hash(offered))
    }
}

impl App {
    /// The token of the admin API.
    pub fn admin_token(&self) -> &Arc<AdminToken> {
        &self.tokens.operators
    }

    /// The token of those who may read all and change nothing.
    pub fn readonly_token(&self) -> &Arc<AdminToken> {
        &self.tokens.readers
    }

    /// Takes over a token of the admin API from its file, which was changed. One that cannot be read leaves the old one in
    /// force.
    pub(super) async fn renew_token(&self, token: &AdminToken, file: &Path) -> Again {
        let path = file.to_owned();
        match tasks::blocking(move || config::load_token(&path)).await {
            Some(Ok(text)) => {
                self.conditions.read(file, None);
                if token.set(&text) {
                    tracing::info!(file = %file.display(), "admin token reloaded");
                }
            }
            Some(Err(problems)) if problems.are_passing() => {
                self.not_read(&problems);
                return Again::Soon;
            }
            Some(Err(problems)) => {
                self.conditions.read(file, Some(&problems));
                tracing::error!(
                    problems = in_one_line(&problems),
                    "admin token refused, the one in use stays"
                );
            }
            None => {}
        }
        Again::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_replaced() {
        let token = AdminToken::default();
        assert_eq!(token.is(b"one"), None);
        assert!(token.set("one") && !token.set("one"));
        assert_eq!(
            (token.is(b"one"), token.is(b"two"), token.is(b"")),
            (Some(true), Some(false), Some(false))
        );
        assert!(token.set("two"));
        assert_eq!((token.is(b"one"), token.is(b"two")), (Some(false), Some(true)));
    }
}
