//! A site's origins, and the list of them that all instances share.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::not_this_method;
use super::reply::{self, error, json};
use crate::app::App;
use crate::app::regions::origins::NotPut;
use crate::http::Body;
use crate::proxy::Site;

/// A new list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewList {
    /// TOML, as in a file.
    text: String,
    /// Whether it is for all instances.
    #[serde(default)]
    everywhere: bool,
}

/// Answers below `/api/v1/sites/{name}/origins`.
pub(super) async fn answer(app: &App, site: &Site, method: &Method, body: &Bytes) -> Response<Body> {
    match *method {
        Method::GET | Method::HEAD => {
            let status = app.status(Some(&site.config.name)).await;
            let origins = status.sites.into_iter().next().map(|site| site.origins).unwrap_or_default();
            json(StatusCode::OK, &json!({ "list": app.origin_list(&site.config), "origins": origins }))
        }
        Method::PUT => put(app, site, body).await,
        _ => not_this_method(),
    }
}

async fn put(app: &App, site: &Site, body: &Bytes) -> Response<Body> {
    let new: NewList = match serde_json::from_slice(body) {
        Ok(new) => new,
        Err(e) => {
            let message =
                format!("the body is not like {{\"text\":\"[[origin]]…\",\"everywhere\":true}}: {e}");
            return error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", &message);
        }
    };
    if !new.everywhere {
        let message = "the list of one instance is changed in its own file, which Katahai watches; for all instances, add --everywhere";
        return error(StatusCode::CONFLICT, "not-everywhere", message);
    }
    match app.put_origin_list(&site.config, &new.text).await {
        Ok(in_force) => json(StatusCode::OK, &in_force),
        Err(NotPut::NotShared(message)) => error(StatusCode::CONFLICT, "not-shared", &message),
        Err(NotPut::Problems(problems)) => reply::refused_list(&problems),
        Err(NotPut::Store(fault)) => {
            let message = format!("{} {} ({fault})", fault.kind.meaning().en, fault.kind.advice().en);
            error(StatusCode::BAD_GATEWAY, fault.kind.code(), &message)
        }
    }
}
