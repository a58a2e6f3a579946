//! Which copy is the right one, where there are several, or none for just this spelling of an address.

use super::Row;

pub fn rows() -> Vec<Row> {
    Vec::new()
}
