//! The API of a site's kept forms: `GET …/forms` (`?find=TEXT`, `?contents=true`), `GET …/forms/found`, `GET …/forms/{id}`,
//! `POST …/forms/{id}/deliver`, `DELETE …/forms/{id}`.

use http::{Method, Response, StatusCode};
use serde_json::Value;

use super::not_this_method;
use super::reply::{error, json};
use super::role::Role;
use super::shelf::Wanted;
use super::sites::of_query;
use crate::app::App;
use crate::app::forms::{self, FormAsk, FormRefusal, name_recipients};
use crate::app::forms_found;
use crate::app::recipients::recipients;
use crate::http::Body;
use crate::tasks;

/// Who has asked, in the audit.
const WHO: &str = "admin API";

/// Answers below `/api/v1/sites/{name}/forms`.
pub(super) async fn answer(app: &App, site: &str, wanted: Wanted<'_>) -> Response<Body> {
    let Wanted { method, rest, query, is_browser, role, .. } = wanted;
    let get = matches!(*method, Method::GET | Method::HEAD);
    if get && rest == ["found"] {
        return found(app, site).await;
    }
    let holds_contents =
        matches!(rest, [_]) || ["contents", "find"].iter().any(|name| of_query(query, name).is_some());
    if holds_contents && role == Role::Reader {
        let message = "what visitors have written is not for a token that only reads; the one of admin.token_file shows it";
        return error(StatusCode::FORBIDDEN, "read-only", message);
    }
    if get && holds_contents && is_browser && !app.admin_token().is_set() {
        let message = "what visitors have written is shown in a browser only to who knows a token: set admin.token_file";
        return error(StatusCode::FORBIDDEN, "token-needed", message);
    }
    let owned = |id: &str| id.to_owned();
    let ask = match rest {
        [] if get && of_query(query, "contents").as_deref() == Some("true") => {
            FormAsk::Export { after: of_query(query, "after") }
        }
        [] if get => FormAsk::List { find: of_query(query, "find").filter(|text| !text.is_empty()) },
        [id] if get => FormAsk::Show { id: owned(id) },
        [id] if *method == Method::DELETE => FormAsk::Forget { id: owned(id) },
        [id, "deliver"] if *method == Method::POST => FormAsk::Deliver { id: owned(id) },
        [] | [_] | [_, "deliver"] => return not_this_method(),
        _ => return error(StatusCode::NOT_FOUND, "not-found", "there is nothing at this path"),
    };
    let table = app.table();
    let is_known = table.named(site).is_some();
    drop(table);
    let (intake, name) = (app.intake().clone(), site.to_owned());
    let is_delivery = matches!(ask, FormAsk::Deliver { .. });
    let answered = tasks::blocking(move || {
        // What was kept for a site that the configuration has no more is still somebody's.
        let is_known = is_known || intake.sites().is_ok_and(|sites| sites.contains(&name));
        is_known.then(|| forms::answer(&intake, &name, &ask, WHO))
    });
    match answered.await {
        Some(Some(Ok(mut shown))) => {
            if is_delivery {
                app.hasten_recipients(site);
            }
            if let Some(site) = app.table().named(site) {
                let name = |form: &mut Value| name_recipients(form, recipients(&site.config));
                match shown["forms"].as_array_mut() {
                    Some(forms) => forms.iter_mut().for_each(name),
                    None => name(&mut shown),
                }
            }
            json(StatusCode::OK, &shown)
        }
        Some(Some(Err(refusal))) => json(status(&refusal), &refusal.to_json()),
        Some(None) => super::sites::unknown(&app.table()),
        None => error(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the program is ending"),
    }
}

/// The forms that the crawl found.
async fn found(app: &App, site: &str) -> Response<Body> {
    let Some(site) = app.table().named(site).cloned() else { return super::sites::unknown(&app.table()) };
    let Some(store) = site.mirror.store().cloned() else {
        return error(StatusCode::SERVICE_UNAVAILABLE, "no-state-directory", "there are no snapshots");
    };
    match tasks::blocking(move || forms_found::found(&store, Some(&site.config))).await {
        Some(found) => json(StatusCode::OK, &found),
        None => error(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the program is ending"),
    }
}

fn status(refusal: &FormRefusal) -> StatusCode {
    match refusal {
        FormRefusal::Unknown(_) => StatusCode::NOT_FOUND,
        FormRefusal::Over { .. } => StatusCode::CONFLICT,
        FormRefusal::Key(_) | FormRefusal::Read(_) | FormRefusal::Mark(_) | FormRefusal::Open(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
