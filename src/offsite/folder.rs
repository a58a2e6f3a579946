//! Conditional writes where the store is a folder: its file system has none, so they are made under a lock.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, UpdateVersion};
use tokio::runtime::Handle;

use super::remote::{Version, Written};
use crate::disk;
use crate::tasks;

/// The file that the lock is taken on (`flock`; over NFS from version 4 on, it holds between machines, too).
const LOCK: &str = ".katahai-lock";

/// Writes an object only if it is still this version.
///
/// # Errors
/// Of the file system.
pub(super) async fn replace(
    folder: Arc<PathBuf>,
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: Bytes,
    version: UpdateVersion,
) -> Result<Written, Error> {
    let failed = |error: std::io::Error| Error::Generic { store: "LocalFileSystem", source: Box::new(error) };
    let runtime = Handle::current();
    // All of it is in the blocking work: whoever does not wait for it any longer does not end it, and so not the lock either.
    let work = tasks::blocking(move || {
        let lock = disk::lock_file(&folder.join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let written = runtime.block_on(replace_under_lock(&*store, &path, bytes, &version));
        drop(lock);
        written
    });
    work.await.unwrap_or_else(|| Err(failed(std::io::Error::other("the program is ending"))))
}

async fn replace_under_lock(
    store: &dyn ObjectStore,
    path: &Path,
    bytes: Bytes,
    version: &UpdateVersion,
) -> Result<Written, Error> {
    match store.head(path).await {
        Ok(meta) if meta.e_tag == version.e_tag => {}
        Ok(_) | Err(Error::NotFound { .. }) => return Ok(Written::Lost),
        Err(error) => return Err(error),
    }
    let result = store.put(path, bytes.into()).await?;
    Ok(Written::Won(Version(UpdateVersion { e_tag: result.e_tag, version: result.version })))
}
