//! What a file is, and what stands in it: its characters, its text, its markup, and what it leads to. Knows no site; reads
//! no clock and no disk.

pub mod charset;
pub mod contact;
pub mod document;
pub mod edits;
pub mod endings;
pub mod entity;
pub mod forms;
pub mod hydrated;
pub mod links;
pub mod media;
pub mod policy;
pub mod rehost;
pub mod same;
pub mod search;
pub mod shingles;
pub mod spots;
pub mod structure;
pub mod tags;
pub mod text;
pub mod text_size;
