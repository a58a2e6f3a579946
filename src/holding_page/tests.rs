//! Every page in every language and form, with friendly and with hostile values.

use super::*;

const HOSTILE: &str =
    "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\u{202e}evil\r\nX-Evil: 1";

fn holding<'a>(cause: Cause, kind: Kind, links: &'a [Link]) -> HoldingPage<'a> {
    HoldingPage {
        kind,
        cause,
        site: Some("茶と器 朝凪"),
        language: Language::Ja,
        format: Format::Html,
        down_for: None,
        retry_after: Duration::from_secs(30),
        links,
        contact: None,
    }
}

fn link(title: &str, href: &str) -> Link {
    Link { title: title.to_owned(), href: href.to_owned() }
}

/// Every holding page that can be: cause, kind, language, form, with and without a name and a time.
fn every<'a>(site: &'a str, links: &'a [Link]) -> Vec<HoldingPage<'a>> {
    let mut all = Vec::new();
    for &cause in Cause::ALL {
        for kind in [Kind::Page, Kind::Form(Delivery::NotArrived), Kind::Form(Delivery::Unknown)] {
            for &language in Language::ALL {
                for format in [Format::Html, Format::Text, Format::Json] {
                    for (site, down) in [(None, None), (Some(site), Some(Duration::from_secs(7300)))] {
                        let one = holding(cause, kind, links);
                        all.push(HoldingPage { site, language, format, down_for: down, ..one });
                    }
                }
            }
        }
    }
    all
}

fn body(holding: &HoldingPage<'_>) -> String {
    String::from_utf8(render(holding).1.to_vec()).unwrap()
}

#[test]
fn no_notice_is_cacheable_or_a_success() {
    for holding in every("Shop", &[]) {
        let (headers, body) = render(&holding);
        assert_eq!(headers["cache-control"], "no-store");
        assert!(holding.status().is_client_error() || holding.status().is_server_error());
        let may_wait = [429, 503].contains(&holding.status().as_u16()); // RFC 6585 section 4
        assert_eq!(headers.contains_key("retry-after"), may_wait, "{holding:?}");
        assert_eq!(headers["content-language"], holding.language.tag());
        assert!(!body.is_empty());
        for leftover in ["ETag", "Last-Modified", "Expires"] {
            assert!(!headers.contains_key(leftover));
        }
    }
}

#[test]
fn a_405_names_the_methods() {
    assert_eq!(render(&holding(Cause::MethodRefused, Kind::Page, &[])).0["allow"], METHODS);
    assert!(!render(&holding(Cause::Malformed, Kind::Page, &[])).0.contains_key("allow"));
}

#[test]
fn retry_after_is_at_least_a_second() {
    let soon =
        HoldingPage { retry_after: Duration::from_millis(20), ..holding(Cause::Refused, Kind::Page, &[]) };
    assert_eq!(render(&soon).0["retry-after"], "1");
}

#[test]
fn every_page_is_a_whole_page_in_its_language() {
    for holding in every("Shop", &[link("Home", "/")]).iter().filter(|n| n.format == Format::Html) {
        let page = body(holding);
        assert!(page.starts_with("<!doctype html>\n<html lang=\"") && page.trim_end().ends_with("</html>"));
        assert!(page.contains(&format!("<html lang=\"{}\">", holding.language.tag())));
        assert!(page.contains("<title>") && page.contains("<h1>") && page.contains("width=device-width"));
        let kana = page.chars().any(|c| ('\u{3041}'..='\u{30ff}').contains(&c));
        assert_eq!(kana, holding.language == Language::Ja, "{page}");
        for outside in ["src=", "url(", "<link", "<script", "http://", "https://"] {
            assert!(!page.contains(outside), "a holding page needs nothing else: {outside}");
        }
    }
}

#[test]
fn hostile_values_stay_text() {
    let links = [
        link(HOSTILE, "/ok"),
        link("script", "javascript:alert(1)"),
        link("other host", "//evil.example/"),
        link("other host", "/\\evil.example/"),
        link("quote", "/\"onmouseover=alert(1)"),
        link("relative", "evil"),
        link(" \u{200b}", "/nameless"),
    ];
    for holding in every(HOSTILE, &links) {
        let out = body(&holding);
        match holding.format {
            Format::Html => {
                assert!(
                    !out.contains("<script") && !out.contains("<img") && !out.contains("onmouseover="),
                    "{out}"
                );
                assert!(
                    !out.contains("javascript:")
                        && !out.contains("evil.example")
                        && !out.contains("/nameless")
                );
                assert!(!out.contains('\u{202e}'));
            }
            Format::Text => assert!(!out.contains('\r') && !out.contains('\u{202e}')),
            Format::Json => assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok()),
        }
    }
}

#[test]
fn a_form_is_told_that_it_did_not_arrive() {
    let refused = holding(Cause::Refused, Kind::Form(Delivery::of(Cause::Refused)), &[]);
    assert!(body(&refused).contains("届いていません"));
    assert!(
        body(&HoldingPage { language: Language::En, ..refused }).contains("What you sent did not arrive")
    );
    assert!(!body(&refused).contains("class=\"again\""), "a reload would send the form again");
    let json = HoldingPage { format: Format::Json, ..refused };
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body(&json)).unwrap()["error"]["arrived"], false);
    assert_eq!(refused.status(), 503);
}

