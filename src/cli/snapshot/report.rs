//! The report of a crawl for people: the numbers, and the lists that owners value most.

use std::time::Duration;

use serde_json::Value;

use super::tables::{self, plain, printable, size_of};
use super::text;

/// The numbers in a line or two. A record of another shape is printed as it is.
pub(super) fn in_short(report: &Value) -> String {
    if !report["requests"].is_u64() {
        return format!("\nRecord:\n{report:#}\n");
    }
    let (_, broken) = broken_links(report);
    format!(
        "\nThe crawl took {} and {} requests: {} unchanged, {} refused, {} errors, {broken} broken links. --report shows all of it.\n",
        took(report),
        plain(&report["requests"]),
        plain(&report["unchanged"]),
        plain(&report["refused"]),
        plain(&report["errors"]),
    )
}

/// All of it, as tables.
pub(super) fn tables(report: &Value) -> String {
    if !report["requests"].is_u64() {
        return if report.is_null() { "\nThere is no record of it.\n".to_owned() } else { in_short(report) };
    }
    [
        numbers(report),
        gate(report),
        broken(report),
        lost(report),
        failures(report),
        by_reason("NOT FETCHED OR NOT KEPT", &report["refusals"]),
        by_reason("NOT REACHED, CARRIED OVER FROM THE SNAPSHOT BEFORE", &report["carried_over"]),
        by_reason("NOT IN IT ANY MORE", &report["removed"]),
        slowest(report),
    ]
    .concat()
}

fn took(report: &Value) -> String {
    let seconds = report["seconds"].as_f64().filter(|s| s.is_finite() && *s >= 0.0).unwrap_or(0.0);
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let whole = if time.as_secs() < 10 {
        Duration::from_millis(time.as_millis() as u64 / 100 * 100)
    } else {
        Duration::from_secs(time.as_secs())
    };
    humantime::format_duration(whole).to_string()
}

fn numbers(report: &Value) -> String {
    let mut rows = vec![vec!["Took".to_owned(), took(report)]];
    for (word, key) in [
        ("Requests", "requests"),
        ("Pages", "pages"),
        ("Other files", "assets"),
        ("Redirects", "redirects"),
        ("Unchanged", "unchanged"),
        ("Refused", "refused"),
        ("Errors", "errors"),
    ] {
        rows.push(vec![word.to_owned(), plain(&report[key])]);
    }
    let carried = each_of(&report["carried_over"]).filter_map(|reason| reason["count"].as_u64()).sum::<u64>();
    rows.push(vec!["Carried over".to_owned(), carried.to_string()]);
    if report["resumed"].is_object() {
        let files = plain(&report["resumed"]["files"]);
        rows.push(vec!["Resumed".to_owned(), format!("with {files} files of an interrupted one")]);
    }
    rows.push(vec!["Fetched".to_owned(), size_of(&report["bytes"])]);
    if let Some(private) = report["private"].as_u64().filter(|private| *private > 0) {
        rows.push(vec!["Private".to_owned(), format!("{private} taken, because everybody gets the same")]);
    }
    let robots = match report["robots_forbid"]["obeyed"].as_bool() {
        Some(true) => ", and forbids the whole site: obeyed",
        Some(false) => ", and forbids the whole site: copied all the same",
        None => "",
    };
    rows.push(vec!["robots.txt".to_owned(), format!("{}{robots}", plain(&report["robots"]))]);
    format!("\nCRAWL\n{}", tables::table(&[], &[], rows))
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn each_of(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_object().into_iter().flat_map(|object| object.values())
}

fn section(title: &str, head: &[&str], numeric: &[usize], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() { String::new() } else { format!("\n{title}\n{}", tables::table(head, numeric, rows)) }
}

/// Every reason with its number and an example; all addresses stand in the JSON.
fn by_reason(title: &str, reasons: &Value) -> String {
    let mut found: Vec<(&String, &Value)> = reasons.as_object().into_iter().flatten().collect();
    found.sort_by_key(|(_, refused)| std::cmp::Reverse(refused["count"].as_u64()));
    let row = |(code, refused): (&String, &Value)| {
        let example = each(&refused["examples"]).next().map(|example| plain(&example["path"]));
        vec![
            plain(&refused["count"]),
            printable(code),
            plain(&refused["meaning"]),
            example.unwrap_or_default(),
        ]
    };
    section(title, &["", "REASON", "", "SUCH AS"], &[0], found.into_iter().map(row).collect())
}

/// A link that leads nowhere.
struct Broken<'a> {
    on: &'a str,
    to: &'a str,
    /// What was answered, or the code of why nothing was.
    status: &'a str,
}

/// What a link's cause comes down to, for whoever mends it.
fn status_of(cause: &str) -> &str {
    match cause {
        "not-found" => "404",
        "gone" => "410",
        other => other,
    }
}

/// Links that lead nowhere, by the page that they stand on: that is where they are mended. And how many there are.
fn broken_links(report: &Value) -> (Vec<Broken<'_>>, u64) {
    let mut found = Vec::new();
    let mut count = 0;
    if let Some(links) = report["broken_links"].as_array() {
        for link in links {
            let (to, status) = (text(&link["path"]), status_of(text(&link["cause"])));
            let pages: Vec<&str> = each(&link["linked_from"]).filter_map(Value::as_str).collect();
            count += link["links"].as_u64().unwrap_or(0).max(pages.len() as u64).max(1);
            let pages = if pages.is_empty() { vec!["-"] } else { pages };
            found.extend(pages.into_iter().map(|on| Broken { on, to, status }));
        }
    } else {
        // What older versions wrote: each address with the first page that has it.
        let missing = &report["refusals"]["not-found"];
        count = missing["count"].as_u64().unwrap_or(0);
        found.extend(each(&missing["examples"]).map(|link| Broken {
            on: link["found_on"].as_str().unwrap_or("-"),
            to: text(&link["path"]),
            status: "404/410",
        }));
    }
    found.sort_by_key(|link| (link.on, link.to));
    (found, count)
}

