//! A host of static sites, as far as exports rely on it: files found by their names, `_redirects` and `_headers`, as the
//! documentation of such hosts has them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What a host makes of `_redirects`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Netlify's: a file goes before a rule without `!`, queries are known, `/a` and `/a/` are the same to a rule. A rule with a
    /// query fits only if nothing else is asked for.
    Exact,
    /// The same, but a rule with a query fits also if more is asked for.
    Loose,
    /// Cloudflare's: rules go before files; lines with a query or with `!` are passed over.
    Simple,
}

/// A published folder.
pub struct StaticHost {
    root: PathBuf,
    dialect: Dialect,
    redirects: Vec<Rule>,
    headers: Vec<(String, Vec<(String, String)>)>,
}

struct Rule {
    from: String,
    query: BTreeSet<String>,
    to: String,
    status: u16,
    /// Also where there is a file.
    force: bool,
}

/// What a visitor got.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub body: Option<Vec<u8>>,
    fields: Vec<(String, String)>,
}

impl Answer {
    /// A field of the rules.
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().rev().find(|(field, _)| field.eq_ignore_ascii_case(name));
        field.map(|(_, value)| &**value)
    }

    /// The type: by the rules, else by the name.
    pub fn content_type(&self) -> Option<&str> {
        self.field("content-type")
    }
}

impl StaticHost {
    /// The folder with its rules.
    pub fn read(root: &Path, dialect: Dialect) -> StaticHost {
        let text = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
        let known = |rule: &Rule| dialect != Dialect::Simple || rule.query.is_empty() && !rule.force;
        let redirects = text("_redirects").lines().map(rule).filter(known).collect();
        let mut headers: Vec<(String, Vec<_>)> = Vec::new();
        for line in text("_headers").lines() {
            match line.strip_prefix("  ") {
                Some(field) => {
                    let (name, value) = field.split_once(": ").unwrap_or_else(|| panic!("{line}"));
                    headers.last_mut().unwrap().1.push((name.to_owned(), value.to_owned()));
                }
                None => headers.push((line.to_owned(), Vec::new())),
            }
        }
        StaticHost { root: root.to_owned(), dialect, redirects, headers }
    }

    /// What stands at an address.
    pub fn get(&self, target: &str) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: BTreeSet<String> =
            query.split('&').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let file = self.file(path);
        for rule in &self.redirects {
            let asked = match self.dialect {
                Dialect::Exact if !rule.query.is_empty() => rule.query == query,
                Dialect::Exact | Dialect::Loose | Dialect::Simple => rule.query.is_subset(&query),
            };
            let here = match self.dialect {
                Dialect::Simple => rule.from == path,
                Dialect::Exact | Dialect::Loose => {
                    let blind = rule.from.trim_end_matches('/') == path.trim_end_matches('/');
                    blind && (file.is_none() || rule.force)
                }
            };
            if !here || !asked {
                continue;
            }
            if rule.status != 200 {
                return Answer { status: rule.status, location: Some(rule.to.clone()), ..Answer::default() };
            }
            return self.found(path, Some(&rule.to), self.file(&rule.to));
        }
        self.found(path, None, file)
    }

    fn found(&self, path: &str, target: Option<&str>, file: Option<PathBuf>) -> Answer {
        let Some(file) = file else { return Answer { status: 404, ..Answer::default() } };
        let by_name = file.extension().and_then(|ending| match &*ending.to_string_lossy() {
            "html" => Some("text/html"),
            "css" => Some("text/css"),
            "png" => Some("image/png"),
            "txt" => Some("text/plain"),
            "json" => Some("application/json"),
            _ => None,
        });
        let mut fields: Vec<(String, String)> =
            by_name.map(|kind| ("content-type".to_owned(), kind.to_owned())).into_iter().collect();
        for (pattern, more) in &self.headers {
            let fits = |path: &str| match pattern.strip_suffix('*') {
                Some(begin) => path.starts_with(begin),
                None => pattern == path,
            };
            if fits(path) || target.is_some_and(fits) {
                fields.extend(more.iter().cloned());
            }
        }
        Answer { status: 200, location: None, body: std::fs::read(file).ok(), fields }
    }

    /// The file of a path: by its name, with `.html`, or the folder's index.
    fn file(&self, path: &str) -> Option<PathBuf> {
        let decoded =
            percent_encoding::percent_decode_str(path.trim_start_matches('/')).decode_utf8().ok()?;
        if decoded.contains("//") || matches!(&*decoded, "_redirects" | "_headers") {
            return None;
        }
        let names = if decoded.is_empty() || decoded.ends_with('/') {
            vec![format!("{decoded}index.html")]
        } else {
            vec![decoded.to_string(), format!("{decoded}.html"), format!("{decoded}/index.html")]
        };
        names.iter().map(|name| self.root.join(name)).find(|file| file.is_file())
    }
}

/// `from [name=value …] to status[!]`.
fn rule(line: &str) -> Rule {
    let parts: Vec<&str> = line.split(' ').collect();
    let [from, query @ .., to, status] = parts.as_slice() else { panic!("no rule: {line}") };
    assert!(from.starts_with('/') && query.iter().all(|part| part.contains('=')), "{line}");
    let number = status.trim_end_matches('!');
    Rule {
        from: (*from).to_owned(),
        query: query.iter().map(|part| (*part).to_owned()).collect(),
        to: (*to).to_owned(),
        status: number.parse().unwrap_or_else(|_| panic!("no status: {line}")),
        force: status.ends_with('!'),
    }
}
