//! `index.json`: which files a snapshot has in the store. Written last, and only if there is none; with it, the snapshot is whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layout;
use super::signature::{Signed, Signer, Unusable};
use crate::snapshot::{BlobId, SnapshotFile, SnapshotId};

/// The version of its shape.
const VERSION: u32 = 2;
/// The one in which files lie under their plain names.
const PLAIN: u32 = 1;
/// Bytes that it may have.
pub(super) const MOST: u64 = 64 << 10;
/// Files that it may name.
const MOST_FILES: usize = 64;

/// A file of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) len: u64,
    pub(super) blake3: BlobId,
}

/// The files of a snapshot, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) files: BTreeMap<String, Announced>,
    /// Whether they lie under their plain names.
    is_plain: bool,
}

#[derive(Serialize, Deserialize)]
struct IndexText {
    version: u32,
    site: String,
    id: String,
    files: BTreeMap<String, FileText>,
}

#[derive(Serialize, Deserialize)]
struct FileText {
    bytes: u64,
    blake3: String,
}

impl Index {
    pub(super) fn of(files: &[SnapshotFile]) -> Index {
        let announced = |file: &SnapshotFile| Announced { len: file.len, blake3: file.blake3 };
        let files = files.iter().map(|file| (file.name.to_owned(), announced(file))).collect();
        Index { files, is_plain: false }
    }

    /// The object with a file.
    pub(super) fn object(&self, site: &str, id: &SnapshotId, file: &str, announced: &Announced) -> String {
        match self.is_plain {
            true => layout::plain_file(site, id, file),
            false => layout::file(site, id, file, &announced.blake3),
        }
    }

    pub(super) fn seal(
        &self,
        site: &str,
        id: &SnapshotId,
        signer: &Signer,
    ) -> Result<bytes::Bytes, Unusable> {
        let id = id.to_string();
        let text = |file: &Announced| FileText { bytes: file.len, blake3: file.blake3.to_string() };
        let files = self.files.iter().map(|(name, file)| (name.clone(), text(file))).collect();
        let version = if self.is_plain { PLAIN } else { VERSION };
        let text = IndexText { version, site: site.to_owned(), id: id.clone(), files };
        signer.seal(Signed::Index(site, &id), &text)
    }

    pub(super) fn open(
        site: &str,
        id: &SnapshotId,
        object: &[u8],
        signer: &Signer,
    ) -> Result<Index, Unusable> {
        let id = id.to_string();
        let text: IndexText = signer.open(Signed::Index(site, &id), object)?;
        let is_plain = text.version == PLAIN;
        if !is_plain && text.version != VERSION
            || text.site != site
            || text.id != id
            || text.files.len() > MOST_FILES
        {
            return Err(Unusable::Unreadable);
        }
        let announced = |(name, file): (String, FileText)| {
            let blake3 = file.blake3.parse().map_err(|_| Unusable::Unreadable)?;
            Ok((name, Announced { len: file.bytes, blake3 }))
        };
        Ok(Index { files: text.files.into_iter().map(announced).collect::<Result<_, _>>()?, is_plain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"version":1,"site":"shop","id":"20261120T011334Z-000042","files":{"manifest":{"bytes":12288,"blake3":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"}}}
"#;

    #[test]
    fn both_versions_are_read_for_ever_and_only_for_their_snapshot() {
        let id: SnapshotId = "20261120T011334Z-000042".parse().unwrap();
        let second = SAMPLE.replace("\"version\":1", "\"version\":2");
        for (sample, name) in [(SAMPLE, "manifest"), (&second, "manifest.af1349b9f5f9a1a6")] {
            let open = |site, id, text: &str| Index::open(site, id, text.as_bytes(), &Signer::default());
            let index = open("shop", &id, sample).unwrap();
            let announced = index.files["manifest"];
            assert_eq!(announced, Announced { len: 12288, blake3: BlobId::of(b"") });
            let object = index.object("shop", &id, "manifest", &announced);
            assert_eq!(object, format!("{}/{name}", layout::snapshot("shop", &id)));
            assert_eq!(index.seal("shop", &id, &Signer::default()).unwrap(), sample);
            let other = "20261120T011334Z-000043".parse().unwrap();
            for bad in [
                open("blog", &id, sample),
                open("shop", &other, sample),
                open("shop", &id, &sample.replace("\"version\":", "\"version\":3")),
                open("shop", &id, &sample.replace("af13", "AF13")),
                open("shop", &id, ""),
            ] {
                assert_eq!(bad, Err(Unusable::Unreadable));
            }
        }
    }
}
