//! Sites that are as they are: odd habits that must not leave them without protection.

use super::Row;

pub fn rows() -> Vec<Row> {
    Vec::new()
}
