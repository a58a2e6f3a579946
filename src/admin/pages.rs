//! The pages: the dashboard and the demo's, a few files each, compiled in. They show what the admin API says; there is no
//! state here, and nothing that is not public. Script and style are files of their own, so that nothing inline has to
//! be allowed.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response};

use crate::http::Body;

/// What the dashboard may load: its own files and its own API.
const DASHBOARD_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                                base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What the demo's page may load beyond that: the two sites that it asks and shows side by side, whose addresses are not
/// known beforehand.
const DEMO_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' http: https:; \
                           frame-src http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The path's segments, media type, content.
type File = (&'static [&'static str], &'static str, &'static str);

/// The dashboard's one document: the script in it looks at the path.
const SHELL: &str = include_str!("assets/dashboard.html");

const DASHBOARD: [File; 18] = [
    (&["sites"], HTML, SHELL),
    (&["logo.svg"], "image/svg+xml", include_str!("assets/logo.svg")),
    (&["dashboard", "style.css"], STYLE, include_str!("assets/dashboard.css")),
    (&["dashboard", "main.js"], SCRIPT, include_str!("assets/main.js")),
    (&["dashboard", "words.js"], SCRIPT, include_str!("assets/words.js")),
    (&["dashboard", "tools.js"], SCRIPT, include_str!("assets/tools.js")),
    (&["dashboard", "crawl.js"], SCRIPT, include_str!("assets/crawl.js")),
    (&["dashboard", "overview.js"], SCRIPT, include_str!("assets/overview.js")),
    (&["dashboard", "alerts.js"], SCRIPT, include_str!("assets/alerts.js")),
    (&["dashboard", "regions.js"], SCRIPT, include_str!("assets/regions.js")),
    (&["dashboard", "forms.js"], SCRIPT, include_str!("assets/forms.js")),
    (&["dashboard", "history.js"], SCRIPT, include_str!("assets/history.js")),
    (&["dashboard", "live.js"], SCRIPT, include_str!("assets/live.js")),
    (&["dashboard", "switches.js"], SCRIPT, include_str!("assets/switches.js")),
    (&["dashboard", "site.js"], SCRIPT, include_str!("assets/site.js")),
    (&["dashboard", "report.js"], SCRIPT, include_str!("assets/report.js")),
    (&["dashboard", "why.js"], SCRIPT, include_str!("assets/why.js")),
    (&["dashboard", "compare.js"], SCRIPT, include_str!("assets/compare.js")),
];

const DEMO: [File; 3] = [
    (&[], HTML, include_str!("assets/demo.html")),
    (&["demo.css"], STYLE, include_str!("assets/demo.css")),
    (&["demo.js"], SCRIPT, include_str!("assets/demo.js")),
];

/// The dashboard's file at a path, given by its segments: all sites, `/sites/{name}`, or the
/// way to the report about `/incidents/{id}`, which asks who comes; `None` if there is none.
pub(super) fn dashboard(segments: &[&str]) -> Option<Response<Body>> {
    match segments {
        [] | ["sites" | "incidents", _] => Some(file(HTML, SHELL, DASHBOARD_POLICY)),
        ["dashboard", "codes.js"] => Some(file(SCRIPT, super::codes::script(), DASHBOARD_POLICY)),
        _ => find(&DASHBOARD, segments, DASHBOARD_POLICY),
    }
}

/// The file of the demo's page at a path; `None` if there is none.
pub(super) fn demo(segments: &[&str]) -> Option<Response<Body>> {
    find(&DEMO, segments, DEMO_POLICY)
}

fn find(files: &[File], segments: &[&str], policy: &'static str) -> Option<Response<Body>> {
    let (_, kind, content) = files.iter().find(|(at, ..)| *at == segments)?;
    Some(file(kind, content, policy))
}

fn file(kind: &'static str, content: &'static str, policy: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::whole(content));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn content(files: &[File], segments: &[&str]) -> &'static str {
        files.iter().find(|(at, ..)| *at == segments).unwrap().2
    }

    fn scripts() -> impl Iterator<Item = &'static str> {
        DASHBOARD.iter().chain(&DEMO).filter(|(_, kind, _)| *kind == SCRIPT).map(|(.., content)| *content)
    }

    #[test]
    fn every_file_is_found_and_nothing_else() {
        for (files, answer) in [(&DASHBOARD[..], dashboard as fn(&[&str]) -> _), (&DEMO[..], demo)] {
            for (segments, kind, _) in files {
                let response = answer(segments).unwrap();
                assert_eq!(response.headers()[CONTENT_TYPE], kind);
                assert!(response.headers().contains_key(CONTENT_SECURITY_POLICY));
            }
            for segments in [
                &["demo"][..],
                &["demo.js", "x"],
                &["..", "demo.js"],
                &["demo.html"],
                &["DEMO.JS"],
                &["dashboard"],
                &["dashboard", "dashboard.html"],
                &["sites", "shop", "x"],
            ] {
                assert!(answer(segments).is_none(), "{segments:?}");
            }
        }
        assert!(dashboard(&[]).is_some() && dashboard(&["sites", "shop"]).is_some());
    }

    #[test]
    fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
        for page in [SHELL, content(&DEMO, &[])] {
            for inline in [" style=\"", "<style", " onclick=", "<script>", "javascript:"] {
                assert!(!page.contains(inline), "{inline}");
            }
            for attribute in [" src=\"", "<link rel=\"stylesheet\" href=\""] {
                for value in page.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
                    let segments: Vec<&str> = value.split('/').skip(1).collect();
                    assert!(dashboard(&segments).or_else(|| demo(&segments)).is_some(), "{value}");
                }
            }
        }
        for script in scripts() {
            for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "setHTML"]
            {
                assert!(!script.contains(sink), "{sink}");
            }
            for import in script.split("from \"./").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                assert!(dashboard(&["dashboard", import]).is_some(), "{import}");
            }
        }
    }

    #[test]
    fn every_word_of_the_demo_is_there_in_both_languages() {
        let script = content(&DEMO, &["demo.js"]);
        let (en, ja) = script.split_once("ja: {\n      demo:").unwrap();
        let ja = ja.split("const RUNGS").next().unwrap();
        for key in content(&DEMO, &[]).split("data-t=\"").skip(1).map(|rest| rest.split('"').next().unwrap())
        {
            let stands = |words: &str| words.contains(&format!(" {key}: "));
            assert!(key == "demo" || (stands(en) && stands(ja)), "{key}");
        }
    }

    #[test]
    fn every_word_of_the_dashboard_is_there_in_both_languages() {
        let words = content(&DASHBOARD, &["dashboard", "words.js"]);
        let keys = |name: &str| -> BTreeSet<&str> {
            let list =
                words.split(&format!("const {name} = {{\n")).nth(1).unwrap().split("\n};").next().unwrap();
            let all: Vec<&str> = list.lines().map(|line| line.trim().split(':').next().unwrap()).collect();
            let once: BTreeSet<&str> = all.iter().copied().collect();
            // Of two with the same key the second wins, without a word.
            assert_eq!(all.len(), once.len(), "{name} has a key twice");
            once
        };
        let (en, ja) = (keys("en"), keys("ja"));
        assert!(en.len() > 100, "{en:?}");
        assert_eq!(en, ja);
        for script in scripts() {
            for used in script.split("say(\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                assert!(en.contains(used), "{used}");
            }
        }
    }
}
