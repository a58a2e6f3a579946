//! What the API does for one site: its snapshots, and the operator's word.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;

use super::not_this_method;
use super::reply::{error, json};
use super::shelf::{self, Wanted};
use crate::app::App;
use crate::clock;
use crate::failover::Mode;
use crate::http::Body;
use crate::proxy::{Site, Table};

/// Answers below `/api/v1/sites/{name}`; `wanted.rest` is what stands behind the name.
pub(super) async fn answer(app: &App, name: &str, wanted: Wanted<'_>) -> Response<Body> {
    let Wanted { method, rest, body, .. } = wanted;
    let table = app.table();
    let Some(site) = table.named(name) else { return unknown(&table) };
    match rest {
        ["snapshots", rest @ ..] => shelf::answer(app, site, Wanted { rest, ..wanted }).await,
        ["mode"] if *method == Method::PUT => set_mode(site, body),
        ["mode"] | ["coverage"] => not_this_method(),
        _ => error(StatusCode::NOT_FOUND, "not-found", "there is nothing at this path"),
    }
}

fn unknown(table: &Table) -> Response<Body> {
    let names: Vec<&str> = table.sites.iter().map(|site| &*site.config.name).collect();
    let message = format!("there is no such site; there are: {}", names.join(", "));
    error(StatusCode::NOT_FOUND, "unknown-site", &message)
}

/// What visitors ask for and the snapshot in service has, or lacks.
pub(super) async fn coverage(app: &App, name: &str) -> Response<Body> {
    let table = app.table();
    match table.named(name) {
        Some(site) => json(StatusCode::OK, &*app.coverage(site).await),
        None => unknown(&table),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetMode {
    mode: String,
    #[serde(rename = "for")]
    time: Option<String>,
}

fn set_mode(site: &Site, body: &Bytes) -> Response<Body> {
    let bad = |message: &str| error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-mode", message);
    let wanted: SetMode = match serde_json::from_slice(body) {
        Ok(wanted) => wanted,
        Err(e) => {
            return bad(&format!("the body is not like {{\"mode\":\"hold_snapshot\",\"for\":\"10m\"}}: {e}"));
        }
    };
    let modes = [Mode::Auto, Mode::HoldOrigin, Mode::HoldSnapshot];
    let Some(mode) = modes.into_iter().find(|mode| mode.as_str() == wanted.mode) else {
        return bad("mode is one of \"auto\", \"hold_origin\", \"hold_snapshot\"");
    };
    let time: Option<Duration> = match wanted.time.as_deref().map(humantime::parse_duration).transpose() {
        Ok(time) => time,
        Err(e) => return bad(&format!("\"for\" is not a time like \"10m\": {e}")),
    };
    site.switch.set(mode, time, clock::instant());
    tracing::info!(site = %site.config.name, mode = mode.as_str(), time = ?time, "operator set the mode");
    json(StatusCode::OK, &serde_json::json!({ "mode": mode.as_str(), "for": wanted.time }))
}
