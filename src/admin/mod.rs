//! The admin listener: health, metrics, status, snapshots, reload, and the dashboard that shows them. Errors are
//! `{"error":{"code","message"}}` with the right status.

mod ack;
mod alerts;
mod codes;
mod demo;
mod events;
mod explain;
mod forms;
mod guard;
mod history;
mod incidents;
mod origins;
mod pages;
mod reply;
mod role;
mod selftest;
mod session;
mod sessions;
mod shelf;
mod sites;

use std::net::IpAddr;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};

use crate::app::{App, Refused};
use crate::clock;
use crate::http::{Body, BoxRequest};
use crate::server::{Conn, Service};
pub use demo::Demo;
use guard::Guard;
use reply::{error, json, text};
use sessions::Sessions;

/// A request's body may be this long.
const BODY: usize = 1024 * 1024;

/// The API as a server's service.
#[derive(Clone)]
pub struct Api {
    app: Arc<App>,
    guard: Arc<Guard>,
    sessions: Arc<Sessions>,
    demo: Option<Arc<Demo>>,
}

impl Api {
    /// The API of `app`, for those who know its token if it has one. The demo's page is the first one if there is a demo.
    pub fn new(app: Arc<App>, demo: Option<Arc<Demo>>) -> Api {
        let (token, readonly) = (app.admin_token().clone(), app.readonly_token().clone());
        let sessions = Arc::new(Sessions::new(token, readonly));
        let guard = Arc::new(Guard::new(sessions.clone()));
        Api { app, guard, sessions, demo }
    }

    async fn answer(&self, request: Request<Body>, from: IpAddr, unix: bool) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let get = matches!(parts.method, Method::GET | Method::HEAD);
        // Before the guard: a browser has no token until the page has asked for it, and there is nothing secret in them.
        if get && let Some(page) = self.page(&segments) {
            return page;
        }
        // The token in the path is the right to it, whoever else may use the API.
        if let ["ack", token] = segments.as_slice() {
            return ack::answer(&self.app, &parts.method, token).await;
        }
        let asked = (&parts.method, &*segments);
        let role = match self.guard.role(asked, &parts.headers, unix, clock::instant()) {
            Ok(role) => role,
            Err(refusal) => return *refusal,
        };
        let body = match Limited::new(body, BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => {
                return error(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is larger than 1 MiB");
            }
        };
        if let Some(demo) = &self.demo
            && let Some(response) = demo.answer(&parts.method, &segments, &body).await
        {
            return response;
        }
        match segments.as_slice() {
            ["healthz"] if get => text(StatusCode::OK, "ok\n".to_owned()),
            ["readyz"] if get => self.ready(parts.uri.query().unwrap_or_default()),
            ["metrics"] if get => self.metrics().await,
            ["api", "v1", "status"] if get => self.status(parts.uri.query().unwrap_or_default()).await,
            ["api", "v1", "sites"] if get => {
                sites::overview(&self.app, parts.uri.query().unwrap_or_default()).await
            }
            ["api", "v1", "instances"] if get => match self.app.instances(true) {
                Some(instances) => json(StatusCode::OK, &instances),
                None => error(
                    StatusCode::NOT_FOUND,
                    "no-store",
                    "there is no [store] in the configuration, so this instance knows no other",
                ),
            },
            ["api", "v1", "explain"] if get => {
                explain::answer(&self.app, parts.uri.query().unwrap_or_default()).await
            }
            ["api", "v1", "alerts", rest @ ..] => alerts::answer(&self.app, rest, &parts.method, &body).await,
            ["api", "v1", "session"] if parts.method == Method::POST => {
                session::open(&self.sessions, &parts.headers, &body, from)
            }
            ["api", "v1", "session"] => session::answer(&self.sessions, role, &parts.method, &parts.headers),
            ["api", "v1", "reload"] if parts.method == Method::POST => self.reload().await,
            ["api", "v1", "events"] if get => events::answer(&self.app, &parts.headers),
            ["api", "v1", "incidents", rest @ ..] => {
                let query = parts.uri.query().unwrap_or_default();
                let asked = incidents::Asked { method: &parts.method, rest, query, body: &body };
                incidents::answer(&self.app, asked).await
            }
            ["api", "v1", "sites", site, "coverage"] if get => sites::coverage(&self.app, site).await,
            ["api", "v1", "sites", site, "history"] if get => {
                history::answer(&self.app, site, parts.uri.query().unwrap_or_default())
            }
            ["api", "v1", "sites", site, rest @ ..] => {
                let query = parts.uri.query().unwrap_or_default();
                let is_browser = guard::is_browser(&parts.headers);
                let method = &parts.method;
                let wanted = shelf::Wanted { method, rest, query, body: &body, is_browser, role };
                sites::answer(&self.app, site, wanted).await
            }
            ["healthz" | "readyz" | "metrics"]
            | ["api", "v1", "status" | "sites" | "instances" | "explain" | "reload" | "events"] => {
                not_this_method()
            }
            _ => error(StatusCode::NOT_FOUND, "not-found", "there is nothing at this path"),
        }
    }

