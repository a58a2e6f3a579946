//! What the demo's page asks for: the sample origin's state, its switch, and the latest answers.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::reply::{error, json};
use crate::demo::origin::Handle;
use crate::http::Body;

/// Answers that are remembered.
const RECENT: usize = 50;

/// The demo: its origin, and the latest answers.
pub struct Demo {
    origin: Handle,
    edge: Mutex<String>,
    recent: Mutex<VecDeque<Recent>>,
}

/// One answer.
#[derive(Clone, Debug, Serialize)]
struct Recent {
    path: String,
    status: u16,
    cache_status: String,
    ms: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    running: bool,
}

impl Demo {
    /// The demo of this origin.
    pub fn new(origin: Handle) -> Demo {
        Demo { origin, edge: Mutex::default(), recent: Mutex::default() }
    }

    /// Says where visitors come in.
    pub fn set_edge(&self, url: String) {
        *self.edge.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }

    /// Records an answer.
    pub fn note(&self, path: &str, status: u16, cache_status: &str, ms: f64) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.truncate(RECENT - 1);
        recent.push_front(Recent {
            path: path.chars().take(200).collect(),
            status,
            cache_status: cache_status.to_owned(),
            ms: (ms * 1000.0).round() / 1000.0,
        });
    }

    /// Answers what belongs to the demo; `None` for everything else.
    pub(super) async fn answer(
        &self,
        method: &Method,
        segments: &[&str],
        body: &Bytes,
    ) -> Option<Response<Body>> {
        match segments {
            ["demo", "state"] if matches!(*method, Method::GET | Method::HEAD) => Some(self.state()),
            ["demo", "origin"] if *method == Method::POST => Some(self.switch(body).await),
            _ => None,
        }
    }

    fn state(&self) -> Response<Body> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let edge = self.edge.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let origin = serde_json::json!({
            "url": format!("http://{}/", self.origin.addr()),
            "running": self.origin.running(),
            "served": self.origin.served(),
            "signups": self.origin.signups(),
        });
        json(
            StatusCode::OK,
            &serde_json::json!({ "origin": origin, "edge": { "url": edge }, "recent": recent }),
        )
    }

    async fn switch(&self, body: &Bytes) -> Response<Body> {
        let wanted: Switch = match serde_json::from_slice(body) {
            Ok(wanted) => wanted,
            Err(e) => {
                let message = format!("the body is not like {{\"running\":false}}: {e}");
                return error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-switch", &message);
            }
        };
        if wanted.running {
            if let Err(e) = self.origin.start().await {
                return error(
                    StatusCode::CONFLICT,
                    "port-taken",
                    &format!("the origin cannot listen again: {e}"),
                );
            }
        } else {
            self.origin.stop().await;
        }
        self.state()
    }
}
