//! One visitor against the others: what somebody sends does not change what anybody else gets.

use super::Row;

pub fn rows() -> Vec<Row> {
    Vec::new()
}
