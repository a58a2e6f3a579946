//! Alerts: what was told, whether it arrives, and the word of somebody who has seen it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::not_this_method;
use super::reply::{error, json as reply};
use crate::app::App;
use crate::app::alerts::Acknowledging;
use crate::http::Body;

/// Answers below `/api/v1/alerts`; `rest` is what stands behind it.
pub(super) async fn answer(app: &Arc<App>, rest: &[&str], method: &Method, body: &Bytes) -> Response<Body> {
    let is_post = *method == Method::POST;
    match rest {
        [] if matches!(*method, Method::GET | Method::HEAD) => match app.alerts_view().await {
            Some(view) => reply(StatusCode::OK, &view),
            None => error(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the program is ending"),
        },
        ["ack"] if is_post => acknowledge(app, body).await,
        ["test"] if is_post => {
            let tried = app.try_alerts().await;
            if tried.is_empty() {
                let message = "nobody is told: write webhook or email.to in [alerts]";
                return error(StatusCode::CONFLICT, "no-channels", message);
            }
            let ok = tried.iter().all(|tried| tried.ok);
            reply(StatusCode::OK, &json!({ "ok": ok, "channels": tried }))
        }
        [] | ["ack" | "test"] => not_this_method(),
        _ => error(StatusCode::NOT_FOUND, "not-found", "there is nothing at this path"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    token: Option<String>,
    alert: Option<String>,
    site: Option<String>,
    cause: Option<String>,
}

async fn acknowledge(app: &Arc<App>, body: &Bytes) -> Response<Body> {
    let bad = |message: &str| error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-ack", message);
    let help = "the body is one of {\"alert\":\"…\"}, {\"site\":\"…\",\"cause\":\"…\"} (the cause may be left out) and {\"token\":\"…\"}";
    let seen: Seen = match serde_json::from_slice(body) {
        Ok(seen) => seen,
        Err(why) => return bad(&format!("{help}: {why}")),
    };
    let which = match seen {
        Seen { token: Some(token), alert: None, site: None, cause: None } => Acknowledging::Token(token),
        Seen { token: None, alert: Some(alert), site: None, cause: None } => Acknowledging::Alert(alert),
        Seen { token: None, alert: None, site: Some(site), cause } => Acknowledging::Site(site, cause),
        Seen { .. } => return bad(help),
    };
    let done = app.acknowledge(which).await;
    if done.is_empty() {
        let message = "there is no such alert: it is over, or acknowledged already";
        return error(StatusCode::NOT_FOUND, "unknown-alert", message);
    }
    reply(StatusCode::OK, &json!({ "acknowledged": done }))
}
