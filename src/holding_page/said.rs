//! A short page of our own, in the shape of a holding page: what is so, and what to do.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use minijinja::context;

use super::{Format, Language, NAME_CHARS, POLICY, TEMPLATES, escaped, plain};
use crate::http::Body;

/// What the page says.
#[derive(Clone, Copy, Debug)]
pub struct SaidPage<'a> {
    /// The site's name.
    pub site: Option<&'a str>,
    /// See [`Language::choose`].
    pub language: Language,
    /// See [`Format::of`].
    pub format: Format,
    /// Its status.
    pub status: StatusCode,
    /// The heading.
    pub title: &'a str,
    /// What it means.
    pub lead: &'a str,
    /// What to do; may be empty.
    pub advice: &'a str,
}

impl SaidPage<'_> {
    /// The whole answer.
    pub fn response(&self) -> http::Response<Body> {
        let Self { title, lead, advice, .. } = self;
        let body = match self.format {
            Format::Html => self.html(),
            Format::Text => format!("{title}\n\n{lead}\n{advice}\n"),
            Format::Json => {
                let message = format!("{title}: {lead} {advice}");
                format!("{}\n", serde_json::json!({ "error": { "code": "preview", "message": message } }))
            }
        };
        let mut response = http::Response::new(Body::whole(Bytes::from(body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.format.content_type()));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(self.language.tag()));
        headers
            .insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
        if self.format == Format::Html {
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        }
        response
    }

    fn html(&self) -> String {
        let page = context! {
            lang => self.language.tag(),
            site => self.site.map(|site| plain(site, NAME_CHARS)).unwrap_or_default(),
            title => self.title,
            lead => self.lead,
            advice => self.advice,
            since => "",
            reason => "",
            again => "",
            links_title => "",
            links => Vec::<&str>::new(),
            contact_title => "",
            contact => None::<&str>,
            status => self.status.as_u16(),
            tone => "error",
        };
        TEMPLATES.get_template("page.html").and_then(|template| template.render(page)).unwrap_or_else(|error| {
            tracing::error!(%error, "a page could not be rendered");
            let [title, lead, advice] = [self.title, self.lead, self.advice].map(escaped);
            format!("<!doctype html><meta charset=\"utf-8\"><title>{title}</title><h1>{title}</h1><p>{lead}</p><p>{advice}</p>")
        })
    }
}
