//! Trying the store: each thing that it must be able to do, once, on an object of its own.

use bytes::Bytes;

use super::fault::{FaultKind, StoreFault};
use super::remote::{Remote, Written};

/// Where the objects lie that stores are tried with.
const TRIALS: &str = "trials";

/// What a store must be able to do. In the order in which it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// Write an object.
    Write,
    /// Write one only if there is none, or if it is still the version that was read.
    WriteIf,
    /// Say which objects there are.
    List,
    /// Write one in pieces, and give up one that was begun.
    Pieces,
    /// Read one.
    Read,
    /// Remove one.
    Delete,
}

impl Ability {
    /// As it is said: "the store cannot be written to".
    pub fn as_str(self) -> &'static str {
        match self {
            Ability::Write => "write",
            Ability::WriteIf => "conditional write",
            Ability::List => "list",
            Ability::Pieces => "write in pieces",
            Ability::Read => "read",
            Ability::Delete => "delete",
        }
    }
}

/// Tries all of it. What was written is removed again, as far as the store lets.
///
/// # Errors
/// What it could not do first, and why.
pub async fn try_out(remote: &Remote) -> Result<(), (Ability, StoreFault)> {
    let name = format!("{TRIALS}/{:016x}", fastrand::u64(..));
    let tried = try_with(remote, &name).await;
    if tried.is_err() {
        drop(remote.delete(&name).await);
    }
    tried
}

async fn try_with(remote: &Remote, name: &str) -> Result<(), (Ability, StoreFault)> {
    let of = |ability: Ability| move |fault: StoreFault| (ability, fault);
    let ignored = |what: &str| (Ability::WriteIf, StoreFault::new(FaultKind::NoConditions, what.to_owned()));
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    remote.put(name, bytes("first")).await.map_err(of(Ability::Write))?;
    let again = remote.create(name, bytes("second")).await.map_err(of(Ability::WriteIf))?;
    if again != Written::Lost {
        return Err(ignored("If-None-Match: * overwrote an object"));
    }
    let read = remote.get(name, 64).await.map_err(of(Ability::Read))?;
    let Some(first) = read.filter(|object| object.bytes == bytes("first")) else {
        return Err((
            Ability::Read,
            StoreFault::new(FaultKind::Damaged, "what was written is not what is read"),
        ));
    };
    let replaced =
        remote.replace(name, bytes("third"), &first.version).await.map_err(of(Ability::WriteIf))?;
    if replaced == Written::Lost {
        return Err(ignored("If-Match refused the version that is there"));
    }
    let stale = remote.replace(name, bytes("fourth"), &first.version).await.map_err(of(Ability::WriteIf))?;
    if stale != Written::Lost {
        return Err(ignored("If-Match overwrote another version"));
    }
    let folders = remote.folders("").await.map_err(of(Ability::List))?;
    if !folders.iter().any(|folder| folder == TRIALS) {
        return Err((Ability::List, StoreFault::new(FaultKind::Other, "an object is missing in the list")));
    }
    in_pieces(remote, name).await.map_err(of(Ability::Pieces))?;
    let read = remote.get(name, 64).await.map_err(of(Ability::Read))?;
    if read.is_none_or(|object| object.bytes != bytes("fifth")) {
        let what = "what was written in pieces is not what is read";
        return Err((Ability::Pieces, StoreFault::new(FaultKind::Damaged, what)));
    }
    remote.delete(name).await.map_err(of(Ability::Delete))?;
    match remote.head(name).await.map_err(of(Ability::Read))? {
        None => Ok(()),
        Some(_) => {
            Err((Ability::Delete, StoreFault::new(FaultKind::Other, "a removed object is still there")))
        }
    }
}

/// Large objects are sent so.
async fn in_pieces(remote: &Remote, name: &str) -> Result<(), StoreFault> {
    let mut given_up = remote.begin(name).await?;
    given_up.add(Bytes::from_static(b"none")).await?;
    given_up.abort().await?;
    let mut upload = remote.begin(name).await?;
    upload.add(Bytes::from_static(b"fifth")).await?;
    upload.finish().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sound_store_stands_the_trial_and_is_as_before() {
        let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let local = object_store::local::LocalFileSystem::new_with_prefix(dir.path());
        let local = local.unwrap_or_else(|error| panic!("{error}"));
        let folder = Remote::new(std::sync::Arc::new(local), Some(dir.path().to_owned()), "");
        for remote in [Remote::in_memory(), folder] {
            assert_eq!(try_out(&remote).await.map_err(|(ability, fault)| (ability, fault.detail)), Ok(()));
            assert_eq!(futures_util::StreamExt::count(remote.list(TRIALS)).await, 0, "nothing is left");
        }
    }
}
