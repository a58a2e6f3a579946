//! Kept forms in the store, so that they survive the loss of any machine and are delivered once, by whichever is left.
//!
//! A form is one sealed object. What becomes of it on its way to the origin, and to each of its other recipients, is a row of
//! steps, numbered objects that are only ever created: of two that want to take the next step, one finds its number taken. The
//! last step is what holds. [`step`] says what a step is, [`decide`] what a row of them means for the copy of the form here and
//! what is to be done next; both are pure. [`FormShelf`] does it.

pub mod decide;
pub mod names;
mod shelf;
pub mod step;

pub use shelf::{FormShelf, NotPut, StepTaken};
