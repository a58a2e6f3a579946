//! `/api/v1/session`: signing in with a browser (`POST`), who is signed in (`GET`), signing out (`DELETE`).

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::not_this_method;
use super::reply::{error, json};
use super::role::Role;
use super::sessions::{NotOpened, Sessions, WITHIN, cookie};
use crate::clock;
use crate::http::Body;

/// What is sent to sign in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    token: String,
}

/// Opens a session. Whoever asks has been found to be no other site's page.
pub(super) fn open(sessions: &Sessions, headers: &HeaderMap, body: &Bytes, from: IpAddr) -> Response<Body> {
    if !sessions.are_needed() {
        return shown(Role::Operator, false);
    }
    let Ok(SignIn { token }) = serde_json::from_slice(body) else {
        let message = "the body is not like {\"token\":\"…\"}";
        return error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", message);
    };
    match sessions.open(token.trim().as_bytes(), from, clock::instant()) {
        Ok((role, name)) => {
            tracing::info!(client = %from, ?role, "signed in to the dashboard");
            let mut response = shown(role, true);
            response.headers_mut().insert(header::SET_COOKIE, cookie(&name, headers));
            response
        }
        Err(NotOpened::Wrong) => {
            tracing::warn!(client = %from, "wrong token at the dashboard");
            error(StatusCode::UNAUTHORIZED, "token-wrong", "this token is not valid")
        }
        Err(NotOpened::TooMany) => {
            let message = "too many wrong tokens from this address; try again in a minute";
            let mut response = error(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", message);
            response.headers_mut().insert(header::RETRY_AFTER, WITHIN.as_secs().into());
            response
        }
        Err(NotOpened::NoRandom) => {
            let message = "the system gives no random bytes, so nobody can sign in";
            error(StatusCode::SERVICE_UNAVAILABLE, "no-random", message)
        }
    }
}

/// Says who is signed in, or signs out.
pub(super) fn answer(
    sessions: &Sessions,
    role: Role,
    method: &Method,
    headers: &HeaderMap,
) -> Response<Body> {
    match *method {
        Method::GET | Method::HEAD => shown(role, sessions.are_needed()),
        Method::DELETE => {
            sessions.end(headers);
            let mut response = shown(role, sessions.are_needed());
            response.headers_mut().insert(header::SET_COOKIE, cookie("", headers));
            response
        }
        _ => not_this_method(),
    }
}

/// `signed_in`: by a token, which one can sign out of.
fn shown(role: Role, signed_in: bool) -> Response<Body> {
    let mut response = json(StatusCode::OK, &json!({ "role": role, "signed_in": signed_in }));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Cookie"));
    response
}
