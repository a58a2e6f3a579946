//! The shop as a function: a request in, an answer out. No clock, no state, no I/O.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::SystemTime;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use percent_encoding::percent_decode_str;

use super::assets::{self, Asset};
use super::catalog::{Kind, Language};
use super::pages::{self, Form, Given, Page};
use crate::http::Body;

/// What is asked of the shop.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method; GET and HEAD are answered alike, the body of HEAD is for the server to drop.
    pub method: &'a Method,
    /// The path, percent-encoded.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: Option<&'a str>,
    /// The Host header field: sitemap and robots.txt need whole addresses.
    pub host: Option<&'a str>,
    /// The If-None-Match header field.
    pub if_none_match: Option<&'a str>,
    /// The body: a form.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// A request to read `path`, with nothing else.
    pub fn get(path: &'a str) -> Request<'a> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        Request { method: &Method::GET, path, query, host: None, if_none_match: None, body: &[] }
    }
}

/// The times that pages show, so that a copy can be told from the live page.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// Now.
    pub now: SystemTime,
    /// Since when the shop's server has been running.
    pub since: SystemTime,
}

/// Old addresses, as every site of some age has them.
const MOVED: [(&str, &str); 8] = [
    ("/shop", "/products/"),
    ("/shop/", "/products/"),
    ("/products", "/products/"),
    ("/events", "/events/"),
    ("/news", "/news/"),
    ("/index.html", "/"),
    ("/en", "/en/"),
    ("/en/shop/", "/en/products/"),
];

/// Paths of all the shop's pages: what a visitor can reach by links.
pub fn paths() -> Vec<String> {
    let mut all = Vec::new();
    for language in Language::ALL {
        for (path, page) in Page::all(language) {
            if !matches!(page, Page::Thanks) {
                all.push(path);
            }
        }
    }
    all
}

/// The shop's answer.
pub fn answer(ask: &Request<'_>, when: When) -> Response<Body> {
    let path = percent_decode_str(ask.path).decode_utf8_lossy();
    let reads = ask.method == Method::GET || ask.method == Method::HEAD;
    match Page::at(&path) {
        Some((language, Page::Signup)) if ask.method == Method::POST => signed_up(language, ask.body, when),
        Some((language, page)) if reads => read(language, page, ask.query, when),
        Some((_, Page::Signup)) => refused("GET, HEAD, POST"),
        None if reads => other(ask, &path, when),
        Some(_) | None => refused("GET, HEAD"),
    }
}

fn read(language: Language, page: Page, query: Option<&str>, when: When) -> Response<Body> {
    let query = query.unwrap_or_default();
    let kind = match field(query.as_bytes(), "kind").as_deref() {
        Some("tea") => Some(Kind::Tea),
        Some("ware") => Some(Kind::Ware),
        _ => None,
    };
    let find = field(query.as_bytes(), "q").unwrap_or_default();
    let form = Form { event: field(query.as_bytes(), "event").unwrap_or_default(), ..Form::default() };
    written(
        StatusCode::OK,
        language,
        pages::render(language, page, &Given { kind, find, form, wrong: false }, when),
    )
}

/// Takes the form: on to the thank-you page, or back with what is wrong.
fn signed_up(language: Language, body: &[u8], when: When) -> Response<Body> {
    let value = |name| field(body, name).unwrap_or_default().trim().to_owned();
    let form =
        Form { name: value("name"), email: value("email"), event: value("event"), note: value("note") };
    let mail_like =
        form.email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
    if form.name.is_empty() || !mail_like {
        let given = Given { form, wrong: true, ..Given::default() };
        let page = pages::render(language, Page::Signup, &given, when);
        return written(StatusCode::UNPROCESSABLE_ENTITY, language, page);
    }
    moved(StatusCode::SEE_OTHER, &format!("{}signup/thanks", language.root()))
}

/// Everything that is no page.
fn other(ask: &Request<'_>, path: &str, when: When) -> Response<Body> {
    if let Some(asset) = assets::find(path) {
        return file(ask, asset);
    }
    if let Some((_, to)) = MOVED.iter().find(|(from, _)| *from == path) {
        return moved(StatusCode::MOVED_PERMANENTLY, to);
    }
    match path {
        "/robots.txt" => text("text/plain; charset=utf-8", robots(ask.host)),
        "/sitemap.xml" => text("application/xml", sitemap(ask.host)),
        _ => {
            let language = if path.starts_with("/en/") { Language::En } else { Language::Ja };
            written(StatusCode::NOT_FOUND, language, pages::not_found(language, when))
        }
    }
}

/// A page: no freshness, no validator, as most small sites send them.
fn written(status: StatusCode, language: Language, page: Result<String, minijinja::Error>) -> Response<Body> {
    let (status, page) = match page {
        Ok(page) => (status, page),
        Err(error) => {
            tracing::error!(%error, "a page of the sample shop could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, String::new())
        }
    };
    let tag = match language {
        Language::Ja => "ja",
        Language::En => "en",
    };
    let fields = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_LANGUAGE, tag)];
    response(status, fields, Body::whole(page))
}

/// A file: for a year where the address names its version, for a day otherwise.
fn file(ask: &Request<'_>, asset: &'static Asset) -> Response<Body> {
    let named = ask.query.is_some_and(|query| query.strip_prefix("v=") == Some(asset.version()));
    let fresh = if named { "public, max-age=31536000, immutable" } else { "public, max-age=86400" };
    let fields = [(CONTENT_TYPE, asset.content_type), (CACHE_CONTROL, fresh), (ETAG, asset.etag.as_str())];
    let known = ask.if_none_match.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == asset.etag));
    if known {
        return response(StatusCode::NOT_MODIFIED, fields, Body::Empty);
    }
    response(StatusCode::OK, fields, Body::whole(asset.bytes.clone()))
}

fn text(content_type: &'static str, body: String) -> Response<Body> {
    let fields = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "public, max-age=3600")];
    response(StatusCode::OK, fields, Body::whole(body))
}

fn moved(status: StatusCode, to: &str) -> Response<Body> {
    response(status, [(LOCATION, to)], Body::Empty)
}

fn refused(allowed: &str) -> Response<Body> {
    response(StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, allowed)], Body::Empty)
}

fn response<'a>(
    status: StatusCode,
    fields: impl IntoIterator<Item = (HeaderName, &'a str)>,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The first value of `name` in a form or query (`application/x-www-form-urlencoded`).
fn field(form: &[u8], name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(form);
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The address of the site as its visitor wrote it. A host that is none is not repeated.
fn base(host: Option<&str>) -> Cow<'static, str> {
    let plain = |h: &&str| {
        h.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
    };
    host.filter(plain).map_or(Cow::Borrowed("http://localhost"), |host| Cow::Owned(format!("http://{host}")))
}

fn robots(host: Option<&str>) -> String {
    format!(
        "User-agent: *\nDisallow: /drafts/\nDisallow: /signup/thanks\n\nSitemap: {}/sitemap.xml\n",
        base(host)
    )
}

fn sitemap(host: Option<&str>) -> String {
    let base = base(host);
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n",
    );
    for path in paths() {
        let path = percent_encoding::utf8_percent_encode(&path, PATH);
        let _ = writeln!(out, "<url><loc>{base}{path}</loc></url>");
    }
    out.push_str("</urlset>\n");
    out
}

/// Everything but the unreserved characters and the slash is escaped in a path.
const PATH: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
