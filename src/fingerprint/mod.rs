//! Pages that hosts, panels, walls and crashed software give, recognised by fingerprints. These are data: in `fingerprints.toml`,
//! with a sample of each in `samples/`, and in the file that an operator names.

mod pattern;
mod response;
mod row;
mod set;
mod sight;

pub use response::{Kind, LOOKED_AT, READ, ResponseView, WrongPage};
pub use set::{Fingerprints, FingerprintsError, prepare, wrong_page, wrong_page_instead};

#[cfg(test)]
mod tests;
