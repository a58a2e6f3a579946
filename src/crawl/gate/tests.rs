//! Each rule at its edge, and the changes that must not alarm anybody.

use super::*;

/// A good crawl of a site of a hundred pages, beside the last one.
fn good() -> Evidence {
    Evidence {
        key_pages: vec![key_page()],
        pages: 100,
        alike: 1,
        alike_text: 500,
        seconds: Some(100.0),
        before: Some(Before {
            pages: 100,
            seconds: Some(100.0),
            text: Texts { pages: 100, before: 50_000, now: 50_000, typical: 1.0 },
            turned: Turned { of: 100, ..Turned::default() },
            both: 100,
            ..Before::default()
        }),
        ..Evidence::default()
    }
}

fn key_page() -> KeyPage {
    KeyPage {
        path: "/".into(),
        reached: Ok(()),
        text: Some(500),
        text_before: Some(500),
        twins: 0,
        key_twin: None,
    }
}

fn with(change: impl FnOnce(&mut Evidence, &mut Before)) -> Evidence {
    let mut evidence = good();
    let mut before = evidence.before.take().unwrap();
    change(&mut evidence, &mut before);
    evidence.before = Some(before);
    evidence
}

fn rules(evidence: &Evidence) -> Vec<&'static str> {
    judge(evidence).iter().map(|broken| broken.rule.code()).collect()
}

#[track_caller]
fn one(evidence: &Evidence) -> Broken {
    let broken = judge(evidence);
    assert_eq!(broken.len(), 1, "{broken:?}");
    broken.into_iter().next().unwrap()
}

#[test]
fn codes_are_distinct_and_the_same_in_json() {
    let codes: std::collections::BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
    assert_eq!(codes.len(), Rule::ALL.len());
    for rule in Rule::ALL {
        assert_eq!(serde_json::to_value(rule).unwrap(), rule.code());
    }
}

#[test]
fn what_is_as_it_was_passes() {
    assert_eq!(rules(&good()), [""; 0]);
    let first = Evidence { before: None, ..good() };
    assert_eq!(rules(&first), [""; 0]);
}

