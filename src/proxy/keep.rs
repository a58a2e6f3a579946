//! Keeping what visitors send through a form while the origin cannot take it: the form is on the disk, synced, before its
//! visitor is told so. Only forms that the operator has named; see [`crate::forms`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::attempt::{Attempt, Incoming, Limits, Substitute};
use super::buffer::buffer;
use super::looked::{Looked, Purpose};
use super::reference::Reference;
use super::site::{Site, Table};
use super::spool::Paced;
use super::{Outcome, Proxy, Visit, about, fallback, form_page};
use crate::ask::{Ask, Kind, key};
use crate::clock::{self, Now};
use crate::config::ready::Form;
use crate::config::recipient::Recipient;
use crate::content::spots::FormSpots;
use crate::failover::{self, Fallback, Plan};
use crate::failure::{Cause, Failure, Side};
use crate::forms::fields::Field;
use crate::forms::{self, FormId, Intake, KeptForm, Reason, Standing};
use crate::holding_page::{Delivery, Format, KeptPage, Language};
use crate::http::cache_status::CacheStatus;
use crate::http::client::ClientKey;
use crate::http::{Body, BoxRequest, headers};
use crate::metrics::ServedFrom;
use crate::tasks;

/// The most bytes of a form that is kept.
const MOST: u64 = 4 << 20;
/// By which a site may know a request again that it has had (IETF draft-ietf-httpapi-idempotency-key-header).
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// A visitor's answer has gone out by then.
pub(super) const TOLD: Duration = Duration::from_secs(2);
/// What a form is sent again with.
const FIELDS: [HeaderName; 8] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    IDEMPOTENCY_KEY,
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::USER_AGENT,
    header::ORIGIN,
    header::REFERER,
];

/// The form that this request sends, if it is one to be kept.
pub(super) fn form_of<'s>(site: &'s Site, ask: &Ask) -> Option<&'s Form> {
    let is_form = ask.method == Method::POST && ask.kind == Kind::Form;
    is_form.then(|| site.config.kept_form(key::path_of(ask.key()))).flatten()
}

/// Whether what visitors write into a form that stands on a page and is sent by POST to this path would be kept. What they write
/// may still be refused: a card's number in a field for notes, or more than there is room for. Then they are told so.
pub(super) fn would_keep(site: &Site, path: &str, form: &FormSpots) -> bool {
    !form.has_secret && site.config.kept_form(path).is_some()
}

/// A request that sends such a form.
pub(super) struct Sender<'a> {
    pub(super) table: &'a Table,
    pub(super) site: &'a Arc<Site>,
    pub(super) form: &'a Form,
    pub(super) visit: &'a Visit<'a>,
}

impl Proxy {
    /// Passes a form on to the origin; if that cannot take it, keeps it.
    pub(super) async fn answer_form(
        &self,
        sender: Sender<'_>,
        ask: &mut Ask,
        mut request: BoxRequest,
        now: Now,
    ) -> Outcome {
        let Sender { table, site, visit, .. } = sender;
        let looked = Looked::at(site, ask, request.headers(), now, Purpose::Answer);
        let (plan, known) = (failover::decide(looked.situation), looked.cause(site));
        let Looked { lookup, copies, situation, .. } = looked;
        ask.keep_headers(request.headers(), false);
        let Ok(id) = FormId::draw(now.wall) else {
            let cause = Some(Cause::Internal);
            return fallback::give(site, ask, Fallback::Refusal, copies, cause, clock::now()).await;
        };
        let headers = fields(request.headers());
        if sender.form.idempotent {
            mark_as(&id, request.headers_mut());
        }
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let body = match self.take_body(&mut request, table.body_size).await {
            Ok(body) => body,
            Err(failure) => {
                return fallback::give(
                    site,
                    ask,
                    Fallback::Refusal,
                    copies,
                    Some(failure.cause),
                    clock::now(),
                )
                .await;
            }
        };
        let (fallback, cause, delivery) = match plan {
            Plan::Give(fallback) => (fallback, known.unwrap_or(Cause::KnownDown), Delivery::NotArrived),
            Plan::Ask { wait, fallback } => {
                let reference = Reference::of(ask, &copies, situation.remembered);
                let limits = Limits::of(site, ask, wait, Substitute::of(fallback));
                let attempt = Attempt { site, ask, reference: &reference, limits };
                let incoming = Incoming { request, visit: *visit, table, spool: self.spool() };
                match Box::pin(attempt.fetch(incoming, lookup)).await {
                    Ok(outcome) => return outcome,
                    Err(failure) => {
                        tracing::debug!(site = %site.config.name, key = ask.key(), error = %failure, "origin did not take a form");
                        (fallback, failure.cause, delivery(&failure, sender.form))
                    }
                }
            }
        };
        let form = body.filter(|_| cause.side() != Side::Visitor);
        let form = form.map(|body| kept_form(&sender, ask, (id, &target), headers, body, now));
        let kept = match form {
            Some(form) => self.keep(&sender, form, (cause, delivery)).await,
            None => None,
        };
        match kept {
            Some(id) => acknowledge(sender.site, sender.form, ask, (&id, delivery), cause).await,
            None => fallback::give(site, ask, fallback, copies, Some(cause), clock::now()).await,
        }
    }

