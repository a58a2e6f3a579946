//! Sites that are as they are: odd habits that must not leave them without protection.

use super::{Row, habits};

pub fn rows() -> Vec<Row> {
    habits::rows()
}
