//! Forms of real applications that visitors send while these are dead: there once, when they live again.

use super::browser::{Browser, field};
use super::database::Database;
use super::{Application, Failure, django::Django, wordpress::Wordpress};
use crate::support::certs::Authority;
use crate::support::{Config, Edge, Site, eventually, secs, turn};

/// Before the application, over TLS as its cookies want it, with a form that is kept.
pub(super) async fn before(application: &impl Application, form: &str, authority: &Authority) -> Edge {
    before_without(application, form, authority, []).await
}

/// The same, with a copy that lacks some of the pages.
async fn before_without<const N: usize>(
    application: &impl Application,
    form: &str,
    authority: &Authority,
    exclude: [&str; N],
) -> Edge {
    let dir = tempfile::tempdir().unwrap().keep();
    let (cert, key) = authority.leaf("www.example.test").write(&dir, "site");
    let site = Site::bare("harbour", "www.example.test")
        .set("key_pages", ["/", "/signup/"])
        .set("health.interval", "500ms")
        .set("failover.recovery_ramp", "0s")
        .set("mirror.rate", "off")
        .set("mirror.exclude", exclude)
        .origin(&application.url());
    let config = Config::new(site)
        .set("listen.https", ["127.0.0.1:0"])
        .site("tls.cert", cert.display().to_string())
        .site("tls.key", key.display().to_string())
        .form(form);
    let edge = Edge::start(config).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    edge
}

async fn until_one(database: &Database, sql: &str) {
    eventually("the form is there", secs(30), async || (database.value(sql) != "0").then_some(())).await;
    assert_eq!(database.value(sql), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comment_sent_to_wordpress_without_its_database_is_there_once() {
    let _share = turn::share();
    let mut wordpress = Wordpress::start();
    let authority = Authority::new();
    let form = "path = \"/wp-comments-post.php\"\npage = \"/signup/\"";
    let edge = before(&wordpress, form, &authority).await;
    let mut browser = Browser::new(edge.tls(authority.roots()));
    let page = browser.get("/signup/").await.text();
    let (_, post) = page.split_once("name='comment_post_ID' value='").expect("the number of the page");
    let post = post.split('\'').next().unwrap().to_owned();
    wordpress.fail(Failure::DatabaseDead);
    let comment = "I come on evening 8";
    let fields = [
        ("comment", comment),
        ("author", "Hanako"),
        ("email", "hanako@example.test"),
        ("comment_post_ID", &*post),
        ("comment_parent", "0"),
        ("submit", "Post Comment"),
    ];
    let answer = browser.post("/wp-comments-post.php", &fields).await;
    let text = answer.text();
    assert!(answer.status == 202 && text.contains("not been processed yet"), "{} {text}", answer.status);
    assert!(text.contains("Harbour Tea") && text.contains("Sign up"), "the site's own look: {text}");
    edge.until("down").await;
    wordpress.mend(Failure::DatabaseDead);
    edge.until("up").await;
    let count = format!("SELECT COUNT(*) FROM wp_comments WHERE comment_content = '{comment}'");
    until_one(wordpress.database(), &count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_form_of_wordpress_gets_a_fresh_nonce() {
    message_has_a_fresh_nonce([], "Harbour Tea").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_form_that_no_copy_has_gets_a_fresh_nonce_too() {
    message_has_a_fresh_nonce(["/contact/"], "not been processed yet").await;
}

/// Sends a message while WordPress is dead, to a copy that lacks some of the pages.
async fn message_has_a_fresh_nonce<const N: usize>(exclude: [&str; N], expected: &str) {
    let _share = turn::share();
    let mut wordpress = Wordpress::start();
    wordpress.add_contact_form();
    let authority = Authority::new();
    let edge = before_without(&wordpress, "path = \"/contact/\"", &authority, exclude).await;
    let mut browser = Browser::new(edge.tls(authority.roots()));
    let nonce = field(&browser.get("/contact/").await, "_wpnonce");
    let message = |text: &str| {
        let fields = [("_wpnonce", nonce.as_str()), ("sender", "hanako@example.test"), ("contact", "1")];
        fields
            .into_iter()
            .chain([("message", text)])
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect::<Vec<_>>()
    };
    let post = async |browser: &mut Browser, text: &str| {
        let fields = message(text);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        browser.post("/contact/", &fields).await
    };
    wordpress.fail(Failure::DatabaseDead);
    edge.until("down").await;
    let answer = post(&mut browser, "A table for two").await;
    let text = answer.text();
    assert!(answer.status == 202 && text.contains(expected), "{} {text}", answer.status);
    wordpress.expire_nonces();
    wordpress.mend(Failure::DatabaseDead);
    edge.until("up").await;
    let count =
        "SELECT COUNT(*) FROM wp_posts WHERE post_type = 'message' AND post_content = 'A table for two'";
    until_one(wordpress.database(), count).await;
    // the nonce of then would have been refused
    let refused = post(&mut browser, "with the old nonce").await;
    assert_eq!(refused.status, 403, "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_of_django_sent_while_it_is_dead_gets_a_fresh_token() {
    let _share = turn::share();
    let mut django = Django::start();
    let authority = Authority::new();
    let edge = before(&django, "path = \"/signup/\"", &authority).await;
    let mut browser = Browser::new(edge.tls(authority.roots()));
    let token = field(&browser.get("/signup/").await, "csrfmiddlewaretoken");
    django.fail(Failure::ProgramDead);
    edge.until("down").await;
    let fields = [("csrfmiddlewaretoken", &*token), ("name", "Hanako"), ("evening", "3")];
    let answer = browser.post("/signup/", &fields).await;
    let text = answer.text();
    assert!(answer.status == 202 && text.contains("<h1>Sign up</h1>"), "{} {text}", answer.status);
    django.mend(Failure::ProgramDead);
    edge.until("up").await;
    until_one(django.database(), "SELECT COUNT(*) FROM signup WHERE name = 'Hanako' AND evening = 3").await;
}