    /// Keeps the form, unless its client has had too many kept, or there is no room.
    async fn keep(
        &self,
        sender: &Sender<'_>,
        form: KeptForm,
        (cause, delivery): (Cause, Delivery),
    ) -> Option<FormId> {
        let (site, intake) = (sender.site.config.name.clone(), self.intake().clone());
        if let Some(why) = objection(&form, sender.form.honeypot.as_deref()) {
            tracing::warn!(%site, why, "what was sent is not kept, refused it");
            return None;
        }
        let (client, rate) = (ClientKey::of(form.client), sender.form.most_per_client);
        let place = sender.site.config.forms.iter().position(|form| std::ptr::eq(form, sender.form));
        let place = place.unwrap_or_default();
        if !intake.allows((&site, place), client, rate, clock::instant()) {
            tracing::warn!(%site, "a client has sent more forms than may be kept of one, refused it");
            return None;
        }
        let standing = match (delivery, cause.code().parse::<Reason>()) {
            (Delivery::NotArrived, _) => Standing::Unsent,
            (Delivery::Unknown, Ok(reason)) => Standing::Doubtful(reason),
            (Delivery::Unknown, Err(_)) => return None,
        };
        // A task of its own: what has been written is counted and told, whether or not its visitor waits for that.
        let keeping = tasks::detached({
            let (site, intake) = (site.clone(), intake.clone());
            async move {
                match intake.keep(form, standing, clock::now()).await {
                    Ok(id) => {
                        tracing::info!(%site, form = %id, cause = cause.code(), "kept a form");
                        Some(id)
                    }
                    Err(error) => {
                        intake.give_back((&site, place), client, rate);
                        tracing::error!(%site, reason = error.code(), %error, "a form could not be kept, refused it");
                        None
                    }
                }
            }
        });
        let id = keeping.await.ok().flatten()?;
        // Not if he has gone meanwhile: then it is said that he may not know.
        tasks::detached(confirm_soon(intake, site, id));
        Some(id)
    }

    /// The body, if it is small enough to be kept and there is memory for it; it stays in the request, too. Never by way of
    /// the disk, which would have it in the clear.
    pub(super) async fn take_body(
        &self,
        request: &mut BoxRequest,
        most: u64,
    ) -> Result<Option<Bytes>, Failure> {
        if headers::content_length(request.headers()).is_some_and(|length| length > most) {
            return Err(Cause::BodyTooLarge.into());
        }
        let body = std::mem::replace(request.body_mut(), Body::Empty).inspected(Paced::new());
        let gone = |failure: Failure| {
            let is_cut = failure.cause == Cause::BodyCut;
            if is_cut { Failure::new(Cause::VisitorGone).source(failure) } else { failure }
        };
        let buffered = buffer(body, MOST, &self.0.form_room).await.map_err(gone)?;
        match buffered.into_whole() {
            Ok(bytes) => {
                *request.body_mut() = Body::whole(bytes.clone());
                Ok(Some(bytes))
            }
            Err(begun) => {
                *request.body_mut() = begun.into_body();
                Ok(None)
            }
        }
    }
}

