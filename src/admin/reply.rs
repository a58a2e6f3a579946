//! The shapes of answers.

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::app::Refused;
use crate::config::Problems;
use crate::http::Body;

/// Plain text.
pub(super) fn text(status: StatusCode, text: String) -> Response<Body> {
    whole(status, "text/plain; version=0.0.4; charset=utf-8", text)
}

/// A value as JSON.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    match serde_json::to_string_pretty(value) {
        Ok(mut text) => {
            text.push('\n');
            whole(status, "application/json", text)
        }
        Err(e) => error(StatusCode::INTERNAL_SERVER_ERROR, "internal", &e.to_string()),
    }
}

/// An error.
pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let value = serde_json::json!({ "error": { "code": code, "message": message } });
    whole(status, "application/json", format!("{value}\n"))
}

/// A reload that was refused, with every problem.
pub(super) fn refused(status: StatusCode, refused: &Refused) -> Response<Body> {
    let (code, problems) = match refused {
        Refused::Problems(problems) => ("invalid-configuration", problems.iter().collect()),
        Refused::NoDescriptors(problems) => ("descriptors-out", problems.iter().collect()),
        Refused::NoFile => ("no-file", Vec::new()),
        Refused::Stopping => ("stopping", Vec::new()),
    };
    let message = match refused {
        Refused::Problems(problems) | Refused::NoDescriptors(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            format!("{refused}, what runs was kept: {}", lines.join(" | "))
        }
        Refused::NoFile | Refused::Stopping => refused.to_string(),
    };
    json(status, &serde_json::json!({ "error": { "code": code, "message": message, "problems": problems } }))
}

/// A list of origins that was refused, with every problem.
pub(super) fn refused_list(problems: &Problems, of_what: &str) -> Response<Body> {
    let problems: Vec<_> = problems.iter().collect();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let message = format!("the list was refused, the one in use stays{of_what}: {}", lines.join(" | "));
    let error = serde_json::json!({ "code": "invalid-list", "message": message, "problems": problems });
    json(StatusCode::UNPROCESSABLE_ENTITY, &serde_json::json!({ "error": error }))
}

fn whole(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::whole(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
