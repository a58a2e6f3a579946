//! `katahai snapshot list`: all snapshots, newest first, those that cannot be read among them.

use serde_json::{Value, json};

use super::tables::{self, plain, rules, size_of};
use super::{Place, Told, refuse, text};
use crate::app::shelf::Ask;
use crate::cli::args::OfSite;
use crate::cli::print::say;
use crate::cli::run_to_end;

/// Runs the command.
pub(super) fn run(options: &OfSite) -> u8 {
    run_to_end(async {
        let place = match Place::of(options).await {
            Ok(place) => place,
            Err(code) => return code,
        };
        match shelves(&place, options.site.as_deref()).await {
            Ok(shelves) => {
                place.mention();
                say(&if options.instance.json { tables::json(&rows(&shelves)) } else { shown(&shelves) })
            }
            Err(told) => refuse(&told),
        }
    })
}

async fn shelves(place: &Place, site: Option<&str>) -> Result<Vec<(String, Value)>, Told> {
    let mut shelves = Vec::new();
    for site in place.sites(site)? {
        let shelf = place.ask(&site, &Ask::List).await?;
        shelves.push((site, shelf));
    }
    Ok(shelves)
}

fn each<'a>(shelf: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    shelf[key].as_array().into_iter().flatten()
}

/// One list of all sites' snapshots.
fn rows(shelves: &[(String, Value)]) -> Value {
    let of = |(site, shelf): &(String, Value)| -> Vec<Value> {
        let site = site.clone();
        let bad = each(shelf, "unreadable").map(move |bad| {
            let mut bad = bad.clone();
            bad["site"] = json!(site);
            bad
        });
        each(shelf, "snapshots").cloned().chain(bad).collect()
    };
    shelves.iter().flat_map(of).collect()
}

fn shown(shelves: &[(String, Value)]) -> String {
    let mut rows = Vec::new();
    let mut notes = String::new();
    for (site, shelf) in shelves {
        for s in each(shelf, "snapshots") {
            let numbers = [plain(&s["pages"]), plain(&s["files"]), size_of(&s["bytes"])];
            let first = [site.clone(), plain(&s["id"]), plain(&s["taken_at"])];
            rows.push(first.into_iter().chain(numbers).chain([standing(s)]).collect());
        }
        for bad in each(shelf, "unreadable") {
            let dashes = std::iter::repeat_n("-".to_owned(), 4);
            let first = [site.clone(), plain(&bad["id"])];
            rows.push(first.into_iter().chain(dashes).chain([plain(&bad["unreadable"])]).collect());
        }
        if !shelf["by_hand"].is_null() {
            notes.push_str(&format!(
                "\n{site}: somebody went back by hand at {}; new snapshots wait for \"katahai snapshot publish latest\".\n",
                text(&shelf["by_hand"])
            ));
        }
    }
    let table = tables::table(&["SITE", "SNAPSHOT", "TAKEN", "PAGES", "FILES", "SIZE", ""], &[3, 4, 5], rows);
    format!("{table}{notes}")
}

/// What is to be known of a snapshot, in a few words.
pub(super) fn standing(s: &Value) -> String {
    let mut words = Vec::new();
    if s["current"] == true {
        words.push("current".to_owned());
    }
    if s["pinned"] == true {
        words.push("pinned".to_owned());
    }
    if s["held"].is_array() {
        words.push(format!("held: {}", rules(&s["held"])));
    }
    if s["kind"] != "crawl" && !s["kind"].is_null() {
        words.push(plain(&s["kind"]));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_is_there() {
        let one = json!({ "id": "20261120T011334Z-000001", "taken_at": "2026-11-20T01:13:34Z", "pages": 3, "files": 0,
            "bytes": 2048, "current": true, "pinned": true, "held": null, "kind": "crawl" });
        let two = json!({ "id": "20261120T011334Z-000002", "taken_at": "2026-11-20T01:13:34Z", "pages": 1, "files": 0,
            "bytes": 0, "current": false, "pinned": false, "held": ["shrunk: 1 page", "key-page: /"], "kind": "import" });
        let bad = json!({ "id": "20261119T011334Z-000000", "unreadable": "the manifest is damaged" });
        let shelf =
            json!({ "snapshots": [two, one], "unreadable": [bad], "by_hand": "2026-11-20T02:00:00Z" });
        let text = shown(&[("shop".to_owned(), shelf.clone())]);
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[0], "SITE SNAPSHOT TAKEN PAGES FILES SIZE");
        assert!(lines[1].ends_with("1 0 0 B held: shrunk, key-page, import"), "{text}");
        assert_eq!(lines[2], "shop 20261120T011334Z-000001 2026-11-20T01:13:34Z 3 0 2.0 KiB current, pinned");
        assert_eq!(lines[3], "shop 20261119T011334Z-000000 - - - - the manifest is damaged");
        assert!(text.ends_with("publish latest\".\n"), "{text}");
        let rows = rows(&[("shop".to_owned(), shelf)]);
        assert_eq!((rows.as_array().unwrap().len(), &rows[2]["site"]), (3, &json!("shop")));
    }
}
