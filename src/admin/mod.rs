//! (in work)
pub mod pages;
