//! Who an instance is: an id that it keeps, a name that people give it, and a number for each of its processes.

use std::path::Path;

use crate::disk;
use crate::failure::chain;

/// The file with the id.
const FILE: &str = "instance";

/// Who this instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Drawn once, and kept.
    pub(super) id: String,
    /// Drawn at each start.
    pub(super) run: String,
    pub(super) name: String,
    pub(super) place: String,
}

impl Identity {
    /// By the configuration, and where that says nothing, by the host. Blocks.
    pub(super) fn of(state_dir: &Path, name: Option<String>, place: Option<String>) -> Identity {
        let name = name.unwrap_or_else(this_host);
        let place = place.unwrap_or_else(|| name.clone());
        Identity { id: kept_id(state_dir), run: drawn(), name, place }
    }
}

/// What this machine is called. Blocks.
pub(in crate::app) fn this_host() -> String {
    host_name(&std::fs::read_to_string(HOST).unwrap_or_default())
}

/// What the system calls this machine.
const HOST: &str = "/proc/sys/kernel/hostname";

/// The name of a host as the name of an instance.
fn host_name(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let name: String = text.trim().chars().filter(|c| plain(*c)).take(64).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "katahai".to_owned() } else { name.to_owned() }
}

fn drawn() -> String {
    format!("{:016x}", fastrand::u64(..))
}

/// The id in the state directory; a new one if there is none, or none that can be read.
fn kept_id(state_dir: &Path) -> String {
    let file = state_dir.join(FILE);
    let is_id = |text: &&str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(id) = std::fs::read_to_string(&file).ok().as_deref().map(str::trim).filter(is_id) {
        return id.to_owned();
    }
    let id = drawn();
    if let Err(error) = disk::write_atomic(&file, format!("{id}\n").as_bytes()) {
        tracing::warn!(file = %file.display(), error = chain(&error), "id of this instance not kept, the next start draws another");
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_kept_and_the_run_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let of = || Identity::of(dir.path(), Some("osaka-1".to_owned()), None);
        let (first, second) = (of(), of());
        assert_eq!(first.id, second.id);
        assert_ne!(first.run, second.run);
        assert_eq!((&*first.name, &*first.place), ("osaka-1", "osaka-1"));
        disk::write_atomic(&dir.path().join(FILE), b"not an id").unwrap();
        assert_ne!(of().id, first.id);
        assert_eq!(of().id, of().id);
        let nowhere = Identity::of(Path::new("/proc/nothing"), None, Some("Osaka, rack 3".to_owned()));
        assert!(!nowhere.name.is_empty() && nowhere.id.len() == 16);
        assert_eq!(nowhere.place, "Osaka, rack 3");
    }

    #[test]
    fn a_host_has_a_name_that_an_object_may_have() {
        for (host, name) in
            [("web-1.example.jp\n", "web-1.example.jp"), ("..x", "x"), ("大阪", "katahai"), ("", "katahai")]
        {
            assert_eq!(host_name(host), name);
        }
    }
}
