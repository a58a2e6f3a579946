//! How much room a file system has.

use std::io;
use std::path::Path;

/// Bytes and files, free for this process and altogether.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskRoom {
    /// Bytes free.
    pub free: u64,
    /// All bytes.
    pub size: u64,
    /// Files that can still be made.
    pub files_free: u64,
    /// All files; 0 where the file system has no such bound.
    pub files: u64,
}

/// The room on the file system of `path`.
///
/// # Errors
/// Of the file system, `path` not being there among them.
pub fn room(path: &Path) -> io::Result<DiskRoom> {
    let stat = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    // what is kept for root alone is neither free nor ours
    let size = stat.f_blocks.saturating_sub(stat.f_bfree.saturating_sub(stat.f_bavail));
    Ok(DiskRoom {
        free: bytes(stat.f_bavail),
        size: bytes(size),
        files_free: stat.f_favail,
        files: stat.f_files,
    })
}
