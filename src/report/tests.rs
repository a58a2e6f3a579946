//! The report about the sample incident, in both languages, as text that a human has read; and hostile texts.
#![expect(clippy::disallowed_methods, reason = "the expected text is written by a test")]

use std::path::PathBuf;

use super::*;
use crate::incident::{Evidence, FormCounts, Incident, MissedPage};

fn sample() -> Incident {
    serde_json::from_str(include_str!("../incident/samples/v1.json")).unwrap()
}

/// The same as the file, which `UPDATE=1` writes.
#[track_caller]
fn is_golden(name: &str, text: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/reports").join(name);
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), text, "{name}; UPDATE=1 writes it anew");
}

#[test]
fn the_report_is_what_somebody_has_read() {
    for language in [Language::En, Language::Ja] {
        let document = document(&sample(), language, None);
        is_golden(&format!("closed.{}.md", language.code()), &markdown(&document));
    }
    let mut open = sample();
    (open.ended, open.planned, open.regions, open.hops) = (None, None, None, None);
    (open.group, open.others, open.acknowledged) = (None, 0, None);
    open.timeline.truncate(3);
    open.causes.truncate(1);
    open.causes[0].until = None;
    open.served.clear();
    open.missed.clear();
    open.forms_waiting = 0;
    for language in [Language::En, Language::Ja] {
        let document = document(&open, language, None);
        is_golden(&format!("open.{}.md", language.code()), &markdown(&document));
    }
}

#[test]
fn no_internal_word_reaches_the_customer() {
    let internal = [
        "snapshot",
        "origin",
        "holding",
        "rung",
        "cache",
        "stale",
        "fallback",
        "state_dir",
        "firewall blocks Katahai",
        "WordPress: no database",
        "null",
        "None",
        "{",
        "スナップショット",
        "オリジン",
        "フォールバック",
        "キャッシュ",
    ];
    for language in [Language::En, Language::Ja] {
        let mut incident = sample();
        for from in crate::metrics::ServedFrom::ALL {
            incident.served.insert(from.as_str().to_owned(), 1);
        }
        let text = markdown(&document(&incident, language, None));
        for word in internal {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}

#[test]
fn text_from_the_network_stays_text() {
    let mut incident = sample();
    let evil = "</pre><script>alert(1)</script>\" onload=x ``` [a](http://evil.example) | # x";
    incident.evidence = vec![Evidence {
        at: incident.began,
        by: "visitor".into(),
        path: "/<b>'".into(),
        cause: "not-known-<i>".into(),
        detail: Some(evil.into()),
        status: Some(200),
        beginning: Some(evil.into()),
    }];
    incident.host = "<u>host</u>".into();
    incident.missed = vec![MissedPage { path: "/|<img src=x>".into(), requests: 1 }];
    incident.acknowledge("<script>", "](javascript:x)", incident.began);
    for language in [Language::En, Language::Ja] {
        let document = document(&incident, language, None);
        let page = html(&document);
        for tag in ["<script", "<img", "<b>", "<u>", "<i>", "</pre><", "onload=x\""] {
            assert!(!page.contains(tag), "{tag}: {page}");
        }
        assert_eq!(page.matches("<pre>").count(), page.matches("</pre>").count());
        let text = markdown(&document);
        let outside: String = text.split("````").step_by(2).collect();
        let outside = outside.replace("\\<", "").replace("\\[", "").replace("\\]", "");
        for markup in ["<script", "[a](", "](javascript", "<img"] {
            assert!(!outside.contains(markup), "{markup}: {outside}");
        }
    }
}

#[test]
fn what_is_not_known_is_not_claimed() {
    let text = |incident: &Incident| markdown(&document(incident, Language::En, None));
    let mut incident = sample();
    incident.served = std::collections::BTreeMap::from([("origin".to_owned(), 7)]);
    incident.missed.clear();
    (incident.forms_waiting, incident.live_held) = (0, true);
    let told = text(&incident);
    assert!(
        told.contains("by the live site (7 times); whether all of these answers were good is not known"),
        "{told}"
    );
    assert!(!told.contains("noticed it") && !told.contains("could be shown"), "{told}");

    incident.served.insert("kept".to_owned(), 3);
    incident.set_forms(FormCounts { kept: 0, sending: 1, doubtful: 2, parked: 1 }, incident.as_of);
    let told = text(&incident);
    for word in
        ["1 waits to be", "2 were sent, but it is not known", "1 was not accepted by the site", "as of 2026"]
    {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(!told.contains("None of them waits"), "{told}");

    incident.unwatched = true;
    incident.missed_at_least = true;
    incident.missed.push(MissedPage { path: "/a".into(), requests: 1 });
    for language in [Language::En, Language::Ja] {
        let told = markdown(&document(&incident, language, None));
        let (not_seen, least) = match language {
            Language::En => ("its recovery was not seen", "the least that there were"),
            Language::Ja => ("復旧は確認していません", "最少の数"),
        };
        assert!(told.contains(not_seen) && told.contains(least), "{told}");
    }
}

#[test]
fn every_incident_has_a_report() {
    // what an earlier version, or a damaged memory, may leave out
    let least = r#"{"version":1,"id":"20261201T013002Z-shop","site":"shop","severity":"partial","began":"2026-12-01T01:30:02Z",
        "noticed":"2026-12-01T01:30:14Z","as_of":"2026-12-01T01:30:14Z"}"#;
    let incident: Incident = serde_json::from_str(least).unwrap();
    for language in [Language::En, Language::Ja] {
        let text = markdown(&document(&incident, language, None));
        assert!(text.contains("shop") && !text.contains("|\n\n|"), "{text}");
    }
}