/// Writes down that the visitor was told, once that is surely so: his answer has gone out by then.
async fn confirm_soon(intake: Arc<Intake>, site: Arc<str>, id: FormId) {
    tokio::time::sleep(TOLD).await;
    intake.confirm(site, id).await;
}

/// Names the form in its first attempt as in later ones, unless its sender has named it.
fn mark_as(id: &FormId, request_headers: &mut HeaderMap) {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{id}\"")) {
        request_headers.entry(IDEMPOTENCY_KEY).or_insert(value);
    }
}

/// Why what was sent is not kept, whatever the operator has named: it cannot be read, something in it must not be stored, or a
/// program has filled in what no person sees.
pub(super) fn objection(form: &KeptForm, bait: Option<&str>) -> Option<&'static str> {
    let is_coded = form.headers.iter().any(|(name, _)| name == header::CONTENT_ENCODING.as_str());
    let fields = forms::fields::fields(form.content_type(), &form.body);
    if is_coded || fields.is_empty() && !form.body.is_empty() {
        Some("no fields that can be read")
    } else if fields.iter().any(Field::is_secret) {
        Some("a password or a card's number")
    } else if fields.iter().any(|field| field.is_bait(bait)) {
        Some("a field is filled in that no person sees")
    } else {
        None
    }
}

/// What is known of a form that was sent, and that the origin did not answer well. Some answers say that nobody has looked at
/// the request; an idempotent form does no harm if it is sent again.
pub(super) fn delivery(failure: &Failure, form: &Form) -> Delivery {
    match Delivery::of(failure.cause) {
        Delivery::Unknown if form.idempotent || is_unread(failure) => Delivery::NotArrived,
        delivery @ (Delivery::NotArrived | Delivery::Unknown) => delivery,
    }
}

/// Fingerprints of programs that connect to their database before they do anything else, and could not.
const UNCONNECTED: [&str; 7] = [
    "wordpress-database",
    "wordpress-database-verbose",
    "php-mysqli-warning",
    "sql-connection-message",
    "drupal-six-database",
    "moodle-database",
    "craft-database",
];

/// Whether such an answer comes from somebody who has not read the form: the host in place of the site, a site that is closed, or
/// one that has no connection to its database. A 503 alone says nothing: it may be the last step that failed.
fn is_unread(failure: &Failure) -> bool {
    let why = failure.detail.as_deref().unwrap_or_default();
    let is_unconnected = failure.cause == Cause::DatabaseError
        && UNCONNECTED.iter().any(|id| why.strip_prefix("fingerprint ") == Some(id));
    is_unconnected
        || matches!(
            failure.cause,
            Cause::Suspended
                | Cause::QuotaExceeded
                | Cause::DefaultPage
                | Cause::Parking
                | Cause::DirectoryListing
                | Cause::BotWall
                | Cause::UnknownToHost
                | Cause::Maintenance
        )
}

pub(super) fn fields(request_headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let field = |name: &HeaderName| {
        request_headers.get(name).map(|value| (name.as_str().to_owned(), value.as_bytes().to_vec()))
    };
    FIELDS.iter().filter_map(field).collect()
}

pub(super) fn kept_form(
    sender: &Sender<'_>,
    ask: &Ask,
    (id, target): (FormId, &str),
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
    now: Now,
) -> KeptForm {
    KeptForm {
        id,
        site: sender.site.config.name.to_string(),
        received: now.wall,
        tls: ask.tls(),
        host: ask.authority().to_owned(),
        target: target.to_owned(),
        page: referring_page(ask),
        headers,
        client: ask.client,
        recipients: sender.form.deliver.recipients.iter().map(Recipient::key).collect(),
        to_origin: sender.form.deliver.origin,
        body,
    }
}

/// The page of the site that the visitor says that he comes from.
pub(super) fn referring_page(ask: &Ask) -> Option<String> {
    let referer = ask.kept_headers.get(header::REFERER)?.to_str().ok()?;
    let url = url::Url::parse(referer).ok()?;
    (url.host_str() == Some(ask.host())).then(|| key::page_key(url.path(), url.query(), &[]).into_owned())
}

