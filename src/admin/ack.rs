//! The page behind the link in an alert: it acknowledges that alert and can do nothing else. Programs that look through mail
//! follow links, so opening the page changes nothing; the button in it does.

use std::sync::Arc;

use http::{HeaderValue, Method, Response, StatusCode, header};

use super::not_this_method;
use crate::alert::format::rfc3339;
use crate::app::App;
use crate::app::alerts::Acknowledging;
use crate::holding_page::escaped;
use crate::http::Body;

/// Sites that the page names.
const NAMED: usize = 5;

const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Answers `/ack/{token}`. Whoever has the token may.
pub(super) async fn answer(app: &Arc<App>, method: &Method, token: &str) -> Response<Body> {
    match *method {
        Method::GET | Method::HEAD => match app.alert_of_token(token).await {
            Some((alert, sites)) => {
                let meaning = alert.cause.meaning();
                let since = rfc3339(alert.since);
                let text = format!(
                    "<p><strong>{}</strong>, <time datetime=\"{since}\">{since}</time></p>\
                     <p>{} (<code>{}</code>)</p><p lang=\"ja\">{}</p>\
                     <form method=\"post\"><p class=\"buttons\"><button class=\"strong\">Acknowledge / \
                     <span lang=\"ja\">確認済みにする</span></button></p></form>",
                    concerned(&sites),
                    meaning.en,
                    alert.cause.code(),
                    meaning.ja
                );
                page(StatusCode::OK, ["Alert", "通知"], &text)
            }
            None => gone(),
        },
        Method::POST => match app.acknowledge(Acknowledging::Token(token.to_owned())).await.is_empty() {
            true => gone(),
            false => page(
                StatusCode::OK,
                ["Acknowledged", "確認済み"],
                "<p>You will hear of this again only if it becomes worse, and when it is over.</p>\
                 <p lang=\"ja\">次のお知らせは、悪化したときと、解消したときだけです。</p>",
            ),
        },
        _ => not_this_method(),
    }
}

/// Whom an alert concerns: the first few, and how many more.
fn concerned(sites: &[String]) -> String {
    let name = |site: &String| if site.is_empty() { "Katahai".to_owned() } else { escaped(site) };
    let mut names: Vec<String> = sites.iter().take(NAMED).map(name).collect();
    if sites.len() > NAMED {
        names.push(format!("+ {}", sites.len() - NAMED));
    }
    names.join(", ")
}

fn gone() -> Response<Body> {
    page(
        StatusCode::NOT_FOUND,
        ["No such alert", "該当する通知はありません"],
        "<p>This link is no longer good: the alert is over, or somebody has acknowledged it already.</p>\
         <p lang=\"ja\">このリンクは無効です。すでに解消したか、確認済みです。</p>",
    )
}

fn page(status: StatusCode, [title, japanese]: [&str; 2], text: &str) -> Response<Body> {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} / {japanese} – Katahai</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
         <link rel=\"stylesheet\" href=\"../dashboard/style.css\"></head>\
         <body><main><article class=\"card site\"><h1><span>{title} / <span lang=\"ja\">{japanese}</span></span></h1>{text}</article></main></body></html>\n"
    );
    let mut response = Response::new(Body::whole(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::concerned;

    #[test]
    fn the_page_names_a_few_sites() {
        let sites = |count: usize| (0..count).map(|n| format!("<s{n}")).collect::<Vec<_>>();
        assert_eq!(concerned(&[String::new()]), "Katahai");
        assert_eq!(concerned(&sites(2)), "&lt;s0, &lt;s1");
        assert_eq!(concerned(&sites(50)), "&lt;s0, &lt;s1, &lt;s2, &lt;s3, &lt;s4, + 45");
    }
}
