//! `docs/failures.md`, which promises to its readers what the rows hold: it names the same rows in the same order, and what it
//! says is told, is told.

use katahai::failure::Cause;

use super::sheet::Column;
use super::table::Done;

/// A row as the document has it.
struct Promise {
    group: String,
    name: String,
    codes: Vec<String>,
}

/// Groups are its headings, rows the lines of their tables.
fn promises() -> Vec<Promise> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/failures.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (mut group, mut promises) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            group = heading.to_owned();
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, _, told, _] = cells[..] else { continue };
        if !name.starts_with("---") && name != "what fails" {
            let codes = told.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            promises.push(Promise { group: group.clone(), name: name.to_owned(), codes });
        }
    }
    promises
}

/// What a row has told, and the document does not say.
pub fn broken(row: &Done) -> Option<String> {
    let promise =
        promises().into_iter().find(|promise| promise.name == row.name && is(promise, row.group))?;
    let place = Column::ALL.iter().position(|(column, _)| *column == Column::Cause).expect("a column");
    let told = &row.texts[place];
    let kept = promise.codes.is_empty() || promise.codes.iter().any(|code| told.contains(&**code));
    (!kept).then(|| format!("docs/failures.md says {}, told was {told}", promise.codes.join(" or ")))
}

/// Headings begin with a capital.
fn is(promise: &Promise, group: &str) -> bool {
    promise.group.eq_ignore_ascii_case(group)
}

#[test]
fn each_row_is_promised_and_no_other() {
    let run: Vec<String> = super::GROUPS
        .iter()
        .flat_map(|group| super::rows(group).into_iter().map(move |row| line(group, row.name)))
        .collect();
    let promises = promises();
    let promised: Vec<String> = promises.iter().map(|promise| line(&promise.group, &promise.name)).collect();
    let differs = run.iter().zip(&promised).position(|(run, promised)| run != promised);
    let at = differs.unwrap_or(run.len().min(promised.len()));
    let (run, promised) = (run.get(at), promised.get(at));
    assert_eq!(run, promised, "a row that is run, and what docs/failures.md has in its place");
    for promise in promises {
        let unknown = promise.codes.iter().find(|code| Cause::of(code).is_none());
        assert_eq!(unknown, None, "{}: no such cause", promise.name);
    }
}

fn line(group: &str, name: &str) -> String {
    format!("{}: {name}", group.to_ascii_lowercase())
}
