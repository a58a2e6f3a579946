//! The demo's page: a few files, compiled in. It shows what the admin API says and has one switch; there is no state
//! here. Script and style are files of their own, so that nothing inline has to be allowed.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response};

use crate::http::Body;

/// What the page may load: its own files, its own API, and the two sites that it asks and shows side by side, whose
/// addresses are not known beforehand.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' http: https:; \
                      frame-src http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The path's segments, media type, content.
const FILES: [(&[&str], &str, &str); 4] = [
    (&[], "text/html; charset=utf-8", include_str!("assets/demo.html")),
    (&["demo.css"], "text/css; charset=utf-8", include_str!("assets/demo.css")),
    (&["demo.js"], "text/javascript; charset=utf-8", include_str!("assets/demo.js")),
    (&["demo.svg"], "image/svg+xml", include_str!("assets/demo.svg")),
];

/// The file of the demo's page at a path, given by its segments; `None` if there is none.
pub(super) fn answer(segments: &[&str]) -> Option<Response<Body>> {
    let (_, kind, content) = FILES.into_iter().find(|(at, ..)| *at == segments)?;
    let mut response = Response::new(Body::whole(content));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(segments: &[&str]) -> &'static str {
        FILES.iter().find(|(at, ..)| *at == segments).unwrap().2
    }

    #[test]
    fn every_file_is_found_and_nothing_else() {
        for (segments, kind, _) in FILES {
            let response = answer(segments).unwrap();
            assert_eq!(response.headers()[CONTENT_TYPE], kind);
            assert!(response.headers().contains_key(CONTENT_SECURITY_POLICY));
        }
        for segments in [&["demo"][..], &["demo.js", "x"], &["..", "demo.js"], &["demo.html"], &["DEMO.JS"]] {
            assert!(answer(segments).is_none(), "{segments:?}");
        }
    }

    #[test]
    fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
        let page = file(&[]);
        for inline in [" style=\"", "<style", " onclick=", "<script>", "javascript:"] {
            assert!(!page.contains(inline), "{inline}");
        }
        for attribute in [" src=\"", "<link rel=\"stylesheet\" href=\""] {
            for value in page.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
                assert!(answer(&[value.trim_start_matches('/')]).is_some(), "{value}");
            }
        }
        for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!file(&["demo.js"]).contains(sink), "{sink}");
        }
    }

    #[test]
    fn every_word_of_the_page_is_there_in_both_languages() {
        let script = file(&["demo.js"]);
        let (en, ja) = script.split_once("ja: {\n      demo:").unwrap();
        let ja = ja.split("const RUNGS").next().unwrap();
        for key in file(&[]).split("data-t=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let stands = |words: &str| words.contains(&format!(" {key}: "));
            assert!(key == "demo" || (stands(en) && stands(ja)), "{key}");
        }
    }
}
