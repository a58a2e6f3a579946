//! `katahai snapshot show ID`: one snapshot, the record of its crawl, and, if asked for, every address in it.

use serde_json::{Value, json};

use super::tables::{self, plain, printable, size, size_of};
use super::{Place, Told, refuse, report, text};
use crate::app::shelf::Ask;
use crate::cli::args::ShowSnapshot;
use crate::cli::print::say;
use crate::cli::{DONE, run_to_end};
use crate::failure::chain;
use crate::snapshot::{Page, Snapshot, Store, rfc3339};

/// Runs the command.
pub(super) fn run(options: &ShowSnapshot) -> u8 {
    run_to_end(async {
        let place = match Place::of(&options.of).await {
            Ok(place) => place,
            Err(code) => return code,
        };
        match show(&place, options).await {
            Ok(code) => code,
            Err(told) => refuse(&told),
        }
    })
}

async fn show(place: &Place, options: &ShowSnapshot) -> Result<u8, Told> {
    let (of, ask) = (&options.of, Ask::Show { id: options.id.clone() });
    let (site, mut shown) = place.ask_any(of.site.as_deref(), &ask).await?;
    place.mention();
    let snapshot = if options.pages { Some(open(place, &site, &shown)?) } else { None };
    if of.instance.json {
        if let Some(snapshot) = snapshot {
            let entries: Result<Vec<Value>, _> = snapshot.pages().map(|page| page.map(entry)).collect();
            shown["entries"] = json!(entries.map_err(|error| unreadable(&error))?);
        }
        return Ok(say(&tables::json(&shown)));
    }
    let mut out = facts(&shown);
    if options.report {
        out.push_str(&report::tables(&shown["report"]));
    } else if !shown["report"].is_null() {
        out.push_str(&report::in_short(&shown["report"]));
    }
    let code = say(&out);
    match snapshot {
        Some(snapshot) if code == DONE => pages(&snapshot),
        Some(_) | None => Ok(code),
    }
}

fn unreadable(error: &dyn std::error::Error) -> Told {
    Told::new("unreadable-snapshot", chain(error))
}

/// The snapshot itself: its addresses may be a million, which nobody sends around.
fn open(place: &Place, site: &str, shown: &Value) -> Result<std::sync::Arc<Snapshot>, Told> {
    let store = Store::look(place.dir(), site).map_err(|error| unreadable(&error))?;
    let id = text(&shown["id"]);
    let missing = || {
        Told::new("unknown-snapshot", format!("snapshot {id} cannot be opened in {}", place.dir().display()))
    };
    id.parse().ok().and_then(|id| store.get(&id)).ok_or_else(missing)
}

fn entry(page: Page) -> Value {
    json!({
        "key": page.key,
        "status": page.status,
        "class": page.class,
        "size": page.len,
        "blob": page.body,
        "taken_at": rfc3339(page.taken_at),
    })
}

fn pages(snapshot: &Snapshot) -> Result<u8, Told> {
    let mut code = say("\nSTATUS  CLASS     SIZE        TAKEN                 ADDRESS\n");
    let mut lines = String::new();
    for page in snapshot.pages() {
        let page = page.map_err(|error| unreadable(&error))?;
        let (class, size, time) = (page.class.as_str(), size(page.len), rfc3339(page.taken_at));
        lines.push_str(&format!(
            "{:<6}  {class:<8}  {size:<10}  {time}  {}\n",
            page.status,
            printable(&page.key)
        ));
        if lines.len() > 64 << 10 && code == DONE {
            code = say(&std::mem::take(&mut lines));
        }
    }
    Ok(if code == DONE { say(&lines) } else { code })
}

fn facts(s: &Value) -> String {
    let mark = |key: &str, word: &str| if s[key] == true { format!(" ({word})") } else { String::new() };
    let mut rows = vec![
        (
            "Snapshot",
            format!("{}{}{}", plain(&s["id"]), mark("current", "current"), mark("pinned", "pinned")),
        ),
        ("Site", plain(&s["site"])),
    ];
    if s["unreadable"].is_string() {
        rows.push(("Cannot be read", plain(&s["unreadable"])));
    } else {
        rows.extend([
            ("Kind", plain(&s["kind"])),
            ("Started", plain(&s["started_at"])),
            ("Taken", plain(&s["taken_at"])),
            ("Pages", plain(&s["pages"])),
            ("Files", plain(&s["files"])),
            ("Redirects", plain(&s["redirects"])),
            ("Size", size_of(&s["bytes"])),
        ]);
    }
    for (n, reason) in s["held"].as_array().into_iter().flatten().enumerate() {
        rows.push((if n == 0 { "Held" } else { "" }, plain(reason)));
    }
    tables::table(&[], &[], rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_snapshot_says_why() {
        let shown = json!({ "id": "20261120T011334Z-000001", "site": "shop", "current": false, "pinned": true,
            "kind": "crawl", "pages": 3, "bytes": 0, "held": ["shrunk: 1 page", "key-page: /\u{1b}"] });
        let text = facts(&shown);
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[0], "Snapshot 20261120T011334Z-000001 (pinned)");
        assert_eq!(lines[lines.len() - 2..], ["Held shrunk: 1 page", "key-page: /\\u{1b}"]);
        let bad = json!({ "id": "x", "site": "shop", "unreadable": "the manifest is damaged" });
        assert!(facts(&bad).contains("Cannot be read  the manifest is damaged"), "{}", facts(&bad));
    }
}
