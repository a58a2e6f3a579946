//! What visitors are told on pages from copies while the site is out, and that nothing else of a page changes.

use http_body_util::Full;

use crate::support::faults::{Refuse, Status};
use crate::support::fixture::{self, ASSET, SEEN, SIGNUP};
use crate::support::{Answer, Config, Edge, Origin, Page, eventually, secs};

const NEWS: &str =
    "<!doctype html><html lang=en><head><title>News</title></head><body><h1>News</h1></body></html>";
const FRAGMENT: &str = "<li>one more</li>";

fn told(origin: &Origin) -> Config {
    Config::before(&origin.url()).site("notice.banner", "auto")
}

/// The shop with more kinds of files, all of which the snapshot has.
async fn shop() -> Origin {
    let origin = fixture::shop().await;
    let home = String::from_utf8(origin.content("/").body.to_vec()).unwrap();
    let links = "<a href=/fragment>x</a><link rel=alternate type=application/rss+xml href=/feed.xml>\
                 <link rel=preload as=fetch href=/data.json></body>";
    origin.page("/", Page::html(home.replace("</body>", links)));
    origin.page("/fragment", Page::html(FRAGMENT));
    let feed = "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>News</title></channel></rss>";
    origin.page("/feed.xml", Page::new("application/rss+xml", feed));
    origin.page("/data.json", Page::new("application/json", "{\"html\":\"<html><body>\"}"));
    origin
}

async fn out(config: Config, origin: &Origin) -> Edge {
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    edge
}

/// As a browser opens a page in a window.
const WINDOW: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

async fn open(edge: &Edge, page: &str) -> Answer {
    edge.client().get_with(page, &[WINDOW]).await
}

fn banners(answer: &Answer) -> usize {
    answer.text().matches("<dialog open class=\"katahai-notice\"").count()
}

