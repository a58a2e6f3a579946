//! Sites with habits that must not leave them without a copy: what the crawl does about them, and what visitors get in
//! the outage.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::check::{lasts, ready};
use super::sheet::{Column, Sheet};
use super::{Row, row};
use crate::support::faults::Refuse;
use crate::support::fixture::{self, SEEN, SIGNUP, UNOPENED};
use crate::support::{Config, Edge, Origin, Page};

pub fn rows() -> Vec<Row> {
    vec![
        row("private everywhere", private),
        row("a front page that sets a cookie and redirects to itself", |sheet| cookie(sheet, "/")),
        row("a front page that sets a cookie and redirects over a second address", |sheet| {
            cookie(sheet, "/?check=1")
        }),
        row("robots.txt of 500", |sheet| robots(sheet, || Page::html("down").status(500))),
        row("robots.txt that forbids everything", |sheet| {
            robots(sheet, || Page::new("text/plain", "User-agent: *\nDisallow: /\n"))
        }),
        row("the origin's own port in redirects", own_port),
        row("a single-page application's deep link", deep_link),
        row("chunks that only a browser computes", chunks),
    ]
}

fn html(title: &str) -> Page {
    Page::html(format!(
        "<!doctype html><title>{title}</title><h1>{title}</h1><p>The tide comes in, the tide goes out."
    ))
}

/// The shop, with links to these on its front page.
async fn shop(links: &[&str]) -> Origin {
    let origin = fixture::shop().await;
    let index = String::from_utf8(origin.content("/").body.to_vec()).expect("text");
    let links: String = links.iter().map(|to| format!("<a href=\"{to}\">{to}</a>")).collect();
    origin.page("/", Page::html(index.replace("</nav>", &format!("{links}</nav>"))));
    origin
}

async fn before(origin: &Origin) -> Edge {
    let edge =
        Edge::start(Config::before(&origin.url()).set("listen.trusted_proxies", ["127.0.0.1/32"])).await;
    ready(&edge).await;
    edge
}

async fn down(sheet: &Sheet, origin: &Origin, edge: &Edge) {
    sheet.begin(edge).await;
    origin.fail(Refuse).await;
    lasts(sheet, edge, &["down"], &["refused"]).await;
}

async fn back(sheet: &Sheet, origin: &Origin, edge: &Edge) {
    origin.heal().await;
    fixture::stock(origin, 2);
    sheet.back(edge, 2).await;
}

async fn there(sheet: &Sheet, edge: &Edge, path: &str, title: &str) {
    let answer = edge.get(path).await;
    let is = answer.status == 200 && answer.text().contains(&format!("<h1>{title}</h1>"));
    sheet.must(
        Column::Further,
        is,
        "the copies are there",
        format!("{path}: {} {}", answer.status, answer.cache_status()),
    );
}

async fn private(sheet: Sheet) {
    let origin = shop(&["/teas", "/you"]).await;
    for (path, page) in fixture::pages(1) {
        let page = if path == "/" { origin.content("/") } else { page };
        let page = page.header("cache-control", "max-age=0, private, must-revalidate");
        origin.page(&path, page.header("set-cookie", "_shop_session=abc; path=/; HttpOnly"));
    }
    let (teas, you) = (AtomicU64::new(7), AtomicU64::new(0));
    origin.make(move |asked| {
        let page = match asked.path() {
            "/teas" => {
                let token = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(teas.fetch_add(1, Relaxed));
                Page::html(format!(
                    "<h1>Teas</h1><input type=hidden name=authenticity_token value='{token:016x}'>"
                ))
            }
            "/you" => {
                Page::html(["<p>He who waits", "<p>She who dares"][you.fetch_add(1, Relaxed) as usize % 2])
            }
            _ => return None,
        };
        Some(page.header("cache-control", "private"))
    });
    let edge = before(&origin).await;
    let decisions = edge.crawl().await["last"]["decisions"].to_string();
    let said = decisions.contains("everybody gets the same") && decisions.contains("got different ones");
    sheet.must(Column::Further, said, "what was decided is said", decisions);
    down(&sheet, &origin, &edge).await;
    there(&sheet, &edge, "/teas", "Teas").await;
    let own = edge.get("/you").await;
    sheet.must(
        Column::Further,
        own.status == 503,
        "what differs is not kept",
        format!("/you: {}", own.status),
    );
    let cookie = edge.get(SIGNUP).await.header("set-cookie").is_some();
    sheet.must(Column::Further, !cookie, "no cookie", "a cookie in the copy");
    back(&sheet, &origin, &edge).await;
}

/// The front page, for visitors without the cookie, leads there, and from there back.
async fn cookie(sheet: Sheet, over: &'static str) {
    let origin = Origin::start().await;
    let pages = fixture::pages(1);
    origin.make(move |asked| {
        let knows = asked.header("cookie").is_some_and(|cookie| cookie.contains("visited=1"));
        if asked.path() == "/" && !knows {
            return Some(Page::redirect(302, over).header("set-cookie", "visited=1; path=/"));
        }
        if asked.target != "/" && asked.target == over {
            return Some(Page::redirect(302, "/"));
        }
        pages.get(&*asked.target).or_else(|| pages.get(asked.path())).cloned()
    });
    let edge = before(&origin).await;
    down(&sheet, &origin, &edge).await;
    edge.get("/").await.must_be(&fixture::pages(1)["/"].body);
    sheet.good(Column::Further, "the front page is there");
    back(&sheet, &origin, &edge).await;
}

