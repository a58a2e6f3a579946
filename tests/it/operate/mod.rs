//! The operator's side: commands, the API, the dashboard, reloads, the process's own life.

mod admin;
mod alerts;
mod alerts_page;
mod alerts_table;
mod beside_the_service;
mod causes;
mod cli;
mod commands;
mod dashboard;
mod dashboard_forms;
mod demo;
mod first_site;
mod first_start;
mod forms;
mod incidents;
mod many_sites;
mod overview;
mod own_life;
mod reload;
mod shutdown;
mod told;
mod versions_cli;
mod watch;
