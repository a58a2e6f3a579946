//! Sending a kept form to its site: as its visitor sent it, with what has expired since taken over afresh.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use super::attempt::{Attempt, Limits, Substitute};
use super::delivered::{FormAnswer, judged};
use super::direct::ask_alone;
use super::form_page::{self, Copied};
use super::keep::IDEMPOTENCY_KEY;
use super::reference::Reference;
use super::site::Site;
use super::{Visit, rewrite};
use crate::ask::{Ask, Load, key};
use crate::config::ready::Form;
use crate::content;
use crate::content::document::Document;
use crate::content::forms::{FieldType, is_token};
use crate::content::media::content_type;
use crate::failover::Wait;
use crate::failure::{Cause, Failure};
use crate::forms::fields::{fields, with_values};
use crate::forms::{KeptForm, State};
use crate::http::{Body, coding, control, headers};

/// Bytes of an answer that are looked at.
const READ: usize = 1 << 20;
/// When the form came.
const KEPT: HeaderName = HeaderName::from_static("katahai-kept");

/// The form of the configuration that is sent to this target.
pub(super) fn configured<'s>(site: &'s Site, target: &str) -> Option<&'s Form> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    site.config.kept_form(key::path_of(&key::page_key(path, query, &[])))
}

/// Sends the form as its visitor did. The state that the answer leaves it in, and why.
///
/// # Errors
/// Why there is no answer of the site's own.
pub(super) async fn send(
    site: &Arc<Site>,
    form: &KeptForm,
    fresh: &Fresh,
) -> Result<(State, Option<String>), Failure> {
    let (status, headers, body) = ask(site, (form.client, form.tls), request_of(form, fresh)?).await?;
    let location = headers.get(header::LOCATION).map(headers::as_ascii).unwrap_or_default();
    let page = coding::plain(&headers, &body, READ).filter(|plain| !plain.bytes.is_empty());
    let page = page.as_ref().map(|plain| Document::new(&plain.bytes, content_type(&headers)));
    let answer = FormAnswer {
        status,
        location: &location,
        from: &format!("{}://{}{}", if form.tls { "https" } else { "http" }, form.host, form.target),
        page: page.as_ref(),
        shows_login_box: fresh.shows_login_box,
        is_idempotent: configured(site, &form.target).is_some_and(|form| form.idempotent),
    };
    Ok(judged(&answer, &fields(form.content_type(), &fresh.body)))
}

fn request_of(form: &KeptForm, fresh: &Fresh) -> Result<Request<Body>, Failure> {
    let malformed = |error: http::Error| Failure::new(Cause::Malformed).source(error);
    let scheme = if form.tls { "https" } else { "http" };
    let mut request = Request::post(format!("{scheme}://{}{}", form.host, form.target));
    for (name, value) in &form.headers {
        request = request.header(name, &value[..]);
    }
    if let Some(cookies) = &fresh.cookies {
        request = request.header(header::COOKIE, cookies);
    }
    // its sender's own, if he gave one
    if !form.headers.iter().any(|(name, _)| name == IDEMPOTENCY_KEY.as_str()) {
        request = request.header(IDEMPOTENCY_KEY, format!("\"{}\"", form.id));
    }
    request
        .header(header::CONTENT_LENGTH, fresh.body.len())
        .header(KEPT, control::date_field(form.received))
        .body(Body::whole(fresh.body.clone()))
        .map_err(malformed)
}

/// What is sent in place of what has expired since the form was opened.
pub(super) struct Fresh {
    body: Bytes,
    cookies: Option<String>,
    /// Whether the form's page has another form with a password: a box to log in beside it.
    shows_login_box: bool,
}

