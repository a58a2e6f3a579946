//! What one row of the matrix has come to: a cell a column, filled while the row runs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::said::{Reports, Where};
use crate::support::fixture::{self, ASSET, FOUR, SEEN, SIGNUP, UNOPENED};
use crate::support::{Answer, Edge, Page, ms, secs};

/// `patience_max` of the test's sites, and the second that a promise allows on top.
pub const IN_TIME: Duration = ms(800 + 1000);
/// Within which the live site is back after the failure's end.
pub const BACK: Duration = secs(15);

/// A column of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Seen,
    Unopened,
    Asset,
    Signup,
    Time,
    Cause,
    Recovery,
    /// What the row promises beside that.
    Further,
}

impl Column {
    pub const ALL: [(Column, &'static str); 8] = [
        (Column::Seen, "seen page"),
        (Column::Unopened, "unopened page"),
        (Column::Asset, "asset"),
        (Column::Signup, "sign-up page"),
        (Column::Time, "time"),
        (Column::Cause, "cause reported"),
        (Column::Recovery, "recovery"),
        (Column::Further, "further"),
    ];

    fn of(path: &str) -> Column {
        match path {
            SEEN => Column::Seen,
            UNOPENED => Column::Unopened,
            ASSET => Column::Asset,
            SIGNUP => Column::Signup,
            other => panic!("{other} is none of the four"),
        }
    }
}

#[derive(Default)]
struct Cell {
    good: Vec<String>,
    bad: Vec<String>,
}

#[derive(Default)]
struct Inner {
    cells: BTreeMap<Column, Cell>,
    slowest: Duration,
    reports: Reports,
}

/// The row's cells. A clone is the same sheet.
#[derive(Clone, Default)]
pub struct Sheet(Rc<RefCell<Inner>>);

/// What pages may say: the versions of the shop that are right at this moment.
pub struct Right(Vec<HashMap<String, Page>>);

/// These versions of the shop.
pub fn right(versions: &[u32]) -> Right {
    Right(versions.iter().map(|version| fixture::pages(*version)).collect())
}

impl Right {
    fn is(&self, path: &str, answer: &Answer) -> bool {
        self.0.iter().any(|pages| pages[path].body == answer.body)
    }
}

/// Where an answer came from.
fn source(answer: &Answer) -> &'static str {
    if answer.is_from_snapshot() {
        "snapshot"
    } else if answer.is_copy() {
        "stale"
    } else if answer.cache_status().contains("; hit") {
        "cache"
    } else {
        "live"
    }
}

impl Sheet {
    /// Writes what was as it should be.
    pub fn good(&self, column: Column, text: impl Into<String>) {
        let mut inner = self.0.borrow_mut();
        let cell = inner.cells.entry(column).or_default();
        let text = text.into();
        if !cell.good.contains(&text) {
            cell.good.push(text);
        }
    }

    /// Writes what was not.
    pub fn bad(&self, column: Column, text: impl Into<String>) {
        let mut inner = self.0.borrow_mut();
        let cell = inner.cells.entry(column).or_default();
        let text = text.into();
        if !cell.bad.contains(&text) {
            cell.bad.push(text);
        }
    }

    /// One or the other.
    pub fn must(&self, column: Column, holds: bool, good: &str, bad: impl Into<String>) {
        if holds {
            self.good(column, good);
        } else {
            self.bad(column, bad);
        }
    }

