//! The copy: what a crawl brings home, whether it may be used, and how it goes out and comes in.

mod assets;
mod crawl;
mod gate;
mod in_a_browser;
mod learned;
mod other_mirrors;
mod polite;
mod portable;
mod snapshot;
mod versions;