/// Opens a form with a token afresh, and takes over its token, what else nobody has filled in, and its cookies; what the visitor
/// wrote stays. Other forms are sent as they came. Of a form whose page has no copy, what was sent says whether it has a token.
///
/// # Errors
/// Why the page cannot be opened: then nothing is sent.
pub(super) async fn freshen(site: &Arc<Site>, form: &KeptForm) -> Result<Fresh, Failure> {
    let named = configured(site, &form.target).and_then(|form| form.page.as_deref());
    let sent = fields(form.content_type(), &form.body);
    let copied = form_page::find(&site.mirror, (named, form.page.as_deref()), &form.target).await;
    let shows_login_box = copied.as_ref().is_none_or(Copied::shows_login_box);
    let has_token = || sent.iter().any(|field| is_token(FieldType::Hidden, &field.name, &field.value));
    let pages = match &copied {
        Some(copied) if copied.has_token() => vec![copied.key()],
        None if has_token() => likely_pages(named, form),
        Some(_) | None => Vec::new(),
    };
    for page in pages {
        let opened = match open(site, form, page).await {
            Ok(opened) => opened,
            // what only takes forms may fail when it is asked for a page
            Err(_) if is_target_alone(page, named, form) => None,
            Err(failure) => return Err(failure),
        };
        let Some(opened) = opened else { continue };
        let document = Document::new(&opened.html, opened.content_type.as_deref());
        let forms = content::forms::read(&document);
        let Some(now) = form_page::of_target(&forms, page, &form.target, named == Some(page)) else {
            continue;
        };
        let values = form_page::outdated(now, &sent, copied.as_ref());
        let body =
            with_values(form.content_type(), &form.body, &values).map_or(form.body.clone(), Bytes::from);
        let shows_login_box =
            if copied.is_some() { shows_login_box } else { form_page::shows_login_box(&forms) };
        return Ok(Fresh { body, cookies: opened.cookies, shows_login_box });
    }
    Ok(Fresh { body: form.body.clone(), cookies: None, shows_login_box })
}

/// Where a form without a copy may stand: on the page that its visitor came from, on that which the operator names, or at its target.
fn likely_pages<'f>(named: Option<&'f str>, form: &'f KeptForm) -> Vec<&'f str> {
    let mut pages = Vec::new();
    for page in [form.page.as_deref(), named, Some(key::path_of(&form.target))].into_iter().flatten() {
        if !pages.contains(&page) {
            pages.push(page);
        }
    }
    pages
}

fn is_target_alone(page: &str, named: Option<&str>, form: &KeptForm) -> bool {
    page == key::path_of(&form.target) && named != Some(page) && form.page.as_deref() != Some(page)
}

/// A page as the site gives it now.
struct Opened {
    html: Bytes,
    content_type: Option<String>,
    /// Those that it sets, as they are sent back.
    cookies: Option<String>,
}

/// Opens a page as the visitor of a form. `None` if its answer cannot be read.
///
/// # Errors
/// Why there is no answer of the site's own.
async fn open(site: &Arc<Site>, form: &KeptForm, page: &str) -> Result<Option<Opened>, Failure> {
    let scheme = if form.tls { "https" } else { "http" };
    let mut request = Request::get(format!("{scheme}://{}{page}", form.host))
        .header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
    for (name, value) in
        form.headers.iter().filter(|(name, _)| name == "user-agent" || name == "accept-language")
    {
        request = request.header(name, &value[..]);
    }
    let request = request.body(Body::Empty).map_err(|e| Failure::new(Cause::Malformed).source(e))?;
    let (_, headers, body) = ask(site, (form.client, form.tls), request).await?;
    let Some(plain) = coding::plain(&headers, &body, READ) else { return Ok(None) };
    let cookies = headers.get_all(header::SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let cookies: Vec<&str> = cookies.filter_map(|cookie| cookie.split(';').next()).map(str::trim).collect();
    Ok(Some(Opened {
        html: Bytes::copy_from_slice(&plain.bytes),
        content_type: content_type(&headers).map(str::to_owned),
        cookies: (!cookies.is_empty()).then(|| cookies.join("; ")),
    }))
}

/// Asks the site as a visitor, and reads the answer.
async fn ask(
    site: &Arc<Site>,
    (client, tls): (IpAddr, bool),
    request: Request<Body>,
) -> Result<(StatusCode, HeaderMap, Bytes), Failure> {
    let load = if matches!(request.body(), Body::Empty) { Load::Nothing } else { Load::Body };
    let ask = Ask::read(&request, &site.config, (client, tls), load)?;
    let visit = Visit { peer: client, port: if tls { 443 } else { 80 }, tls, early: &|| None };
    let request = rewrite::outgoing(&ask, Box::new(request), &visit, &[])?;
    let limits = Limits::of(site, &ask, Wait::Timeout, Substitute::Nothing);
    let attempt = Attempt { site, ask: &ask, reference: &Reference::Nothing, limits };
    let answered = ask_alone(attempt, request, u64::MAX).await?;
    attempt.record_write(answered.response.status());
    let (parts, body) = answered.response.into_parts();
    // What it says is in its head; a body that breaks off has been sent all the same.
    let reading = Limited::new(body, READ).collect();
    let body = tokio::time::timeout(limits.reading(), reading).await;
    let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
    Ok((parts.status, parts.headers, body))
}
