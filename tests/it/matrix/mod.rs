//! The matrix of failures, one row a failure, over the real binary: a page that was opened before, one that nobody had
//! opened, an asset and the sign-up page come back right, whole and in time; the failure is named; the live site
//! comes back. The table is printed, and written to `target/matrix.txt`.

mod check;
mod copies;
mod evidence;
mod forms;
mod habits;
mod hard_to_see;
mod load;
mod name;
mod origins;
mod own;
mod own_life;
mod own_settings;
mod process;
mod promised;
mod said;
mod sent;
mod sheet;
mod sites_that_are;
mod store;
mod table;
mod tls;
mod visitors;
mod which_copy;
mod wrong;

pub use copies::crawl;
pub use own::files;
pub use wrong::sample;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use crate::support::turn;
use sheet::Sheet;
use table::Done;

/// A row under way.
type Running = Pin<Box<dyn Future<Output = ()>>>;

/// A failure.
struct Row {
    name: &'static str,
    /// Whether nothing else runs beside it.
    alone: bool,
    run: Box<dyn FnOnce(Sheet) -> Running>,
}

/// A row of a shape of its own.
fn row<F: Future<Output = ()> + 'static>(name: &'static str, run: impl FnOnce(Sheet) -> F + 'static) -> Row {
    Row { name, alone: false, run: Box::new(move |sheet| Box::pin(run(sheet))) }
}

/// A row in which what comes at once is told from what was waited for: nothing else runs beside it.
fn row_alone<F: Future<Output = ()> + 'static>(
    name: &'static str,
    run: impl FnOnce(Sheet) -> F + 'static,
) -> Row {
    Row { alone: true, ..row(name, run) }
}

/// How many rows of a group run at once. Most of them wait most of the time.
const AT_ONCE: u32 = 6;

/// Runs a group; fails with all bad cells at once. `MATRIX` in the environment picks rows by a part of their name.
async fn run(group: &'static str) {
    let only = std::env::var("MATRIX").unwrap_or_default();
    let rows: Vec<Row> = rows(group).into_iter().filter(|row| row.name.contains(&only)).collect();
    let _turn = if rows.iter().any(|row| row.alone) { turn::alone() } else { turn::share() };
    let began = Instant::now();
    let seats = Rc::new(Semaphore::new(AT_ONCE as usize));
    let local = LocalSet::new();
    let running: Vec<_> = rows
        .into_iter()
        .map(|Row { name, alone, run }| {
            let (sheet, seats) = (Sheet::default(), seats.clone());
            let work = local.spawn_local({
                let sheet = sheet.clone();
                async move {
                    let _seats = seats.acquire_many(if alone { AT_ONCE } else { 1 }).await;
                    run(sheet).await;
                }
            });
            (name, sheet, work)
        })
        .collect();
    let done: Vec<Done> = local
        .run_until(async move {
            let mut done = Vec::new();
            for (name, sheet, work) in running {
                if let Err(error) = work.await {
                    sheet.panicked(&words(error));
                }
                let (texts, well) = sheet.finish();
                done.push(Done { group, name, texts, well });
            }
            done
        })
        .await;
    let place = GROUPS.iter().position(|name| *name == group).expect("a group of the list");
    table::publish(place, group, &done, began.elapsed());
    let bad: Vec<String> = done
        .iter()
        .flat_map(|row| {
            let columns = sheet::Column::ALL.iter().zip(&row.texts).filter(|(_, text)| text.contains("BAD"));
            columns.map(|((_, column), text)| format!("{} | {} | {column}: {text}", row.group, row.name))
        })
        .collect();
    let bad: Vec<String> = bad.into_iter().chain(done.iter().filter_map(promised::broken)).collect();
    assert!(bad.is_empty(), "{} bad cells:\n{}", bad.len(), bad.join("\n"));
}

/// What a panic says.
fn words(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "it was cancelled".to_owned() };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

macro_rules! groups {
    ($($test:ident: $name:literal, $rows:path;)+) => {
        /// The groups of the matrix, in its order.
        const GROUPS: &[&str] = &[$($name),+];

        fn rows(group: &str) -> Vec<Row> {
            match group {
                $($name => $rows(),)+
                other => panic!("no group {other:?}"),
            }
        }

        $(
            #[tokio::test]
            async fn $test() {
                run($name).await;
            }
        )+
    };
}

groups! {
    process_: "process", process::rows;
    status: "status", wrong::statuses;
    wrong_pages: "right status, wrong page", wrong::pages;
    several_origins: "several origins", origins::rows;
    name_: "name", name::rows;
    tls_to_the_origin: "TLS to the origin", tls::rows;
    katahai_itself: "Katahai itself", own::rows;
    copies_: "copies", copies::rows;
    load_: "load", load::rows;
    forms_: "forms", forms::rows;
    own_settings_: "the product's own settings", own_settings::rows;
    hard_to_see_: "wrong, with 200, and hard to see", hard_to_see::rows;
    visitors_: "visitor against visitor", visitors::rows;
    which_copy_: "which copy", which_copy::rows;
    sites_that_are_: "sites that are", sites_that_are::rows;
    own_life_: "own life", own_life::rows;
    evidence_: "evidence", evidence::rows;
    store_: "the store", store::rows;
}

/// The rows as a list in a file of its own: none is lost by an edit of the code.
#[test]
fn no_row_is_lost() {
    let mut text = String::new();
    for group in GROUPS {
        text.push_str(&format!("{group}\n"));
        for row in rows(group) {
            text.push_str(&format!("    {}\n", row.name));
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/matrix/rows.txt");
    let listed = std::fs::read_to_string(path).unwrap();
    assert!(listed == text, "tests/it/matrix/rows.txt lists other rows; these are run:\n{text}");
}
