//! What the API does for one site: its snapshots, and the operator's word.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;

use super::forms;
use super::not_this_method;
use super::origins;
use super::reply::{error, json};
use super::selftest;
use super::shelf::{self, Wanted};
use crate::app::App;
use crate::app::drills::{Anyway, LinkWanted, NoDrill};
use crate::app::overview::Which;
use crate::clock;
use crate::failover::Mode;
use crate::failure::{Cause, in_short};
use crate::http::Body;
use crate::proxy::{Site, Table};

/// Answers below `/api/v1/sites/{name}`; `wanted.rest` is what stands behind the name.
pub(super) async fn answer(app: &Arc<App>, name: &str, wanted: Wanted<'_>) -> Response<Body> {
    let Wanted { method, rest, body, .. } = wanted;
    let table = app.table();
    if let ["forms", rest @ ..] = rest {
        return forms::answer(app, name, Wanted { rest, ..wanted }).await;
    }
    let Some(site) = table.named(name) else { return unknown(&table) };
    match rest {
        ["snapshots", rest @ ..] => shelf::answer(app, site, Wanted { rest, ..wanted }).await,
        ["origins", place, "mode"] if *method == Method::PUT => origins::set_mode(site, place, body),
        ["origins", _, "mode"] => not_this_method(),
        ["origins"] => origins::answer(app, site, method, body).await,
        ["mode"] if *method == Method::PUT => set_mode(app, site, body).await,
        ["preview"] if *method == Method::POST => preview(app, site, body).await,
        ["selftest"] => selftest::answer(app, name, method, body).await,
        ["mode"] | ["preview"] | ["coverage"] | ["history"] => not_this_method(),
        _ => error(StatusCode::NOT_FOUND, "not-found", "there is nothing at this path"),
    }
}

/// Names that an answer about an unknown site lists.
const NAMED: usize = 20;

pub(super) fn unknown(table: &Table) -> Response<Body> {
    let names: Vec<&str> = table.sites.iter().take(NAMED).map(|site| &*site.config.name).collect();
    let more = table.sites.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!("there is no such site; there are: {}{more}", names.join(", "));
    error(StatusCode::NOT_FOUND, "unknown-site", &message)
}

/// Whether visitors of this site get it from this instance, live or from a copy: for load balancers and DNS.
pub(super) fn ready(site: &Site) -> Response<Body> {
    let now = clock::now();
    let has_copy = site.mirror.current().is_some();
    let (is_ready, why) = match site.switch.mode(now.mono) {
        Mode::Auto => (site.is_ready(), "the live site is not up, and there is no snapshot of it"),
        Mode::HoldOrigin => (site.is_live(), "the site is held on its origins by hand, and they are not up"),
        Mode::HoldSnapshot => (has_copy, "the site is held on its snapshot by hand, and there is none"),
    };
    if is_ready {
        let by = if site.is_live() { "origin" } else { "snapshot" };
        return json(
            StatusCode::OK,
            &serde_json::json!({ "ready": true, "site": &*site.config.name, "by": by }),
        );
    }
    let cause = site.condition(now).cause.map(Cause::code);
    let answer =
        serde_json::json!({ "ready": false, "site": &*site.config.name, "reason": why, "cause": cause });
    json(StatusCode::SERVICE_UNAVAILABLE, &answer)
}

/// The value of a query's parameter.
pub(super) fn of_query(query: &str, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// `GET /api/v1/sites?search=…&problems=true&limit=100`: all sites in short, those in trouble first; `site=…` for one.
pub(super) async fn overview(app: &App, query: &str) -> Response<Body> {
    let bad = |message: &str| error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-query", message);
    let problems = match of_query(query, "problems").as_deref() {
        None | Some("false") => false,
        Some("true" | "") => true,
        Some(_) => return bad("\"problems\" is \"true\" or \"false\""),
    };
    let Ok(limit) = of_query(query, "limit").map_or(Ok(usize::MAX), |limit| limit.parse()) else {
        return bad("\"limit\" is a number");
    };
    let only = of_query(query, "site");
    let table = app.table();
    if only.as_deref().is_some_and(|name| table.named(name).is_none()) {
        return unknown(&table);
    }
    app.look_again().await;
    let search = of_query(query, "search").unwrap_or_default();
    json(StatusCode::OK, &app.overview(&Which { search, problems, limit, only }))
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
    /// Why, for the log.
    #[serde(default)]
    reason: String,
    /// Whether a drill begins or ends by it.
    #[serde(default)]
    drill: bool,
    /// Whether it begins although the site is not up.
    #[serde(default)]
    anyway: bool,
}

/// Characters of a reason.
const REASON: usize = 200;

/// A link to a preview; without a body, one of the usual kind.
async fn preview(app: &App, site: &Site, body: &Bytes) -> Response<Body> {
    let wanted = if body.is_empty() { Ok(LinkWanted::default()) } else { serde_json::from_slice(body) };
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(e) => {
            let message = format!("the body is not like {{\"path\":\"/signup\",\"for\":\"1h\"}}: {e}");
            return error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-preview", &message);
        }
    };
    match app.preview_link(site, wanted).await {
        Ok(link) => json(StatusCode::OK, &link),
        Err(why) => no_drill(&why),
    }
}

fn no_drill(why: &NoDrill) -> Response<Body> {
    let (status, code) = match why {
        NoDrill::Words(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-request"),
        NoDrill::Absent(_) => (StatusCode::NOT_FOUND, "not-found"),
        NoDrill::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
        NoDrill::Broken(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    };
    error(status, code, &why.to_string())
}

/// Begins or ends a drill for all.
async fn set_drill(app: &App, site: &Site, wanted: &SetMode, mode: Mode) -> Response<Body> {
    let done = match (mode, wanted.time.as_deref()) {
        (Mode::HoldSnapshot, Some(time)) => {
            let anyway = if wanted.anyway { Anyway::Yes } else { Anyway::No };
            let reason = in_short(&wanted.reason, REASON);
            app.begin_drill(site, (time, &reason), anyway).await.map(|_| ())
        }
        (Mode::HoldSnapshot, None) => {
            Err(NoDrill::Words("a drill needs \"for\", such as \"10m\"".to_owned()))
        }
        (Mode::Auto, _) => app.end_drill(site).await,
        (Mode::HoldOrigin, _) => {
            Err(NoDrill::Words("a drill shows copies: mode \"hold_snapshot\"".to_owned()))
        }
    };
    match done {
        Ok(()) => {
            let told = serde_json::json!({ "mode": mode.as_str(), "for": wanted.time, "drill": true });
            json(StatusCode::OK, &told)
        }
        Err(why) => no_drill(&why),
    }
}

async fn set_mode(app: &App, site: &Site, body: &Bytes) -> Response<Body> {
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
    if wanted.drill {
        return set_drill(app, site, &wanted, mode).await;
    }
    let time: Option<Duration> = match wanted.time.as_deref().map(humantime::parse_duration).transpose() {
        Ok(time) => time,
        Err(e) => return bad(&format!("\"for\" is not a time like \"10m\": {e}")),
    };
    let reason = in_short(&wanted.reason, REASON);
    app.forget_drill(site).await;
    site.switch.set(mode, time, &reason, clock::now());
    tracing::info!(site = %site.config.name, mode = mode.as_str(), time = ?time, reason, "operator set the mode");
    json(StatusCode::OK, &serde_json::json!({ "mode": mode.as_str(), "for": wanted.time }))
}
