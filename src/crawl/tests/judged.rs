//! What sites become when they are ill, and what they become when they are well: whole crawls before the gate.

use super::changing::{Changing, held, words};
use super::*;
use crate::crawl::testing::{Answer, file, html, redirect, site, status};
use crate::failure::Cause;

/// All pages say one thing from the second crawl on. Which rules speak; the old snapshot stays if any does.
async fn all_say(say: fn(&str) -> Answer) -> (Changing, Vec<&'static str>) {
    let mut site = Changing::new().await;
    let good = site.crawled.snapshot().id();
    site.becomes(move |target| (!target.contains('.')).then(|| say(target)));
    let rules = site.again().await.broken();
    assert_eq!(rules.is_empty(), site.crawled.snapshot().id() != good);
    (site, rules)
}

#[tokio::test(start_paused = true)]
async fn a_site_that_is_not_there_changes_nothing_and_is_not_held() {
    type Case = (fn(&str) -> Answer, &'static [&'static str]);
    let cases: [Case; 6] = [
        (|_| status(404), &["key-page", "empty", "shrunk", "turned"]),
        (|_| status(403), &["key-page", "empty", "shrunk", "turned"]),
        (|_| html(""), &["key-page", "empty", "shrunk", "turned"]),
        (|_| redirect(302, "https://parking.example/"), &["key-page", "empty", "shrunk", "turned"]),
        (|_| redirect(302, "/login"), &["key-page", "empty", "shrunk", "turned"]),
        (|_| status(503), &["cut-short", "key-page", "empty", "shrunk", "turned"]),
    ];
    for (say, expected) in cases {
        let (site, rules) = all_say(say).await;
        assert_eq!(rules, expected);
        assert_eq!(site.crawled.store.list().len(), 1);
        assert!(matches!(site.crawled.outcome, Outcome::Kept { held: None, .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_known_wrong_page_is_not_stored() {
    let (site, rules) = all_say(|_| {
        html(
            "<title>Database Error</title><div id=container><h1>A Database Error Occurred</h1>\
              <p>Unable to connect to your database server using the provided settings.</p>\
              <p>Filename: core/Loader.php</p><p>Line Number: 346</p></div>",
        )
    })
    .await;
    assert_eq!(rules, ["key-page", "empty", "shrunk", "turned"]);
    let report = site.crawled.outcome.report();
    assert_eq!(report.refusals["wrong-page"].examples[0].detail.as_deref(), Some("database-error"));
    let turned = &report.gate.broken[3];
    assert!(turned.detail.contains("31 of 31") && turned.detail.contains("31 database-error"), "{turned:?}");
    assert_eq!((turned.measured, turned.limit), (Some(1.0), Some(0.1)));
}

#[tokio::test(start_paused = true)]
async fn one_page_for_all_addresses_is_not_the_site() {
    let notice = |_: &str| html(&format!("<h1>Greetings from somebody</h1>{}", "We were here. ".repeat(30)));
    let (site, rules) = all_say(notice).await;
    assert_eq!(rules, ["key-page", "uniform"]);
    // The operator may see it, and even want it.
    let held = held(&site.crawled);
    assert_eq!(held.summary().pages, 31);
    assert_eq!(held.summary().held.map(|reasons| reasons.len()), Some(2));
    site.crawled.store.put_in_service(&held.id(), None).expect("by the operator's word");
    assert!(site.crawled.body("/3").contains("Greetings"));
}

#[tokio::test(start_paused = true)]
async fn one_notice_with_another_number_each_time_is_not_the_site_either() {
    let (_, rules) = all_say(|target| {
        html(&format!("<script>id = '{target}'</script><h1>Please wait</h1>{}", "Checking you. ".repeat(30)))
    })
    .await;
    assert_eq!(rules, ["key-page", "uniform"]);
}

#[tokio::test(start_paused = true)]
async fn pages_without_their_content_are_not_the_site() {
    let (_, rules) = all_say(|target| html(&format!("<h1>{target}</h1>Menu and footer of {target}."))).await;
    assert_eq!(rules, ["key-page", "less-text"]);
}

#[tokio::test(start_paused = true)]
async fn a_branch_of_the_site_that_fails_is_more_than_a_small_share() {
    let mut site = Changing::new().await;
    site.becomes(|target| target.starts_with("/1").then(|| status(500)));
    assert_eq!(site.again().await.broken(), ["turned"]);
    let rule = &site.crawled.outcome.report().gate.broken[0];
    assert!(
        rule.detail.starts_with("11 of 31 good pages have turned into something else: 11 bad-status, /1")
    );
    assert!(!site.crawled.outcome.report().gate.passed);
}

#[tokio::test(start_paused = true)]
async fn pages_that_now_need_a_login_are_more_than_a_small_share() {
    let mut site = Changing::new().await;
    site.becomes(|target| {
        target.starts_with("/1").then(|| html("<form action=/login><input type=password></form>Members only"))
    });
    assert_eq!(site.again().await.broken(), ["turned", "uniform"]);
    assert!(site.crawled.outcome.report().gate.broken[0].detail.contains("11 login"));
    assert!(site.crawled.body("/1").contains("All about"));
}

#[tokio::test(start_paused = true)]
async fn a_key_page_must_not_show_another_ones_text() {
    let mut site = Changing::of(site(&["/", "/1", "/2"])).await;
    site.says("/2", || html(&words("/1")));
    assert_eq!(site.again().await.broken(), ["key-page", "key-page"]);
    site.says("/2", || redirect(302, "/1"));
    assert_eq!(site.again().await.broken(), ["key-page", "key-page"]);
    site.says("/2", || html(&words("/2 in a new look")));
    assert_eq!(site.again().await.broken(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_key_pages_need_must_be_there() {
    let mut site = Changing::new().await;
    site.says("/s.css", || Answer::Fails(Cause::Reset));
    assert_eq!(site.again().await.broken(), ["key-assets"]);
    assert_eq!(site.crawled.outcome.report().gate.broken[0].detail, "/s.css: reset");
    assert_eq!(held(&site.crawled).find("/s.css").expect("readable").map(|page| page.notes.carried), Some(1));
    site.says("/s.css", || status(404));
    assert_eq!(site.again().await.broken(), ["key-assets"]);
    // The human has seen it; it is not said again.
    let held = held(&site.crawled).id();
    site.crawled.store.put_in_service(&held, None).expect("by the operator's word");
    assert_eq!(site.again().await.broken(), [""; 0]);
    assert_eq!(site.page("/s.css"), None);
    assert_eq!(site.crawled.outcome.report().lost_assets.as_deref(), Some(&["/s.css".to_owned()][..]));
    assert_eq!(site.again().await.broken(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_styles_are_not_there_does_not_pass() {
    let mut site = Changing::new().await;
    site.says("/", || {
        html(&format!("{}<link rel=stylesheet href=/s.2.css><img src=/new.png>", words("home")))
    });
    site.says("/s.2.css", || status(404));
    site.says("/new.png", || status(404));
    assert_eq!(site.again().await.broken(), ["key-assets"]);
    assert!(site.crawled.outcome.report().gate.broken[0].detail.starts_with("/s.2.css: "));
    site.says("/s.2.css", || file("text/css", "p{background:url(/also-new.png)}"));
    site.says("/also-new.png", || status(404));
    assert_eq!(site.again().await.broken(), [""; 0], "a picture that was never there is no ruin");
}

#[tokio::test(start_paused = true)]
async fn a_first_snapshot_needs_what_its_key_pages_need_as_far_as_there_is_such_a_thing() {
    let page = "<link rel=stylesheet href=/s.css><img src=/never.png>";
    for (say, expected) in [
        ((|| file("text/css", "")) as fn() -> Answer, &[][..]),
        (|| status(404), &[]),
        (|| status(500), &["key-assets"]),
        (|| Answer::Fails(Cause::Reset), &["key-assets"]),
    ] {
        let fetch = MemorySite::new(move |ask| match ask.target.as_str() {
            "/" => html(page),
            "/s.css" => say(),
            _ => status(404),
        });
        assert_eq!(crawl(&site(&["/"]), &fetch).await.broken(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_site_that_is_well_may_change() {
    type Case = (&'static str, fn(&str) -> Option<Answer>);
    let cases: [Case; 6] = [
        ("a redesign", |target| {
            let look = "<link rel=stylesheet href=/new.css><nav>Menu</nav>";
            let links: String = (0..30).map(|i| format!("<a href=/{i}>")).collect();
            match target {
                "/new.css" => Some(file("text/css", "a{}")),
                "/s.css" | "/robots.txt" | "/sitemap.xml" | "/favicon.ico" => None,
                "/" => Some(html(&format!("{look}{links}{}", "All about home. ".repeat(14)))),
                _ => Some(html(&format!("{look}{}", format!("All about {target}. ").repeat(14)))),
            }
        }),
        ("another language", |target| {
            (!target.contains('.')).then(|| {
                let links: String = (0..30).map(|i| format!("<a href=/{i}>")).collect();
                html(&format!(
                    "<link rel=stylesheet href=/s.css>{links}{}",
                    format!("{target}の全て。").repeat(20)
                ))
            })
        }),
        ("new addresses, and the old ones lead there", |target| {
            let number = target[1..].parse::<u32>().ok()?;
            Some(redirect(301, &format!("/articles/{number}")))
        }),
        ("twice the site", |target| {
            let links: String = (0..60).map(|i| format!("<a href=/{i}>")).collect();
            (target == "/").then(|| html(&format!("{}{links}", words("home"))))
        }),
        ("a section of a tenth is closed", |target| {
            matches!(target, "/7" | "/8" | "/9").then(|| status(404))
        }),
        ("a section of a tenth leads to the home page", |target| {
            matches!(target, "/7" | "/8" | "/9").then(|| redirect(302, "/"))
        }),
    ];
    for (what, say) in cases {
        let mut site = Changing::new().await;
        site.becomes(say);
        assert_eq!(site.again().await.broken(), [""; 0], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_in_the_browser_may_have_one_shell_for_all() {
    let mut site = site(&["/", "/a", "/b"]);
    site.mirror.max_pages = 50;
    let shell = |version: u32| {
        let links: String = (0..20).map(|i| format!("<a href=/{i}></a>")).collect();
        MemorySite::new(move |ask| match ask.target.as_str() {
            "/robots.txt" | "/sitemap.xml" | "/favicon.ico" => status(404),
            _ => html(&format!("<script>app({version})</script><p>Loading</p>{links}")),
        })
    };
    let mut crawled = crawl(&site, &shell(1)).await;
    assert_eq!(crawled.broken(), [""; 0]);
    let again = take(&site, &shell(2), &crawled.store, None, &Progress::new(), clock::now()).await;
    crawled.outcome = again.expect("it ends");
    assert_eq!(crawled.broken(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn new_snapshots_wait_while_an_older_one_is_in_service_by_hand() {
    let mut site = Changing::new().await;
    let first = site.crawled.snapshot().id();
    assert_eq!(site.again().await.broken(), [""; 0]);
    site.crawled.store.rollback(clock::now()).expect("there is an older one");
    assert_eq!(site.again().await.broken(), ["by-hand"]);
    assert_eq!(site.crawled.snapshot().id(), first);
    let newest = held(&site.crawled).id();
    site.crawled.store.put_in_service(&newest, None).expect("it is there");
    assert_eq!(site.again().await.broken(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_report_beside_a_held_snapshot_says_why() {
    let (site, _) = all_say(|target| html(&format!("{target} is under construction"))).await;
    let report = site.crawled.store.report(&held(&site.crawled).id()).expect("it is there");
    let report: crate::crawl::Report = serde_json::from_value(report).expect("it is read again");
    assert_eq!(&report, site.crawled.outcome.report());
    assert!(!report.gate.passed && !report.gate.broken.is_empty());
}
