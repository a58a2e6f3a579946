//! What search needs of a page and of a query: the words of a text in one spelling ([`words()`]), a page's own part
//! ([`main_part`]), what of it is searched ([`Searchable`]), and the piece that shows why it was found ([`excerpt()`]). Pure.

mod excerpt;
mod part;
mod searchable;
mod words;

pub use excerpt::{Fragment, Sought, excerpt, marked};
pub use part::{MainPart, main_part};
pub use searchable::Searchable;
pub use words::{Term, TermKind, words};
