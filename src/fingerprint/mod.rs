//! Pages that hosts, panels, walls and crashed software give, recognised by fingerprints. These are data: in `fingerprints.toml`,
//! with a sample of each in `samples/`, and in the file that an operator names. Beside it, how a page is read: its words
//! ([`Page`]), and whether it ends as it should ([`Structure`]).

mod answer;
mod media;
mod page;
mod pattern;
mod row;
mod set;
mod sight;
mod structure;

pub use answer::{Answer, Kind, LOOKED_AT, READ, WrongPage};
pub use media::{content_type, is_html, is_text, media};
pub use page::{Page, fold};
pub use set::{Fingerprints, FingerprintsError, prepare, wrong_page, wrong_page_instead};
pub use structure::Structure;

#[cfg(test)]
mod tests;
