//! What is still to reach the copy outside this machine: forms that it has not taken yet, written a second time, and what a
//! person has decided.
//!
//! ```text
//! <state>/forms/.waiting/<site>/<id>.form      sealed with the keys of the copy, as it will lie there
//! <state>/forms/.waiting/<site>/<id>.erase     somebody has erased it; empty
//! <state>/forms/.waiting/<site>/<id>.deliver   somebody wants it delivered; empty
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::id::FormId;
use super::scan::is_site;
use crate::disk::{self, StagedFile};

/// In the folder of the forms; no site has such a name.
const WAITING: &str = ".waiting";

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Errand {
    /// A form is to be copied.
    Form,
    /// One is to be delivered.
    Deliver,
    /// One is to be erased.
    Erase,
}

impl Errand {
    const ALL: [Errand; 3] = [Errand::Form, Errand::Deliver, Errand::Erase];

    const fn code(self) -> &'static str {
        match self {
            Errand::Form => "form",
            Errand::Deliver => "deliver",
            Errand::Erase => "erase",
        }
    }
}

/// See the module. All of it blocks.
#[derive(Clone, Debug)]
pub struct Waiting {
    folder: PathBuf,
}

impl Waiting {
    /// Of a state directory.
    pub fn of(state_dir: &Path) -> Waiting {
        Waiting { folder: state_dir.join(super::FOLDER).join(WAITING) }
    }

    /// Writes one down, durably. What is erased is not copied any more.
    ///
    /// # Errors
    /// Of the file system.
    pub fn put(&self, site: &str, id: FormId, errand: Errand, content: &[u8]) -> io::Result<()> {
        if !is_site(site) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let folder = self.folder.join(site);
        disk::ensure_dir(&folder)?;
        let mut staged = StagedFile::create_private(&folder)?;
        staged.write_all(content)?;
        staged.commit(&self.path(site, id, errand))?;
        // The folders may be new.
        disk::sync_dir(&self.folder)?;
        disk::sync_dir(self.folder.parent().unwrap_or(&self.folder))?;
        if errand == Errand::Erase {
            self.done(site, id, Errand::Form)?;
            self.done(site, id, Errand::Deliver)?;
        }
        Ok(())
    }

    /// One has been carried out, or is not to be. Lost, it would be carried out once more, which does no harm.
    ///
    /// # Errors
    /// Of the file system.
    pub fn done(&self, site: &str, id: FormId, errand: Errand) -> io::Result<()> {
        match disk::remove_file(&self.path(site, id, errand)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// The form as it was written.
    ///
    /// # Errors
    /// Of the file system.
    pub fn form(&self, site: &str, id: FormId) -> io::Result<Vec<u8>> {
        fs::read(self.path(site, id, Errand::Form))
    }

    /// All that waits.
    ///
    /// # Errors
    /// Of the file system.
    pub fn all(&self) -> io::Result<Vec<(String, FormId, Errand)>> {
        let mut all = Vec::new();
        let sites = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
            sites => sites?,
        };
        for site in sites {
            let site = site?;
            let Some(name) = site.file_name().to_str().filter(|name| is_site(name)).map(str::to_owned) else {
                continue;
            };
            if !site.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(site.path())? {
                let file = file?.file_name();
                let parts = file.to_str().and_then(|name| name.split_once('.'));
                let Some((id, rest)) = parts else { continue };
                let errand = Errand::ALL.into_iter().find(|errand| errand.code() == rest);
                if let (Ok(id), Some(errand)) = (id.parse(), errand) {
                    all.push((name.clone(), id, errand));
                }
            }
        }
        all.sort();
        Ok(all)
    }

    fn path(&self, site: &str, id: FormId, errand: Errand) -> PathBuf {
        self.folder.join(site).join(format!("{id}.{}", errand.code()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_found_again_and_what_is_erased_is_not_copied() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(crate::forms::FOLDER)).unwrap();
        let waiting = Waiting::of(dir.path());
        let [one, other]: [FormId; 2] =
            ["20261130T115251Z-k7f3x9q2", "20261130T115252Z-k7f3x9q2"].map(|id| id.parse().unwrap());
        assert_eq!(waiting.all().unwrap(), []);
        waiting.put("shop", other, Errand::Form, b"sealed").unwrap();
        waiting.put("shop", one, Errand::Form, b"sealed").unwrap();
        waiting.put("bar", one, Errand::Deliver, b"").unwrap();
        let shop = || "shop".to_owned();
        let all = [
            ("bar".to_owned(), one, Errand::Deliver),
            (shop(), one, Errand::Form),
            (shop(), other, Errand::Form),
        ];
        assert_eq!(waiting.all().unwrap(), all);
        assert_eq!(waiting.form("shop", one).unwrap(), b"sealed");
        waiting.put("shop", one, Errand::Erase, b"").unwrap();
        assert_eq!(waiting.all().unwrap()[1], (shop(), one, Errand::Erase));
        assert_eq!(waiting.form("shop", one).unwrap_err().kind(), io::ErrorKind::NotFound);
        waiting.done("shop", one, Errand::Erase).unwrap();
        waiting.done("shop", one, Errand::Erase).unwrap();
        assert_eq!(waiting.all().unwrap().len(), 2);
        assert!(waiting.put("../x", one, Errand::Form, b"").is_err());
    }
}
