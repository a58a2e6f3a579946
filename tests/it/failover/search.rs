//! What a visitor types into the site's search in an outage is looked up in the copy, and never answered by another page.

use http_body_util::Full;

use crate::support::faults::Refuse;
use crate::support::{Answer, Config, Edge, Origin, Page, eventually, secs};

/// What clients call the site.
const HOST: &str = "www.example.test";

/// A page of a shop with a search in its header.
fn page(lang: &str, title: &str, content: &str) -> Page {
    let page = format!(
        "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\"><title>{title} | 朝凪 Tea</title>\
         <link rel=\"stylesheet\" href=\"/style.css\"></head><body><header class=\"top\"><a href=\"/\">朝凪 Tea</a>\
         <form role=\"search\" action=\"/search\"><input type=\"hidden\" name=\"lang\" value=\"{lang}\">\
         <input type=\"search\" name=\"q\" placeholder=\"Search\"><button>Go</button></form>\
         <nav><a href=\"/sencha\">Sencha</a> <a href=\"/matcha\">抹茶</a> <a href=\"/cups\">Cups</a> <a href=\"/search\">Search</a>\
         <a href=\"/sub/deep\">Deep</a></nav></header>\
         <main class=\"column\"><h1>{title}</h1>{content}</main><footer>© Asanagi</footer></body></html>"
    );
    Page::html(page).header("content-security-policy", "default-src 'self'")
}

async fn shop() -> Origin {
    let origin = Origin::start().await;
    for (at, lang, title, content) in [
        (
            "/",
            "en",
            "Welcome",
            "<p>We sell tea and cups by the sea, and welcome everybody who likes them.</p>",
        ),
        (
            "/sencha",
            "en",
            "Sencha",
            "<p>A green tea from Uji, first flush, with a taste of the morning sea.</p>",
        ),
        (
            "/matcha",
            "ja",
            "宇治の抹茶",
            "<p>石臼で挽いた抹茶です。東京駅の売店でも、お求めいただけます。</p>",
        ),
        ("/cups", "en", "Cups", "<p>Green cups, and white ones, for tea.</p>"),
        ("/search", "en", "Search our shop", "<p>Type a word above, and we look it up for you.</p>"),
        ("/sub/deep", "en", "Deep", "<p>A deep page, on which nothing is sold, but told.</p>"),
    ] {
        origin.page(at, page(lang, title, content));
    }
    origin.page("/search?lang=en&q=exactly", page("en", "Found: exactly", "<p>The site's own results.</p>"));
    origin.page("/style.css", Page::new("text/css", "mark { background: yellow }"));
    origin
}

fn config(origin: &Origin) -> Config {
    Config::before(&origin.url()).site("health.interval", "100ms").site("key_pages", ["/"])
}

async fn get(edge: &Edge, target: &str, fields: &[(&str, &str)]) -> Answer {
    edge.client().get_with(target, fields).await
}

fn searched(answer: &Answer) -> bool {
    answer.status == 200
        && answer.header("cache-status").is_some_and(|status| status.ends_with("detail=search"))
}

