//! Which copy: among several the one that is the site, of an address that no copy has the page that is meant, and none of
//! what the site has taken away.

use super::check::{lasts, ready, shop};
use super::copies::crawl;
use super::sheet::{Column, Sheet};
use super::{Row, row};
use crate::support::faults::Refuse;
use crate::support::fixture::{self, SEEN, SIGNUP};
use crate::support::{Answer, Config, Edge, Origin, Page, eventually, secs};

/// A page that nobody needs but those who look for it.
const PAGE: &str = "/only-in-the-sitemap";

pub fn rows() -> Vec<Row> {
    vec![
        row("wrong pages were let through, a crawl is held for them, and then nothing", held),
        row("a wrong page was let through, somebody goes back, and then nothing", went_back),
        row("a wrong page was let through at one address, and then nothing", let_through),
        row("a page has changed for good, and then nothing", changed),
        row("a page was removed, and then nothing, and a restart", removed),
        row("a page was taken back behind a password, and then nothing", taken_back),
        row("an address with a query that nobody knows, and nothing", unknown_query),
        row("a short link, and nothing", short_link),
        row("an address in another spelling, and nothing", spelled),
    ]
}

/// The site is dead, and then it is not.
async fn dies(sheet: &Sheet, origin: &Origin, edge: &Edge) {
    origin.fail(Refuse).await;
    sheet.until(edge, &["down"], Column::Cause).await;
}

async fn lives(sheet: &Sheet, origin: &Origin, edge: &Edge) {
    lasts(sheet, edge, &["down"], &["refused"]).await;
    origin.heal().await;
    fixture::stock(origin, 2);
    sheet.back(edge, 2).await;
}

/// What an address must give.
async fn gives(sheet: &Sheet, edge: &Edge, target: &str, right: impl Fn(&Answer) -> bool) {
    let answer = edge.get(target).await;
    let to = answer.header("location").unwrap_or_default();
    let said = format!("{target}: {} {to} {}", answer.status, answer.cache_status());
    sheet.must(Column::Further, right(&answer), &format!("{target}: {}", answer.status), said);
}

fn leads_to(page: &str) -> impl Fn(&Answer) -> bool {
    move |answer| answer.status == 302 && answer.header("location") == Some(page)
}

/// Pages of somebody who sells something, each in words of its own.
fn pills(n: usize) -> Page {
    let mut random = fastrand::Rng::with_seed(n as u64);
    let words: Vec<String> = (0..80).map(|_| (0..7).map(|_| random.lowercase()).collect()).collect();
    Page::html(format!(
        "<html lang=en><title>Cheap pills {n}</title><h1>Cheap pills online</h1><p>{} pills.</p></html>",
        words.join(" ")
    ))
}

/// Nobody can tell the pages from new ones of the site, until a crawl sees them all.
async fn held(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    let is_page = |page: &Page| {
        page.headers.iter().any(|(name, value)| name == "content-type" && value.starts_with("text/html"))
    };
    let pages = fixture::pages(1).into_iter().filter(|(_, page)| is_page(page));
    for (n, (target, _)) in pages.enumerate() {
        origin.page(&target, pills(if target.starts_with("/events") { n } else { 0 }));
    }
    for target in ["/", SEEN, PAGE] {
        edge.get(target).await;
    }
    let outcome = crawl(&edge).await;
    sheet.must(Column::Further, outcome == "kept_old", &outcome, &outcome);
    dies(&sheet, &origin, &edge).await;
    gives(&sheet, &edge, PAGE, |answer| answer.body == fixture::pages(1)[PAGE].body).await;
    lives(&sheet, &origin, &edge).await;
}

/// The operator has seen the wrong page, and goes back to the snapshot before it.
async fn went_back(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    let outcome = crawl(&edge).await;
    sheet.must(Column::Further, outcome == "published", &outcome, &outcome);
    origin.page(PAGE, pills(1));
    edge.get(PAGE).await;
    let answer = edge.admin().post("/api/v1/sites/shop/snapshots/rollback", "").await;
    let took = answer.status == 200;
    sheet.must(Column::Further, took, "went back", format!("{} {}", answer.status, answer.text()));
    edge.get(PAGE).await;
    dies(&sheet, &origin, &edge).await;
    gives(&sheet, &edge, PAGE, |answer| answer.body == fixture::pages(1)[PAGE].body).await;
    lives(&sheet, &origin, &edge).await;
}

/// Waits until checks that began after this have found both key pages good.
async fn proven(origin: &Origin) {
    let asked = || ["/", SIGNUP].map(|page| origin.count(page));
    let before = asked();
    // the second one begins when the first has ended
    eventually("two checks of each key page", secs(20), async || {
        asked().iter().zip(before).all(|(now, before)| *now >= before + 2).then_some(())
    })
    .await;
}

/// The site stands, and what one address shows is nobody's page: seen once, it does not take the accepted one's place.
async fn let_through(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    origin.page(PAGE, pills(1));
    gives(&sheet, &edge, PAGE, |answer| answer.body == pills(1).body).await;
    proven(&origin).await;
    dies(&sheet, &origin, &edge).await;
    gives(&sheet, &edge, PAGE, |answer| answer.body == fixture::pages(1)[PAGE].body).await;
    lives(&sheet, &origin, &edge).await;
}

