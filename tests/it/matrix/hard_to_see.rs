//! Answers with a good status that are not the site, and do not look like it at first sight.

use std::io::Write as _;
use std::sync::Arc;

use super::Row;
use super::check::{Failing, everything, failing};
use super::wrong::sample;
use crate::support::Page;
use crate::support::faults::Instead;

const SUSPENDED: &str = "suspended/cpanel-suspended.html";

pub fn rows() -> Vec<Row> {
    let coded = |coding: &str, body: Vec<u8>| {
        let page = Page { body: body.into(), ..sample(SUSPENDED) };
        Instead(page.header("content-encoding", coding))
    };
    let plain = sample(SUSPENDED).body.to_vec();
    let zstd = zstd::encode_all(&plain[..], 3).unwrap();
    vec![
        everything("every page redirects to itself", &["redirect-loop"], Instead(Page::redirect(302, "#"))),
        everything("a known wrong page in zstd", &["suspended"], coded("zstd", zstd)),
        everything("the same in gzip", &["suspended"], coded("gzip", gzip(&plain))),
        everything("the same in two codings", &["suspended"], coded("gzip, gzip", gzip(&gzip(&plain)))),
        everything("the same with a coding that is none", &["suspended"], coded("none", plain)),
        failing(
            "a style sheet that is an error page",
            Failing {
                under: "/style.css",
                fault: Arc::new(Instead(sample("php-error/php-fatal.html"))),
                states: &["degraded"],
                causes: &["php-error", "asset-missing", "wrong-page"],
            },
        ),
    ]
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    coder.write_all(plain).unwrap();
    coder.finish().unwrap()
}
