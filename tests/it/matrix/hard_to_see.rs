//! Answers with a good status that are not the site, and do not look like it at first sight.

use super::Row;
use super::check::everything;
use crate::support::Page;
use crate::support::faults::Instead;

pub fn rows() -> Vec<Row> {
    vec![everything("every page redirects to itself", &["redirect-loop"], Instead(Page::redirect(302, "#")))]
}
