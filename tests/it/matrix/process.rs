//! The process that answers: gone, dying, silent, or out of its mind.

use super::Row;
use super::check::{Failing, everything, failing};
use crate::support::faults::{
    ChunkedCut, HalfBodyThenClose, HalfBodyThenReset, HalfBodyThenSilence, HeadersThenSilence, Late, NotHttp,
    Refuse, ResetInHeaders, ResetOnAccept, Silent, Trickle,
};
use crate::support::secs;

pub fn rows() -> Vec<Row> {
    // of a body that comes too slowly, a check that stops waiting says that it was silent
    const STALLED: &[&str] = &["body-stalled"];
    vec![
        everything("connection refused", &["refused"], Refuse),
        everything("reset on accept", &["reset"], ResetOnAccept),
        everything("reset inside the headers", &["reset"], ResetInHeaders),
        everything("not HTTP at all", &["not-http"], NotHttp),
        everything("accepts and never answers", &["silent"], Silent),
        everything("headers, then silence", STALLED, HeadersThenSilence),
        everything("half a body, then silence", STALLED, HalfBodyThenSilence),
        everything("half a body, then reset", &["body-cut"], HalfBodyThenReset),
        everything("half a body, then a clean close", &["body-cut"], HalfBodyThenClose),
        everything("chunked body cut", &["body-cut"], ChunkedCut),
        failing(
            "one byte a second",
            Failing { under: "/", fault: std::sync::Arc::new(Trickle), states: &["down"], causes: STALLED },
        ),
        everything("every answer 5 s late", &["silent"], Late(secs(5))),
    ]
}
