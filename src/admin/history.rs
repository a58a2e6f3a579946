//! `GET /api/v1/sites/{name}/history?range=24h|90d`: what became of a site.

use http::{Response, StatusCode};

use super::reply::{error, json};
use super::sites::{of_query, unknown};
use crate::app::App;
use crate::clock;
use crate::http::Body;

/// Answers with the minutes of a day, or the days of a season.
pub(super) fn answer(app: &App, site: &str, query: &str) -> Response<Body> {
    let table = app.table();
    let Some(site) = table.named(site) else { return unknown(&table) };
    match of_query(query, "range").as_deref() {
        None | Some("24h") => json(StatusCode::OK, &site.history.last_day()),
        Some("90d") => json(StatusCode::OK, &site.history.last_days(90, clock::now().unix())),
        Some(_) => {
            error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-query", "\"range\" is \"24h\" or \"90d\"")
        }
    }
}
