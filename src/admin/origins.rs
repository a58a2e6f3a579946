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
            NewList::Origins(origins) if origins.is_empty() => Some(String::new()),
            // Each in a line of its own: a problem in line 2 is one of the second origin.
            NewList::Origins(origins) => {
                let lines: Vec<String> = origins.iter().map(as_toml).collect();
                Some(format!("origin = [{}]\n", lines.join(",\n")))
            }
        }
    }

    /// What no origin can have, each with its origin and key: told first, since it would hide all other problems.
    fn odd(&self) -> Vec<String> {
        let NewList::Origins(origins) = self else { return Vec::new() };
        let odd = |(at, origin): (usize, &serde_json::Map<String, Value>)| {
            let odd = origin.iter().filter(|(_, value)| !is_plain(value));
            odd.map(move |(key, _)| {
                format!("origin {}: {key:?} has a value that no key of an origin has", at + 1)
            })
            .collect::<Vec<_>>()
        };
        origins.iter().enumerate().flat_map(odd).collect()
    }
}

/// Whether it is text, a number, a truth value, nothing, or a list of texts.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(values) => values.iter().all(Value::is_string),
        Value::Number(number) => number.is_i64() || number.is_f64(),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// One origin. A key that is null is as if it were not there.
fn as_toml(origin: &serde_json::Map<String, Value>) -> String {
    let given = origin.iter().filter(|(_, value)| !value.is_null());
    // A JSON string is a basic string of TOML, and so are numbers, booleans and lists of these.
    let pairs = given.map(|(key, value)| format!("{} = {value}", Value::from(key.as_str())));
    format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
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
    /// The address of the origin that is meant: lists change while a page is open.
    #[serde(default)]
    url: Option<String>,
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
    let url = member.origin.identity.url.to_string();
    if wanted.as_ref().and_then(|wanted| wanted.url.as_ref()).is_some_and(|meant| *meant != url) {
        let message = format!("the list of origins has changed: this is now {url}; look again and repeat it");
        return error(StatusCode::CONFLICT, "other-origin", &message);
    }
    let modes = [OriginMode::Auto, OriginMode::Drain, OriginMode::Off];
    let mode = wanted.and_then(|wanted| modes.into_iter().find(|mode| mode.as_str() == wanted.mode));
    let Some(mode) = mode else {
        let message =
            "the body is not like {\"mode\":\"drain\"}; mode is one of \"auto\", \"drain\", \"off\"";
        return error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-mode", message);
    };
    member.set_mode(mode);
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
    let odd = new.odd();
    if !odd.is_empty() {
        let message = format!("the list was refused, the one in use stays: {}", odd.join(" | "));
        return error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", &message);
    }
    let of_what = match &new {
        NewList::Origins(_) => " (line 2 is that of the second origin, and so on)",
        NewList::Text(_) => "",
    };
    let Some(text) = new.text() else {
        let message = "the list of one instance is changed in its own file, which Katahai watches; for all instances, add --everywhere";
        return error(StatusCode::CONFLICT, "not-everywhere", message);
    };
    match app.put_origin_list(&site.config, &text).await {
        Ok(in_force) => json(StatusCode::OK, &in_force),
        Err(NotPut::NotShared(message)) => error(StatusCode::CONFLICT, "not-shared", &message),
        Err(NotPut::Problems(problems)) => reply::refused_list(&problems, of_what),
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
    fn problems_of_a_list_in_json_name_the_origin() {
        let listed = |body: &str| serde_json::from_str::<NewList>(body).unwrap();
        let odd =
            listed(r#"[{"url":"http://203.0.113.10"},{"tls":{"ca":"x"},"url":[{}],"host":null}]"#).odd();
        assert!(odd.len() == 2 && odd.iter().all(|said| said.starts_with("origin 2: ")), "{odd:?}");
        let dir = tempfile::tempdir().unwrap();
        let list = crate::config::ready::SharedList::of_site("shop", dir.path(), dir.path()).unwrap();
        let whole = "listen.http = [\"127.0.0.1:80\"]\n[[site]]\nname = \"shop\"\nhosts = [\"shop.example\"]\n[[site.origin]]\nurl = \"http://203.0.113.10\"\n";
        let env = crate::config::Env { state_dir: None, credentials: None };
        let config = crate::config::from_text(whole, &dir.path().join("katahai.toml"), &env).unwrap().0;
        let load = |body: &str| {
            let text = listed(body).text().unwrap();
            crate::config::load_shared_list(text.as_bytes(), &list, &config.listen)
        };
        let sound = r#"{"url":"http://203.0.113.10","tier":1}"#;
        assert_eq!(load(&format!("[{sound},{{\"url\":\"http://203.0.113.11\"}}]")).unwrap().len(), 2);
        let problems =
            load(&format!("[{sound},{{\"url\":5}},{{\"url\":\"http://203.0.113.12\",\"tier\":\"x\"}}]"));
        let told: Vec<String> = problems.unwrap_err().iter().map(ToString::to_string).collect();
        let has = |part: &str| told.iter().any(|said| said.contains(part));
        assert!(told.len() == 2 && has("origins.toml:2:") && has("origins.toml:3:"), "{told:?}");
    }

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
