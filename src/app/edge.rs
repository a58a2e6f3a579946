//! The proxy as a server's service, and an observer beside it for the demo's page.

use std::sync::Arc;

use http::Response;

use crate::clock;
use crate::http::{Body, BoxRequest};
use crate::proxy::{Early, Proxy, Visit};
use crate::server::{Conn, Service};

/// Is told of every answer: path, status, `Cache-Status`, milliseconds.
pub type Observer = Arc<dyn Fn(&str, u16, &str, f64) + Send + Sync>;

/// The proxy as visitors reach it.
#[derive(Clone)]
pub(super) struct Edge {
    proxy: Proxy,
    observer: Option<Observer>,
}

impl Edge {
    pub(super) fn new(proxy: Proxy, observer: Option<Observer>) -> Edge {
        Edge { proxy, observer }
    }
}

impl Service for Edge {
    async fn call(&self, request: BoxRequest, conn: &Arc<Conn>) -> Response<Body> {
        let early = || -> Option<Early> {
            let interim = conn.interim()?;
            Some(Box::new(move |status, headers| interim.send(status, headers)))
        };
        let visit =
            Visit { peer: conn.peer.ip(), port: conn.local.port(), tls: conn.tls.is_some(), early: &early };
        let Some(observer) = &self.observer else {
            return self.proxy.handle(request, visit).await;
        };
        let (begun, path) = (clock::now(), request.uri().path().to_owned());
        let response = self.proxy.handle(request, visit).await;
        let took = (clock::instant() - begun.mono).as_secs_f64() * 1e3;
        let status = response.headers().get_all("cache-status").iter().next_back();
        let status = status.and_then(|value| value.to_str().ok()).unwrap_or_default();
        observer(&path, response.status().as_u16(), status, took);
        response
    }
}
