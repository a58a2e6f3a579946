//! The matrix in print: aligned, plain text, a line a row.

use std::io::Write as _;
use std::sync::Mutex;

use super::sheet::Column;

/// A row that has been run.
pub struct Done {
    pub group: &'static str,
    pub name: &'static str,
    pub texts: Vec<String>,
    pub well: bool,
}

/// Longer cells are cut in the table; the list of bad ones has them whole.
const WIDEST: usize = 44;

/// What groups have come to, in the order of [`super::GROUPS`].
static GROUPS: Mutex<Vec<(usize, String)>> = Mutex::new(Vec::new());

fn width(text: &str) -> usize {
    text.chars().count()
}

fn cut(text: &str) -> String {
    if width(text) <= WIDEST {
        return text.to_owned();
    }
    text.chars().take(WIDEST - 1).chain(['…']).collect()
}

/// The rows of a group, aligned.
pub fn render(rows: &[Done]) -> String {
    let mut lines =
        vec![std::iter::once("row").chain(Column::ALL.map(|(_, name)| name)).map(str::to_owned).collect()];
    for row in rows {
        lines.push(
            std::iter::once(row.name.to_owned()).chain(row.texts.iter().map(|text| cut(text))).collect(),
        );
    }
    let columns = Column::ALL.len() + 1;
    let widths: Vec<usize> = (0..columns)
        .map(|n| lines.iter().map(|line: &Vec<String>| width(&line[n])).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for (cell, most) in line.iter().zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', most - width(cell) + 2));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

/// Writes all groups that have been run so far to `target/matrix.txt`; and when that is all of them, prints them past the
/// runner, which would keep what a test that passes has to say.
pub fn publish(place: usize, group: &str, rows: &[Done], took: std::time::Duration) {
    let well = rows.iter().filter(|row| row.well).count();
    let text =
        format!("\n{group}: {well} of {} rows, {:.0} s\n{}", rows.len(), took.as_secs_f64(), render(rows));
    let mut groups = GROUPS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    groups.push((place, text));
    groups.sort();
    let all: String = groups.iter().map(|(_, text)| text.as_str()).collect();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("matrix.txt"), &all).unwrap();
    if groups.len() == super::GROUPS.len() {
        let _ = std::io::stderr().write_all(all.as_bytes());
    }
}
