//! The API of a site's snapshots: what is asked for becomes an [`Ask`], what comes back a status.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::not_this_method;
use super::reply::{error, json};
use super::role::Role;
use crate::app::App;
use crate::app::shelf::{self, Ask, Gate, Why};
use crate::clock;
use crate::http::Body;
use crate::proxy::Site;
use crate::snapshot::Store;
use crate::tasks;

/// Addresses of each kind that a comparison lists, unless asked for more.
const LISTED: usize = 1000;
/// The most that it lists.
const MOST_LISTED: usize = 100_000;

/// A request below `/api/v1/sites/{name}/snapshots`.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) method: &'a Method,
    /// The path's segments behind `snapshots`.
    pub(super) rest: &'a [&'a str],
    pub(super) query: &'a str,
    pub(super) body: &'a Bytes,
    /// Whether a page in a browser asks.
    pub(super) is_browser: bool,
    /// What whoever asks may do.
    pub(super) role: Role,
}

/// Answers it.
pub(super) async fn answer(app: &App, site: &Site, wanted: Wanted<'_>) -> Response<Body> {
    if wanted.rest.is_empty() && *wanted.method == Method::POST {
        return take(app, site);
    }
    let ask = match read(wanted) {
        Ok(ask) => ask,
        Err(No::Method) => return not_this_method(),
        Err(No::Path) => return error(StatusCode::NOT_FOUND, "not-found", "there is nothing at this path"),
        Err(No::Words(message)) => {
            return error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", &message);
        }
    };
    let Some(store) = site.mirror.store() else { return no_place() };
    let listing = ask == Ask::List;
    let is_choice = matches!(ask, Ask::Publish { .. } | Ask::Rollback);
    match carry_out(store.clone(), ask).await {
        Ok(mut shown) => {
            if listing {
                shown["crawl"] =
                    serde_json::to_value(app.crawl_status(&site.config.name)).unwrap_or_default();
            } else {
                app.forget_seen(&site.config.name); // the next status is to know what was just done
                if is_choice {
                    app.chose_snapshot(site);
                }
            }
            json(StatusCode::OK, &shown)
        }
        Err(Some((why, shown))) => {
            let status = match why {
                Why::Absent => StatusCode::NOT_FOUND,
                Why::Conflict => StatusCode::CONFLICT,
                Why::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            };
            json(status, &shown)
        }
        Err(None) => error(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the program is ending"),
    }
}

/// `None` in the error: it was not carried out, since the program ends.
async fn carry_out(store: Store, ask: Ask) -> Result<serde_json::Value, Option<(Why, serde_json::Value)>> {
    let done = tasks::blocking(move || shelf::answer(&store, &ask, clock::now())).await.ok_or(None)?;
    done.map_err(|refusal| Some((refusal.why(), refusal.to_json())))
}

/// Why a request asks nothing.
#[derive(Debug, PartialEq, Eq)]
enum No {
    /// The path does not take the method.
    Method,
    /// The path does not exist.
    Path,
    /// Its query or body does not say what it should.
    Words(String),
}

/// The question that a request asks.
fn read(wanted: Wanted<'_>) -> Result<Ask, No> {
    let Wanted { method, rest, query, body, .. } = wanted;
    let get = matches!(*method, Method::GET | Method::HEAD);
    let post = *method == Method::POST;
    let owned = |id: &str| id.to_owned();
    Ok(match rest {
        [] if get => Ask::List,
        ["rollback"] if post => Ask::Rollback,
        [id] if get => Ask::Show { id: owned(id) },
        [id] if *method == Method::DELETE => Ask::Remove { id: owned(id) },
        [id, "publish"] if post => {
            let publish: Publish = parse(body, "{\"anyway\":false}")?;
            let gate = if publish.anyway { Gate::Overruled } else { Gate::Heard };
            Ask::Publish { id: owned(id), gate }
        }
        [id, "pin"] if post => {
            let pin: Pin = parse(body, "{\"pinned\":true}")?;
            Ask::Pin { id: owned(id), pinned: pin.pinned }
        }
        [id, "diff"] if get => diff(owned(id), query)?,
        [] | [_] | [_, "publish" | "pin" | "diff"] => return Err(No::Method),
        _ => return Err(No::Path),
    })
}

fn diff(from: String, query: &str) -> Result<Ask, No> {
    let (mut to, mut path, mut limit) = ("current".to_owned(), None, LISTED);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "to" => to = value.into_owned(),
            "path" => path = Some(value.into_owned()),
            "limit" => {
                limit = value.parse().map_err(|_| bad("\"limit\" is not a number of addresses"))?;
            }
            other => return Err(bad(&format!("{other:?} is none of \"to\", \"path\", \"limit\""))),
        }
    }
    Ok(match path {
        Some(path) => Ask::Text { from, to, path },
        None => Ask::Diff { from, to, limit: limit.min(MOST_LISTED) },
    })
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    #[serde(default)]
    anyway: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    #[serde(default = "yes")]
    pinned: bool,
}

