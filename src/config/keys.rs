//! Every key that a file may hold, for those who compare: the nearest name to an unknown one, and the test that
//! each stands in `deploy/katahai.toml`.

use super::node::{Fault, Place, Value};
use super::raw::File;

/// Whether a key can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It can.
    Supported,
    /// It belongs to the interface, but not to this version: refused, never ignored.
    Later,
}

/// A key of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its path, such as `site.failover.patience`.
    pub path: String,
    /// Whether it can be used.
    pub support: Support,
}

/// Every key with a value of its own (tables are named by the keys in them), in the order of the interface.
pub fn known_keys() -> impl Iterator<Item = (String, Support)> {
    let mut keys = Vec::new();
    File::keys("", &mut keys);
    keys.into_iter().map(|key| (key.path, key.support))
}

/// What to say of a key that no row knows.
pub(super) fn unknown(name: &str, table: &Place, siblings: &[&str]) -> Fault {
    let place = if table.key.is_empty() { String::new() } else { format!(" in [{}]", table.header()) };
    let message = format!("unknown key {}{place}", super::node::shown(name));
    let elsewhere = tables_with(name);
    let help = if let Some(near) = nearest(name, siblings).filter(|_| elsewhere.is_empty()) {
        format!("did you mean `{near}`?")
    } else if elsewhere.is_empty() {
        format!("known here: {}", siblings.join(", "))
    } else {
        format!("`{name}` belongs in {}", elsewhere.join(" or "))
    };
    Fault::new(message, help)
}

/// The known name that a slip of the keyboard could have turned into `name`.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    const LONGEST: usize = 40;
    if name.len() > LONGEST {
        return None;
    }
    known
        .iter()
        .map(|&key| (strsim::damerau_levenshtein(&name.to_lowercase(), key), key))
        .filter(|&(distance, key)| distance <= (key.len() / 3).clamp(1, 3))
        .min()
        .map(|(_, key)| key)
}

/// The tables in which `name` is a key, or a table.
fn tables_with(name: &str) -> Vec<String> {
    let mut tables = Vec::new();
    for (path, _) in known_keys() {
        let parts: Vec<&str> = path.split('.').collect();
        if let Some(at) = parts.iter().position(|&part| part == name) {
            let table = if at == 0 {
                "the top of the file".to_owned()
            } else {
                format!("[{}]", parts[..at].join("."))
            };
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["patience", "patience_max", "timeout", "fall", "url"];
        assert_eq!(nearest("patince", &known), Some("patience"));
        assert_eq!(nearest("patience-max", &known), Some("patience_max"));
        assert_eq!(nearest("Timeout", &known), Some("timeout"));
        assert_eq!(nearest("rul", &known), Some("url"));
        assert_eq!(nearest("cookies", &known), None);
        assert_eq!(nearest(&"patience".repeat(1000), &known), None);
    }

    #[test]
    fn a_key_in_the_wrong_table_is_told_where_it_belongs() {
        let site = Place { span: 0..0, key: "site[2]".to_owned() };
        let fault = unknown("timeout", &site, &["tls"]);
        assert_eq!(fault.message, "unknown key \"timeout\" in [site]");
        assert_eq!(fault.help, "`timeout` belongs in [site.health] or [site.failover]");
        assert_eq!(unknown("hots", &site, &["hosts", "name"]).help, "did you mean `hosts`?");
        assert_eq!(unknown("colour", &site, &["hosts", "name"]).help, "known here: hosts, name");
    }

    #[test]
    fn keys_are_listed_once_with_their_paths() {
        let keys: Vec<(String, Support)> = known_keys().collect();
        for expected in
            ["state_dir", "listen.http", "admin.token_file", "site.origin.url", "site.failover.hold_back"]
        {
            assert!(keys.contains(&(expected.to_owned(), Support::Supported)), "{expected}");
        }
        for expected in ["store.url", "limits.requests_per_client", "site.tls.acme", "site.form.path"] {
            assert!(keys.contains(&(expected.to_owned(), Support::Later)), "{expected}");
        }
        let mut paths: Vec<&String> = keys.iter().map(|(path, _)| path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), keys.len());
    }
}
