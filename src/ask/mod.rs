//! One request, read once: which site, which page, what kind. What is malformed is refused here.

pub mod key;
