//! What a visitor gets whose form was kept: that it was received, that nothing has become of it yet, and its number.
//! Never more than is so, in 202 (Accepted: RFC 9110 section 15.3.3).

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use minijinja::context;

use super::{Delivery, Format, Language, NAME_CHARS, POLICY, TEMPLATES, plain};
use crate::http::Body;

/// What the page says.
#[derive(Clone, Copy, Debug)]
pub struct KeptPage<'a> {
    /// The site's name as its visitors know it.
    pub site: Option<&'a str>,
    /// See [`Language::choose`].
    pub language: Language,
    /// See [`Format::of`].
    pub format: Format,
    /// The number by which the visitor and the owner can speak of it.
    pub number: &'a str,
    /// Whether the site may have received it already.
    pub delivery: Delivery,
}

/// The sentences of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptWords {
    /// The heading.
    pub title: &'static str,
    /// What it means.
    pub lead: &'static str,
    /// The number, and what it is for.
    pub number: String,
}

impl KeptWords {
    /// What to say in this language.
    pub fn of(language: Language, delivery: Delivery, number: &str) -> KeptWords {
        let (title, lead) = match (language, delivery) {
            (Language::Ja, Delivery::NotArrived) => (
                "お送りいただいた内容を、お預かりしました",
                "一時的な不具合のため、まだ処理されていません。お預かりした内容は、担当者にお届けします。もう一度お送りいただく必要はありません。",
            ),
            (Language::En, Delivery::NotArrived) => (
                "We have received and kept what you sent",
                "It has not been processed yet, because of a temporary fault. It will be passed on. You do not need to send it again.",
            ),
            (Language::Ja, Delivery::Unknown) => (
                "お送りいただいた内容を、お預かりしました",
                "送信の途中で不具合が起きたため、処理されたかどうかは、まだ分かりません。担当者が確認いたしますので、もう一度お送りいただく必要はありません。",
            ),
            (Language::En, Delivery::Unknown) => (
                "We have kept what you sent",
                "Something broke while it was on its way, so we cannot tell yet whether it has been processed. Somebody will look into it. You do not need to send it again.",
            ),
        };
        let number = match language {
            Language::Ja => format!("受付番号: {number}（お問い合わせの際にお知らせください）"),
            Language::En => {
                format!("Your number is {number}. Please keep it, in case you want to ask about it.")
            }
        };
        KeptWords { title, lead, number }
    }
}

impl KeptPage<'_> {
    /// The whole answer.
    pub fn response(&self) -> http::Response<Body> {
        let words = KeptWords::of(self.language, self.delivery, self.number);
        let body = match self.format {
            Format::Html => self.html(&words),
            Format::Text => format!("{}\n\n{}\n{}\n", words.title, words.lead, words.number),
            Format::Json => self.json(&words),
        };
        let mut response = http::Response::new(Body::whole(Bytes::from(body)));
        *response.status_mut() = StatusCode::ACCEPTED;
        *response.headers_mut() = self.headers();
        response
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.format.content_type()));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(self.language.tag()));
        headers
            .insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
        if self.format == Format::Html {
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        }
        headers
    }

    fn html(&self, words: &KeptWords) -> String {
        let page = context! {
            lang => self.language.tag(),
            site => self.site.map(|site| plain(site, NAME_CHARS)).unwrap_or_default(),
            title => words.title,
            lead => words.lead,
            advice => &words.number,
            since => "",
            reason => "",
            again => "",
            links_title => "",
            links => Vec::<&str>::new(),
            contact_title => "",
            contact => None::<&str>,
            status => StatusCode::ACCEPTED.as_u16(),
            tone => "outage",
        };
        // A template that fails must not cost the visitor the number.
        TEMPLATES.get_template("page.html").and_then(|template| template.render(page)).unwrap_or_else(|error| {
            tracing::error!(%error, "the page for kept forms could not be rendered");
            format!(
                "<!doctype html><meta charset=\"utf-8\"><title>{0}</title><h1>{0}</h1><p>{1}</p><p>{2}</p>",
                words.title, words.lead, words.number
            )
        })
    }

    fn json(&self, words: &KeptWords) -> String {
        let processed = match self.delivery {
            Delivery::NotArrived => serde_json::Value::Bool(false),
            Delivery::Unknown => serde_json::Value::Null,
        };
        let message = format!(
            "{}{}{}",
            words.title,
            if self.language == Language::Ja { "。" } else { ". " },
            words.lead
        );
        let kept = serde_json::json!({ "number": self.number, "processed": processed, "message": message });
        let mut out = serde_json::json!({ "kept": kept }).to_string();
        out.push('\n');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn said(format: Format, language: Language, delivery: Delivery) -> (StatusCode, String) {
        let page = KeptPage { site: Some("Shop"), language, format, number: "K7F3-X9Q2", delivery };
        let (parts, body) = page.response().into_parts();
        assert_eq!(parts.headers[CACHE_CONTROL], "no-store");
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn it_says_that_nothing_has_become_of_it_and_gives_the_number() {
        for format in [Format::Html, Format::Text, Format::Json] {
            for language in [Language::Ja, Language::En] {
                for delivery in [Delivery::NotArrived, Delivery::Unknown] {
                    let (status, text) = said(format, language, delivery).await;
                    assert_eq!(status, StatusCode::ACCEPTED);
                    assert!(text.contains("K7F3-X9Q2"), "{text}");
                    let not_yet = match (language, delivery) {
                        (Language::Ja, Delivery::NotArrived) => "まだ処理されていません",
                        (Language::En, Delivery::NotArrived) => "not been processed yet",
                        (Language::Ja, Delivery::Unknown) => "まだ分かりません",
                        (Language::En, Delivery::Unknown) => "cannot tell yet",
                    };
                    assert!(text.contains(not_yet), "{text}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_program_reads_whether_it_was_processed() {
        for (delivery, expected) in [
            (Delivery::NotArrived, serde_json::Value::Bool(false)),
            (Delivery::Unknown, serde_json::Value::Null),
        ] {
            let (_, text) = said(Format::Json, Language::En, delivery).await;
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json["kept"]["processed"], expected);
            assert_eq!(json["kept"]["number"], "K7F3-X9Q2");
        }
    }
}
