//! The harness: a real Katahai process, origins that can fail in every way, clients that see what a visitor sees.

pub mod azure;
pub mod browser;
pub mod certs;
pub mod client;
pub mod config;
pub mod dns;
pub mod door;
pub mod edge;
pub mod faults;
pub mod fixture;
pub mod join;
pub mod levers;
pub mod load;
pub mod nginx;
pub mod origin;
pub mod page;
pub mod process;
pub mod raw;
pub mod registry;
pub mod s3;
pub mod screen;
pub mod seaweedfs;
pub mod static_host;
pub mod turn;
pub mod wait;
pub mod wire;
pub mod wires;

pub use client::{Answer, Client};
pub use config::{Config, Site};
pub use edge::Edge;
pub use origin::Origin;
pub use page::Page;
pub use wait::{eventually, ms, secs};
