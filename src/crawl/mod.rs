//! The crawler: takes a snapshot of a site as an anonymous visitor would see it.

pub mod charset;
pub mod css;
pub mod entity;
pub mod html;
pub mod links;
pub mod manifest;
pub mod robots;
pub mod scope;
pub mod sitemap;
pub mod srcset;