#[test]
fn ordinary_change_passes() {
    type Change = (&'static str, fn(&mut Evidence, &mut Before));
    let changes: [Change; 9] = [
        ("a redesign: every page is new, with less around the words", |_, b| {
            b.text = Texts { now: 32_000, typical: 0.6, ..b.text };
        }),
        ("another language, half as long", |_, b| b.text = Texts { now: 26_000, typical: 0.5, ..b.text }),
        ("twice the site", |e, b| {
            e.pages = 200;
            b.text.now = 55_000;
        }),
        ("a section of a tenth is closed, and says so", |e, b| {
            e.pages = 90;
            b.turned.missing = 10;
            (b.text.pages, b.text.before, b.text.now) = (90, 45_000, 45_000);
        }),
        ("a section of a tenth leads to another site", |e, b| {
            e.pages = 90;
            b.turned.into.insert("elsewhere".into(), 10);
        }),
        ("a section of a tenth shows one notice", |_, b| b.merged = 10),
        ("nothing has changed: 304 for all, in a moment", |e, _| e.seconds = Some(1.0)),
        ("one long page has gone", |_, b| b.text = Texts { now: 20_000, typical: 1.0, ..b.text }),
        ("half the site has gone in the winter", |e, b| {
            e.pages = 75;
            b.turned.missing = 25;
        }),
    ];
    for (what, change) in changes {
        assert_eq!(rules(&with(change)), [""; 0], "{what}");
    }
}

#[test]
fn a_small_site_may_change_a_page() {
    let mut small = with(|e, b| {
        e.pages = 4;
        b.pages = 5;
        b.both = 4;
        b.merged = 2;
        b.turned = Turned { of: 5, missing: 0, into: [("login".into(), 2)].into(), ..Turned::default() };
    });
    assert_eq!(rules(&small), [""; 0]);
    small.before.as_mut().unwrap().turned.into.insert("login".into(), 3);
    small.before.as_mut().unwrap().merged = 3;
    assert_eq!(rules(&small), ["turned", "uniform"]);
}

#[test]
fn key_pages_must_be_whole_and_good() {
    let of = |change: fn(&mut KeyPage)| with(|e, _| change(&mut e.key_pages[0]));
    for (page, expected) in [
        (of(|p| p.reached = Err("silent".into())), Some("/: silent")),
        (of(|p| p.text = Some(100)), None),
        (of(|p| p.text = Some(99)), Some("/: 99 characters can be read on it, where there were 500")),
        (of(|p| (p.text, p.text_before) = (Some(0), Some(199))), None),
        (of(|p| (p.text, p.text_before) = (Some(0), None)), None),
        (of(|p| p.twins = 2), None),
        (of(|p| p.twins = 3), Some("/: it shows the same as 3 other pages, which it did not before")),
        (of(|p| p.key_twin = Some("/x".into())), Some("/: it shows the same as /x, which it did not before")),
    ] {
        let details: Vec<String> = judge(&page).into_iter().map(|broken| broken.detail).collect();
        assert_eq!(details, Vec::from_iter(expected.map(str::to_owned)));
        assert!(judge(&page).iter().all(|broken| broken.rule == Rule::KeyPage));
    }
}

#[test]
fn a_first_snapshot_of_a_host_that_answers_to_every_name_does_not_pass() {
    let first = |pages, alike, alike_text| Evidence { pages, alike, alike_text, before: None, ..good() };
    assert_eq!(rules(&first(5, 5, 100)), ["key-page"]);
    assert_eq!(rules(&first(4, 4, 100)), [""; 0]);
    assert_eq!(rules(&first(6, 5, 100)), [""; 0]);
    // A program in the browser, that begins with a word.
    assert_eq!(rules(&first(5, 5, 99)), [""; 0]);
}

#[test]
fn assets_of_key_pages_must_be_there() {
    use AssetBefore::{Had, Missing, Unknown, Unneeded};
    for (path, before, failed, expected) in [
        ("/a.png", Had, false, true),
        ("/a.png", Had, true, true),
        ("/a.png", Missing, true, false),
        ("/a.css", Missing, false, false),
        ("/a.png", Unneeded, false, false),
        ("/a.png", Unneeded, true, true),
        ("/app.1.CSS?v=2", Unneeded, false, true),
        ("/app.1.js", Unneeded, false, true),
        ("/a.css", Unknown, false, false),
        ("/a.css", Unknown, true, true),
    ] {
        let lost = LostAsset { path: path.into(), why: "why".into(), failed, before };
        let evidence = Evidence { lost_assets: vec![lost], ..good() };
        let expected = if expected { vec!["key-assets"] } else { Vec::new() };
        assert_eq!(rules(&evidence), expected, "{path} {before:?} {failed}");
    }
    let lost = |path: &str| LostAsset { path: path.into(), why: "silent".into(), failed: true, before: Had };
    let broken = one(&Evidence { lost_assets: vec![lost("/a"), lost("/b")], ..good() });
    assert_eq!((&*broken.detail, broken.measured), ("/a: silent and 1 more", Some(2.0)));
}

#[test]
fn an_emptied_site_does_not_pass() {
    for (pages, before, expected) in [
        (0, None, &["empty"][..]),
        (1, None, &[]),
        (50, Some(100), &[]),
        (49, Some(100), &["shrunk"]),
        (0, Some(1), &["empty", "shrunk"]),
        (1, Some(3), &["shrunk"]),
        (1, Some(2), &[]),
        (5, Some(0), &[]),
    ] {
        let mut evidence = with(|e, b| {
            e.pages = pages;
            b.pages = before.unwrap_or(0);
        });
        evidence.before = evidence.before.filter(|_| before.is_some());
        assert_eq!(rules(&evidence), expected, "{pages} of {before:?}");
    }
    let broken = one(&with(|e, _| e.pages = 3));
    assert_eq!(broken.detail, "3 pages, where the current snapshot has 100");
    assert_eq!((broken.measured, broken.limit), (Some(3.0), Some(50.0)));
}

#[test]
fn pages_without_their_text_do_not_pass() {
    let of = |now, typical| with(|_, b| b.text = Texts { now, typical, ..b.text });
    assert_eq!(rules(&of(25_000, 0.4)), [""; 0]);
    assert_eq!(rules(&of(24_999, 0.5)), [""; 0]);
    let broken = one(&of(24_999, 0.49));
    assert_eq!(
        broken.line(),
        "less-text: 24999 of 50000 characters are left on the 100 pages that both have, 49% of them on the page in \
         the middle"
    );
    assert_eq!(broken.limit, Some(0.5));
    let little = with(|_, b| b.text = Texts { pages: 3, before: 199, now: 0, typical: 0.0 });
    assert_eq!(rules(&little), [""; 0]);
}

#[test]
fn success_in_no_time_must_bring_as_much_as_ever() {
    let of = |seconds, usual, pages, now| {
        with(move |e, b| {
            (e.seconds, b.seconds) = (seconds, usual);
            e.pages = pages;
            b.text.now = now;
        })
    };
    assert_eq!(rules(&of(Some(19.9), Some(100.0), 79, 50_000)), ["hasty"]);
    assert_eq!(rules(&of(Some(19.9), Some(100.0), 100, 39_000)), ["hasty"]);
    for passes in [
        of(Some(20.0), Some(100.0), 79, 50_000),
        of(Some(19.9), Some(100.0), 80, 50_000),
        of(Some(19.9), Some(100.0), 100, 40_000),
        of(Some(0.1), Some(59.0), 79, 39_000),
        of(None, Some(100.0), 79, 50_000),
        of(Some(1.0), None, 79, 50_000),
    ] {
        assert_eq!(rules(&passes), [""; 0]);
    }
    let broken = one(&of(Some(2.0), Some(7200.0), 60, 31_000));
    assert_eq!(broken.detail, "done in 2 s instead of 7200 s, with 60% of the pages and 62% of their text");
    assert_eq!((broken.measured, broken.limit), (Some(2.0), Some(1440.0)));
}

#[test]
fn pages_that_have_turned_into_something_else_do_not_pass() {
    let of = |missing, into: &[(&str, u64)]| {
        let into = into.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
        let example = Some("/a".into());
        let turned = Turned { of: 100, missing, into, example, samples: Vec::new() };
        with(move |_, b| b.turned = turned)
    };
    assert_eq!(rules(&of(25, &[])), [""; 0]);
    assert_eq!(rules(&of(26, &[])), ["turned"]);
    assert_eq!(rules(&of(15, &[("login", 5), ("elsewhere", 5)])), [""; 0]);
    assert_eq!(rules(&of(16, &[("login", 5), ("elsewhere", 5)])), ["turned"]);
    assert_eq!(rules(&of(0, &[("login", 5), ("elsewhere", 6)])), ["turned"]);
    let broken = one(&of(3, &[("bad-status", 8), ("parking", 4)]));
    assert_eq!(
        broken.detail,
        "12 of 100 good pages have turned into something else: 8 bad-status, 4 parking, /a for one"
    );
    assert_eq!((broken.measured, broken.limit), (Some(0.12), Some(0.1)));
    let broken = one(&of(26, &[]));
    assert_eq!(broken.detail, "26 of 100 good pages have turned into something else: 26 missing, /a for one");
}

#[test]
fn many_addresses_with_one_page_do_not_pass() {
    let of = |merged| {
        with(move |_, b| {
            b.merged = merged;
            b.merged_example = Some("/a".into());
        })
    };
    assert_eq!(rules(&of(10)), [""; 0]);
    let broken = one(&of(11));
    assert_eq!(broken.line(), "uniform: 11 of 100 pages now show the same thing, /a for one");
    assert_eq!((broken.measured, broken.limit), (Some(0.11), Some(0.1)));
}

#[test]
fn a_crawl_cut_short_and_an_operators_word_are_told() {
    let broken = one(&Evidence { cut_short: Some("the site stopped answering".into()), ..good() });
    assert_eq!(broken.line(), "cut-short: the site stopped answering");
    let broken = one(&Evidence { by_hand: Some("2026-01-01T00:00:00Z".into()), ..good() });
    assert_eq!((broken.rule, broken.measured), (Rule::ByHand, None));
    assert!(broken.detail.contains("2026-01-01T00:00:00Z"));
}