fn broken(report: &Value) -> String {
    let (links, count) = broken_links(report);
    let more = count.saturating_sub(links.len() as u64);
    let row = |link: Broken<'_>| vec![printable(link.on), printable(link.to), printable(link.status)];
    let rows = links.into_iter().map(row).collect();
    let mut out = section("BROKEN LINKS", &["ON THE PAGE", "LEADS TO", "STATUS"], &[2], rows);
    if more > 0 {
        out.push_str(&format!("and {more} more\n"));
    }
    out
}

/// The gate's rules that spoke, with what was measured.
fn gate(report: &Value) -> String {
    let number = |value: &Value| value.as_f64().map(|n| format!("{n:.3}")).unwrap_or_default();
    let row = |rule: &Value| {
        vec![plain(&rule["rule"]), plain(&rule["detail"]), number(&rule["measured"]), number(&rule["limit"])]
    };
    let rows: Vec<Vec<String>> = each(&report["gate"]["broken"]).map(row).collect();
    section("IT DID NOT PASS THE GATE", &["RULE", "WHAT IT FOUND", "MEASURED", "LIMIT"], &[2, 3], rows)
}

/// Files that key pages need for their display and that are missing.
fn lost(report: &Value) -> String {
    let rows = each(&report["lost_assets"]).map(|path| vec![plain(path)]).collect();
    section("MISSING FROM KEY PAGES", &[], &[], rows)
}

fn failures(report: &Value) -> String {
    let row = |f: &Value| {
        let on = f["found_on"].as_str().map_or_else(|| "-".to_owned(), printable);
        vec![on, plain(&f["path"]), plain(&f["cause"]), plain(&f["detail"])]
    };
    let rows = each(&report["failures"]).map(row).collect();
    section("COULD NOT BE HAD", &["ON THE PAGE", "ADDRESS", "CAUSE", ""], &[], rows)
}

fn slowest(report: &Value) -> String {
    let rows = each(&report["slowest"])
        .map(|s| vec![format!("{} ms", plain(&s["ms"])), plain(&s["path"])])
        .collect();
    section("THE SLOWEST", &[], &[0], rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn a_report_lists_what_owners_want_to_see() {
        let report = json!({ "requests": 12, "seconds": 71.6, "pages": 3, "assets": 4, "redirects": 0, "unchanged": 2,
            "refused": 6, "errors": 1, "bytes": 2048, "robots": "found", "resumed": { "since": 1, "files": 9 },
            "gate": { "passed": false, "broken": [
                { "rule": "less-text", "detail": "much less", "measured": 0.25, "limit": 0.5 },
                { "rule": "key-page", "detail": "/ is not there", "measured": null, "limit": null }] },
            "refusals": { "robots": { "meaning": "It asks not to.", "count": 9, "examples": [{ "path": "/private" }] } },
            "broken_links": [
                { "path": "/z", "cause": "not-found", "links": 3, "linked_from": ["/b", "/a"] },
                { "path": "/y\u{1b}", "cause": "gone", "links": 1, "linked_from": ["/a"] },
                { "path": "/x", "cause": "silent", "links": 0, "linked_from": [] }],
            "lost_assets": ["/s.css"],
            "failures": [{ "path": "/f", "found_on": null, "cause": "silent", "detail": "no byte" }],
            "slowest": [{ "path": "/s", "ms": 1234 }],
            "carried_over": { "silent": { "meaning": "No answer.", "count": 2, "examples": [{ "path": "/c" }] } } });
        let text = tables(&report);
        let shown = lines(&text);
        for expected in [
            "Took 1m 11s",
            "Carried over 2",
            "Resumed with 9 files of an interrupted one",
            "less-text much less 0.250 0.500",
            "key-page / is not there",
            "9 robots It asks not to. /private",
            "ON THE PAGE LEADS TO STATUS",
            "- /x silent",
            "/a /y\\u{1b} 410",
            "/a /z 404",
            "/b /z 404",
            "and 1 more",
            "- /f silent no byte",
            "2 silent No answer. /c",
            "1234 ms /s",
        ] {
            assert!(shown.iter().any(|line| line == expected), "{expected}\n{text}");
        }
        assert!(in_short(&report).contains("12 requests: 2 unchanged, 6 refused, 1 errors, 5 broken links"));
    }

    #[test]
    fn reports_of_older_versions_are_read() {
        let report = json!({ "requests": 1, "seconds": 0.5, "refusals": { "not-found": { "meaning": "Gone.", "count": 3,
            "examples": [{ "path": "/z", "found_on": "/b" }] } } });
        let text = tables(&report);
        assert!(
            lines(&text).iter().any(|line| line == "/b /z 404/410") && text.contains("and 2 more"),
            "{text}"
        );
    }

    #[test]
    fn a_record_of_another_shape_is_printed_as_it_is() {
        assert!(tables(&json!({ "made": 3 })).contains("\"made\": 3"));
        assert!(tables(&Value::Null).contains("no record"));
    }
}
