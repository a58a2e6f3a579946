//! A site's origins, and the list of them that all instances share.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::not_this_method;
use super::reply::{self, error, json};
use crate::app::App;
use crate::app::regions::origins::NotPut;
use crate::config::ready::OriginMode;
use crate::http::Body;
use crate::proxy::Site;

/// A new list.
#[derive(Deserialize)]
#[serde(untagged)]
enum NewList {
    /// As in the file, key by key. It is judged as TOML is, so that every problem of every origin is told.
    Origins(Vec<serde_json::Map<String, Value>>),
    /// TOML, as in a file.
    Text(TextList),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextList {
    text: String,
    /// Whether it is for all instances.
    #[serde(default)]
    everywhere: bool,
}

impl NewList {
    /// In TOML, if it is for all instances; what stands in no file of one's own is.
    fn text(self) -> Option<String> {
        match self {
            NewList::Text(TextList { text, everywhere }) => everywhere.then_some(text),
            NewList::Origins(origins) => Some(origins.iter().map(as_toml).collect()),
        }
    }
}

/// One origin. A key that is null is as if it were not there.
fn as_toml(origin: &serde_json::Map<String, Value>) -> String {
    let given = origin.iter().filter(|(_, value)| !value.is_null());
    // A JSON string is a basic string of TOML, and so are numbers, booleans and lists of these.
    let lines = given.map(|(key, value)| format!("{} = {value}\n", Value::from(key.as_str())));
    format!("[[origin]]\n{}", lines.collect::<String>())
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

/// The operator's switch of one origin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetOriginMode {
    mode: String,
}

/// Switches one origin, given by its place in the list from 0, until it is switched again or the process ends.
pub(super) fn set_mode(site: &Site, place: &str, body: &Bytes) -> Response<Body> {
    let members = site.origins.members();
    let Some(member) = place.parse().ok().and_then(|place: usize| members.get(place)) else {
        let message = match members.len() {
            0 => "the site has no origin".to_owned(),
            many => format!("there is no such origin; they are counted from 0 to {}", many - 1),
        };
        return error(StatusCode::NOT_FOUND, "unknown-origin", &message);
    };
    let wanted = serde_json::from_slice::<SetOriginMode>(body).ok();
    let modes = [OriginMode::Auto, OriginMode::Drain, OriginMode::Off];
    let mode = wanted.and_then(|wanted| modes.into_iter().find(|mode| mode.as_str() == wanted.mode));
    let Some(mode) = mode else {
        let message =
            "the body is not like {\"mode\":\"drain\"}; mode is one of \"auto\", \"drain\", \"off\"";
        return error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-mode", message);
    };
    member.set_mode(mode);
    let url = member.origin.identity.url.to_string();
    tracing::info!(site = %site.config.name, origin = url, mode = mode.as_str(), "operator switched an origin");
    json(StatusCode::OK, &json!({ "origin": url, "mode": mode.as_str() }))
}

async fn put(app: &App, site: &Site, body: &Bytes) -> Response<Body> {
    let new: NewList = match serde_json::from_slice(body) {
        Ok(new) => new,
        Err(e) => {
            let message = format!(
                "the body is neither like [{{\"url\":\"https://203.0.113.10\"}}] nor like \
                 {{\"text\":\"[[origin]]…\",\"everywhere\":true}}: {e}"
            );
            return error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", &message);
        }
    };
    let Some(text) = new.text() else {
        let message = "the list of one instance is changed in its own file, which Katahai watches; for all instances, add --everywhere";
        return error(StatusCode::CONFLICT, "not-everywhere", message);
    };
    match app.put_origin_list(&site.config, &text).await {
        Ok(in_force) => json(StatusCode::OK, &in_force),
        Err(NotPut::NotShared(message)) => error(StatusCode::CONFLICT, "not-shared", &message),
        Err(NotPut::Problems(problems)) => reply::refused_list(&problems),
        Err(NotPut::Store(fault)) => {
            let message = format!("{} {} ({fault})", fault.kind.meaning().en, fault.kind.advice().en);
            error(StatusCode::BAD_GATEWAY, fault.kind.code(), &message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_json_is_the_same_in_toml() {
        let of = |body: &str| serde_json::from_str::<NewList>(body).ok().and_then(NewList::text);
        let listed = r#"[{"url":"https://203.0.113.10","host":"a\"b","tier":1,"weight":2,"mode":"auto","ca":null},{}]"#;
        let text = of(listed).unwrap();
        let read: toml::Table = text.parse().unwrap();
        let first = read["origin"][0].as_table().unwrap();
        assert_eq!(first["host"].as_str(), Some("a\"b"));
        assert_eq!((first["tier"].as_integer(), first.contains_key("ca")), (Some(1), false));
        assert_eq!(read["origin"].as_array().unwrap().len(), 2);
        assert_eq!(of("[]").as_deref(), Some(""));
        assert_eq!(of(r#"{"text":"a","everywhere":true}"#).as_deref(), Some("a"));
        assert_eq!(of(r#"{"text":"a"}"#), None);
        for bad in ["{}", "[1]", "5", r#"{"text":"a","somewhere":true}"#] {
            assert!(serde_json::from_str::<NewList>(bad).is_err(), "{bad}");
        }
    }
}
