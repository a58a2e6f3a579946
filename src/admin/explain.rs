//! `GET /api/v1/explain?url=…&cookie=…`: what a visitor would get for an address.

use http::{Response, StatusCode};

use super::reply::{error, json};
use super::sites::of_query;
use crate::app::App;
use crate::http::Body;
use crate::proxy::Unexplained;

/// Answers with what a visitor would get, and why.
pub(super) async fn answer(app: &App, query: &str) -> Response<Body> {
    let value = |name: &str| of_query(query, name);
    let Some(url) = value("url") else {
        let message = "say of what: /api/v1/explain?url=https://www.example.jp/about";
        return error(StatusCode::UNPROCESSABLE_ENTITY, "no-url", message);
    };
    match app.explain(&url, value("cookie").as_deref()).await {
        Ok(explained) => json(StatusCode::OK, &explained),
        Err(why) => {
            let (status, code) = match &why {
                Unexplained::NoUrl(_) => (StatusCode::UNPROCESSABLE_ENTITY, "no-url"),
                Unexplained::UnknownHost { .. } => (StatusCode::NOT_FOUND, "unknown-host"),
                Unexplained::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "refused"),
            };
            error(status, code, &why.to_string())
        }
    }
}