    /// All four pages at once: whole, right, in time. Returns where each came from.
    pub async fn four(&self, edge: &Edge, right: &Right, in_time: Duration) -> Vec<&'static str> {
        let asked = FOUR.map(|path| {
            let client = edge.client();
            (path, tokio::spawn(async move { ask(&client, path).await }))
        });
        let mut sources = Vec::new();
        for (path, answer) in asked {
            match answer.await.expect("a visitor") {
                Ok(answer) => sources.push(self.judge(path, &answer, right, in_time)),
                Err(why) => self.bad(Column::of(path), why),
            }
        }
        sources
    }

    /// One answer to one of the four.
    pub fn judge(&self, path: &str, answer: &Answer, right: &Right, in_time: Duration) -> &'static str {
        let (column, from) = (Column::of(path), source(answer));
        let status = answer.cache_status();
        if let Some(why) = &answer.broken {
            self.bad(column, format!("broken off: {why}"));
        } else if answer.status != 200 {
            self.bad(column, format!("status {} ({status})", answer.status));
        } else if !right.is(path, answer) {
            let text: String = answer.text().chars().filter(|c| !c.is_control()).take(60).collect();
            self.bad(column, format!("wrong ({status}): {text}"));
        } else {
            self.good(column, from);
        }
        let slowest = self.0.borrow().slowest.max(answer.took);
        self.0.borrow_mut().slowest = slowest;
        if answer.took >= in_time {
            self.bad(Column::Time, format!("{path} took {:?}", answer.took));
        }
        from
    }

    /// From here on what is reported belongs to the failure.
    pub async fn begin(&self, edge: &Edge) {
        let reports = Reports::begin(edge).await;
        self.0.borrow_mut().reports = reports;
    }

    /// Reads what is reported, and keeps it.
    pub async fn listen(&self, edge: &Edge) {
        let mut reports = self.0.borrow().reports.clone();
        reports.read(edge).await;
        self.0.borrow_mut().reports = reports;
    }

    /// The process is another one now: its log and counters begin anew.
    pub fn restarted(&self) {
        self.0.borrow_mut().reports.anew();
    }

    /// Waits until one of these causes is reported to the operator, and none in its stead.
    pub async fn cause(&self, edge: &Edge, codes: &[&str]) {
        let end = Instant::now() + secs(10);
        loop {
            self.listen(edge).await;
            let told = self.0.borrow().reports.told(codes);
            if told || Instant::now() > end {
                break;
            }
            tokio::time::sleep(ms(50)).await;
        }
        let found = self.0.borrow().reports.found().clone();
        let mut named: BTreeMap<&str, BTreeSet<Where>> = BTreeMap::new();
        let mut others = BTreeSet::new();
        for (code, places) in &found {
            match codes.iter().find(|expected| *expected == code) {
                Some(code) => named.entry(code).or_default().extend(places),
                None => drop(others.insert(code.as_str())),
            }
        }
        let told = named.values().any(|places| places.contains(&Where::Status));
        let text = |(code, places): (&&str, &BTreeSet<Where>)| {
            format!("{code} [{}]", places.iter().map(|place| place.letter()).collect::<String>())
        };
        let text: Vec<String> = named.iter().map(text).collect();
        match text.is_empty() {
            true => self.bad(Column::Cause, format!("{} not reported, but {others:?}", codes.join(" or "))),
            false if told => self.good(Column::Cause, text.join(", ")),
            false => self.bad(Column::Cause, format!("not in the status: {}", text.join(", "))),
        }
    }

    /// Waits until the incident that is under way names one of these causes; `None`: there is none, nor was one.
    pub async fn incident(&self, edge: &Edge, causes: Option<&[&str]>) {
        let end = Instant::now() + BACK;
        let Some(causes) = causes else {
            let all = incidents(edge, "").await;
            return self.must(
                Column::Further,
                all.is_empty(),
                "no incident",
                format!("an incident: {all:?}"),
            );
        };
        loop {
            let mut found = Vec::new();
            for one in incidents(edge, "?state=open").await {
                let path = format!("/api/v1/incidents/{}", one["id"].as_str().unwrap_or_default());
                let whole = edge.admin().get(&path).await;
                let whole: Value = serde_json::from_slice(&whole.body).unwrap_or_default();
                let spans = whole["causes"].as_array().cloned().unwrap_or_default();
                found.extend(spans.iter().map(|span| span["cause"].as_str().unwrap_or_default().to_owned()));
            }
            if let Some(code) = causes.iter().find(|code| found.iter().any(|found| found == *code)) {
                return self.good(Column::Cause, format!("incident: {code}"));
            }
            if Instant::now() > end {
                return self.bad(
                    Column::Cause,
                    format!("the incident names {found:?}, not {}", causes.join(" or ")),
                );
            }
            tokio::time::sleep(ms(50)).await;
        }
    }

    /// Waits for a state of the site.
    pub async fn until(&self, edge: &Edge, states: &[&str], column: Column) -> bool {
        let end = Instant::now() + BACK;
        loop {
            let state = edge.state().await;
            if states.contains(&&*state) {
                return true;
            }
            if Instant::now() > end {
                self.bad(column, format!("the site is {state}, not {}", states.join(" or ")));
                return false;
            }
            self.listen(edge).await;
            tokio::time::sleep(ms(20)).await;
        }
    }

    /// The live site is back: this version of it, first seen within fifteen seconds; then all four again.
    pub async fn back(&self, edge: &Edge, version: u32) {
        let began = Instant::now();
        let fresh = right(&[version]);
        loop {
            let answer = ask(&edge.client(), SEEN).await;
            if answer.as_ref().is_ok_and(|answer| answer.status == 200 && fresh.is(SEEN, answer)) {
                break;
            }
            if began.elapsed() > BACK {
                let last = answer.map(|answer| format!("{} {}", answer.status, answer.cache_status()));
                return self.bad(Column::Recovery, format!("not within {BACK:?}: {last:?}"));
            }
            tokio::time::sleep(ms(20)).await;
        }
        self.good(Column::Recovery, format!("{:.1} s", began.elapsed().as_secs_f64()));
        self.until(edge, &["up", "recovering"], Column::Recovery).await;
        let all: Vec<u32> = (1..=version).collect();
        self.four(edge, &right(&all), IN_TIME).await;
    }

    /// The row broke off.
    pub fn panicked(&self, what: &str) {
        self.bad(Column::Further, format!("broke off: {}", what.lines().next().unwrap_or_default()));
    }

    /// The texts of the row, column by column, and whether all is well. A column that says nothing is not well: no
    /// row may leave one out.
    pub fn finish(&self) -> (Vec<String>, bool) {
        let inner = self.0.borrow();
        let mut well = true;
        let mut texts = Vec::new();
        for (column, _) in Column::ALL {
            let mut cell = inner.cells.get(&column).map_or_else(Vec::new, |cell| {
                let bad = cell.bad.iter().map(|text| format!("BAD: {text}"));
                if cell.bad.is_empty() { cell.good.clone() } else { bad.collect() }
            });
            if column == Column::Time && cell.is_empty() && inner.slowest > Duration::ZERO {
                cell.push(format!("{} ms", inner.slowest.as_millis()));
            }
            if cell.is_empty() && column != Column::Further {
                cell.push("BAD: nothing".to_owned());
            }
            well &= !cell.iter().any(|text| text.starts_with("BAD"));
            texts.push(cell.join(", "));
        }
        (texts, well)
    }
}

/// The incidents, in short.
async fn incidents(edge: &Edge, query: &str) -> Vec<Value> {
    let list = edge.admin().get(&format!("/api/v1/incidents{query}")).await;
    let list: Value = serde_json::from_slice(&list.body).unwrap_or_default();
    list["incidents"].as_array().cloned().unwrap_or_default()
}

/// Asks, with whatever comes of it.
pub async fn ask(client: &crate::support::Client, path: &str) -> Result<Answer, String> {
    client.send(client.ask("GET", path).body(Default::default()).unwrap()).await
}
