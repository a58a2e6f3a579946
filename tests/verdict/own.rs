//! What owners do with their sites: none of it may be replaced by a copy.

use http::StatusCode;
use katahai::content::document::Document;
use katahai::verdict::{Character, Learning, Lesson, Look};

use super::bad::{COPY, samples};
use super::question::{Question, files};
use super::redesign::redesigned;

/// Of a site with twenty such pages.
fn character() -> Character {
    let mut learning = Learning::default();
    for n in 0..20 {
        let page = COPY.replace("Green tea", &format!("Tea {n}"));
        learning.page(&Lesson::of(&Document::new(page.as_bytes(), Some("text/html"))));
    }
    learning.done()
}

/// What is said against a page that has come in place of its copy.
fn objection(status: u16, body: &[u8], is_key_page: bool) -> Option<String> {
    let copy = Look::read(COPY.as_bytes(), Some("text/html"));
    let (copy, character) = (Some(&copy), &character());
    Question { status, content_type: "text/html", body, copy, is_key_page, character }.objection()
}

fn with(more: &str) -> String {
    COPY.replace("<h1>", &format!("{more}<h1>"))
}

fn sample(name: &str) -> String {
    std::fs::read_to_string(samples().join("good").join(name)).unwrap()
}

#[test]
fn what_the_owner_does_with_a_page_is_good() {
    let language = "<!doctype html><html lang=ja><head><meta charset=utf-8><title>川口茶舗</title></head><body><h1>お茶</h1>\
        <p>五月の初めに、町の裏の丘で一枚ずつ手で摘んだ緑茶です。店は九時から六時まで開いております。</p></body></html>";
    let sale = "<!doctype html><title>SALE! Up to 70% off</title><h1>Summer sale</h1><p>Everything must go. \
        <a href=/shop>Shop now</a><img src=/sale.jpg>";
    let maintenance = "<div class=banner>Scheduled maintenance on Sunday from 2:00 to 4:00: our site will be \
        unavailable.</div>";
    let captcha = "<form method=post action=/contact><textarea name=words></textarea><div class=g-recaptcha \
        data-sitekey=x></div><p>Please complete the CAPTCHA to continue</p><button>Send</button></form>\
        <script src=https://www.google.com/recaptcha/api.js></script>";
    for (name, body) in [
        ("the same", COPY.to_owned()),
        ("a redesign", redesigned(COPY)),
        ("a redesign with other words", sample("hosting-review-ja.html")),
        ("a new language", language.to_owned()),
        ("a sale", sale.to_owned()),
        ("a banner of maintenance", with(maintenance)),
        ("a banner of maintenance on another page", sample("maintenance-banner.html")),
        ("the same in Japanese", sample("maintenance-banner-ja.html")),
        ("a page of the owner's about maintenance", sample("owner-maintenance.html")),
        ("an article about a suspended account", sample("suspended-article.html")),
        ("a short one", sample("suspended-short.html")),
        ("help with a suspended account", sample("suspended-help.html")),
        ("a CAPTCHA in a form", with(captcha)),
        ("a CAPTCHA in the form of a new page", sample("contact-recaptcha.html")),
        ("another maker's", sample("contact-turnstile.html")),
        ("a third one's, in Japanese", sample("contact-hcaptcha-ja.html")),
    ] {
        for is_key_page in [false, true] {
            assert_eq!(objection(200, body.as_bytes(), is_key_page), None, "{name}, key page: {is_key_page}");
        }
    }
}

/// Whether it is the site's will is asked of its key pages; while these are good it is.
#[test]
fn a_page_that_the_owner_has_removed_or_closed_is_only_doubtful() {
    for status in [401, 403, 404, 410, 451] {
        let said = objection(status, b"<title>Tea house</title><h1>Sorry</h1><p>No such page", false);
        let reason = StatusCode::from_u16(status).unwrap();
        assert!(said.as_ref().is_some_and(|why| why.starts_with("perhaps ")), "{reason}: {said:?}");
    }
}

#[test]
fn no_page_that_speaks_of_wrong_pages_is_replaced() {
    let all = files(&samples().join("good"));
    assert!(all.len() >= 50, "{} pages", all.len());
    for page in all {
        let body = std::fs::read(&page).unwrap();
        assert_eq!(objection(200, &body, true), None, "{}", page.display());
    }
}