fn yes() -> bool {
    true
}

/// A body; none at all is one that says nothing.
fn parse<T: DeserializeOwned>(body: &Bytes, like: &str) -> Result<T, No> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    let object = serde_json::from_slice::<serde_json::Map<_, _>>(text); // a list would do as a struct otherwise
    object
        .and_then(|object| serde_json::from_value(object.into()))
        .map_err(|e| bad(&format!("the body is not like {like}: {e}")))
}

fn bad(message: &str) -> No {
    No::Words(message.to_owned())
}

/// Begins a crawl, or says that one runs already: both are what was asked for.
fn take(app: &App, site: &Site) -> Response<Body> {
    let Some(crawler) = app.crawler(&site.config.name) else { return no_place() };
    // the pointer in the store is a compare-and-swap: what two take at once costs a crawl, never a page
    let note = app.crawls_elsewhere();
    let (state, ticket) = match crawler.take_now() {
        Ok(ticket) => ("started", ticket),
        Err(already) => ("running", already.running),
    };
    json(
        StatusCode::ACCEPTED,
        &serde_json::json!({ "state": state, "note": note, "progress": ticket.progress.read() }),
    )
}

fn no_place() -> Response<Body> {
    let message = "there is no place for snapshots: the state directory cannot be used (see the log)";
    error(StatusCode::SERVICE_UNAVAILABLE, "no-state-directory", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, path: &str, query: &str, body: &'static str) -> Result<Ask, No> {
        let rest: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let wanted = Wanted {
            method: &method,
            rest: &rest,
            query,
            body: &Bytes::from_static(body.as_bytes()),
            is_browser: false,
            role: Role::Operator,
        };
        read(wanted).map_err(|no| if matches!(no, No::Words(_)) { words() } else { no })
    }

    /// What is wrong with the words is for people.
    fn words() -> No {
        No::Words(String::new())
    }

    #[test]
    fn a_request_is_a_question_or_a_no() {
        let id = || "7".to_owned();
        let publish = |gate| Ok(Ask::Publish { id: id(), gate });
        let diff = |to: &str, limit| Ok(Ask::Diff { from: id(), to: to.to_owned(), limit });
        for (method, path, query, body, expected) in [
            (Method::GET, "", "", "", Ok(Ask::List)),
            (Method::GET, "7", "", "", Ok(Ask::Show { id: id() })),
            (Method::DELETE, "7", "", "", Ok(Ask::Remove { id: id() })),
            (Method::POST, "rollback", "", "", Ok(Ask::Rollback)),
            (Method::POST, "7/publish", "", "", publish(Gate::Heard)),
            (Method::POST, "7/publish", "", "{\"anyway\":false}", publish(Gate::Heard)),
            (Method::POST, "7/publish", "", "{\"anyway\":true}", publish(Gate::Overruled)),
            (Method::POST, "7/publish", "", "{\"anyway\":\"yes\"}", Err(words())),
            (Method::POST, "7/publish", "", "{\"anyhow\":true}", Err(words())),
            (Method::POST, "7/publish", "", "anyway", Err(words())),
            (Method::POST, "7/pin", "", "", Ok(Ask::Pin { id: id(), pinned: true })),
            (Method::POST, "7/pin", "", "{\"pinned\":false}", Ok(Ask::Pin { id: id(), pinned: false })),
            (Method::POST, "7/pin", "", "[]", Err(words())),
            (Method::GET, "7/diff", "", "", diff("current", LISTED)),
            (Method::GET, "7/diff", "to=8&limit=5", "", diff("8", 5)),
            (Method::GET, "7/diff", "limit=999999999", "", diff("current", MOST_LISTED)),
            (Method::GET, "7/diff", "limit=-1", "", Err(words())),
            (Method::GET, "7/diff", "until=8", "", Err(words())),
            (
                Method::GET,
                "7/diff",
                "to=8&path=%2Fa%3Fb%3D1",
                "",
                Ok(Ask::Text { from: id(), to: "8".to_owned(), path: "/a?b=1".to_owned() }),
            ),
            (Method::PUT, "7", "", "", Err(No::Method)),
            (Method::GET, "7/publish", "", "", Err(No::Method)),
            (Method::POST, "7/diff", "", "", Err(No::Method)),
            (Method::POST, "7/burn", "", "", Err(No::Path)),
            (Method::POST, "7/pin/now", "", "", Err(No::Path)),
        ] {
            assert_eq!(asked(method.clone(), path, query, body), expected, "{method} {path}?{query} {body}");
        }
    }
}