async fn robots(sheet: Sheet, file: fn() -> Page) {
    let origin = fixture::shop().await;
    origin.page("/robots.txt", file());
    let edge = before(&origin).await;
    let said = edge.cli(&["status"]).await.must_be_ok().out;
    let first = said.lines().next().unwrap_or_default().to_owned();
    let told = first.starts_with("shop: robots.txt") && first.contains("taken all the same");
    sheet.must(Column::Further, told, "said first", format!("the status begins with {first:?}"));
    down(&sheet, &origin, &edge).await;
    back(&sheet, &origin, &edge).await;
}

async fn own_port(sheet: Sheet) {
    let origin = shop(&["/docs", "/guide"]).await;
    let port = origin.addr().port();
    origin.make(move |asked| match asked.path() {
        "/docs" => Some(Page::redirect(301, &format!("http://www.example.test:{port}/docs/"))),
        "/guide" => Some(Page::redirect(302, &format!("http://127.0.0.1:{port}/guide/"))),
        "/pay" => Some(Page::redirect(302, "https://pay.example/checkout")),
        "/docs/" => Some(html("Docs")),
        "/guide/" => Some(html("Guide")),
        _ => None,
    });
    let edge = before(&origin).await;
    let leads = async |path: &str, to: &str, when: &str| {
        let answer = edge.get(path).await;
        let location = answer.header("location").unwrap_or_default().to_owned();
        sheet.must(Column::Further, location == to, when, format!("{path} leads to {location:?} {when}"));
    };
    leads("/docs", "/docs/", "live").await;
    leads("/guide", "/guide/", "live").await;
    leads("/pay", "https://pay.example/checkout", "live").await;
    down(&sheet, &origin, &edge).await;
    leads("/docs", "/docs/", "in the outage").await;
    leads("/guide", "/guide/", "in the outage").await;
    there(&sheet, &edge, "/docs/", "Docs").await;
    there(&sheet, &edge, "/guide/", "Guide").await;
    back(&sheet, &origin, &edge).await;
}

async fn deep_link(sheet: Sheet) {
    let origin = fixture::shop().await;
    let links = [SEEN, UNOPENED].map(|to| format!("<a href=\"{to}\"></a>")).concat();
    let shell = format!(
        "<!doctype html><html><head><title>Shop</title><link rel=stylesheet href=/style.css></head><body>{links}\
         <div id=app></div><script type=module src=/app.js></script></body></html>"
    );
    origin.page("/", Page::html(shell.clone()));
    let page = shell.clone();
    origin.make(move |asked| match asked.path() {
        path if path.starts_with("/api/") => Some(Page::new("application/json", "{}")),
        path if path.contains('.') => None,
        _ => Some(Page::html(page.clone())),
    });
    let edge = before(&origin).await;
    down(&sheet, &origin, &edge).await;
    let html = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let deep = edge.client().get_with("/orders/5/edit", &html).await;
    let is =
        deep.status == 200 && deep.text() == shell && deep.cache_status().contains("detail=fallback-page");
    sheet.must(Column::Further, is, "the shell", format!("{} {}", deep.status, deep.cache_status()));
    for (path, accept) in [("/assets/other.js", "text/html"), ("/api/orders", "application/json")] {
        let answer = edge.client().get_with(path, &[("accept", accept)]).await;
        sheet.must(
            Column::Further,
            answer.status == 503,
            "only for pages",
            format!("{path}: {}", answer.status),
        );
    }
    back(&sheet, &origin, &edge).await;
}

async fn chunks(sheet: Sheet) {
    const CHUNK: &str = "/assets/cart.3f2a9c41d8e7b6f0.js";
    const OWN: &str = "/confirm/7f3k";
    let origin = fixture::shop().await;
    origin.make(|asked| match asked.path() {
        CHUNK => Some(Page::new("text/javascript", "export const cart = []")),
        OWN => Some(html("Thank you")),
        _ => None,
    });
    let edge = before(&origin).await;
    for visitor in 1..=6 {
        let address = format!("192.0.2.{visitor}");
        edge.client().get_with(CHUNK, &[("x-forwarded-for", &address)]).await;
        edge.client().get_with(OWN, &[("x-forwarded-for", &address)]).await;
    }
    let asked = origin.count(OWN);
    edge.take_snapshot().await;
    let again = origin.count(OWN) - asked;
    sheet.must(
        Column::Further,
        again == 0,
        "no link of one person is opened",
        format!("opened {again} times"),
    );
    down(&sheet, &origin, &edge).await;
    let chunk = edge.get(CHUNK).await;
    let is = chunk.status == 200 && chunk.is_from_snapshot() && chunk.text() == "export const cart = []";
    sheet.must(
        Column::Further,
        is,
        "the chunk is there",
        format!("{} {}", chunk.status, chunk.cache_status()),
    );
    let kept = edge.get(OWN).await.is_from_snapshot();
    sheet.must(Column::Further, !kept, "nor kept", format!("{OWN} is in the snapshot"));
    back(&sheet, &origin, &edge).await;
}
