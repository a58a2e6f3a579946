//! `/api/v1/sites/{site}/selftest`: the results of self-tests, and a run by command.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;

use super::not_this_method;
use super::reply::{error, json};
use crate::app::App;
use crate::app::selftests::{Keeping, ScriptsBy};
use crate::http::Body;
use crate::selftest::Scripts;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DrillOrder {
    /// What a browser of the caller's has found; without it, the service starts one if it can.
    scripts: Option<Scripts>,
    /// Whether the result is only looked at.
    dry: bool,
}

/// `GET`: the last result whole and the scores before; `POST`: runs one.
pub(super) async fn answer(app: &Arc<App>, site: &str, method: &Method, body: &Bytes) -> Response<Body> {
    match *method {
        Method::GET | Method::HEAD => json(StatusCode::OK, &*app.drill_results(site).await),
        Method::POST => run(app, site, body).await,
        _ => not_this_method(),
    }
}

async fn run(app: &Arc<App>, site: &str, body: &Bytes) -> Response<Body> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    let wanted: DrillOrder = match serde_json::from_slice(text) {
        Ok(wanted) => wanted,
        Err(e) => {
            let message = format!("the body is not like {{\"dry\":true}}: {e}");
            return error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-drill", &message);
        }
    };
    let keeping = if wanted.dry { Keeping::Tried } else { Keeping::Kept };
    let scripts = match wanted.scripts {
        Some(scripts) => ScriptsBy::Caller(scripts.of_browser()),
        None if wanted.dry => ScriptsBy::Caller(Scripts::default()),
        None => ScriptsBy::Service,
    };
    match app.drill(site, scripts, keeping).await {
        Some(drilled) => json(StatusCode::OK, &drilled.to_json()),
        None => error(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the process is stopping"),
    }
}