/// Tells the visitor: by a page of the owner's, or by one of ours.
async fn acknowledge(
    site: &Site,
    form: &Form,
    ask: &Ask,
    (id, delivery): (&FormId, Delivery),
    cause: Cause,
) -> Outcome {
    let format = Format::of(&ask.kept_headers);
    let thanks =
        form.thanks.as_deref().filter(|_| delivery == Delivery::NotArrived && format == Format::Html);
    let response = match thanks.and_then(|path| HeaderValue::from_str(path).ok()) {
        Some(location) => see_other(location),
        None => {
            let known = site.mirror.about(&site.config).await;
            let known = known.as_deref();
            let language = about::language(known, &ask.kept_headers);
            if let Some(response) = own_page(site, form, ask, (id, delivery)).await {
                return kept(response, cause);
            }
            let page = KeptPage {
                site: Some(known.and_then(|known| known.title.as_deref()).unwrap_or_else(|| ask.host())),
                language,
                format,
                number: &id.number(),
                delivery,
            };
            page.response()
        }
    };
    kept(response, cause)
}

/// The site's own page of the form, with the word in the form's place.
async fn own_page(
    site: &Site,
    form: &Form,
    ask: &Ask,
    (id, delivery): (&FormId, Delivery),
) -> Option<Response<Body>> {
    if Format::of(&ask.kept_headers) != Format::Html {
        return None;
    }
    let from = referring_page(ask);
    let copied = form_page::find(&site.mirror, (form.page.as_deref(), from.as_deref()), ask.key()).await?;
    let accept = ask.kept_headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = Language::choose(copied.language().as_deref(), accept);
    Some(copied.acknowledging(language, delivery, &id.number()))
}

fn kept(mut response: Response<Body>, cause: Cause) -> Outcome {
    let headers = response.headers_mut();
    headers.insert(header::VIA, HeaderValue::from_static("1.1 katahai"));
    CacheStatus::Miss { detail: "kept" }.add_to(headers);
    Outcome { response, served_from: ServedFrom::Kept, cause: Some(cause), origin: None }
}

/// RFC 9110 section 15.4.4.
fn see_other(location: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ready::PathPattern;
    use crate::config::recipient::Deliver;

    #[test]
    fn the_fingerprints_are_there() {
        let all = include_str!("../fingerprint/fingerprints.toml");
        for id in UNCONNECTED {
            assert!(all.contains(&format!("\nid = \"{id}\"\nkind = \"database-error\"\n")), "{id}");
        }
    }

    #[test]
    fn a_form_is_sent_again_only_if_nobody_can_have_read_it() {
        let form = |idempotent| Form {
            path: PathPattern::new("/signup").unwrap(),
            page: None,
            keep: true,
            deliver: Deliver::default(),
            thanks: None,
            honeypot: None,
            idempotent,
            most_per_client: None,
        };
        for (cause, why, once) in [
            (Cause::Refused, "", Delivery::NotArrived),
            (Cause::ConnectTimeout, "", Delivery::NotArrived),
            (Cause::Suspended, "", Delivery::NotArrived),
            (Cause::DatabaseError, "fingerprint wordpress-database", Delivery::NotArrived),
            (Cause::DatabaseError, "fingerprint php-pdo", Delivery::Unknown),
            (Cause::Unavailable, "", Delivery::Unknown),
            (Cause::Reset, "", Delivery::Unknown),
            (Cause::Silent, "", Delivery::Unknown),
            (Cause::ServerError, "", Delivery::Unknown),
            (Cause::BadGateway, "", Delivery::Unknown),
            (Cause::PhpError, "", Delivery::Unknown),
        ] {
            let failure = Failure::new(cause).detail(why.to_owned());
            assert_eq!(delivery(&failure, &form(false)), once, "{cause:?} {why}");
            assert_eq!(delivery(&failure, &form(true)), Delivery::NotArrived, "{cause:?} {why}");
        }
    }
}
