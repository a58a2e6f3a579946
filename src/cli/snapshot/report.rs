//! The record of a crawl as people read it: the numbers, and the lists that owners love to have.

use std::time::Duration;

use serde_json::Value;

use super::tables::{self, plain, printable, size_of};
use super::text;

/// The numbers in a line or two. A record of another shape is printed as it is.
pub(super) fn in_short(report: &Value) -> String {
    if !report["requests"].is_u64() {
        return format!("\nRecord:\n{report:#}\n");
    }
    let broken = report["refusals"]["not-found"]["count"].as_u64().unwrap_or(0);
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
    [numbers(report), refusals(report), broken(report), failures(report), carried(report), slowest(report)]
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
    rows.push(vec!["Fetched".to_owned(), size_of(&report["bytes"])]);
    rows.push(vec!["robots.txt".to_owned(), plain(&report["robots"])]);
    format!("\nCRAWL\n{}", tables::table(&[], &[], rows))
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn section(title: &str, head: &[&str], numeric: &[usize], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() { String::new() } else { format!("\n{title}\n{}", tables::table(head, numeric, rows)) }
}

/// Every reason with its number; the addresses stand in the JSON.
fn refusals(report: &Value) -> String {
    let mut found: Vec<(&String, &Value)> = report["refusals"].as_object().into_iter().flatten().collect();
    found.sort_by_key(|(_, refused)| std::cmp::Reverse(refused["count"].as_u64()));
    let row = |(code, refused): (&String, &Value)| {
        let example = each(&refused["examples"]).next().map(|example| plain(&example["path"]));
        let meaning = format!("{} ({})", plain(&refused["meaning"]), example.unwrap_or_default());
        vec![plain(&refused["count"]), code.clone(), meaning]
    };
    section("NOT FETCHED OR NOT KEPT, AND WHY", &[], &[0], found.into_iter().map(row).collect())
}

/// Links that lead nowhere, by the page that they stand on: that is where they are mended.
fn broken(report: &Value) -> String {
    let found = &report["refusals"]["not-found"];
    let mut links: Vec<(&str, &str, String)> = each(&found["examples"])
        .map(|link| {
            // Both say that there is no such page.
            let status = link["status"].as_u64().map_or_else(|| "404/410".to_owned(), |s| s.to_string());
            (link["found_on"].as_str().unwrap_or("-"), text(&link["path"]), status)
        })
        .collect();
    links.sort();
    let listed = links.len() as u64;
    let rows = links.into_iter().map(|(on, to, status)| vec![printable(on), printable(to), status]).collect();
    let mut out = section("BROKEN LINKS", &["ON THE PAGE", "LEADS TO", "STATUS"], &[2], rows);
    let more = found["count"].as_u64().unwrap_or(0).saturating_sub(listed);
    if more > 0 {
        out.push_str(&format!("and {more} more\n"));
    }
    out
}

fn failures(report: &Value) -> String {
    let row = |f: &Value| {
        let on = f["found_on"].as_str().map_or_else(|| "-".to_owned(), printable);
        vec![on, plain(&f["path"]), plain(&f["cause"]), plain(&f["detail"])]
    };
    let rows = each(&report["failures"]).map(row).collect();
    section("COULD NOT BE HAD", &["ON THE PAGE", "ADDRESS", "CAUSE", ""], &[], rows)
}

fn carried(report: &Value) -> String {
    let carried = &report["carried"];
    let count = carried.as_u64().or_else(|| carried["count"].as_u64()).unwrap_or(0);
    if count == 0 {
        return String::new();
    }
    let oldest = carried["oldest"].as_str().map(|oldest| format!(", the oldest of {}", printable(oldest)));
    let rows = each(&carried["examples"]).map(|e| vec![plain(&e["path"]), plain(&e["taken_at"])]).collect();
    let list = section("", &["ADDRESS", "TAKEN"], &[], rows);
    format!(
        "\nCARRIED OVER FROM THE SNAPSHOT BEFORE: {count}{}\n{}",
        oldest.unwrap_or_default(),
        list.trim_start()
    )
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

    #[test]
    fn a_report_lists_what_owners_want_to_see() {
        let report = json!({ "requests": 12, "seconds": 71.6, "pages": 3, "assets": 4, "redirects": 0, "unchanged": 2,
            "refused": 6, "errors": 1, "bytes": 2048, "robots": "found",
            "refusals": {
                "robots": { "meaning": "It asks not to.", "count": 9, "examples": [{ "path": "/private" }] },
                "not-found": { "meaning": "Gone.", "count": 3, "examples": [
                    { "path": "/z", "found_on": "/b" }, { "path": "/y\u{1b}", "found_on": "/a", "status": 410 }] } },
            "failures": [{ "path": "/f", "found_on": null, "cause": "silent", "detail": "no byte" }],
            "slowest": [{ "path": "/s", "ms": 1234 }],
            "carried": { "count": 2, "oldest": "2026-11-20T01:13:34Z", "examples": [{ "path": "/c", "taken_at": "x" }] } });
        let text = tables(&report);
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for expected in [
            "Took 1m 11s",
            "9 robots It asks not to. (/private)",
            "ON THE PAGE LEADS TO STATUS",
            "/a /y\\u{1b} 410",
            "/b /z 404/410",
            "and 1 more",
            "- /f silent no byte",
            "CARRIED OVER FROM THE SNAPSHOT BEFORE: 2, the oldest of 2026-11-20T01:13:34Z",
            "1234 ms /s",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}\n{text}");
        }
        assert!(in_short(&report).contains("12 requests: 2 unchanged, 6 refused, 1 errors, 3 broken links"));
    }

    #[test]
    fn a_record_of_another_shape_is_printed_as_it_is() {
        assert!(tables(&json!({ "made": 3 })).contains("\"made\": 3"));
        assert!(tables(&Value::Null).contains("no record"));
    }
}
