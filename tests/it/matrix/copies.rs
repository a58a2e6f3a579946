//! The copies: a crawl of a site that is ill, or that ends too early, or that would never end, does them no harm.

use super::check::{lasts, ready, shop};
use super::sheet::{Column, IN_TIME, Sheet, right};
use super::wrong::{DEFACED, sample};
use super::{Row, row};
use crate::support::faults::{Fault, Instead, Refuse};
use crate::support::fixture::{self, MIRRORED, SEEN};
use crate::support::{Config, Edge, Page, eventually, secs};

pub fn rows() -> Vec<Row> {
    let page = |file: &str| Instead(sample(file));
    let suspended = page("suspended/cpanel-suspended.html");
    let wall = page("bot-wall/cloudflare-challenge.html");
    vec![
        row("a re-crawl while the site is suspended", |sheet| ill(sheet, suspended, &["suspended"])),
        row("a re-crawl while it is emptied", |sheet| {
            ill(sheet, Instead(Page::not_found()), &["missing", "emptied"])
        }),
        row("a re-crawl while it is defaced", |sheet| ill(sheet, Instead(Page::html(DEFACED)), &["defaced"])),
        row("a re-crawl behind a bot wall", |sheet| ill(sheet, wall, &["bot-wall"])),
        row("a crawl cut short", cut_short),
        row("a page that now needs a login", login),
        row("a calendar without end", calendar),
    ]
}

/// Has the site crawled; how that ended.
pub async fn crawl(edge: &Edge) -> String {
    eventually("the end of the last crawl", secs(30), async || {
        edge.crawl().await["running"].is_null().then_some(())
    })
    .await;
    let before = edge.crawl().await["ended"].as_u64();
    edge.admin().post("/api/v1/sites/shop/snapshots", "").await;
    eventually("the end of the crawl", secs(60), async || {
        let crawl = edge.crawl().await;
        let over = crawl["running"].is_null() && crawl["ended"].as_u64() != before;
        over.then(|| crawl["last"]["outcome"].as_str().unwrap_or_default().to_owned())
    })
    .await
}

/// Crawled while it is ill, and dead after that.
async fn ill(sheet: Sheet, fault: impl Fault, causes: &'static [&'static str]) {
    let (origin, edge) = shop().await;
    let first = edge.snapshot_id().await;
    sheet.begin(&edge).await;
    origin.fail(fault).await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    let outcome = crawl(&edge).await;
    sheet.must(Column::Further, outcome != "published", &outcome, "a new snapshot was published");
    sheet.must(Column::Further, edge.snapshot_id().await == first, "the same copies", "other copies");
    lasts(&sheet, &edge, &["down"], causes).await;
    origin.fail(Refuse).await;
    sheet.four(&edge, &right(&[1]), IN_TIME).await;
    whole(&sheet, &edge).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

/// Every page of the first copy is still there.
async fn whole(sheet: &Sheet, edge: &Edge) {
    let pages = fixture::pages(1);
    for path in MIRRORED {
        let answer = edge.get(path).await;
        let same = answer.status == 200 && answer.body == pages[path].body;
        sheet.must(
            Column::Further,
            same,
            "all pages",
            format!("{path}: {} {}", answer.status, answer.cache_status()),
        );
    }
}

/// The site dies in the middle of the crawl.
async fn cut_short(sheet: Sheet) {
    let (origin, edge) = shop().await;
    let first = edge.snapshot_id().await;
    sheet.begin(&edge).await;
    // of the first pages that it asks for, and none that checks ask for, too
    let lever = origin.hold(SEEN);
    let crawled = async {
        lever.wait_for(1, secs(20)).await;
        origin.fail(Refuse).await;
        lever.release();
    };
    let (outcome, ()) = tokio::join!(crawl(&edge), crawled);
    sheet.must(Column::Further, outcome != "published", &outcome, "a new snapshot was published");
    sheet.must(Column::Further, edge.snapshot_id().await == first, "the same copies", "other copies");
    lasts(&sheet, &edge, &["down"], &["refused"]).await;
    whole(&sheet, &edge).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

/// One page asks for a login now: that is the site's own will, and no copy of the login is given for the page.
async fn login(sheet: Sheet) {
    const PAGE: &str = "/only-in-the-sitemap";
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    origin.page(PAGE, Page::redirect(302, "/login?next=/only-in-the-sitemap"));
    origin.page("/login", Page::html("<title>Log in</title><form method=post><input type=password></form>"));
    let live = edge.get(PAGE).await;
    sheet.must(Column::Further, live.status == 302, "live: its redirect", format!("live: {}", live.status));
    let outcome = crawl(&edge).await;
    origin.fail(Refuse).await;
    lasts(&sheet, &edge, &["down"], &["refused"]).await;
    let later = edge.get(PAGE).await;
    let old = fixture::pages(1)[PAGE].body.clone();
    let honest = later.status == 302 || later.status == 503 || (later.status == 200 && later.body == old);
    sheet.must(Column::Further, honest, &format!("crawl {outcome}, then {}", later.status), later.text());
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn calendar(sheet: Sheet) {
    let origin = fixture::shop().await;
    origin.make(|asked| {
        let month: u32 = asked.target.strip_prefix("/calendar?month=")?.parse().ok()?;
        let next = month + 1;
        Some(Page::html(format!("<title>Month {month}</title><a href=\"/calendar?month={next}\">next</a>")))
    });
    let edge = Edge::start(Config::before(&origin.url()).site("mirror.max_pages", 60)).await;
    ready(&edge).await;
    sheet.begin(&edge).await;
    let home = String::from_utf8(origin.content("/").body.to_vec()).unwrap();
    origin.page("/", Page::html(home.replace("</nav>", "<a href=\"/calendar?month=1\">Calendar</a></nav>")));
    let outcome = crawl(&edge).await;
    let months = origin.count("/calendar");
    sheet.must(Column::Further, outcome == "published", &outcome, &outcome);
    sheet.must(Column::Further, months <= 60, &format!("{months} months"), format!("{months} months"));
    origin.fail(Refuse).await;
    lasts(&sheet, &edge, &["down"], &["refused"]).await;
    whole_but_home(&sheet, &edge).await;
    origin.heal().await;
    fixture::stock(&origin, 2);
    sheet.back(&edge, 2).await;
}

async fn whole_but_home(sheet: &Sheet, edge: &Edge) {
    let pages = fixture::pages(1);
    for path in MIRRORED.iter().filter(|path| **path != "/") {
        let answer = edge.get(path).await;
        let same = answer.status == 200 && answer.body == pages[*path].body;
        sheet.must(
            Column::Further,
            same,
            "all pages",
            format!("{path}: {} {}", answer.status, answer.cache_status()),
        );
    }
}
