//! Every key that a file may hold, for those who compare: the nearest name to an unknown one, and the test that
//! each stands in `deploy/katahai.toml`.

use super::node::{Fault, Value, header, shown, without_indexes};
use super::raw::File;

/// Whether a key can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It can.
    Supported,
    /// It belongs to the interface, but not to this version: refused, never ignored.
    Later,
}

/// A key, with `[]` behind what is a list of tables: `site[].origin[].url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) path: String,
    pub(super) support: Support,
}

/// The keys of one table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Siblings<'k> {
    pub(super) supported: &'k [&'k str],
    pub(super) later: &'k [&'k str],
}

fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    File::keys("", &mut keys);
    keys
}

/// Every key with a value of its own, such as `site.origin.url` (tables are named by the keys in them), in the order
/// of the file, and whether it can be used.
pub fn known_keys() -> impl Iterator<Item = (String, Support)> {
    keys().into_iter().map(|key| (without_indexes(&key.path), key.support))
}

/// What to say of a key that no row of the table at `table` knows.
pub(super) fn unknown(name: &str, table: &str, siblings: Siblings<'_>) -> Fault {
    let place = if table.is_empty() { String::new() } else { format!(" in {}", header(table)) };
    let message = format!("unknown key {}{place}", shown(name));
    let known: Vec<&str> = siblings.supported.iter().chain(siblings.later).copied().collect();
    let elsewhere = tables_with(name);
    let belongs = format!("`{name}` belongs in {}", elsewhere.join(" or "));
    let help = match (nearest(name, &known), elsewhere.is_empty()) {
        (Some(near), true) => format!("did you mean `{near}`?"),
        (Some(near), false) => format!("did you mean `{near}`? {belongs}"),
        (None, false) => belongs,
        (None, true) => format!("known here: {}", siblings.supported.join(", ")),
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

/// The headers of the tables in which `name` is a key or a table that can be used.
fn tables_with(name: &str) -> Vec<String> {
    let mut tables = Vec::new();
    for key in keys().iter().filter(|key| key.support == Support::Supported) {
        let parts: Vec<&str> = key.path.split('.').collect();
        let Some(at) = parts.iter().position(|part| part.trim_end_matches("[]") == name) else {
            continue;
        };
        let table = if at == 0 { "the file's top level".to_owned() } else { header(&parts[..at].join(".")) };
        if !tables.contains(&table) {
            tables.push(table);
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
        let siblings = Siblings { supported: &["hosts", "name", "tls"], later: &["notice"] };
        let fault = unknown("timeout", "site[2]", siblings);
        assert_eq!(fault.message, "unknown key \"timeout\" in [[site]]");
        assert_eq!(fault.help, "`timeout` belongs in [site.health] or [site.failover] or [[site.route]]");
        let help = |name| unknown(name, "site[2]", siblings).help;
        assert_eq!(help("url"), "`url` belongs in [[site.origin]]");
        assert_eq!(help("site"), "`site` belongs in the file's top level");
        assert_eq!(help("host"), "did you mean `hosts`? `host` belongs in [[site.origin]]");
        assert_eq!(help("hots"), "did you mean `hosts`?");
        assert_eq!(help("notices"), "did you mean `notice`?");
        assert_eq!(help("colour"), "known here: hosts, name, tls");
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
