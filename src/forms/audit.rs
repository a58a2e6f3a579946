//! Who has read, sent or erased kept forms: a line each in `forms/.audit.log`, with nothing of what they hold.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::SystemTime;

use super::FormId;
use crate::disk;

/// In the folder of the forms; no site has such a name.
const FILE: &str = ".audit.log";
/// What came before; there is one of it.
const OLDER: &str = ".audit.log.1";
/// How long the file may become.
const MOST: u64 = 4 << 20;

/// What was done.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// By whom: "admin API", "command line, uid 0".
    pub who: &'a str,
    /// With the forms of this site.
    pub site: &'a str,
    /// In a word or two: "read", "exported", "searched", "erased".
    pub what: &'a str,
    /// Which form, if it was one.
    pub form: Option<&'a FormId>,
}

/// Adds the line. Blocks.
///
/// # Errors
/// It could not be written.
pub(super) fn note(folder: &Path, access: Access<'_>, now: SystemTime) -> io::Result<()> {
    let Access { who, site, what, form } = access;
    let at = humantime::format_rfc3339_seconds(now).to_string();
    let form = form.map(ToString::to_string);
    let line = serde_json::json!({ "at": at, "who": who, "site": site, "what": what, "form": form });
    let path = folder.join(FILE);
    if std::fs::metadata(&path).is_ok_and(|file| file.len() >= MOST) {
        disk::rename(&path, &folder.join(OLDER))?;
    }
    let mut file = disk::append_private(&path)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_line_says_who_did_what_and_the_file_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let id: FormId = "20261130T115251Z-k7f3x9q2".parse().unwrap();
        let access = Access { who: "admin API", site: "shop", what: "read", form: Some(&id) };
        note(folder.path(), access, UNIX_EPOCH + Duration::from_secs(1_796_039_571)).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            read(FILE),
            "{\"at\":\"2026-11-30T11:52:51Z\",\"form\":\"20261130T115251Z-k7f3x9q2\",\"site\":\"shop\",\"what\":\"read\",\"who\":\"admin API\"}\n"
        );
        disk::append(&folder.path().join(FILE)).unwrap().set_len(MOST).unwrap();
        note(folder.path(), Access { form: None, ..access }, UNIX_EPOCH).unwrap();
        assert!(read(FILE).lines().count() == 1 && read(FILE).contains("\"form\":null"));
        assert_eq!(std::fs::metadata(folder.path().join(OLDER)).unwrap().len(), MOST);
    }
}
