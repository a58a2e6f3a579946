//! Whole crawls of a site in memory.