/// A new edition is believed once the site is proven; quite another page, when it is still there after that.
async fn changed(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    const EDITION: &str = "/long";
    origin.page(EDITION, fixture::pages(2)[EDITION].clone());
    origin.page(PAGE, pills(1));
    for target in [EDITION, PAGE] {
        edge.get(target).await;
    }
    proven(&origin).await;
    edge.get(PAGE).await;
    dies(&sheet, &origin, &edge).await;
    gives(&sheet, &edge, EDITION, |answer| answer.body == fixture::pages(2)[EDITION].body).await;
    gives(&sheet, &edge, PAGE, |answer| answer.body == pills(1).body).await;
    lives(&sheet, &origin, &edge).await;
}

async fn removed(sheet: Sheet) {
    let (origin, mut edge) = shop().await;
    sheet.begin(&edge).await;
    origin.page(PAGE, Page::not_found());
    gives(&sheet, &edge, PAGE, |answer| answer.status == 404).await;
    let list = edge.state_dir().join("removed/shop");
    eventually("the list of removed pages", secs(10), async || {
        std::fs::read_to_string(&list).is_ok_and(|text| text.contains(PAGE)).then_some(())
    })
    .await;
    dies(&sheet, &origin, &edge).await;
    gives(&sheet, &edge, PAGE, |answer| answer.status == 404).await;
    edge.kill();
    edge.restart().await;
    sheet.restarted();
    gives(&sheet, &edge, PAGE, |answer| answer.status == 404).await;
    lives(&sheet, &origin, &edge).await;
}

async fn taken_back(sheet: Sheet) {
    let (origin, edge) = shop().await;
    sheet.begin(&edge).await;
    edge.get(PAGE).await;
    let login = Page::html("<title>Log in</title>").status(401);
    origin.page(PAGE, login.header("www-authenticate", "Basic realm=shop"));
    for _ in 0..2 {
        let outcome = crawl(&edge).await;
        sheet.must(Column::Further, outcome == "published", &outcome, &outcome);
    }
    dies(&sheet, &origin, &edge).await;
    gives(&sheet, &edge, PAGE, |answer| answer.status != 200 && answer.body != fixture::pages(1)[PAGE].body)
        .await;
    lives(&sheet, &origin, &edge).await;
}

/// The shop, with this at the end of its front page's menu, and in its copy.
async fn shop_with(menu: &str) -> (Origin, Edge) {
    let origin = fixture::shop().await;
    let home = String::from_utf8(origin.content("/").body.to_vec()).unwrap();
    origin.page("/", Page::html(home.replace("</nav>", &format!("{menu}</nav>"))));
    let link = "<link rel=shortlink href='/?p=168'><title>A post</title><p>All about the harbour.</p>";
    origin.page("/post/", Page::html(link));
    let edge = Edge::start(Config::before(&origin.url())).await;
    ready(&edge).await;
    (origin, edge)
}

async fn unknown_query(sheet: Sheet) {
    let (origin, edge) = shop_with("<form action=/><input name=s></form>").await;
    sheet.begin(&edge).await;
    dies(&sheet, &origin, &edge).await;
    let known = fixture::pages(1)[SEEN].body.clone();
    // nothing on the site uses it, and the front page does not heed it
    gives(&sheet, &edge, "/about?print=1", |answer| {
        answer.body == known
            && answer.header("x-robots-tag") == Some("noindex")
            && answer.header("content-location") == Some(SEEN)
    })
    .await;
    gives(&sheet, &edge, "/style.css?v=99", |answer| answer.status == 200).await;
    gives(&sheet, &edge, "/?s=tea", |answer| {
        answer.status == 200
            && answer.cache_status().ends_with("detail=search")
            && answer.text().contains("katahai-search")
    })
    .await;
    // a redirect is where its own query led
    gives(&sheet, &edge, "/old?print=1", |answer| answer.status == 503).await;
    lives(&sheet, &origin, &edge).await;
}

async fn short_link(sheet: Sheet) {
    let (origin, edge) = shop_with("<a href=/post/>A post</a>").await;
    sheet.begin(&edge).await;
    dies(&sheet, &origin, &edge).await;
    gives(&sheet, &edge, "/?p=168", leads_to("/post/")).await;
    gives(&sheet, &edge, "/?p=169", |answer| answer.status == 503).await;
    lives(&sheet, &origin, &edge).await;
}

async fn spelled(sheet: Sheet) {
    let (origin, edge) = shop_with("<a href=/post/>A post</a>").await;
    sheet.begin(&edge).await;
    // the live site says for itself what is where
    gives(&sheet, &edge, "/about/", |answer| answer.status == 404).await;
    dies(&sheet, &origin, &edge).await;
    for (written, there) in [
        ("/post", "/post/"),
        ("/about/", "/about"),
        ("/about/?utm_source=mail", "/about?utm_source=mail"),
        ("/index.html", "/"),
        ("/ABOUT", "/about"),
        ("/about;jsessionid=0A1B2C", "/about"),
        ("/caf%E9", "/caf%C3%A9"),
        ("/events?sort=date&page=2", "/events?page=2&sort=date"),
    ] {
        gives(&sheet, &edge, written, leads_to(there)).await;
    }
    gives(&sheet, &edge, "/nothing-like-it", |answer| answer.status == 503).await;
    lives(&sheet, &origin, &edge).await;
}
