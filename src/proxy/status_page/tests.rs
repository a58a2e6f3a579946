//! What is told in public, and what is not.

use std::time::Duration;

use super::*;
use crate::clock;
use crate::history::History;
use crate::metrics::Totals;

const LANGUAGES: [Language; 2] = [Language::En, Language::Ja];

fn view(gets: Gets) -> StatusView {
    let (history, begin) = (History::new("/nowhere".as_ref(), "shop"), clock::now());
    for second in 0..200 {
        let now = begin.plus(Duration::from_secs(second));
        history.note(now, if second < 100 { Gets::Live } else { gets }, Totals::default());
    }
    let now = begin.plus(Duration::from_secs(200)).unix();
    StatusView {
        title: "Tea & <Cups>".to_owned(),
        host: "www.example.jp".to_owned(),
        root: "https://standby.example.com".to_owned(),
        base: "/status".to_owned(),
        gets: history.gets(),
        days: history.last_days(DAYS, now),
        outages: history.outages(DAYS, now),
    }
}

#[test]
fn its_files_lie_below_it_and_all_else_is_the_sites() {
    for (path, expected) in [
        ("/status", Some(StatusFile::Page)),
        ("/status/", Some(StatusFile::Page)),
        ("/status/feed.atom", Some(StatusFile::Feed)),
        ("/status/badge.svg", Some(StatusFile::Badge)),
        ("/status/status.json", Some(StatusFile::Json)),
        ("/statuses", None),
        ("/status/x", None),
        ("/", None),
    ] {
        assert_eq!(file_at("/status", path), expected, "{path}");
    }
    let ours = "/%E7%8A%B6%E6%B3%81/badge.svg";
    assert_eq!(file_at("/状況", ours), Some(StatusFile::Badge), "however it is written");
}

#[test]
fn the_site_is_called_by_a_name_that_visitors_know() {
    let hosts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(public_host(&hosts(&["*", "www.example.jp"]), "x.example"), "www.example.jp");
    assert_eq!(public_host(&hosts(&["*"]), "x.example"), "x.example");
}

#[test]
fn the_address_says_the_language_before_the_browser() {
    let accept = |value| [(ACCEPT_LANGUAGE, HeaderValue::from_static(value))].into_iter().collect();
    for (query, accepted, expected) in [
        (None, "ja,en;q=0.5", Language::Ja),
        (Some("lang=en"), "ja", Language::En),
        (Some("lang=fr"), "ja", Language::Ja),
        (Some("a=b&lang=ja"), "en", Language::Ja),
        (None, "", Language::En),
    ] {
        assert_eq!(language(query, &accept(accepted)), expected, "{query:?} {accepted}");
    }
}

#[test]
fn the_page_says_how_it_stands_and_whose_it_is() {
    for (gets, en, ja) in [
        (Gets::Live, "The site works.", "正常に稼働"),
        (Gets::Copies, "from a saved copy", "保存したコピー"),
        (Gets::Holding, "cannot be reached right now", "表示できません"),
    ] {
        let view = view(gets);
        for (language, said) in [(Language::En, en), (Language::Ja, ja)] {
            let page = page::page(&view, PublicWords::of(language));
            assert!(page.contains(said) && page.contains("Tea &amp; &lt;Cups&gt;"), "{page}");
            assert_eq!(page.matches("<rect").count(), 90);
            assert_eq!(page.contains("<ol>"), gets != Gets::Live);
            assert!(!page.contains("style=") && !page.contains("<script"));
        }
        let json: serde_json::Value = serde_json::from_str(&as_json(&view)).unwrap();
        assert_eq!(json["days"].as_array().unwrap().len(), 90);
        assert_eq!(json["status"], public_words::code(gets));
        assert!(json["days"][89].get("requests").is_none(), "how many came is nobody's business");
    }
}

#[test]
fn an_entry_keeps_its_id() {
    let view = view(Gets::Copies);
    let id = feed::id("www.example.jp", &view.outages[0]);
    for words in LANGUAGES.map(PublicWords::of) {
        let feed = feed::feed(&view, words);
        assert!(feed.contains(&format!("<id>{id}</id>")), "{feed}");
        assert!(feed.contains("href=\"https://standby.example.com/status"), "{feed}");
        assert!(!feed.contains("<Cups>"));
    }
    let over = Outage { until: Some(view.outages[0].from + 4000), ..view.outages[0] };
    assert_eq!(feed::id("www.example.jp", &over), id);
    let lasted = LANGUAGES.map(|language| PublicWords::of(language).lasted(&over));
    assert_eq!(lasted, ["1 h 7 min", "1時間7分間"]);
}

#[test]
fn a_badge_is_a_picture_with_a_text() {
    for gets in [Gets::Unknown, Gets::Live, Gets::Partly, Gets::Copies, Gets::Gaps, Gets::Holding] {
        for words in LANGUAGES.map(PublicWords::of) {
            let badge = page::badge(gets, words);
            assert!(badge.contains(words.short(gets)) && badge.starts_with("<svg "), "{badge}");
        }
    }
}
