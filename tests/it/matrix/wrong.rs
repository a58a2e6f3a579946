//! Answers with a bad status, and answers with a good one that are not the site.

use std::path::Path;
use std::sync::Arc;

use super::Row;
use super::check::{Failing, everything, failing};
use crate::support::Page;
use crate::support::faults::{AssetsMissing, EmptyBody, Instead, Status};

pub fn statuses() -> Vec<Row> {
    vec![
        everything("500", &["server-error"], Status(500)),
        everything("502", &["bad-gateway"], Status(502)),
        everything("503 with Retry-After (maintenance)", &["unavailable", "maintenance"], Status(503)),
        everything("504", &["gateway-timeout"], Status(504)),
        everything("508 (hosting limit)", &["hosting-limit"], Status(508)),
        everything("509 (hosting limit)", &["hosting-limit"], Status(509)),
        everything("520 (CDN before the origin)", &["cdn-error"], Status(520)),
        everything("530 (CDN before the origin)", &["cdn-error"], Status(530)),
        everything("403 everywhere", &["forbidden"], Instead(Page::html("<h1>Forbidden</h1>").status(403))),
        everything("404 everywhere (an emptied site)", &["missing", "emptied"], Instead(Page::not_found())),
        failing(
            "404 only for assets (a bad release)",
            Failing {
                under: "/",
                fault: Arc::new(AssetsMissing),
                states: &["degraded"],
                causes: &["asset-missing"],
            },
        ),
        failing(
            "500 on one branch of the site only",
            Failing {
                under: "/events",
                fault: Arc::new(Status(500)),
                states: &["degraded"],
                causes: &["server-error"],
            },
        ),
    ]
}

/// What an intruder leaves behind.
pub const DEFACED: &str = "<!doctype html><html><head><title>Hacked by Gh0st</title></head><body bgcolor=black>\
                           <center><h1>HACKED BY GH0ST</h1><p>Your security is low. We are Anonymous.</p>\
                           <p>Greetz to all members of the crew</p></center></body></html>";

/// A page of the kept samples, as whoever sends it sends it: for whatever is asked.
pub fn sample(name: &str) -> Page {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fingerprint/samples").join(name);
    Page::html(std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

fn page(name: &'static str, causes: &'static [&'static str], file: &str) -> Row {
    everything(name, causes, Instead(sample(file)))
}

pub fn pages() -> Vec<Row> {
    let captcha = || sample("bot-wall/recaptcha-interstitial.html");
    let database = || sample("database-error/wordpress-database.html");
    vec![
        everything("database error with 200", &["database-error"], Instead(database())),
        everything(
            "database error with 500",
            &["database-error", "server-error"],
            Instead(database().status(500)),
        ),
        everything("empty body with 200 (a white page)", &["empty-page"], EmptyBody),
        page("Fatal error with 200", &["php-error"], "php-error/php-fatal.html"),
        page("account suspended", &["suspended"], "suspended/cpanel-suspended.html"),
        page("default page of nginx", &["default-page"], "default-page/nginx-welcome.html"),
        page("default page of Apache", &["default-page"], "default-page/apache-debian.html"),
        page("default page of cPanel", &["default-page"], "default-page/cpanel-default.html"),
        page("default page of Plesk", &["default-page"], "default-page/plesk-default.html"),
        page(
            "directory listing where a page was",
            &["directory-listing"],
            "directory-listing/apache-autoindex.html",
        ),
        everything("defaced", &["defaced"], Instead(Page::html(DEFACED))),
        page("a parking page", &["parking"], "parking/sedo.html"),
        page("a bot wall", &["bot-wall"], "bot-wall/cloudflare-challenge.html"),
        // as those who send it do: with 403
        everything("a CAPTCHA", &["bot-wall"], Instead(captcha().status(403))),
        everything("a CAPTCHA with 200", &["bot-wall"], Instead(captcha())),
        everything(
            "a redirect to another domain",
            &["foreign-redirect"],
            Instead(Page::redirect(302, "http://elsewhere.test/lander")),
        ),
    ]
}
