//! Messages to people and their programs: an e-mail, a post to a webhook. One at a time; when, and about what, the caller says.

pub mod mail;
pub mod webhook;

use std::time::Duration;

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// Whether it is worth another try.
    pub again: Again,
    /// A code of `[a-z0-9-]`, such as `smtp-550`, `status-422`, `refused`.
    pub code: String,
    /// For the operator, in words. Nothing of the message, nor what is secret of where it went.
    pub detail: String,
}

/// Whether a message that was not taken is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Yes: others would not have been taken either.
    Later,
    /// The same, and whoever did not take it says when.
    After(Duration),
    /// No: it is this message that is not wanted.
    Never,
}

impl NotTaken {
    fn later(code: impl Into<String>, detail: impl Into<String>) -> NotTaken {
        NotTaken { again: Again::Later, code: code.into(), detail: detail.into() }
    }
}
