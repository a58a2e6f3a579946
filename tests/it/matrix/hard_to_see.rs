//! Answers with a good status that are not the site, and do not look like it at first sight.

use super::Row;

pub fn rows() -> Vec<Row> {
    Vec::new()
}
