//! The configuration: as written (`raw`), as used ([`ready`]), and every problem on the way ([`problem`]).
//!
//! A file is parsed once (`syntax`), read row by row against the table of keys (`raw`, `node`, the small values in
//! `value` and `address`), and judged as a whole (`check`, `listen`, `site`, `origins`). Reading never stops at a
//! problem: it notes it and goes on, so that all of them are told at once. [`mod@load`] does that around the disk.

pub mod alerts;
pub mod defaults;
mod drill;
pub mod flags;
pub mod keys;
pub mod load;
pub mod pattern;
mod pin;
pub mod problem;
pub mod ready;
pub mod recipient;
pub mod remote;
pub mod render;
pub mod statuses;

mod address;
mod asset_host;
mod banner;
mod bounds;
mod check;
mod credentials;
mod files;
mod form;
mod listen;
mod maintenance;
mod marks;
mod node;
mod origins;
mod origins_file;
mod raw;
mod site;
mod syntax;
mod value;
mod watch;

#[cfg(test)]
mod golden;

pub use flags::{Flags, from_flags};
pub use keys::known_keys;
pub use load::{
    Env, from_text, list_refused, load, load_credentials, load_fingerprints, load_hook_url, load_origins,
    load_password, load_shared_list, load_token, origins_from_text,
};
pub use problem::{Problem, Problems, Severity};
pub use ready::Config;

/// What is kept of forms where no file says otherwise.
pub fn forms_by_default(state_dir: &std::path::Path, env: &Env) -> ready::Forms {
    check::forms_by_default(state_dir, env.credentials.as_deref())
}
