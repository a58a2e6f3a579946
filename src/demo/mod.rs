//! The sample shop of `katahai demo`: a small site in Japanese and English, and a real HTTP origin that serves it,
//! which can be stopped and started. Nothing of it is used by `katahai serve`.

pub mod origin;
pub mod site;

mod assets;
mod catalog;
mod menu;
mod pages;

#[cfg(test)]
mod tests;
