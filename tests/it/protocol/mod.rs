//! HTTP: what passes through, what the cache keeps, and what one visitor may take.

mod cache;
mod framing;
mod limits;
mod normal_form;
mod protocols;
mod serve;
mod slow_visitors;
mod streaming;
pub mod visitor_against_visitor;
