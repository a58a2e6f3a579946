//! WARC/1.1 (ISO 28500:2017): `record` writes and `read` reads records, `out` makes them of a snapshot's pages, and
//! `http` reads the answers that they hold.

pub(super) mod http;
mod out;
pub(super) mod read;
mod record;

pub(super) use out::{CLASS, Capture, KEY, NOTES, write};
pub(super) use record::Writer;