/// A page without what was put into it.
fn without(answer: &Answer, begin: &str, end: &str) -> String {
    let text = answer.text();
    let (before, rest) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin} in {text}"));
    format!("{before}{}", rest.split_once(end).unwrap().1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_from_a_copy_says_so_and_all_else_stays_byte_for_byte() {
    let origin = shop().await;
    let edge = Edge::start(told(&origin)).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let seen = origin.content(SEEN).body;
    edge.get(SEEN).await.must_be(&seen);
    origin.fail(Refuse).await;
    edge.until("down").await;

    let page = open(&edge, SEEN).await;
    assert!(page.is_copy() && page.status == 200, "{:?}", page.headers);
    assert_eq!(banners(&page), 1, "{}", page.text());
    assert_eq!(without(&page, "<dialog open", "</dialog>").as_bytes(), &seen[..]);
    assert!(page.text().contains("<body><dialog") && page.text().contains("This page was saved on <time"));
    assert_eq!(page.header("cache-control"), Some("private, no-cache"));
    assert_eq!(page.header("content-length"), Some(&*page.body.len().to_string()));
    assert!(page.header("last-modified").is_none() && page.header("memento-datetime").is_some());
    let home = open(&edge, "/").await;
    assert!(home.text().contains("lang=\"ja\" aria-label=\"&#20445;"), "{}", home.text());

    for asset in [ASSET, "/app.js", "/img/logo.svg", "/img/photo.png", "/feed.xml", "/data.json", "/fragment"]
    {
        open(&edge, asset).await.must_be(&origin.content(asset).body);
    }
    let by_script: [&[(&str, &str)]; 8] = [
        &[],
        &[("accept", "*/*")],
        &[WINDOW, ("sec-fetch-dest", "empty")],
        &[WINDOW, ("sec-fetch-dest", "iframe")],
        &[WINDOW, ("sec-fetch-dest", "image")],
        &[WINDOW, ("x-requested-with", "XMLHttpRequest")],
        &[WINDOW, ("hx-request", "true")],
        &[WINDOW, ("turbo-frame", "news")],
    ];
    for fields in by_script {
        edge.client().get_with(SEEN, fields).await.must_be(&seen);
    }
    assert_eq!(banners(&edge.client().get_with(SEEN, &[("sec-fetch-dest", "document")]).await), 1);
    assert_eq!(banners(&open(&edge, "/nowhere").await), 0, "a holding page is none");

    origin.heal().await;
    edge.until("up").await;
    let tag = page.header("etag").unwrap();
    assert!(tag.contains("-katahai-"), "{tag}");
    open(&edge, SEEN).await.must_be(&seen);
    let again = edge.client().get_with(SEEN, &[WINDOW, ("if-none-match", tag)]).await;
    again.must_be(&seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_and_conditions_are_about_the_page_as_it_is_told() {
    let origin = shop().await;
    let edge = out(told(&origin), &origin).await;
    let whole = open(&edge, "/long").await;
    assert_eq!(banners(&whole), 1);
    let (tag, body) = (whole.header("etag").unwrap(), &whole.body);
    let part = |from: usize, to: usize| format!("bytes={from}-{to}");
    let at = whole.text().find("<dialog").unwrap();
    for (from, to) in [(0, 9), (at - 5, at + 5), (at + 10, at + 3000), (body.len() - 10, body.len() - 1)] {
        let fields: [(&str, &str); 3] = [WINDOW, ("range", &part(from, to)), ("if-range", tag)];
        let cut = edge.client().get_with("/long", &fields).await;
        assert_eq!((cut.status, &cut.body[..]), (206, &body[from..=to]), "{from}-{to}");
        let range = format!("bytes {from}-{to}/{}", body.len());
        assert_eq!(cut.header("content-range"), Some(&*range));
    }
    let same = edge.client().get_with("/long", &[WINDOW, ("if-none-match", tag)]).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    for (name, value) in
        [("if-none-match", "\"long-1\""), ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")]
    {
        assert_eq!(edge.client().get_with("/long", &[WINDOW, (name, value)]).await.status, 200, "{name}");
    }
    let other = [WINDOW, ("range", "bytes=0-9"), ("if-range", "\"long-1\"")];
    let old = edge.client().get_with("/long", &other).await;
    assert_eq!(old.status, 200, "parts of two editions are never put together");
    let client = edge.client();
    let head = client
        .send(client.ask("HEAD", "/long").header(WINDOW.0, WINDOW.1).body(Full::default()).unwrap())
        .await
        .unwrap();
    assert_eq!(
        (head.header("etag"), head.header("content-length")),
        (Some(tag), whole.header("content-length"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_answer_says_so_too_whatever_it_is_packed_in() {
    let origin = shop().await;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, NEWS.as_bytes()).unwrap();
    let kept_packed = |body: Vec<u8>| {
        Page::html(body).header("content-encoding", "gzip").header("cache-control", "max-age=1")
    };
    let packed = kept_packed(packed.finish().unwrap()).header("etag", "\"news\"");
    origin.page("/news/1", packed.clone());
    let mut fragment = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut fragment, FRAGMENT.as_bytes()).unwrap();
    let packed_fragment = kept_packed(fragment.finish().unwrap());
    origin.page("/news/0", packed_fragment.clone());
    origin.page("/news/2", Page::html(NEWS).header("cache-control", "max-age=1"));
    let edge = Edge::start(told(&origin).route("/news/*", "on", "off")).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let takes = [WINDOW, ("accept-encoding", "gzip")];
    edge.client().get_with("/news/1", &takes).await.must_be(&packed.body);
    edge.client().get_with("/news/0", &takes).await.must_be(&packed_fragment.body);
    assert_eq!(banners(&open(&edge, "/news/2").await), 0);
    origin.fail(Refuse).await;
    edge.until("down").await;
    for (news, tagged) in [("/news/1", true), ("/news/2", false)] {
        let page = eventually("a stale page", secs(10), async || {
            let page = edge.client().get_with(news, &takes).await;
            page.cache_status().contains("stale").then_some(page)
        })
        .await;
        assert_eq!(without(&page, "<dialog open", "</dialog>"), NEWS, "{:?}", page.headers);
        assert!(page.header("content-encoding").is_none());
        assert_eq!(page.header("etag").is_some_and(|tag| tag.starts_with("\"news-katahai-")), tagged);
        assert_eq!(
            edge.client().get_with(news, &takes).await.body,
            page.body,
            "what was found is found again"
        );
    }
    // where there is nothing to say, it is given as it is kept
    edge.client().get_with("/news/1", &[("accept-encoding", "gzip")]).await.must_be(&packed.body);
    edge.client().get_with("/news/0", &takes).await.must_be(&packed_fragment.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_say_whether_they_are_kept_and_others_have_no_button() {
    let origin = shop().await;
    let page = "<!doctype html><html lang=en><head><title>Forms</title></head><body>\
        <form id=kept method=post action=/signup><input name=name><button>Join</button>\
        <button formaction=/login>Log in</button></form>\
        <form id=other method=post action=/order><input name=tea aria-describedby=hint><input type=submit value=Order></form>\
        <form id=secret method=post action=/signup><input type=password name=p><button>In</button></form>\
        <form id=script method=post><input name=x><button>x</button></form>\
        <form id=buttons action=/search><input name=q><button>Search</button><button formmethod=post formaction=/order>Order</button></form>\
        <form id=port method=post action=http://127.0.0.1:9/x><input name=q><button>Go</button></form>\
        <form id=brought method=post action=/signup><input type=hidden name=pwd value=x><button>In</button></form>\
        <form id=search action=/search><input name=q><button>Search</button></form>\
        <form id=elsewhere method=post action=https://elsewhere.example/><input name=q><button>Go</button></form>\
        </body></html>";
    origin.page("/forms", Page::html(page));
    let home = String::from_utf8(origin.content("/").body.to_vec()).unwrap();
    origin.page("/", Page::html(home.replace("</body>", "<a href=/forms>x</a></body>")));
    let edge = out(told(&origin).form(&format!("path = \"{SIGNUP}\"")), &origin).await;
    let copy = open(&edge, "/forms").await;
    let text = copy.text();
    let form = |id: &str| {
        let begin = text.find(&format!("<form id={id}")).unwrap_or_else(|| panic!("{id} in {text}"));
        text[begin..].split_once("</form>").unwrap().0.to_owned()
    };
    let (kept, refused) = ("You can send this form", "This form cannot be sent right now");
    let said = form("kept");
    assert!(said.contains(kept) && !said.contains(refused), "{said}");
    assert!(said.contains("<button>Join") && said.contains("<button disabled aria-describedby"), "{said}");
    let said = form("other");
    assert!(
        said.contains(refused)
            && said.contains("<input disabled aria-describedby=\"katahai-form-2\" type=submit"),
        "{said}"
    );
    assert!(said.contains("<input aria-describedby=\"katahai-form-2 hint\" name=tea"), "{said}");
    assert!(form("secret").contains(refused) && form("secret").contains("<button disabled"));
    assert!(form("brought").contains(refused) && form("brought").contains("<button disabled"));
    let said = form("script");
    assert!(said.contains("may not get through") && !said.contains("disabled"), "{said}");
    let said = form("buttons");
    assert!(said.contains(refused) && said.contains("<button>Search"), "{said}");
    assert!(said.contains("<button disabled aria-describedby=\"katahai-form-5\" formmethod=post"), "{said}");
    for id in ["search", "elsewhere", "port"] {
        assert!(!form(id).contains("katahai") && !form(id).contains("disabled"), "{}", form(id));
    }
    assert!(text.contains("Forms that you can still send say so"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_out_alone_says_so_and_its_forms_work() {
    let origin = shop().await;
    let edge = Edge::start(told(&origin)).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    origin.fail_under(SIGNUP, Status(500)).await;
    let copy = open(&edge, SIGNUP).await;
    assert!(copy.is_copy() && banners(&copy) == 1, "{:?}", copy.headers);
    assert_eq!(without(&copy, "<dialog open", "</dialog>").as_bytes(), &origin.content(SIGNUP).body[..]);
    open(&edge, SEEN).await.must_be(&origin.content(SEEN).body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_a_script_takes_over_has_the_banner_at_its_end_alone() {
    let origin = shop().await;
    let page = "<!doctype html><html lang=en><head><title>App</title></head><body><div id=\"__next\">\
        <form method=post action=/order><input name=tea><button>Order</button></form></div></body></html>";
    origin.page("/app", Page::html(page));
    let home = String::from_utf8(origin.content("/").body.to_vec()).unwrap();
    origin.page("/", Page::html(home.replace("</body>", "<a href=/app>x</a></body>")));
    let edge = out(told(&origin), &origin).await;
    let copy = open(&edge, "/app").await;
    assert!(
        copy.text().contains("</form></div><dialog open") && copy.text().ends_with("</dialog></body></html>")
    );
    assert_eq!(without(&copy, "<dialog open", "</dialog>"), page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_site_is_not_said_to_be_out() {
    let origin = shop().await;
    let edge = Edge::start(told(&origin)).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    open(&edge, SIGNUP).await.must_be(&origin.content(SIGNUP).body);
    let lever = origin.hold(SIGNUP);
    for _ in 0..2 {
        let copy = open(&edge, SIGNUP).await;
        assert!(copy.cache_status().contains("slow") || copy.is_copy(), "{:?}", copy.headers);
        copy.must_be(&origin.content(SIGNUP).body);
    }
    lever.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_may_hold_copies_and_say_it_in_his_own_words_or_not_at_all() {
    let origin = shop().await;
    let mut edge = Edge::start(Config::before(&origin.url()).site("notice.banner", "off")).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let hold = "{\"mode\":\"hold_snapshot\"}";
    let put = async |edge: &Edge| {
        let admin = edge.admin();
        let request = admin.ask("PUT", "/api/v1/sites/shop/mode").body(Full::from(hold)).unwrap();
        assert_eq!(admin.send(request).await.unwrap().status, 200);
    };
    put(&edge).await;
    for page in [SEEN, SIGNUP] {
        open(&edge, page).await.must_be(&origin.content(page).body);
    }
    let own = "[site.notice]\nbanner = { ja = \"{time}の写しです。<お電話>で\", en = \"A copy of {time}.\" }\n[[site.origin]]";
    let text = edge.config().toml().replace("banner = \"off\"", "").replace("[site.notice]", "");
    edge.write_text(&text.replacen("[[site.origin]]", own, 1));
    assert_eq!(edge.reload().await.status, 200);
    let signup = open(&edge, SIGNUP).await;
    let said = crate::support::wire::find(&signup.body, "&#12398;&#20889;&#12375;".as_bytes());
    assert!(said.is_some() && signup.text().contains("&#60;&#12362;"), "{}", signup.text());
    assert!(open(&edge, SEEN).await.text().contains("A copy of <time datetime="));
    edge.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_katahai_behind_this_one_has_said_it_already() {
    let origin = shop().await;
    let mut behind = Edge::start(told(&origin)).await;
    behind.until_snapshot().await;
    let front = Config::before(&format!("http://{}", behind.http())).site("notice.banner", "auto");
    let front = Edge::start(front.site("health.path", "/about")).await;
    front.until_snapshot().await;
    origin.fail(Refuse).await;
    behind.until("down").await;
    let page = eventually("the copy of the one behind", secs(10), async || {
        let page = open(&front, SEEN).await;
        (banners(&page) > 0).then_some(page)
    })
    .await;
    assert_eq!(banners(&page), 1);
    behind.kill();
    let again = eventually("a copy of the copy", secs(10), async || {
        let page = open(&front, SEEN).await;
        page.is_copy().then_some(page)
    })
    .await;
    assert_eq!(banners(&again), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_does_not_take_a_saved_copy_for_the_site() {
    let origin = shop().await;
    let edge = Edge::start(told(&origin)).await;
    edge.until_snapshot().await;
    let before = origin.content(SEEN).body;
    let saved = String::from_utf8(before.to_vec()).unwrap();
    let saved =
        saved.replace("<body>", "<body><dialog open class=\"katahai-notice\"><p>Saved copy</p></dialog>");
    origin.page(SEEN, Page::html(saved));
    edge.take_snapshot().await;
    let said = edge.cli(&["snapshot", "show", "--report"]).await;
    assert!(said.out.contains("saved-copy"), "{}", said.out);
    origin.fail(Refuse).await;
    edge.until("down").await;
    let copy = open(&edge, SEEN).await;
    assert_eq!(without(&copy, "<dialog open", "</dialog>").as_bytes(), &before[..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_reads_how_to_reach_the_people() {
    let origin = shop().await;
    let contact = "<!doctype html><html lang=ja><meta charset=utf-8><title>お問い合わせ</title><body><h1>お問い合わせ</h1>\
                   <p>電話 03-1234-5678</p><a href=mailto:hello@example.test>メール</a>\
                   <address>〒047-0007 北海道小樽市港町1-2</address></body></html>";
    origin.page("/contact", Page::html(contact));
    let home = String::from_utf8(origin.content("/").body.to_vec()).unwrap();
    origin.page("/", Page::html(home.replace("</body>", "<a href=/contact>お問い合わせ</a></body>")));
    let edge = out(told(&origin), &origin).await;
    let html = [("accept", "text/html")];
    let page = edge.client().get_with("/nowhere", &html).await;
    let refused = edge.client();
    let request = refused.ask("POST", "/order").header("accept", "text/html");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let refused = refused.send(request.body(Full::from("tea=1")).unwrap()).await.unwrap();
    for answer in [page, refused] {
        assert_eq!(answer.status, 503);
        for said in ["<a href=\"tel:0312345678\">03-1234-5678</a>", "hello@example.test", "小樽市港町1-2"]
        {
            assert!(answer.text().contains(said), "{said}: {}", answer.text());
        }
    }
    let json = edge.client().get_with("/nowhere", &[("accept", "application/json")]).await;
    let json: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(
        json["error"]["contact"]["email"],
        serde_json::json!(["shop@example.test", "hello@example.test"])
    );
}