    /// The file of a page. The demo has a page of its own in the place of the dashboard's first.
    fn page(&self, segments: &[&str]) -> Option<Response<Body>> {
        self.demo.as_ref().and_then(|_| pages::demo(segments)).or_else(|| pages::dashboard(segments))
    }

    /// Whether every site can be served, live or from a snapshot; with `site=`, whether that one can.
    fn ready(&self, query: &str) -> Response<Body> {
        let table = self.app.table();
        if let Some(name) = sites::of_query(query, "site") {
            return match table.named(&name) {
                Some(site) => sites::ready(site),
                // without the names of the others: who asks here has no token
                None => error(StatusCode::NOT_FOUND, "unknown-site", "there is no such site"),
            };
        }
        let waiting: Vec<&str> =
            table.sites.iter().filter(|site| !site.is_ready()).map(|site| &*site.config.name).collect();
        let ready = waiting.is_empty();
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json(status, &serde_json::json!({ "ready": ready, "not_ready": waiting }))
    }

    /// All there is to say of all sites, or of one.
    async fn status(&self, query: &str) -> Response<Body> {
        let only = sites::of_query(query, "site");
        let table = self.app.table();
        if only.as_deref().is_some_and(|name| table.named(name).is_none()) {
            return sites::unknown(&table);
        }
        self.app.look_again().await;
        json(StatusCode::OK, &self.app.status(only.as_deref()).await)
    }

    async fn metrics(&self) -> Response<Body> {
        match self.app.metrics().await {
            Ok(metrics) => text(StatusCode::OK, metrics),
            Err(message) => error(StatusCode::INTERNAL_SERVER_ERROR, "internal", &message),
        }
    }

    async fn reload(&self) -> Response<Body> {
        match self.app.reload().await {
            Ok(done) => json(
                StatusCode::OK,
                &serde_json::json!({ "sites": done.sites, "needs_restart": done.later, "warnings": done.warnings.iter().collect::<Vec<_>>() }),
            ),
            Err(refused) => {
                let status = match refused {
                    Refused::Problems(_) => StatusCode::UNPROCESSABLE_ENTITY,
                    Refused::NoFile => StatusCode::CONFLICT,
                    Refused::NoDescriptors(_) | Refused::Stopping => StatusCode::SERVICE_UNAVAILABLE,
                };
                reply::refused(status, &refused)
            }
        }
    }
}

impl Service for Api {
    async fn call(&self, request: BoxRequest, conn: &Arc<Conn>) -> Response<Body> {
        let head = request.method() == Method::HEAD;
        let mut response = self.answer(*request, conn.peer.ip(), conn.unix).await;
        if head {
            *response.body_mut() = Body::Empty;
        }
        response
    }
}

fn not_this_method() -> Response<Body> {
    error(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path does not take this method")
}
