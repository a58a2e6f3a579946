//! Each kind of message in each form, as one text in `tests/golden/alerts.txt`; and that nothing that is in them breaks out.

use std::fmt::Write as _;

use serde_json::Value;

use super::*;
use crate::alert::{Event, Member, Notice, Topic};
use crate::failure::{Cause, Said};

const INCIDENT: &str = "20261201T013000Z-shop";

fn member(site: &str, cause: Cause, detail: &str) -> Member {
    Member { site: site.into(), cause, detail: detail.to_owned(), incident: None }
}

fn outage() -> Notice {
    Notice {
        id: "20261201T013000Z-1a2b3c4d-1".to_owned(),
        alert: "20261201T013000Z-1a2b3c4d".to_owned(),
        event: Event::Begin,
        severity: Severity::Page,
        topic: Topic::Outage,
        cause: Cause::Refused,
        since: 1_796_088_600,
        at: 1_796_088_630,
        ended: None,
        members: vec![Member { incident: Some(INCIDENT.to_owned()), ..member("shop", Cause::Refused, "") }],
        total: 1,
        flaps: 0,
        visitors: Some(Said {
            en: "Visitors get the pages of the snapshot.".to_owned(),
            ja: "訪問者には、スナップショットのページをお見せしています。".to_owned(),
        }),
    }
}

fn look() -> Look {
    let url = |text: &str| Some(Url::parse(text).unwrap());
    let report = Url::parse("https://ops.example.jp/incidents/20261201T013000Z-shop").unwrap();
    Look {
        report: Some(report.clone()),
        reports: BTreeMap::from([(INCIDENT.to_owned(), report)]),
        link: url("https://ops.example.jp/sites/shop"),
        ack: url("https://ops.example.jp/ack/0123"),
        ..Look::default()
    }
}

fn all(notice: &Notice, look: &Look) -> Vec<(&'static str, Value)> {
    let said = [Words::of(notice, look, Tongue::English), Words::of(notice, look, Tongue::Japanese)];
    let (subject, text) = mail::render(&said, look);
    let ntfy_url = Url::parse("https://ntfy.example/team/alerts").unwrap();
    let (at, ntfy) = ntfy::render(&said, notice, look, &ntfy_url);
    assert_eq!(at.as_str(), "https://ntfy.example/team/");
    vec![
        ("mail", serde_json::json!({ "subject": subject, "text": text })),
        ("json", generic::render(notice, look)),
        ("slack", slack::render(&said, look)),
        ("discord", discord::render(&said, notice, look)),
        ("teams", teams::render(&said, notice, look)),
        ("line", line::render(&said, look, "U4af4980629")),
        ("ntfy", ntfy),
    ]
}

/// A text with every string as lines, so that a reader of the diff sees what people read.
fn shown(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap().replace("\\n", "\n        ")
}

#[test]
fn every_message_is_as_it_was() {
    let many = Notice {
        members: (0..20).map(|n| member(&format!("site-{n}"), Cause::Silent, "")).collect(),
        total: 2991,
        cause: Cause::Silent,
        ..outage()
    };
    let over = Notice { event: Event::Over, ended: Some(1_796_092_505), visitors: None, ..outage() };
    let condition = Notice {
        topic: Topic::Condition(Cause::DiskFull),
        cause: Cause::DiskFull,
        severity: Severity::Warn,
        members: vec![member("", Cause::DiskFull, "/var/lib/katahai: no space <left> & *more*")],
        ..outage()
    };
    let late = Look { is_late: true, tells_all: true, ..look() };
    let mut text = String::new();
    for (name, value) in all(&outage(), &look()) {
        let _ = writeln!(text, "== an outage, {name}\n{}", shown(&value));
    }
    for (what, notice, look) in [
        ("many sites", &many, look()),
        ("over", &over, look()),
        ("over, told late as a whole", &over, late),
        ("a condition", &condition, Look::default()),
        ("still", &Notice { event: Event::Still, at: 1_796_095_805, ..outage() }, look()),
        ("it flaps", &Notice { flaps: 5, ..outage() }, look()),
        ("a test", &Notice { id: "test-1".to_owned(), ..Notice::test(1_796_088_600) }, Look::default()),
    ] {
        let (name, value) = all(notice, &look).remove(0);
        let _ = writeln!(text, "== {what}, {name}\n{}", shown(&value));
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/alerts.txt");
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        crate::disk::write_atomic(std::path::Path::new(file), text.as_bytes()).unwrap();
    }
    let written = std::fs::read_to_string(file).unwrap_or_default();
    assert!(written == text, "{file} is not what the formats make; UPDATE=1 rewrites it");
}

#[test]
fn no_message_is_larger_than_its_service_takes() {
    let long = "あ&<*_`[](x)\\".repeat(400);
    let notice = Notice {
        members: (0..20).map(|n| member(&format!("{n}{}", &long[..300]), Cause::Internal, &long)).collect(),
        total: 5000,
        visitors: Some(Said { en: long.clone(), ja: long.clone() }),
        ..outage()
    };
    for (name, value) in all(&notice, &look()) {
        let units = |text: &Value| text.as_str().unwrap().encode_utf16().count();
        match name {
            "slack" => value["blocks"].as_array().unwrap().iter().for_each(|block| {
                assert!(units(&block["text"]["text"]) <= 3000, "{block}");
            }),
            "discord" => {
                let embeds = value["embeds"].as_array().unwrap();
                let all: usize = embeds.iter().map(|e| units(&e["title"]) + units(&e["description"])).sum();
                assert!(all <= 6000, "{all}");
            }
            "teams" => assert!(value.to_string().len() <= 28 << 10, "{}", value.to_string().len()),
            "line" => assert!(units(&value["messages"][0]["text"]) <= 5000),
            "ntfy" => assert!(value["message"].as_str().unwrap().len() <= 4096),
            "mail" => assert!(units(&value["subject"]) <= 250),
            _ => {}
        }
        let text = value.to_string();
        assert!(text.contains("ack/0123"), "{name} lost its link");
    }
}

#[test]
fn what_a_server_says_is_no_markup() {
    let evil = "<!channel> <https://evil.example|x> **b** [x](https://evil.example) @everyone";
    let notice = Notice { members: vec![member("shop", Cause::Refused, evil)], ..outage() };
    for (name, value) in all(&notice, &look()) {
        let text = value.to_string();
        let forbidden: &[&str] = match name {
            "slack" => &["<!channel>", "<https://evil"],
            "discord" => &["**b**", "[x](https://evil", " @everyone"],
            "teams" => &["**b**", "[x](https://evil"],
            _ => &[],
        };
        for markup in forbidden {
            assert!(!text.contains(markup), "{name}: {markup}: {text}");
        }
    }
}
