//! `index.json`: which files a snapshot has in the store. Written last; with it, the snapshot is whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::signature::{Signed, Signer, Unusable};
use crate::snapshot::{BlobId, SnapshotFile, SnapshotId};

/// The version of its shape.
const VERSION: u32 = 1;
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
pub(super) struct Index(pub(super) BTreeMap<String, Announced>);

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
        Index(files.iter().map(|file| (file.name.to_owned(), announced(file))).collect())
    }

    pub(super) fn seal(
        &self,
        site: &str,
        id: &SnapshotId,
        signer: &Signer,
    ) -> Result<bytes::Bytes, Unusable> {
        let id = id.to_string();
        let text = |file: &Announced| FileText { bytes: file.len, blake3: file.blake3.to_string() };
        let files = self.0.iter().map(|(name, file)| (name.clone(), text(file))).collect();
        let text = IndexText { version: VERSION, site: site.to_owned(), id: id.clone(), files };
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
        if text.version != VERSION || text.site != site || text.id != id || text.files.len() > MOST_FILES {
            return Err(Unusable::Unreadable);
        }
        let announced = |(name, file): (String, FileText)| {
            let blake3 = file.blake3.parse().map_err(|_| Unusable::Unreadable)?;
            Ok((name, Announced { len: file.bytes, blake3 }))
        };
        Ok(Index(text.files.into_iter().map(announced).collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"version":1,"site":"shop","id":"20261120T011334Z-000042","files":{"manifest":{"bytes":12288,"blake3":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"}}}
"#;

    #[test]
    fn version_1_is_read_for_ever_and_only_for_its_snapshot() {
        let id: SnapshotId = "20261120T011334Z-000042".parse().unwrap();
        let open = |site, id, text: &str| Index::open(site, id, text.as_bytes(), &Signer::default());
        let index = open("shop", &id, SAMPLE).unwrap();
        assert_eq!(index.0["manifest"], Announced { len: 12288, blake3: BlobId::of(b"") });
        assert_eq!(index.seal("shop", &id, &Signer::default()).unwrap(), SAMPLE);
        let other = "20261120T011334Z-000043".parse().unwrap();
        for bad in [
            open("blog", &id, SAMPLE),
            open("shop", &other, SAMPLE),
            open("shop", &id, &SAMPLE.replace("\"version\":1", "\"version\":2")),
            open("shop", &id, &SAMPLE.replace("af13", "AF13")),
            open("shop", &id, ""),
        ] {
            assert_eq!(bad, Err(Unusable::Unreadable));
        }
    }
}
