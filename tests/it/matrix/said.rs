//! What Katahai tells its operator: the causes that stand in status, metrics, log and `Cache-Status`.

use std::collections::{BTreeMap, BTreeSet};

use katahai::failure::Cause;
use serde_json::Value;

use super::sheet;
use crate::support::Edge;

/// Where a cause was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Where {
    Status,
    Metrics,
    Log,
    /// The field of an answer for which there is no copy.
    CacheStatus,
}

impl Where {
    pub fn letter(self) -> char {
        match self {
            Where::Status => 's',
            Where::Metrics => 'm',
            Where::Log => 'l',
            Where::CacheStatus => 'c',
        }
    }
}

/// What was reported since the beginning of a failure.
#[derive(Clone, Default)]
pub struct Reports {
    counted: BTreeMap<String, f64>,
    read: usize,
    asked: u32,
    found: BTreeMap<String, BTreeSet<Where>>,
}

impl Reports {
    /// What there is now does not belong to the failure.
    pub async fn begin(edge: &Edge) -> Reports {
        Reports { counted: counters(edge).await, read: edge.log().len(), ..Reports::default() }
    }

    /// Another process: nothing was counted or logged by it before.
    pub fn anew(&mut self) {
        self.counted.clear();
        self.read = 0;
    }

    /// Reads all places.
    pub async fn read(&mut self, edge: &Edge) {
        let mut codes = BTreeSet::new();
        in_status(&edge.status().await, false, &mut codes);
        self.keep(Where::Status, codes);
        let now = counters(edge).await;
        let more = |(code, count): (&String, &f64)| {
            (*count > self.counted.get(code).copied().unwrap_or_default()).then(|| code.clone())
        };
        let codes = now.iter().filter_map(more).collect();
        self.keep(Where::Metrics, codes);
        let log = edge.log();
        let codes = log.get(self.read..).unwrap_or_default().iter().flat_map(|line| in_line(line)).collect();
        self.keep(Where::Log, codes);
        self.asked += 1;
        // of a page that no copy has; another one each time, so that no memory of it is in the way
        if let Ok(answer) = sheet::ask(&edge.client(), &format!("/nowhere/{}", self.asked)).await {
            let detail = answer.cache_status().split("detail=").nth(1).map(str::to_owned);
            self.keep(Where::CacheStatus, detail.filter(|code| is_code(code)).into_iter().collect());
        }
    }

    fn keep(&mut self, place: Where, codes: BTreeSet<String>) {
        for code in codes {
            self.found.entry(code).or_default().insert(place);
        }
    }

    /// Whether one of these stands where an operator looks first.
    pub fn told(&self, codes: &[&str]) -> bool {
        codes.iter().any(|code| self.found.get(*code).is_some_and(|at| at.contains(&Where::Status)))
    }

    pub fn found(&self) -> &BTreeMap<String, BTreeSet<Where>> {
        &self.found
    }
}

fn is_code(text: &str) -> bool {
    Cause::of(text).is_some()
}

/// `katahai_failures_total` by cause.
async fn counters(edge: &Edge) -> BTreeMap<String, f64> {
    let mut counted = BTreeMap::new();
    for line in edge.admin().get("/metrics").await.text().lines() {
        let Some(line) = line.strip_prefix("katahai_failures_total{") else { continue };
        let code = line.split("cause=\"").nth(1).and_then(|rest| rest.split('"').next());
        let count = line.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok());
        if let (Some(code), Some(count)) = (code, count) {
            *counted.entry(code.to_owned()).or_default() += count;
        }
    }
    counted
}

/// The codes under any key that speaks of causes, at any depth.
fn in_status(value: &Value, about_causes: bool, codes: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if about_causes && is_code(text) => drop(codes.insert(text.clone())),
        Value::Array(values) => values.iter().for_each(|value| in_status(value, about_causes, codes)),
        Value::Object(fields) => {
            for (key, value) in fields {
                let names = ["cause", "causes", "code", "codes", "conditions"];
                let about = names.contains(&&**key);
                if about_causes && is_code(key) {
                    codes.insert(key.clone());
                }
                in_status(value, about, codes);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The codes that a line of the log names as a cause, or begins an error with.
fn in_line(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["cause=", "error=", "code="] {
        for (at, _) in line.match_indices(name) {
            let rest = line[at + name.len()..].trim_start_matches('"');
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(rest.len());
            if is_code(&rest[..end]) {
                found.push(rest[..end].to_owned());
            }
        }
    }
    found
}
