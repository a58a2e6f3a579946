//! One object on its way into the store: whole if it is small, in pieces if it is large. No more of it is in memory than a piece.

use std::io::{self, Read};

use bytes::Bytes;

use super::context::{Context, blocking};
use super::remote::Upload;
use super::trouble::Trouble;
use crate::failure::chain;
use crate::snapshot::{BlobId, SnapshotId};

/// Bytes of a piece. All but the last have the same length, and at least 5 MiB, or some stores refuse them.
pub(super) const PIECE: u64 = 8 << 20;

/// What is sent: of which snapshot here, under which name in the store, and how many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parcel<'a> {
    pub(super) of: SnapshotId,
    pub(super) name: &'a str,
    pub(super) len: u64,
}

/// Sends what is read. At its end, the reader says whether that was what it should be: if not, nothing is put there.
pub(super) async fn send<R: Read + Send + 'static, E: std::error::Error + Send + 'static>(
    context: &Context,
    parcel: Parcel<'_>,
    open: impl FnOnce() -> Result<R, E> + Send + 'static,
) -> Result<(), Trouble> {
    let Parcel { of, name, len } = parcel;
    let _room = context.hold(len.min(PIECE)).await?;
    let opened = blocking(move || Ok::<_, Trouble>(open())).await?;
    let reader = opened.map_err(|error| Trouble::DamagedHere { id: of, why: chain(&error) })?;
    let (first, rest) = next(reader, of, len).await?;
    let Some(rest) = rest else {
        context.pace(len).await;
        context.remote.put(name, first).await?;
        context.has_pushed(len);
        return Ok(());
    };
    let mut upload = context.remote.begin(name).await?;
    match in_pieces(context, &mut upload, (first, rest), parcel).await {
        Ok(()) => Ok(upload.finish().await?),
        Err(trouble) => {
            upload.give_up().await;
            Err(trouble)
        }
    }
}

async fn in_pieces<R: Read + Send + 'static>(
    context: &Context,
    upload: &mut Upload,
    (mut piece, rest): (Bytes, R),
    Parcel { of, len: mut left, .. }: Parcel<'_>,
) -> Result<(), Trouble> {
    let mut rest = Some(rest);
    loop {
        let bytes = piece.len() as u64;
        left = left.saturating_sub(bytes);
        if bytes > 0 {
            context.pace(bytes).await;
            upload.add(piece).await?;
            context.has_pushed(bytes);
        }
        let Some(reader) = rest.take() else { return Ok(()) };
        (piece, rest) = next(reader, of, left).await?;
    }
}

/// The next piece of what is `left`; the reader only if there may be more.
async fn next<R: Read + Send + 'static>(
    mut reader: R,
    of: SnapshotId,
    left: u64,
) -> Result<(Bytes, Option<R>), Trouble> {
    let read = blocking(move || {
        // At once: to grow would take twice as much.
        let mut piece = Vec::with_capacity(usize::try_from(left.min(PIECE)).unwrap_or_default());
        let read = reader.by_ref().take(PIECE).read_to_end(&mut piece);
        Ok::<_, Trouble>(read.map(|_| (Bytes::from(piece), reader)))
    });
    let (piece, reader) =
        read.await?.map_err(|error| Trouble::DamagedHere { id: of, why: error.to_string() })?;
    let has_more = piece.len() as u64 == PIECE;
    Ok((piece, has_more.then_some(reader)))
}

/// Reads what must have this hash; at its end it is an error if it has not.
pub(super) struct Hashed<R> {
    from: R,
    hasher: blake3::Hasher,
    expected: BlobId,
}

impl<R> Hashed<R> {
    pub(super) fn new(from: R, expected: BlobId) -> Hashed<R> {
        Hashed { from, hasher: blake3::Hasher::new(), expected }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        let ends = read == 0 && !buffer.is_empty();
        match ends && self.hasher.finalize().as_bytes() != self.expected.as_bytes() {
            true => Err(io::Error::new(io::ErrorKind::InvalidData, "it has changed")),
            false => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsite::{Remote, Signer};

    #[tokio::test]
    async fn what_is_large_comes_in_pieces_and_what_is_other_does_not_come_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let local = object_store::local::LocalFileSystem::new_with_prefix(dir.path()).unwrap();
        let folder = Remote::new(std::sync::Arc::new(local), Some(dir.path().to_owned()), "");
        for remote in [Remote::in_memory(), folder] {
            must_come_whole_or_not_at_all(remote).await;
        }
        let left: Vec<_> =
            std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["large"]);
    }

    async fn must_come_whole_or_not_at_all(remote: Remote) {
        let (_lease, epoch) = tokio::sync::watch::channel(Some(1));
        let context = Context::new((remote.clone(), "memory"), Signer::default(), "one", None, epoch);
        let of = "20261120T011334Z-000042".parse().unwrap();
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 5] {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let (parcel, hash) = (Parcel { of, name: "large", len }, BlobId::of(&bytes));
            let source = bytes.clone();
            let right = move || Ok::<_, io::Error>(Hashed::new(io::Cursor::new(source), hash));
            send(&context, parcel, right).await.unwrap();
            assert!(remote.get("large", u64::MAX).await.unwrap().unwrap().bytes == bytes, "{len}");
            let wrong = move || Ok::<_, io::Error>(Hashed::new(io::Cursor::new(bytes), BlobId::of(b"other")));
            let sent = send(&context, Parcel { name: "other", ..parcel }, wrong).await;
            assert!(matches!(sent, Err(Trouble::DamagedHere { .. })), "{len}: {sent:?}");
            assert!(remote.head("other").await.unwrap().is_none(), "{len}");
        }
    }
}