#[test]
fn a_form_that_may_have_arrived_is_not_called_lost() {
    let cut = holding(Cause::BodyCut, Kind::Form(Delivery::of(Cause::BodyCut)), &[]);
    let page = body(&HoldingPage { language: Language::En, ..cut });
    assert!(page.contains("may not have arrived") && !page.contains("did not arrive"));
}

#[test]
fn whatever_may_be_repeated_safely_has_not_arrived() {
    for &cause in Cause::ALL {
        match cause.retry() {
            crate::failure::Retry::Safe => assert_eq!(Delivery::of(cause), Delivery::NotArrived, "{cause:?}"),
            crate::failure::Retry::IfIdempotent => {
                assert_eq!(Delivery::of(cause), Delivery::Unknown, "{cause:?}")
            }
            crate::failure::Retry::No => {}
        }
    }
}

#[test]
fn links_are_offered_in_an_outage_and_not_for_a_fault_of_the_visitor() {
    let links = [link("ホーム", "/"), link("商品", "/products/?kind=tea&x=1")];
    let page = body(&holding(Cause::KnownDown, Kind::Page, &links));
    assert!(
        page.contains("<a href=\"/\">ホーム</a>") || page.contains("<a href=\"&#x2f;\">ホーム</a>"),
        "{page}"
    );
    assert!(page.contains("商品"));
    assert!(!body(&holding(Cause::UnknownSite, Kind::Page, &links)).contains("商品"));
    let text = body(&HoldingPage { format: Format::Text, ..holding(Cause::KnownDown, Kind::Page, &links) });
    assert!(text.contains("- 商品  /products/?kind=tea&x=1\n"));
}

#[test]
fn long_names_and_long_lists_are_cut() {
    let long = "あ".repeat(500);
    let links: Vec<Link> = (0..100).map(|i| link(&format!("page {i}"), &format!("/{i}"))).collect();
    let page = body(&HoldingPage { site: Some(&long), ..holding(Cause::Refused, Kind::Page, &links) });
    assert!(!page.contains(&"あ".repeat(81)) && page.contains('…'));
    assert!(page.contains("page 11<") && !page.contains("page 12<"));
}

#[test]
fn the_length_of_an_outage_is_said_in_round_figures() {
    for (seconds, ja, en) in [
        (10, "いま始まった", "just now"),
        (61, "約1分前", "about 1 minute ago"),
        (59 * 60, "約59分前", "about 59 minutes ago"),
        (3 * 3600, "約3時間前", "about 3 hours ago"),
        (3 * 86_400, "約3日前", "about 3 days ago"),
    ] {
        let one = holding(Cause::Refused, Kind::Page, &[]);
        let one = HoldingPage { down_for: Some(Duration::from_secs(seconds)), ..one };
        assert!(body(&one).contains(ja), "{seconds}");
        assert!(body(&HoldingPage { language: Language::En, ..one }).contains(en), "{seconds}");
    }
}

#[test]
fn links_do_not_repeat_the_sites_name() {
    for (title, expected) in [
        ("お申し込み | 茶と器 朝凪", "お申し込み"),
        ("茶と器 朝凪 - 道順", "道順"),
        ("茶と器 朝凪", "茶と器 朝凪"),
        ("| 茶と器 朝凪", "| 茶と器 朝凪"),
        ("茶と器 朝凪の歩み", "茶と器 朝凪の歩み"),
        ("About | Another", "About | Another"),
    ] {
        assert_eq!(own_title(title, "茶と器 朝凪"), expected);
        assert_eq!(own_title(title, ""), title);
    }
}

#[test]
fn who_cannot_reach_the_site_reads_how_to_reach_its_people() {
    use crate::content::contact::Telephone;
    let contact = Contact {
        telephones: vec![Telephone { shown: "03-1234-5678".to_owned(), dialled: "+81312345678".to_owned() }],
        mails: vec!["hello@shop.example".to_owned()],
        places: vec!["〒100-0001 <b>東京都".to_owned()],
    };
    for kind in [Kind::Page, Kind::Form(Delivery::NotArrived), Kind::Form(Delivery::Unknown)] {
        for format in [Format::Html, Format::Text, Format::Json] {
            let page = HoldingPage { contact: Some(&contact), format, ..holding(Cause::Refused, kind, &[]) };
            let said = body(&page);
            let telephone = if format == Format::Json { "+81312345678" } else { "03-1234-5678" };
            for part in [telephone, "hello@shop.example", "〒100-0001"] {
                assert!(said.contains(part), "{part}: {said}");
            }
            if format == Format::Html {
                assert!(said.contains("<a href=\"tel:+81312345678\">03-1234-5678</a>"), "{said}");
                assert!(!said.contains("<b>"), "{said}");
            }
            // a faulty request is nobody's business but its sender's
            let fault =
                HoldingPage { contact: Some(&contact), format, ..holding(Cause::Malformed, kind, &[]) };
            assert!(!body(&fault).contains("hello@"), "{format:?}");
        }
    }
}