async fn in_an_outage() -> (Origin, Edge) {
    let origin = shop().await;
    let edge = Edge::start(config(&origin)).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    (origin, edge)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_in_an_outage_finds_what_the_copy_has_in_the_sites_own_look() {
    let (_origin, edge) = in_an_outage().await;
    let answer = get(&edge, "/search?lang=en&q=GREEN+tea", &[]).await;
    assert!(searched(&answer), "{} {:?}", answer.status, answer.headers);
    let text = answer.text();
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-robots-tag", "noindex"),
        ("via", "1.1 katahai"),
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", "default-src 'self'"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert!(answer.header("memento-datetime").is_some() && answer.header("etag").is_none());
    for part in [
        "<title>Search results for “GREEN tea” | ",
        "<header class=\"top\">",
        "<main class=\"column\"><div class=\"katahai-search\" lang=\"en\">",
        "name=\"q\" placeholder=\"Search\" value=\"GREEN tea\">",
        "2 pages were found.",
        "<a href=\"/sencha\">Sencha</a>",
        "A <mark>green</mark> <mark>tea</mark> from Uji",
        "copy that was saved on <time",
        "<footer>© Asanagi</footer>",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(
        !text.contains("<style") && !text.contains("style=") && !text.contains("Type a word above"),
        "{text}"
    );
    // In Japanese, as the page that the visitor comes from.
    let from = format!("http://{}/matcha", HOST);
    let answer = get(&edge, "/search?lang=ja&q=%E6%8A%B9%E8%8C%B6", &[("referer", &from)]).await;
    let text = answer.text();
    for part in [
        "「抹茶」の検索結果",
        "1件見つかりました",
        "<a href=\"/matcha\">宇治の<mark>抹茶</mark></a>",
        "日本時間",
        "<html lang=\"ja\">",
    ] {
        assert!(searched(&answer) && text.contains(part), "{part} in {text}");
    }
    let from = format!("http://{}/sub/deep", HOST);
    let answer = get(&edge, "/search?q=sencha", &[("referer", &from)]).await;
    assert!(answer.text().contains("<base href=\"/sub/deep\">"), "{}", answer.text());
    let head = edge.client().ask("HEAD", "/search?q=sencha").body(Full::default()).unwrap();
    let head = edge.client().send(head).await.unwrap();
    assert!(searched(&head) && head.body.is_empty());
    let explained = edge.admin().get(&explained("/search?q=sencha")).await.text();
    assert!(explained.contains("\"from\": \"search\""), "{explained}");
}

fn explained(target: &str) -> String {
    let url: String = form_urlencoded(&format!("http://{}{target}", HOST));
    format!("/api/v1/explain?url={url}")
}

fn form_urlencoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_never_answered_by_another_page() {
    let (_origin, edge) = in_an_outage().await;
    let unknown = get(&edge, "/search?q=unheardof", &[]).await;
    assert!(
        searched(&unknown) && unknown.text().contains("Nothing was found in the saved copy"),
        "{}",
        unknown.text()
    );
    assert!(!unknown.text().contains("katahai-found"));
    let empty = get(&edge, "/search?q=", &[]).await;
    assert!(searched(&empty) && empty.text().contains("Type what you are looking for"), "{}", empty.text());
    let hostile = get(&edge, "/search?q=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E", &[]).await;
    assert!(searched(&hostile) && !hostile.text().contains("<script"), "{}", hostile.text());
    // A category is more than words.
    for target in ["/search?q=&product_cat=tea", "/search?lang=en&q=+&product_cat=tea"] {
        assert_eq!(get(&edge, target, &[]).await.status, 503, "{target}");
    }
    // The page of the form is a page; results that a crawl has seen are those.
    let form = get(&edge, "/search", &[]).await;
    assert!(form.status == 200 && form.text().contains("Type a word above"));
    // Who wants data, or a picture, gets no page.
    for accept in ["application/json", "image/png"] {
        let data = get(&edge, "/search?q=tea", &[("accept", accept)]).await;
        assert_eq!((data.status, data.header("x-robots-tag")), (503, None), "{accept}");
    }
    let long = get(&edge, &format!("/search?q={}", "tea+".repeat(500)), &[]).await;
    assert!(searched(&long), "{}", long.status);
    assert!(!edge.admin().get("/metrics").await.text().contains("unheardof"));
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_a_crawl_has_seen_go_first_and_a_living_site_answers_itself() {
    let origin = shop().await;
    origin.page("/", page("en", "Welcome", "<a href=\"/search?lang=en&amp;q=exactly\">exactly</a>"));
    origin.page("/search?q=tea", page("en", "Live results", "<p>live</p>"));
    let edge = Edge::start(config(&origin)).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    assert!(get(&edge, "/search?q=tea", &[]).await.text().contains("Live results"));
    origin.fail(Refuse).await;
    edge.until("down").await;
    let own = get(&edge, "/search?lang=en&q=exactly", &[]).await;
    assert!(own.text().contains("The site's own results"), "{}", own.text());
    assert_eq!(own.header("cache-status"), Some("katahai; hit; detail=snapshot"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_the_index_and_a_damaged_one_is_not_believed() {
    let (_origin, mut edge) = in_an_outage().await;
    edge.restart().await;
    edge.until("down").await;
    assert!(searched(&get(&edge, "/search?q=sencha", &[]).await));
    let index = crate::matrix::files(&edge.state_dir())
        .into_iter()
        .find(|file| file.file_name().is_some_and(|name| name == "search"))
        .expect("an index");
    let whole = std::fs::read(&index).unwrap();
    let mut spoiled = whole.clone();
    spoiled.iter_mut().skip(4096).for_each(|byte| *byte ^= 1);
    std::fs::write(&index, spoiled).unwrap();
    let answer = get(&edge, "/search?q=sencha", &[]).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    let explained = edge.admin().get(&explained("/search?q=sencha")).await.text();
    assert!(explained.contains("\"from\": \"holding\""), "{explained}");
    let verified = edge.cli(&["snapshot", "verify"]).await;
    assert!(verified.out.contains("search index") || verified.err.contains("search index"), "{verified:?}");
    eventually("the damage is told", secs(20), async || {
        edge.status().await.to_string().contains("search index").then_some(())
    })
    .await;
    std::fs::remove_file(&index).unwrap();
    assert_eq!(get(&edge, "/search?q=sencha", &[]).await.status, 503);
    std::fs::write(&index, whole).unwrap();
    assert!(searched(&get(&edge, "/search?q=sencha", &[]).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_by_post_or_elsewhere_is_not_answered() {
    let origin = Origin::start().await;
    origin.page(
        "/",
        Page::html(
            "<title>Home of the shop</title><main><h1>Home</h1><p>Some words that are long enough for a page.</p>\
             <form method=post action=/find><input type=search name=q></form>\
             <form role=search action=https://engine.example/search><input type=search name=q></form></main>",
        ),
    );
    let edge = Edge::start(config(&origin)).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    for target in ["/find?q=words", "/search?q=words"] {
        assert_eq!(get(&edge, target, &[]).await.status, 503, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_site_has_removed_since_is_not_found() {
    let origin = shop().await;
    let edge = Edge::start(config(&origin)).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    for path in ["/cups", "/sub/deep"] {
        origin.page(path, Page::not_found());
        eventually("the removal is known", secs(20), async || {
            edge.get(path).await;
            let said = edge.admin().get(&explained(path)).await.text();
            said.contains("The site has removed it").then_some(())
        })
        .await;
    }
    origin.fail(Refuse).await;
    edge.until("down").await;
    let text = get(&edge, "/search?q=green+tea", &[]).await.text();
    assert!(text.contains("href=\"/sencha\">Sencha") && !text.contains("white ones"), "{text}");
    assert!(text.contains("One page was found."), "{text}");
    let from = format!("http://{HOST}/sub/deep");
    let answer = get(&edge, "/search?q=sencha", &[("referer", &from)]).await;
    assert!(
        searched(&answer) && !answer.text().contains("<base"),
        "not on a page that is gone: {}",
        answer.text()
    );
}

/// A front page with forms and links, and pages behind it.
async fn small(forms: &str, pages: &[(&str, &str)], change: impl FnOnce(Config) -> Config) -> (Origin, Edge) {
    let origin = Origin::start().await;
    let links: String = pages.iter().map(|(at, _)| format!("<a href=\"{at}\">{at}</a> ")).collect();
    let front = format!(
        "<title>Home of the shop</title>{forms}<main><h1>Home</h1><p>Words of a page.</p>{links}</main>"
    );
    origin.page("/", Page::html(front));
    for (at, html) in pages {
        origin.page(at, Page::html((*html).to_owned()));
    }
    let edge = Edge::start(change(config(&origin))).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    (origin, edge)
}

const SEARCH: &str = "<form action=/search><input type=search name=q></form>";

#[tokio::test(flavor = "multi_thread")]
async fn a_field_for_the_number_of_a_parcel_is_no_search() {
    let forms = format!(
        "{SEARCH}<form action=/track><input name=order></form><form action=/item><input name=id></form>"
    );
    let item = "<title>Blue teapot</title><main><h1>Blue teapot</h1><p>It holds a litre.</p></main>";
    let (_origin, edge) = small(&forms, &[("/item?id=7", item)], |config| config).await;
    for target in ["/track?order=A123", "/item?id=8"] {
        assert_eq!(get(&edge, target, &[]).await.status, 503, "{target}");
    }
    let found = get(&edge, "/search?q=teapot", &[]).await;
    assert!(searched(&found) && found.text().contains("href=\"/item?id=7\""), "{}", found.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_page_is_shown_and_a_page_that_its_program_draws_again_is_no_frame() {
    let large = format!(
        "<title>Manual of the kettle</title><main><h1>Manual</h1><p>How a kettle is filled.</p>{}</main>",
        "<p>A line that says nothing.</p>".repeat(50_000)
    );
    let forms = format!("<div id=\"__next\">{SEARCH}");
    let (_origin, edge) = small(&forms, &[("/manual", &large)], |config| config).await;
    let found = get(&edge, "/search?q=kettle", &[]).await;
    let text = found.text();
    for part in ["href=\"/manual\"", "<mark>kettle</mark>", "One page was found."] {
        assert!(searched(&found) && text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("__next"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_search_is_answered_where_the_operator_wants_the_live_site_or_no_copies() {
    let routed = |config: Config| config.route("/find*", "on", "off");
    let forms = format!("{SEARCH}<form action=/find><input type=search name=q></form>");
    let (_origin, edge) = small(&forms, &[], routed).await;
    assert!(searched(&get(&edge, "/search?q=words", &[]).await));
    assert_eq!(get(&edge, "/find?q=words", &[]).await.status, 503);
    let held =
        edge.admin().ask("PUT", "/api/v1/sites/shop/mode").body("{\"mode\":\"hold_origin\"}".into()).unwrap();
    assert_eq!(edge.admin().send(held).await.unwrap().status, 200);
    let answer = get(&edge, "/search?q=words", &[]).await;
    assert!(answer.status >= 500 && !searched(&answer), "{}", answer.status);
    for target in ["/search?q=words", "/find?q=words"] {
        let said = edge.admin().get(&explained(target)).await.text();
        assert!(!said.contains("\"from\": \"search\""), "{target}: {said}");
    }
}
