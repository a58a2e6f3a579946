//! Answers with a good status that are not the site, and do not look like it at first sight.

use std::io::Write as _;
use std::sync::Arc;

use super::check::{Failing, everything, failing, shop};
use super::sheet::{Column, IN_TIME, Sheet, right};
use super::wrong::sample;
use super::{Row, row};
use crate::support::Page;
use crate::support::faults::{Instead, PagesInstead};
use crate::support::fixture::{self, MIRRORED};

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
            sheet_is(&["php-error", "asset-missing", "wrong-page"], sample("php-error/php-fatal.html")),
        ),
        failing(
            "a style sheet that is a page",
            sheet_is(
                &["wrong-page", "asset-missing"],
                Page::html("<!doctype html><title>Shop</title><p>Tea</p>"),
            ),
        ),
        failing("a style sheet that is empty", sheet_is(&["empty-page"], Page::new("text/css", ""))),
        failing(
            "no content where a style sheet was",
            sheet_is(&["odd-answer"], Page::new("text/css", "").status(204)),
        ),
        pages("no content where pages were", &["odd-answer"], Page::new("text/html", "").status(204)),
        pages("a PDF where pages were", &["odd-answer"], Page::new("application/pdf", "%PDF-1.7 and so on")),
        pages("octets where pages were", &["odd-answer"], Page::html(fixture::noise(4_000, 7))),
        pages("pages that lead to a stranger by themselves", &["foreign-redirect"], Page::html(REFRESH)),
        row("all addresses alike", |sheet| alike(sheet, SET_UP)),
        row("another customer's site", |sheet| alike(sheet, ANOTHER)),
    ]
}

const REFRESH: &str = "<!doctype html><html><head><title>Moved</title><meta http-equiv=\"refresh\" \
                       content=\"0; url=http://elsewhere.test/\"></head><body></body></html>";

/// A page that no list knows: the folder with the site's data is not there.
const SET_UP: &str = "<!doctype html><html lang=\"en\"><head><title>Quiet morning</title></head><body><h1>Quiet \
                      morning</h1><p>The folder with the articles is not where the program looks for it. It was \
                      there yesterday. Please bring it back, or tell the program where it is now.</p></body></html>";

/// What a host shows for a name that it has given to somebody else.
const ANOTHER: &str = "<!doctype html><html lang=\"en\"><head><title>Bicycles of the north</title></head><body>\
                       <h1>Bicycles of the north</h1><p>We mend wheels, chains and brakes, on weekdays from nine to \
                       six. Bring your bicycle in the morning, and ride it home in the evening.</p></body></html>";

/// Something else in place of the style sheet.
fn sheet_is(causes: &'static [&'static str], page: Page) -> Failing {
    Failing { under: "/style.css", fault: Arc::new(Instead(page)), states: &["degraded"], causes }
}

fn pages(name: &'static str, causes: &'static [&'static str], page: Page) -> Row {
    everything(name, causes, PagesInstead(page))
}

/// Each page taken alone could be new. That they are one is seen when a few have been opened; from then on copies are given.
async fn alike(sheet: Sheet, page: &'static str) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    origin.fail(Instead(Page::html(page))).await;
    for path in MIRRORED.iter().take(6) {
        edge.get(path).await;
    }
    sheet.until(&edge, &["down"], Column::Cause).await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    sheet.cause(&edge, &["uniform"]).await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    coder.write_all(plain).unwrap();
    coder.finish().unwrap()
}
