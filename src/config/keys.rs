//! Every key that a file may hold, for those who compare: the nearest name to an unknown one, and the test that
//! each stands in `deploy/katahai.toml`.

use super::node::{Fault, Value, header, shown, without_indexes};
use super::raw::File;

/// The keys, with `[]` behind what is a list of tables: `site[].origin[].url`.
fn keys() -> Vec<String> {
    let mut keys = Vec::new();
    File::keys("", &mut keys);
    keys
}

/// Every key with a value of its own, such as `site.origin.url` (tables are named by the keys in them), in the order
/// of the file.
pub fn known_keys() -> impl Iterator<Item = String> {
    keys().into_iter().map(|path| without_indexes(&path))
}

/// What to say of a key that no row of the table at `table` knows; `siblings` are those that it has.
pub(super) fn unknown(name: &str, table: &str, siblings: &[&str]) -> Fault {
    let span = if table.is_empty() { String::new() } else { format!(" in {}", header(table)) };
    let message = format!("unknown key {}{span}", shown(name));
    let elsewhere = tables_with(name);
    let belongs = format!("`{name}` belongs in {}", elsewhere.join(" or "));
    let help = match (nearest(name, siblings), elsewhere.is_empty()) {
        (Some(near), true) => format!("did you mean `{near}`?"),
        (Some(near), false) => format!("did you mean `{near}`? {belongs}"),
        (None, false) => belongs,
        (None, true) => format!("valid keys here: {}", siblings.join(", ")),
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

/// The headers of the tables in which `name` is a key or a table.
fn tables_with(name: &str) -> Vec<String> {
    let mut tables = Vec::new();
    for path in &keys() {
        let parts: Vec<&str> = path.split('.').collect();
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
        let siblings = &["hosts", "name", "tls"];
        let fault = unknown("timeout", "site[2]", siblings);
        assert_eq!(fault.message, "unknown key \"timeout\" in [[site]]");
        assert_eq!(fault.help, "`timeout` belongs in [site.health] or [site.failover] or [[site.route]]");
        let help = |name| unknown(name, "site[2]", siblings).help;
        assert_eq!(help("url"), "`url` belongs in [store] or [[alerts.webhook]] or [[site.origin]]");
        assert_eq!(help("site"), "`site` belongs in the file's top level");
        assert_eq!(help("host"), "did you mean `hosts`? `host` belongs in [[site.origin]]");
        assert_eq!(help("hots"), "did you mean `hosts`?");
        assert_eq!(help("colour"), "valid keys here: hosts, name, tls");
    }

    #[test]
    fn keys_are_listed_once_with_their_paths() {
        let mut paths: Vec<String> = known_keys().collect();
        for expected in
            ["state_dir", "listen.http", "admin.token_file", "site.origin.url", "site.failover.hold_back"]
        {
            assert!(paths.iter().any(|path| path == expected), "{expected}");
        }
        let all = paths.len();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), all);
    }
}
