//! The site goes on: every way in which an origin can fail, what visitors get meanwhile, and how it comes back.

mod challenges;
mod circles;
mod docs_site;
mod every_way;
mod evidence;
mod forms;
mod forms_handed_on;
mod forms_killed;
mod holding;
mod modes;
mod names;
mod notice;
mod notice_in_a_browser;
mod origins;
mod pages;
mod recovery_ramp;
mod search;
mod standby;
