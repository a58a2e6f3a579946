//! The API of incidents: `GET /api/v1/incidents` (`?site=&state=open|closed&limit=&before=`), `GET …/{id}`, `GET
//! …/{id}/report?format=md|html|pdf&lang=en|ja`, `POST …/{id}/ack`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde::Deserialize;

use super::not_this_method;
use super::reply::{error, json};
use super::sites::of_query;
use crate::app::App;
use crate::app::alerts::Acknowledging;
use crate::app::incidents::Unanswerable;
use crate::http::Body;
use crate::incident::{Incident, IncidentId, Wanted};
use crate::report::{self, Format, Language, Unprintable};

/// Incidents of one answer, unless the query says otherwise, and at most.
const USUAL: usize = 50;
const MOST: usize = 500;

/// A request below `/api/v1/incidents`.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    /// What stands behind.
    pub(super) rest: &'a [&'a str],
    pub(super) query: &'a str,
    pub(super) body: &'a Bytes,
}

/// Answers below `/api/v1/incidents`.
pub(super) async fn answer(app: &Arc<App>, asked: Asked<'_>) -> Response<Body> {
    let get = matches!(*asked.method, Method::GET | Method::HEAD);
    if asked.rest.is_empty() {
        return if get { list(app, asked.query).await } else { not_this_method() };
    }
    let (id, rest) = asked.rest.split_first().map_or(("", &[][..]), |(id, rest)| (*id, rest));
    let id: IncidentId = match id.parse() {
        Ok(id) => id,
        Err(wrong) => return error(StatusCode::NOT_FOUND, "unknown-incident", &format!("{wrong}")),
    };
    match rest {
        [] if get => of(app.incident(&id).await),
        ["report"] if get => report_of(app, &id, asked.query).await,
        ["ack"] if *asked.method == Method::POST => acknowledge(app, &id, asked.body).await,
        [] | ["report" | "ack"] => not_this_method(),
        _ => error(StatusCode::NOT_FOUND, "not-found", "there is nothing at this path"),
    }
}

fn invalid(message: &str) -> Response<Body> {
    error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-query", message)
}

async fn list(app: &App, query: &str) -> Response<Body> {
    let open = match of_query(query, "state").as_deref() {
        None | Some("") => None,
        Some("open") => Some(true),
        Some("closed") => Some(false),
        Some(_) => return invalid("\"state\" is \"open\" or \"closed\""),
    };
    let limit = of_query(query, "limit").map_or(Ok(USUAL), |limit| limit.parse());
    let Ok(limit @ 1..=MOST) = limit else { return invalid("\"limit\" is a number from 1 to 500") };
    let Ok(before) = of_query(query, "before").map(|id| id.parse()).transpose() else {
        return invalid("\"before\" is the id of an incident");
    };
    let wanted = Wanted { site: of_query(query, "site"), open, limit, before };
    match app.incidents(wanted).await {
        Ok(page) => json(StatusCode::OK, &page),
        Err(why) => refused(&why),
    }
}

fn of(found: Result<Incident, Unanswerable>) -> Response<Body> {
    match found {
        Ok(incident) => json(StatusCode::OK, &incident),
        Err(why) => refused(&why),
    }
}

fn refused(why: &Unanswerable) -> Response<Body> {
    let (status, code) = match why {
        Unanswerable::Unknown(_) => (StatusCode::NOT_FOUND, "unknown-incident"),
        Unanswerable::Disk(_) => (StatusCode::INTERNAL_SERVER_ERROR, "state-directory"),
        Unanswerable::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    error(status, code, &why.to_string())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ack {
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
}

async fn acknowledge(app: &Arc<App>, id: &IncidentId, body: &Bytes) -> Response<Body> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    match serde_json::from_slice::<Ack>(body) {
        Ok(Ack { by, note }) => {
            let seen = app.acknowledge_incident(id, &by, &note).await;
            if let Ok(incident) = &seen {
                // whoever has seen the incident need not be told of it again
                app.acknowledge(Acknowledging::Site(incident.site.to_string(), None)).await;
            }
            of(seen)
        }
        Err(wrong) => {
            let message =
                format!("the body is not like {{\"by\":\"Abe\",\"note\":\"the host is at it\"}}: {wrong}");
            error(StatusCode::UNPROCESSABLE_ENTITY, "invalid-ack", &message)
        }
    }
}

async fn report_of(app: &App, id: &IncidentId, query: &str) -> Response<Body> {
    let format = of_query(query, "format").map_or(Some(Format::Html), |name| Format::of(&name));
    let Some(format) = format else { return invalid("\"format\" is \"md\", \"html\" or \"pdf\"") };
    let language = of_query(query, "lang").map_or(Some(Language::En), |code| Language::of(&code));
    let Some(language) = language else { return invalid("\"lang\" is \"en\" or \"ja\"") };
    let incident = match app.incident_to_report(id).await {
        Ok(incident) => incident,
        Err(why) => return refused(&why),
    };
    let document = report::document(&incident, language, app.config().incidents.zone);
    let (kind, ending, bytes): (_, _, Bytes) = match format {
        Format::Markdown => ("text/markdown; charset=utf-8", "md", report::markdown(&document).into()),
        Format::Html => ("text/html; charset=utf-8", "html", report::html(&document).into()),
        Format::Pdf => match app.print(&report::html(&document)).await {
            Ok(pdf) => ("application/pdf", "pdf", pdf.into()),
            Err(why) => return unprintable(&why),
        },
    };
    let mut response = Response::new(Body::whole(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    // made of nothing but what a file's name may have
    let name = format!("inline; filename=\"{id}.{ending}\"");
    headers.extend(HeaderValue::from_str(&name).ok().map(|name| (header::CONTENT_DISPOSITION, name)));
    response
}

fn unprintable(why: &Unprintable) -> Response<Body> {
    let (status, code) = match why {
        Unprintable::NoBrowser => (StatusCode::NOT_IMPLEMENTED, "no-browser"),
        Unprintable::Failed(..) | Unprintable::Disk(_) => (StatusCode::INTERNAL_SERVER_ERROR, "not-printed"),
        Unprintable::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
    };
    error(status, code, &why.to_string())
}
