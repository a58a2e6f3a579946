//! May this answer be kept, and what does it lead to? Pure, but for `imported`, which reads what is staged.

pub(super) mod addresses;
pub(super) mod appraise;
pub(super) mod extract;
mod forms;
pub mod headers;
pub mod imported;
pub(super) mod own_links;
pub mod privacy;
pub(super) mod sitemap;
pub mod status;
mod w3c_date;
